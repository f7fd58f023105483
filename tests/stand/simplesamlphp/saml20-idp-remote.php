<?php
$metadata['@IDP@'] = [
    'SingleSignOnService' => [
        [
            'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
            'Location' => '@IDP-BASE@/saml2/idp/SSOService.php',
        ],
    ],
    'certificate' => 'idp.pem',
];
