# Forwards what the directory says: /etc/dovecot/sieve/forward.sieve, compiled by sievec, run before a person's own script.
# The two words come from the directory (parvis-forward-….conf.ext and parvis-copy-….conf.ext), not from the person.
require ["variables", "environment", "vnd.dovecot.environment", "copy"];

if environment :matches "vnd.dovecot.config.forward" "?*@?*" {
    set "address" "${0}";
    if environment :is "vnd.dovecot.config.copy" "yes" {
        redirect :copy "${address}";
    } else {
        redirect "${address}";
    }
}
