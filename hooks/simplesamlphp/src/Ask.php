<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

/**
 * Asks Parvis `check`, over its socket, through parvis-hook, or at parvis-sso. Every way ends by one deadline, whatever
 * the other side does, and reads at most 64 KiB. It must not decide.
 */
final class Ask
{
    private const LARGEST = 65536;

    private Settings $settings;
    private float $end = 0.0;

    public function __construct(Settings $settings)
    {
        $this->settings = $settings;
    }

    /**
     * @param array<string, mixed> $request the parameters of `check`
     * @throws NoAnswer
     */
    public function check(array $request): Answer
    {
        $this->end = microtime(true) + $this->settings->get('timeout');
        // SimpleSAMLphp logs a trace for each warning of PHP's, also for those that are expected here and told below.
        set_error_handler(static function (): bool {
            return true;
        });
        try {
            return Answer::of($this->ask($request));
        } finally {
            restore_error_handler();
        }
    }

    private function ask(array $request): array
    {
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR;
        if ($this->settings->get('url') !== null) {
            return $this->overHttp(json_encode($request, $flags));
        }
        if ($this->settings->get('hook') !== null) {
            return $this->throughHook(json_encode($request, $flags));
        }
        $call = ['method' => 'org.parvis.Hook.Check', 'parameters' => $request];
        return $this->overSocket(json_encode($call, $flags) . "\0");
    }

    /** Varlink: a JSON object and a NUL, there and back. */
    private function overSocket(string $call): array
    {
        $path = 'unix://' . $this->settings->get('socket');
        $stream = stream_socket_client($path, $number, $words, $this->left());
        if ($stream === false) {
            throw new NoAnswer("the socket cannot be reached ($words)");
        }
        try {
            $said = $this->exchange($stream, $stream, $call, "\0");
        } finally {
            fclose($stream);
        }
        $end = strpos($said, "\0");
        if ($end === false) {
            throw new NoAnswer('it ended in the middle');
        }
        $reply = self::decoded(substr($said, 0, $end));
        $parameters = is_array($reply['parameters'] ?? null) ? $reply['parameters'] : [];
        if (!isset($reply['error'])) {
            return $parameters;
        }
        if ($reply['error'] === 'org.parvis.Hook.Refused') {
            return ['refusal' => $parameters];
        }
        $error = is_string($reply['error']) ? preg_replace('~[^A-Za-z.]~', '?', substr($reply['error'], 0, 80)) : '?';
        throw new NoAnswer("the daemon says $error");
    }

    /** The program: the request on its standard input, the answer on its standard output, and exit 0 for a yes. */
    private function throughHook(string $request): array
    {
        $command = [$this->settings->get('hook'), 'check', '--timeout', ((int) ($this->left() * 1000)) . 'ms'];
        if ($this->settings->get('socket') !== '/run/parvis/hook.sock') {
            array_push($command, '--socket', $this->settings->get('socket'));
        }
        $pipes = [];
        $streams = [0 => ['pipe', 'r'], 1 => ['pipe', 'w'], 2 => ['file', '/dev/null', 'w']];
        $process = proc_open($command, $streams, $pipes, '/');
        if ($process === false) {
            throw new NoAnswer('the hook cannot be started');
        }
        try {
            $said = $this->exchange($pipes[1], $pipes[0], $request, null);
            $code = $this->exitCode($process);
        } finally {
            array_map('fclose', array_filter($pipes, 'is_resource'));
            // It may still run, and closing waits for its end.
            proc_terminate($process, 9);
            proc_close($process);
        }
        // 1 and 75: Parvis said no, or not now. Everything else is a fault of this side or of that one.
        $answer = self::decoded($said);
        if (!in_array($code, [0, 1, 75], true) || ($code !== 0 && ($answer['allow'] ?? null) === true)) {
            throw new NoAnswer("the hook ended with $code");
        }
        return $answer;
    }

    private function exitCode($process): int
    {
        for (;;) {
            $status = proc_get_status($process);
            if (!$status['running']) {
                return $status['exitcode'];
            }
            $this->left();
            usleep(2000);
        }
    }

    /** POST, with curl: it bounds looking up names, shaking hands and reading by the same deadline. */
    private function overHttp(string $request): array
    {
        $said = '';
        $curl = curl_init(rtrim($this->settings->get('url'), '/') . '/v1/check');
        $headers = ['Content-Type: application/json', 'Accept: application/json', 'Expect:'];
        if ($this->settings->get('token-file') !== null) {
            $headers[] = 'Authorization: Bearer ' . $this->token($this->settings->get('token-file'));
        }
        $options = [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $request,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_PROXY => '',
            CURLOPT_NOSIGNAL => true,
            CURLOPT_TIMEOUT_MS => max(1, (int) ($this->left() * 1000)),
            CURLOPT_WRITEFUNCTION => function ($curl, string $part) use (&$said): int {
                $said .= $part;
                return strlen($said) > self::LARGEST ? -1 : strlen($part);
            },
        ];
        $files = ['ca' => CURLOPT_CAINFO, 'certificate' => CURLOPT_SSLCERT, 'key' => CURLOPT_SSLKEY];
        foreach ($files as $key => $option) {
            if ($this->settings->get($key) !== null) {
                $options[$option] = $this->settings->get($key);
            }
        }
        curl_setopt_array($curl, $options);
        if (curl_exec($curl) === false) {
            $words = strlen($said) > self::LARGEST ? 'it does not end' : curl_error($curl);
            throw new NoAnswer("parvis-sso: $words");
        }
        $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        // 422 and 429: Parvis refused, and says why. Everything else but 200 is no answer of its.
        $answer = self::decoded($said);
        if ($status !== 200 && !(in_array($status, [422, 429], true) && isset($answer['refusal']))) {
            throw new NoAnswer("parvis-sso: HTTP status $status");
        }
        return $answer;
    }

    private function token(string $file): string
    {
        $token = file_get_contents($file, false, null, 0, 4096);
        if ($token === false || preg_match('~^[!-\~]+$~D', trim($token)) !== 1) {
            throw new NoAnswer('token-file cannot be read, or holds no token');
        }
        return trim($token);
    }

    /** Writes all of it, then reads to the mark, or to the end where there is none. */
    private function exchange($from, $to, string $bytes, ?string $mark): string
    {
        stream_set_blocking($from, false);
        stream_set_blocking($to, false);
        $said = '';
        while (true) {
            $read = [$from];
            $write = $bytes === '' ? null : [$to];
            $except = null;
            $left = $this->left();
            if (stream_select($read, $write, $except, (int) $left, (int) (($left - (int) $left) * 1e6)) === false) {
                throw new NoAnswer('waiting was interrupted');
            }
            if ($write !== null && $write !== []) {
                $written = fwrite($to, $bytes);
                if ($written === false) {
                    throw new NoAnswer('the other side has gone');
                }
                $bytes = (string) substr($bytes, $written);
                if ($bytes === '' && $to !== $from) {
                    // The end of its standard input.
                    fclose($to);
                }
            }
            if ($read === []) {
                continue;
            }
            $part = fread($from, 8192);
            $said .= (string) $part;
            if (strlen($said) > self::LARGEST) {
                throw new NoAnswer('it does not end');
            }
            $marked = $mark !== null && strpos($said, $mark) !== false;
            if ($marked || (($part === '' || $part === false) && feof($from))) {
                return $said;
            }
        }
    }

    private function left(): float
    {
        $left = $this->end - microtime(true);
        if ($left <= 0) {
            throw new NoAnswer('not within ' . $this->settings->get('timeout') . ' s');
        }
        return $left;
    }

    private static function decoded(string $text): array
    {
        $value = json_decode($text, true, 16);
        if (!is_array($value)) {
            throw new NoAnswer('it is not JSON');
        }
        return $value;
    }
}
