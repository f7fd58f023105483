<?php
// A chain that works passively (ProcessingChain::processStatePassive): what it passes over, and what it does not.
require_once getenv('STAND_PACKAGE') . '/lib/_autoload.php';

final class Thrower extends \SimpleSAML\Auth\ProcessingFilter
{
    public function process(&$state)
    {
        throw new \SimpleSAML\Module\saml\Error\NoPassive('urn:oasis:names:tc:SAML:2.0:status:Responder');
    }
}

function passively(array $filter): string
{
    $chain = new \SimpleSAML\Auth\ProcessingChain(['authproc' => [1 => $filter]], [], 'sp');
    $state = [
        'Attributes' => ['uid' => ['mdurand'], 'supannRessourceEtat' => ['{COMPTE}I:SupannCree']],
        'IdPMetadata' => ['auth' => 'campus'],
    ];
    try {
        $chain->processStatePassive($state);
        return 'passed over';
    } catch (\SimpleSAML\Error\Exception $error) {
        return $error->getMessage();
    }
}

\SimpleSAML\Session::useTransientSession();
echo 'a filter that throws NoPassive: ', passively(['class' => 'Thrower']), "\n";
echo 'the gate: ', passively(['class' => 'parvis:Gate', 'socket' => '/nowhere/hook.sock']), "\n";
