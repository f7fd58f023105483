<?php
$config = [
    'admin' => ['core:AdminPassword'],
    // The identity provider's: the campus's directory.
    'campus' => [
        'ldap:LDAP',
        'hostname' => '@LDAP@',
        'enable_tls' => false,
        'timeout' => 5,
        'referrals' => false,
        'attributes' => ['uid', 'displayName', 'mail', 'supannRessourceEtat'],
        'dnpattern' => 'uid=%username%,ou=people,dc=univ,dc=example',
        'search.enable' => false,
    ],
    // The applications': each asks this stand's identity provider. The passive one never shows a page.
    'default-sp' => ['saml:SP', 'entityID' => '@SP@', 'idp' => '@IDP@'],
    'passive-sp' => ['saml:SP', 'entityID' => '@SP@/passive', 'idp' => '@IDP@', 'IsPassive' => true],
];
