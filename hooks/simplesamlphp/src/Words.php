<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

use SimpleSAML\Configuration;
use SimpleSAML\Locale\Language;

/**
 * What a person reads who may not pass: French and English, where Parvis itself said nothing in their language.
 */
final class Words
{
    private const ALL = [
        'fr' => [
            'title' => 'Vous ne pouvez pas vous connecter pour le moment',
            'no-answer' => 'Le service d’activation des comptes ne répond pas. Réessayez dans quelques minutes. '
                . 'Si cela dure, contactez l’assistance informatique.',
            'refused' => 'Votre compte ne permet pas de vous connecter. Contactez l’assistance informatique.',
            'needs-activation' => 'Votre compte n’est pas encore activé. Réessayez dans quelques minutes. '
                . 'Si cela dure, contactez l’assistance informatique.',
            'expired' => 'Votre demande de connexion a expiré. Ouvrez de nouveau l’application que vous souhaitez '
                . 'utiliser et connectez-vous.',
            'again' => 'Se connecter à nouveau',
        ],
        'en' => [
            'title' => 'You cannot sign in at the moment',
            'no-answer' => 'The account activation service is not answering. Please try again in a few minutes. '
                . 'If it goes on, please contact the help desk.',
            'refused' => 'Your account does not allow you to sign in. Please contact the help desk.',
            'needs-activation' => 'Your account is not active yet. Please try again in a few minutes. '
                . 'If it goes on, please contact the help desk.',
            'expired' => 'Your sign-in request has expired. Please open the application that you want to use again, '
                . 'and sign in.',
            'again' => 'Sign in again',
        ],
    ];

    /** fr or en, by SimpleSAMLphp's own choice: its parameter or cookie, then the browser's wish, then the site's. */
    public static function language(): string
    {
        $language = (new Language(Configuration::getInstance()))->getLanguage();
        return strncmp($language, 'fr', 2) === 0 ? 'fr' : 'en';
    }

    public static function say(string $language, string $what): string
    {
        return self::ALL[$language][$what] ?? self::ALL[$language]['refused'];
    }
}
