<?php

declare(strict_types=1);

namespace SimpleSAML\Module\parvis;

/**
 * Nobody answered, or what came is no answer. The text says why, for the log, and holds no secret.
 */
final class NoAnswer extends \RuntimeException
{
}
