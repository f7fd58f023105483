//! What does not go as usual: people who are not active, or no longer; a directory that is down; entries that cannot
//! say whether a copy is kept; and maps that are wrong, so that it is known that these tests would see it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;
use parvis_stand::run::until;
use parvis_stand::sender::send;
use parvis_stand::slapd::PEOPLE;
use parvis_stand::{Postfix, PostfixOptions};
use serde_json::json;

use crate::support::{By, Campus, ELEONORE, FRIEND, Options, PASSWORD, SOON, letter, snippet};

const HOME: &str = "eleonore@maison.example";
/// What stands in the maps before anybody is active: an address that came with the entry, and nobody confirmed.
const UNCONFIRMED: &str = "de-la-part-de-la-drh@maison.example";

/// An entry that had an address before its owner came, while those who wait are refused like those whom nobody knows.
fn with_an_unconfirmed_address(changes: &'static [(&str, &str)]) -> Result<(Campus, String)> {
    let campus = Campus::start(Options { changes, ..Options::MAPS })?;
    let dn = "uid=elefevre,ou=people,dc=univ,dc=example";
    campus.scene.slapd.replace(dn, "mailForwardingAddress", &[UNCONFIRMED])?;
    campus.scene.slapd.replace(dn, "mailDeliveryOption", &["forward", "mailbox"])?;
    let replies = campus.write(&[ELEONORE], "early")?;
    campus.postfix.wait_empty(SOON)?;
    Ok((campus, replies.recipients.concat()))
}

const NOBODY_WAITS: (&str, &str) =
    ("check_recipient_access proxy:ldap:$config_directory/parvis/waiting.cf,\n    ", "");

#[test]
fn an_address_that_nobody_confirmed_receives_nothing() -> Result<()> {
    let (campus, reply) = with_an_unconfirmed_address(&[])?;
    assert!(reply.starts_with("450 4.2.1"), "{reply}");
    assert_eq!(campus.leaked("early"), 0);
    // What reached Dovecot past Postfix's restrictions finds no mailbox, and makes none.
    let reply = lmtp(&campus, ELEONORE)?;
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
    campus.activate("elefevre", Some((HOME, false)))?;
    campus.deliver(&[ELEONORE], "late")?;
    assert_eq!((campus.outside(HOME, "late"), campus.leaked("late")), (1, 1));
    Ok(())
}

#[test]
fn without_the_map_of_those_who_wait_they_are_as_unknown_as_others() -> Result<()> {
    let (campus, reply) = with_an_unconfirmed_address(&[NOBODY_WAITS])?;
    let unknown = campus.write(&["nemo@univ.example"], "early")?.recipients.concat();
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
    assert_eq!(
        reply.replace(ELEONORE, ""),
        unknown.replace("nemo@univ.example", ""),
        "they tell apart who exists"
    );
    assert_eq!(campus.leaked("early"), 0);
    Ok(())
}

#[test]
fn a_map_that_does_not_look_at_the_state_would_be_seen() -> Result<()> {
    let (campus, reply) =
        with_an_unconfirmed_address(&[NOBODY_WAITS, ("(supannRessourceEtat={COMPTE}A*)", "")])?;
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(campus.outside(UNCONFIRMED, "early"), 1, "the leak that the other tests look for");
    Ok(())
}

#[test]
fn a_mail_sent_before_arrives_after_the_activation() -> Result<()> {
    let campus = Campus::start(Options::MAPS)?;
    // The friend's own server, which keeps what it is not rid of.
    let mut theirs = Postfix::start(&PostfixOptions {
        relay_to: campus.postfix.port(),
        extra_config: "smtp_bind_address = 127.0.0.2\n".to_owned(),
        ..PostfixOptions::default()
    })?;
    let replies = send(theirs.port(), FRIEND, &[ELEONORE, "pmoreau@univ.example"], &letter("patient"))?;
    assert!(replies.message.is_some_and(|reply| reply.starts_with("250")));
    let put_off = until(SOON, || Ok((theirs.log().matches("said: 450 4.2.1").count() >= 2).then_some(())))?;
    put_off.with_context(|| theirs.log())?;
    campus.activate("elefevre", Some((HOME, true)))?;
    campus.activate("pmoreau", Some(("paul@maison.example", false)))?;
    // It tries again by itself, but not always soon: what is due while its last attempt still ends is laid aside.
    theirs.restart()?;
    theirs.wait_empty(SOON)?;
    campus.postfix.wait_empty(SOON)?;
    assert_eq!((campus.outside(HOME, "patient"), campus.inside("elefevre", "patient")), (1, 1));
    assert_eq!(
        (campus.outside("paul@maison.example", "patient"), campus.inside("pmoreau", "patient")),
        (1, 0)
    );
    Ok(())
}

fn a_locked_account_forwards_no_more(options: Options) -> Result<()> {
    let campus = Campus::start(options)?;
    campus.activate("elefevre", Some((HOME, false)))?;
    campus.activate("pmoreau", Some(("paul@maison.example", false)))?;
    for login in ["elefevre", "pmoreau"] {
        campus.scene.slapd.modify(&format!(
            "dn: uid={login},ou=people,dc=univ,dc=example\nchangetype: modify\n\
             delete: supannRessourceEtat\nsupannRessourceEtat: {{COMPTE}}A:SupannActif\n-\n\
             add: supannRessourceEtat\nsupannRessourceEtat: {{COMPTE}}S:SupannVerrouAdministratif\n"
        ))?;
    }
    let replies = campus.write(&[ELEONORE, "pmoreau@univ.example"], "locked")?;
    campus.postfix.wait_empty(SOON)?;
    assert!(
        replies.recipients[0].starts_with("250") && replies.recipients[1].starts_with("550"),
        "{replies:?}"
    );
    assert_eq!((campus.leaked("locked"), campus.inside("elefevre", "locked")), (0, 1));
    Ok(())
}

#[test]
fn by_postfix_a_locked_account_forwards_no_more() -> Result<()> {
    a_locked_account_forwards_no_more(Options::MAPS)
}

#[test]
fn by_sieve_a_locked_account_forwards_no_more() -> Result<()> {
    a_locked_account_forwards_no_more(Options::SIEVE)
}

/// What Dovecot says to a recipient that Postfix hands over.
fn lmtp(campus: &Campus, address: &str) -> Result<String> {
    let mut write = UnixStream::connect(campus.postfix.queue().join("private/dovecot-lmtp"))?;
    let mut read = BufReader::new(write.try_clone()?);
    let mut last = String::new();
    for command in ["", "LHLO x\r\n", "MAIL FROM:<>\r\n", &format!("RCPT TO:<{address}>\r\n")] {
        write.write_all(command.as_bytes())?;
        last.clear();
        while last.is_empty() || last.get(3..4) == Some("-") {
            last.clear();
            read.read_line(&mut last)?;
        }
    }
    Ok(last)
}

fn a_directory_that_is_down_delays_and_loses_nothing(options: Options) -> Result<()> {
    let mut campus = Campus::start(options)?;
    campus.activate("elefevre", Some((HOME, true)))?;
    assert!(lmtp(&campus, ELEONORE)?.starts_with("250"));
    campus.scene.slapd.stop()?;
    for address in [ELEONORE, "tpetit@univ.example", "nemo@univ.example"] {
        let replies = campus.write(&[address], "down")?;
        assert!(replies.recipients[0].starts_with("451 4.3."), "{replies:?}");
    }
    let reply = lmtp(&campus, ELEONORE)?;
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    campus.scene.slapd.restart()?;
    campus.deliver(&[ELEONORE], "up")?;
    assert_eq!((campus.outside(HOME, "up"), campus.inside("elefevre", "up")), (1, 1));
    Ok(())
}

#[test]
fn by_postfix_a_directory_that_is_down_delays_and_loses_nothing() -> Result<()> {
    a_directory_that_is_down_delays_and_loses_nothing(Options::MAPS)
}

#[test]
fn by_sieve_a_directory_that_is_down_delays_and_loses_nothing() -> Result<()> {
    a_directory_that_is_down_delays_and_loses_nothing(Options::SIEVE)
}

#[test]
fn a_mailbox_opens_with_the_new_password_only() -> Result<()> {
    let campus = Campus::start(Options::MAPS)?;
    let letters = "Hedu-6153-Warn";
    assert!(campus.scene.slapd.bind_works("uid=lnguyen,ou=people,dc=univ,dc=example", letters)?);
    assert!(campus.dovecot.read_by_imap("lnguyen", letters).is_err(), "not active yet");
    campus.activate("lnguyen", None)?;
    campus.deliver(&["lnguyen@univ.example"], "lu")?;
    assert_eq!(campus.dovecot.read_by_imap("lnguyen", PASSWORD)?, ["lu"]);
    assert_eq!(campus.dovecot.read_by_imap("lnguyen@univ.example", PASSWORD)?, ["lu"]);
    assert!(campus.dovecot.read_by_imap("lnguyen", letters).is_err());
    campus.activate("pmoreau", Some(("paul@maison.example", false)))?;
    assert!(campus.dovecot.read_by_imap("pmoreau", PASSWORD).is_err(), "a vacataire has no mailbox");
    Ok(())
}

/// Takes the class from which `mailDeliveryOption` comes.
fn without_the_class(campus: &Campus, login: &str) -> Result<()> {
    campus.scene.slapd.modify(&format!(
        "dn: uid={login},ou=people,dc=univ,dc=example\nchangetype: modify\n\
         delete: objectClass\nobjectClass: mailRecipient\n"
    ))
}

fn an_entry_that_cannot_say_it_keeps_a_copy(options: Options) -> Result<()> {
    let campus = Campus::start(options)?;
    without_the_class(&campus, "elefevre")?;
    without_the_class(&campus, "pmoreau")?;
    campus.activate("elefevre", Some((HOME, false)))?;
    campus.activate("pmoreau", Some(("paul@maison.example", false)))?;
    campus.deliver(&[ELEONORE, "pmoreau@univ.example"], "mute")?;
    assert_eq!((campus.outside(HOME, "mute"), campus.inside("elefevre", "mute")), (1, 1));
    assert_eq!((campus.outside("paul@maison.example", "mute"), campus.inside("pmoreau", "mute")), (1, 0));
    Ok(())
}

#[test]
fn by_postfix_an_entry_that_cannot_say_it_keeps_a_copy() -> Result<()> {
    an_entry_that_cannot_say_it_keeps_a_copy(Options::MAPS)
}

#[test]
fn by_sieve_an_entry_that_cannot_say_it_keeps_a_copy() -> Result<()> {
    an_entry_that_cannot_say_it_keeps_a_copy(Options { by: By::Sieve, ..Options::MAPS })
}

/// The shipped rules, but that for `mailDeliveryOption` as `docs/forwarding.md` has it.
fn rules_that_give_the_class() -> Result<String> {
    let shipped = std::fs::read_to_string(workspace().join("conf/parvis.toml"))?;
    let begin = shipped.find("[[directory.writes]]").context("the shipped rules")?;
    let end = shipped.find("[[populations]]").context("the end of the shipped rules")?;
    let rules = snippet("toml", "attribute = \"objectClass\"")?;
    let kept = shipped[begin..end].split("[[directory.writes]]\n").skip(1);
    let kept = kept.filter(|rule| !rule.contains("\"mailDeliveryOption\""));
    Ok(format!("{rules}\n{}", kept.map(|rule| format!("[[directory.writes]]\n{rule}")).collect::<String>()))
}

#[test]
fn a_rule_can_give_the_class_and_then_the_choice_is_kept() -> Result<()> {
    let campus = Campus::start(Options { config: rules_that_give_the_class()?, ..Options::MAPS })?;
    without_the_class(&campus, "elefevre")?;
    campus.activate("elefevre", Some((HOME, false)))?;
    campus.activate("mdurand", Some(("marie@maison.example", true)))?;
    campus.deliver(&[ELEONORE, "mdurand@univ.example"], "said")?;
    assert_eq!((campus.outside(HOME, "said"), campus.inside("elefevre", "said")), (1, 0));
    assert_eq!((campus.outside("marie@maison.example", "said"), campus.inside("mdurand", "said")), (1, 1));
    Ok(())
}

#[test]
fn postmap_says_what_the_page_says() -> Result<()> {
    let campus = Campus::start(Options::MAPS)?;
    let look = |map: &str, key: &str| campus.postfix.look_up("ldap", &format!("parvis/{map}.cf"), key);
    let waits = look("waiting", ELEONORE)?.context("she waits")?;
    assert!(waits.starts_with("450 4.2.1 "), "{waits}");
    assert_eq!(look("netscape/forward", ELEONORE)?, None);
    let mut walk = campus.until_mail("elefevre")?;
    let request = json!({ "forward": "elefevre@secours.example", "keep_copy": true });
    // The recovery address needs no second link.
    walk.step("mail", request, "password")?;
    assert_eq!(look("netscape/forward", ELEONORE)?, None, "not before step 9");
    walk.password(PASSWORD)?;
    assert_eq!(look("waiting", ELEONORE)?, None);
    assert_eq!(look("netscape/forward", ELEONORE)?.as_deref(), Some("elefevre@secours.example"));
    assert_eq!(look("netscape/copy", ELEONORE)?.as_deref(), Some(ELEONORE));
    assert_eq!(look("mailbox", ELEONORE)?.as_deref(), Some(ELEONORE));
    assert_eq!(look("no-mailbox", ELEONORE)?, None);
    // What the page says of a schema that lacks an attribute.
    let found = |filter: &str| campus.scene.slapd.search(PEOPLE, filter, &["uid"]).map(|found| found.len());
    assert_eq!(
        (found("(&(uid=elefevre)(!(deliveryMode=nolocal)))")?, found("(&(uid=elefevre)(!(noSuch=x)))")?),
        (1, 0)
    );
    // Only whole addresses of the domain are asked for, and nothing in them is a filter.
    for key in
        ["elefevre", "univ.example", "@univ.example", "*@univ.example", "eleonore.lefevre@autre.example"]
    {
        assert_eq!(look("mailbox", key)?, None, "{key}");
    }
    Ok(())
}

/// Where addresses of two odd forms are forwarded to: how often it came there, and to the mailbox.
fn odd_addresses(options: Options) -> Result<[(usize, usize); 2]> {
    let campus = Campus::start(options)?;
    let odd = [("mdurand", "o'brien+uni@maison.example"), ("dcohen", "józef@maison.example")];
    let mut comes = [(0, 0); 2];
    for ((login, address), comes) in odd.into_iter().zip(&mut comes) {
        campus.activate(login, Some((address, false)))?;
        campus.deliver(&[&format!("{login}@univ.example")], login)?;
        *comes = (campus.outside(address, login), campus.inside(login, login));
        assert_eq!(campus.leaked(login), comes.0, "{login} went elsewhere");
    }
    Ok(comes)
}

#[test]
fn an_address_that_sieve_cannot_forward_to_is_kept_and_not_lost() -> Result<()> {
    assert_eq!(odd_addresses(Options::MAPS)?, [(1, 0), (1, 0)]);
    assert_eq!(odd_addresses(Options::SIEVE)?, [(1, 0), (0, 1)]);
    Ok(())
}

#[test]
fn by_sieve_what_is_marked_as_spam_stays_here() -> Result<()> {
    let rule = snippet("sieve", "X-Spam-Flag")?;
    let campus = Campus::start(Options { before_script: rule, ..Options::SIEVE })?;
    campus.activate("elefevre", Some((HOME, false)))?;
    for (subject, flag) in [("ham", "NO"), ("spam", "YES")] {
        let mail = format!("X-Spam-Flag: {flag}\n{}", letter(subject));
        let replies = send(campus.postfix.port(), FRIEND, &[ELEONORE], &mail)?;
        assert!(replies.message.is_some_and(|reply| reply.starts_with("250")));
    }
    campus.postfix.wait_empty(SOON)?;
    assert_eq!((campus.outside(HOME, "ham"), campus.inside("elefevre", "ham")), (1, 0));
    assert_eq!((campus.leaked("spam"), campus.inside("elefevre", "spam")), (0, 1));
    Ok(())
}
