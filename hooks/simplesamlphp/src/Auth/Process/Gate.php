<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis\Auth\Process;

use SimpleSAML\Auth\ProcessingFilter;
use SimpleSAML\Auth\State;
use SimpleSAML\Logger;
use SimpleSAML\Module\parvis\Answer;
use SimpleSAML\Module\parvis\Ask;
use SimpleSAML\Module\parvis\NoAnswer;
use SimpleSAML\Module\parvis\Settings;
use SimpleSAML\Module\parvis\Way;
use SimpleSAML\Module\parvis\Words;
use SimpleSAML\Module\saml\Error;

/**
 * The gate: nobody whose account is provisional leaves the identity provider with an assertion.
 *
 * Two gates in one. Who has just proven the password and is active by the directory's own attribute passes without a
 * call; for everybody else Parvis is asked, and only its clear yes lets through. A session that was opened earlier is
 * judged again at each request, and never by the attributes that it kept: they may be hours old.
 */
class Gate extends ProcessingFilter
{
    private Settings $settings;

    /**
     * @param array $config
     * @param mixed $reserved
     */
    public function __construct(&$config, $reserved)
    {
        parent::__construct($config, $reserved);
        // A fault is told when somebody signs in, in words: an exception from here could be shown with its trace.
        $this->settings = new Settings($config);
    }

    /**
     * Returns for those who pass. Nobody else comes back from it.
     *
     * @param array $state
     */
    public function process(&$state): void
    {
        $login = '';
        try {
            $login = $this->login($state);
            if ($this->settings->fault !== null) {
                throw new NoAnswer('configuration: ' . $this->settings->fault);
            }
            $fresh = Way::isFresh($state);
            $values = $state['Attributes'][$this->settings->get('state-attribute')] ?? [];
            if ($fresh && $this->settings->saysActive((array) $values)) {
                self::log($login, 'passed by the directory');
                return;
            }
            $answer = (new Ask($this->settings))->check($this->request($state, $login));
            if ($answer->allow === true) {
                Way::forget();
                self::log($login, 'passed');
                return;
            }
        } catch (\Throwable $fault) {
            $why = $fault instanceof NoAnswer ? $fault->getMessage() : 'a fault: ' . $fault->getMessage();
            $this->unanswered($state, $login, $why);
        }
        $this->refused($state, $login, $answer);
    }

    /** The directory's own spelling. */
    private function login(array $state): string
    {
        $values = (array) ($state['Attributes'][$this->settings->get('login-attribute')] ?? []);
        $login = reset($values);
        if (!is_string($login) || $login === '') {
            throw new NoAnswer('the attribute ' . $this->settings->get('login-attribute') . ' is not there');
        }
        return $login;
    }

    private function request(array $state, string $login): array
    {
        $agent = mb_strcut(mb_scrub((string) ($_SERVER['HTTP_USER_AGENT'] ?? '')), 0, 512);
        $client = [
            'ip' => $_SERVER['REMOTE_ADDR'] ?? null,
            'user_agent' => preg_replace('~\p{Cc}~u', ' ', $agent),
        ];
        return array_filter([
            'login' => $login,
            'authenticated' => true,
            'return_to' => Way::isInteractive($state) ? Way::back($state) : null,
            'locale' => Words::language(),
            'client' => array_filter($client, 'strlen'),
        ], static function ($value): bool {
            return $value !== null;
        });
    }

    /** A no: to the activation where there is an address, else to a page with the reason. */
    private function refused(array $state, string $login, Answer $answer): void
    {
        $to = Way::isInteractive($state) ? $answer->url : null;
        self::log($login, $to === null ? "refused: $answer->code" : 'sent to activation');
        Way::signOut($state);
        if ($to !== null) {
            Way::leave($to);
        }
        $this->stop($state, $answer->code, $answer->message);
    }

    /** No answer. Whoever has an old session can still be judged by the directory: by signing in again. */
    private function unanswered(array $state, string $login, string $why): void
    {
        $judged = $this->settings->fault === null && $login !== '';
        $again = $judged && !Way::isFresh($state) && Way::isInteractive($state);
        self::log($login, "no answer: $why" . ($again ? '; has to sign in again' : ''), true);
        if ($again) {
            Way::signOut($state);
            Way::leave(Way::back($state));
        }
        if (Way::isInteractive($state)) {
            Way::signOut($state);
        }
        $this->stop($state, 'no-answer', null);
    }

    /**
     * The end, in words for a person, or as an error of SAML's for a client that can show none.
     *
     * Not NoPassive: ProcessingChain passes over a filter that throws it while it works passively, and lets through.
     */
    private function stop(array $state, string $code, ?string $message): void
    {
        if (Way::isInteractive($state)) {
            Way::explain($state, $code, $message);
        }
        $passive = !empty($state['isPassive']);
        $status = 'urn:oasis:names:tc:SAML:2.0:status:';
        $sub = $status . ($passive ? 'NoPassive' : 'RequestDenied');
        $error = new Error($status . 'Responder', $sub, 'not let through');
        State::throwException($state, $error);
        throw $error;
    }

    private static function log(string $login, string $decision, bool $loud = false): void
    {
        // Neither line breaks nor whatever else could forge a line or move a terminal's cursor.
        $plain = preg_replace('~[^\x20-\x7e]~', '?', "parvis: login=\"$login\" $decision");
        $loud ? Logger::warning($plain) : Logger::notice($plain);
    }
}
