<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

use SimpleSAML\Auth\State;
use SimpleSAML\Configuration;
use SimpleSAML\IdP;
use SimpleSAML\Module;
use SimpleSAML\XHTML\Template;
use Symfony\Component\HttpFoundation\Response;

/**
 * The module's two pages. They decide nothing: whoever comes back signs in like everybody, and is judged anew.
 */
final class Page
{
    /** Begins the sign-in anew at the request that was kept: the password, and the directory's attributes of now. */
    public static function resume(): void
    {
        $state = self::state();
        if ($state === null) {
            self::show('expired', null, null);
            return;
        }
        $state = State::cloneState($state);
        unset($state['parvis:code'], $state['parvis:message'], $state['parvis:language']);
        $response = IdP::getByState($state)->handleAuthenticationRequest($state);
        if ($response instanceof Response) {
            $response->send();
        }
    }

    /** Why somebody may not pass. */
    public static function refused(): void
    {
        $state = self::state();
        if ($state === null || !isset($state['parvis:code'])) {
            self::show('expired', null, null);
            return;
        }
        $language = Words::language();
        // Parvis said it in the language of that moment; the person may have chosen another on this page.
        $message = $state['parvis:language'] === $language ? $state['parvis:message'] : null;
        self::show($state['parvis:code'], $message, Module::getModuleURL(
            'parvis/resume.php',
            ['StateId' => (string) $_REQUEST['StateId']]
        ));
    }

    private static function state(): ?array
    {
        $id = $_REQUEST['StateId'] ?? null;
        if (!is_string($id) || $id === '') {
            return null;
        }
        try {
            return State::loadState($id, Way::STAGE);
        } catch (\Exception $lost) {
            // Gone, of another page, or with an address of somebody else's to restart at.
            return null;
        }
    }

    private static function show(string $code, ?string $message, ?string $again): void
    {
        $configuration = Configuration::getInstance();
        // 1.19 draws its own templates in PHP, unless `usenewui` says Twig; 2.x has Twig alone.
        $old = method_exists(Template::class, 'show') && !$configuration->getBoolean('usenewui', false);
        $template = new Template($configuration, $old ? 'parvis:refused.php' : 'parvis:refused.twig');
        $language = Words::language();
        $template->data['language'] = $language;
        $template->data['title'] = Words::say($language, 'title');
        // What the themes put into the window's title: of 1.19, and of Twig.
        $template->data['header'] = $template->data['pagetitle'] = $template->data['title'];
        $template->data['words'] = $message ?? Words::say($language, $code);
        $template->data['again'] = $again;
        $template->data['againWords'] = Words::say($language, 'again');
        header('Cache-Control: no-store');
        if ($old) {
            http_response_code(403);
            $template->show();
            return;
        }
        $template->setStatusCode(403);
        $template->send();
    }
}
