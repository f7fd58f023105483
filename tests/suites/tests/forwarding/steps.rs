//! Along the steps: nothing goes to an address before it is confirmed and the account active.

use anyhow::Result;
use serde_json::json;

use crate::support::{By, Campus, ELEONORE, Options, PASSWORD, SOON};

const HOME: &str = "eleonore@maison.example";

fn nothing_forwards_until_the_account_is_active(options: Options) -> Result<()> {
    let by = options.by;
    let campus = Campus::start(options)?;
    let waits = |subject: &str| -> Result<()> {
        let replies = campus.write(&[ELEONORE], subject)?;
        assert!(replies.recipients[0].starts_with("450 4.2.1"), "{replies:?}");
        campus.postfix.wait_empty(SOON)?;
        assert_eq!((campus.leaked(subject), campus.inside("elefevre", subject)), (0, 0), "{subject}");
        Ok(())
    };
    waits("before-anything")?;
    assert_eq!(campus.dovecot.user(ELEONORE)?, None);
    let mut walk = campus.until_mail("elefevre")?;
    let before = campus.scene.inbox.last_number();
    walk.step("mail", json!({ "forward": HOME, "keep_copy": true }), "forward-link")?;
    waits("staged")?;
    let link = walk.link(HOME, before)?;
    walk.step("redeem", json!({ "link": link }), "password")?;
    waits("confirmed-but-not-active")?;
    walk.password(PASSWORD)?;
    campus.deliver(&[ELEONORE], "active")?;
    assert_eq!((campus.outside(HOME, "active"), campus.leaked("active")), (1, 1));
    assert_eq!(campus.inside("elefevre", "active"), 1);
    let known = campus.dovecot.user(ELEONORE)?.unwrap_or_default();
    let forwards =
        known.contains(&format!("sieve_env_forward\t{HOME}")) && known.contains("sieve_env_copy\tyes");
    assert_eq!(forwards, by == By::Sieve, "{known}");
    Ok(())
}

#[test]
fn nothing_forwards_by_postfix_until_the_account_is_active() -> Result<()> {
    nothing_forwards_until_the_account_is_active(Options::MAPS)
}

#[test]
fn nothing_forwards_by_sieve_until_the_account_is_active() -> Result<()> {
    nothing_forwards_until_the_account_is_active(Options::SIEVE)
}
