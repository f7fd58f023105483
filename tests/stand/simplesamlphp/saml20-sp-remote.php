<?php
foreach (['@SP@' => 'default-sp', '@SP@/passive' => 'passive-sp'] as $entity => $source) {
    $metadata[$entity] = [
        'AssertionConsumerService' => [
            [
                'index' => 0,
                'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
                'Location' => "@SP-BASE@/module.php/saml/sp/saml2-acs.php/$source",
            ],
        ],
        'attributes' => ['uid', 'displayName'],
        'simplesaml.nameidattribute' => 'uid',
    ];
}
