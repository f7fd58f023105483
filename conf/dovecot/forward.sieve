# Forwards what the directory says: /etc/dovecot/sieve/forward.sieve, compiled by sievec, run before a person's own script.
# The two words come from the directory (parvis-forward-….conf.ext and parvis-copy-….conf.ext), not from the person.
require ["variables", "environment", "vnd.dovecot.environment", "copy", "mailbox"];

if environment :matches "vnd.dovecot.config.forward" "?*@?*" {
    set "address" "${0}";
    # Looking at the mailbox makes it: Dovecot remembers there what it has forwarded, so that a loop ends.
    if mailboxexists "INBOX" {
        # Nothing else.
    }
    if environment :is "vnd.dovecot.config.copy" "yes" {
        redirect :copy "${address}";
    } else {
        redirect "${address}";
    }
}
