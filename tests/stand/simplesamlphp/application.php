<?php
// A small application behind a service provider: who is signed in, in words, at /app.php?source=SOURCE.
require_once '@PACKAGE@/lib/_autoload.php';
$auth = new \SimpleSAML\Auth\Simple($_GET['source'] ?? 'default-sp');
$auth->requireAuth(['ErrorURL' => '@ROOT@/error.php']);
\SimpleSAML\Session::getSessionFromRequest()->cleanup();
header('Content-Type: text/plain; charset=UTF-8');
$attributes = $auth->getAttributes();
echo 'signed in: ', $attributes['uid'][0] ?? '?', "\n";
