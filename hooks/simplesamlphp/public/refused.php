<?php

declare(strict_types=1);

// What a person reads who is not let through.
\SimpleSAML\Module\parvis\Page::refused();
