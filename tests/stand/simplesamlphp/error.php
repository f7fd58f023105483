<?php
// What the application shows when its service provider was told no.
require_once '@PACKAGE@/lib/_autoload.php';
$state = \SimpleSAML\Auth\State::loadExceptionState();
http_response_code(403);
header('Content-Type: text/plain; charset=UTF-8');
echo 'told no: ', $state[\SimpleSAML\Auth\State::EXCEPTION_DATA]->getMessage(), "\n";
