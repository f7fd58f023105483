<?php

declare(strict_types=1);

// Where the activation sends a person back to.
\SimpleSAML\Module\parvis\Page::resume();
