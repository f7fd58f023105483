<?php
$metadata['@IDP@'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.pem',
    'auth' => 'campus',
    'saml20.ecp' => true,
];
