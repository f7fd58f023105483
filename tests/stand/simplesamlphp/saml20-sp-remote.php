<?php
foreach (['@SP@' => 'default-sp', '@SP@/passive' => 'passive-sp'] as $entity => $source) {
    $metadata[$entity] = [
        'AssertionConsumerService' => [
            [
                'index' => 0,
                'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
                'Location' => "@SP-BASE@/module.php/saml/sp/saml2-acs.php/$source",
            ],
            // For a client without a browser. Nobody listens there: the tests look at what would be brought.
            [
                'index' => 1,
                'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:PAOS',
                'Location' => '@SP-BASE@/ecp',
            ],
        ],
        'attributes' => ['uid', 'displayName'],
        'simplesaml.nameidattribute' => 'uid',
    ];
}
