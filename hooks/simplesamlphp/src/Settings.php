<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

/**
 * The filter's configuration, as it stands in config.php, checked once a request.
 *
 * A fault is kept and told, never repaired: whoever has one lets nobody through, and the log says which.
 */
final class Settings
{
    private const DEFAULTS = [
        'socket' => '/run/parvis/hook.sock',
        'hook' => null,
        'url' => null,
        'ca' => null,
        'certificate' => null,
        'key' => null,
        'token-file' => null,
        'timeout' => 2,
        'state-attribute' => 'supannRessourceEtat',
        'active' => '^\{COMPTE\}A',
        'not-active' => '^\{COMPTE\}[^A]',
        'login-attribute' => 'uid',
    ];

    /** @var array<string, mixed> */
    private array $values;

    /** What is wrong with it, for the log; null where nothing is. */
    public ?string $fault;

    /** @param array<string, mixed> $given what stands beside `class` in authproc.idp */
    public function __construct(array $given)
    {
        $this->values = array_merge(self::DEFAULTS, $given);
        $this->fault = $this->judge($given);
    }

    /** @return mixed */
    public function get(string $key)
    {
        return $this->values[$key];
    }

    /** Whether one value matches `active` and none `not-active`. */
    public function saysActive(array $values): bool
    {
        $active = false;
        foreach ($values as $value) {
            // Whatever preg_match cannot judge (a value that is not UTF-8) is not active.
            $not = preg_match(self::pattern($this->values['not-active']), (string) $value);
            $yes = preg_match(self::pattern($this->values['active']), (string) $value);
            if ($not !== 0 || $yes === false) {
                return false;
            }
            $active = $active || $yes === 1;
        }
        return $active;
    }

    private static function pattern(string $text): string
    {
        return '~' . str_replace('~', '\~', $text) . '~u';
    }

    private function judge(array $given): ?string
    {
        foreach (array_keys($given) as $key) {
            if (!array_key_exists($key, self::DEFAULTS) && strpos((string) $key, '%') !== 0) {
                return "the key '$key' is not known";
            }
        }
        foreach (self::DEFAULTS as $key => $default) {
            $value = $this->values[$key];
            $fits = $key === 'timeout'
                ? (is_int($value) || is_float($value)) && $value > 0 && $value <= 30
                : (is_string($value) && $value !== '') || ($value === null && $default === null);
            if (!$fits) {
                return $key === 'timeout'
                    ? 'timeout must be a number of seconds, more than 0 and at most 30'
                    : "$key must be a text";
            }
        }
        foreach (['active', 'not-active'] as $key) {
            if (@preg_match(self::pattern($this->values[$key]), '') === false) {
                return "$key is no regular expression";
            }
        }
        return $this->judgeWay();
    }

    private function judgeWay(): ?string
    {
        $url = $this->values['url'];
        if ($url === null) {
            foreach (['ca', 'certificate', 'key', 'token-file'] as $key) {
                if ($this->values[$key] !== null) {
                    return "$key is only for url";
                }
            }
            return null;
        }
        if ($this->values['hook'] !== null) {
            return 'hook and url exclude each other';
        }
        if (!extension_loaded('curl')) {
            return 'url needs the PHP extension curl';
        }
        $parts = parse_url($url);
        $scheme = is_array($parts) ? ($parts['scheme'] ?? '') : '';
        $host = is_array($parts) ? ($parts['host'] ?? '') : '';
        if ($scheme === 'http' && !in_array($host, ['127.0.0.1', '[::1]', 'localhost'], true)) {
            return 'url must be https:// to another machine';
        }
        if (!in_array($scheme, ['http', 'https'], true) || $host === '' || isset($parts['user'])) {
            return 'url is no web address such as https://parvis.univ.example:8471';
        }
        if (($this->values['certificate'] === null) !== ($this->values['key'] === null)) {
            return 'certificate and key go together';
        }
        return null;
    }
}
