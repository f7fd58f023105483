<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

/**
 * What Parvis said, whichever way it was asked. Whatever is not a clear yes is a no.
 */
final class Answer
{
    public bool $allow = false;

    /** Where to send the person; only together with a no. */
    public ?string $url = null;

    /** Why not, in a word for the log: a status or the code of a refusal. */
    public string $code = 'refused';

    /** Why not, for the person, in the language that was asked for. */
    public ?string $message = null;

    /**
     * @param array $said decoded JSON: the answer of `check`, with the refusal it may hold under `refusal`
     * @throws NoAnswer
     */
    public static function of(array $said): self
    {
        $answer = new self();
        if (isset($said['refusal'])) {
            $refusal = is_array($said['refusal']) ? $said['refusal'] : [];
            $answer->code = self::word($refusal['code'] ?? null) ?? 'refused';
            $answer->message = self::text($refusal['message'] ?? null);
            return $answer;
        }
        if (!is_bool($said['allow'] ?? null)) {
            throw new NoAnswer('it says neither yes nor no');
        }
        $answer->allow = $said['allow'];
        $answer->code = self::word($said['status'] ?? null) ?? 'refused';
        $answer->message = self::text($said['message'] ?? null);
        $url = $said['url'] ?? null;
        if (!$answer->allow && is_string($url) && preg_match('~^https?://[!-\~]{1,2000}$~D', $url) === 1) {
            $answer->url = $url;
        }
        return $answer;
    }

    private static function word($value): ?string
    {
        return is_string($value) && preg_match('~^[a-z-]{1,64}$~D', $value) === 1 ? $value : null;
    }

    private static function text($value): ?string
    {
        return is_string($value) && $value !== '' && mb_strlen($value) <= 2000 ? $value : null;
    }
}
