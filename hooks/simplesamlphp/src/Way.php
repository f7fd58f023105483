<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

use SimpleSAML\Auth\ProcessingChain;
use SimpleSAML\Auth\State;
use SimpleSAML\Module;
use SimpleSAML\Session;
use SimpleSAML\Utils\HTTP;
use Symfony\Component\HttpFoundation\Response;

/**
 * Where a person goes who is not let through, and how they come back. All that differs between SimpleSAMLphp 1.19 and
 * 2.x about it is here.
 */
final class Way
{
    /** The stage under which a request waits for its person. */
    public const STAGE = 'parvis:wait';

    private const PAOS = 'urn:oasis:names:tc:SAML:2.0:bindings:PAOS';

    /** The request that waits, while it does. */
    private static ?array $kept = null;

    /** As long as the daemon keeps an address to go back to. */
    private const LONGEST_RETURN = 512;

    /** What a login leaves in a request, and what would make an old one look fresh. */
    private const OF_A_LOGIN = [
        'Attributes', 'AuthnInstant', 'Destination', 'Expire', 'LoginCompletedHandler', 'LogoutCallback',
        'LogoutCallbackState', 'LogoutState', 'PersistentAuthData', 'ReturnCall', 'ReturnCallback', 'Source', 'UserID',
        ProcessingChain::FILTERS_INDEX, State::ID, State::STAGE, State::CLONE_ORIGINAL_ID,
    ];

    /** Whether the password was proven in this very request, so that the attributes are the directory's of now. */
    public static function isFresh(array $state): bool
    {
        return isset($state['LoginCompletedHandler']);
    }

    /** Whether there is a person at a page: neither a passive request nor a client that speaks ECP. */
    public static function isInteractive(array $state): bool
    {
        return empty($state['isPassive']) && ($state['saml:Binding'] ?? null) !== self::PAOS;
    }

    /**
     * The address that begins the same sign-in anew. In the same browser it answers the very request that the
     * application made; elsewhere, or later, SimpleSAMLphp restarts it for that application, where this still fits in.
     */
    public static function back(array $state): string
    {
        $id = self::keep($state);
        $page = static function (string $id): string {
            return Module::getModuleURL('parvis/resume.php', ['StateId' => $id]);
        };
        $restart = preg_replace('~([?&])cookieTime=\d+&?~', '$1', $state[State::RESTART] ?? '');
        $shorter = preg_replace('~([?&])RelayState=[^&]*&?~', '$1', $restart);
        foreach ([$restart, $shorter] as $url) {
            $address = $page($id . ':' . rtrim($url, '?&'));
            if ($url !== '' && strlen($address) <= self::LONGEST_RETURN) {
                return $address;
            }
        }
        return $page($id);
    }

    /** Nothing stays of a login that may not pass: the next request begins with the password. */
    public static function signOut(array $state): void
    {
        $source = $state['Source']['auth'] ?? $state['IdPMetadata']['auth'] ?? null;
        if (!is_string($source)) {
            throw new \RuntimeException('the request does not say by which source the person signed in');
        }
        Session::getSessionFromRequest()->doLogout($source);
    }

    /** Sends the browser away, and ends the request. */
    public static function leave(string $url): void
    {
        // 2.x to come answers instead of ending.
        $response = (new HTTP())->redirectTrustedURL($url);
        if ($response instanceof Response) {
            $response->send();
        }
        exit;
    }

    /** Shows the page with words, under an address of its own, so that a reload sends no password again. */
    public static function explain(array $state, string $code, ?string $message): void
    {
        $state['parvis:code'] = $code;
        $state['parvis:message'] = $message;
        $state['parvis:language'] = Words::language();
        self::leave(Module::getModuleURL('parvis/refused.php', ['StateId' => self::keep($state)]));
    }

    /** The request without what belongs to the login that is over. */
    private static function keep(array $state): string
    {
        foreach (self::OF_A_LOGIN as $key) {
            unset($state[$key]);
        }
        $id = State::saveState($state, self::STAGE, true);
        self::$kept = $state;
        return $id;
    }

    /** Whoever passes leaves nothing to come back to in the session. */
    public static function forget(): void
    {
        if (self::$kept !== null) {
            State::deleteState(self::$kept);
            self::$kept = null;
        }
    }
}
