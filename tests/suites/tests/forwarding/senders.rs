//! The senders of what is forwarded: they hear of what does not arrive, a loop ends, and rewriting keeps the way back.

use anyhow::{Context, Result};
use parvis_stand::inbox::Behaviour;
use parvis_stand::run::until;
use parvis_stand::sender::send;
use parvis_stand::{Inbox, InboxOptions, Postfix, PostfixOptions};

use crate::support::{Campus, ELEONORE, FRIEND, Options, SOON, letter};

const HOME: &str = "eleonore@maison.example";

/// The reports on undelivered mail that came to the friend.
fn reports(campus: &Campus) -> Vec<String> {
    let mails = campus.scene.inbox.messages_to(FRIEND);
    let reports = mails.iter().filter(|mail| mail.from.is_empty());
    reports.map(|mail| String::from_utf8_lossy(&mail.raw).into_owned()).collect()
}

fn an_address_that_refuses_is_the_senders_to_know(options: Options) -> Result<()> {
    let campus = Campus::start(options)?;
    campus.activate("elefevre", Some((HOME, false)))?;
    campus.scene.inbox.script(HOME, Behaviour::Reject);
    campus.deliver(&[ELEONORE], "refused")?;
    assert_eq!((campus.outside(HOME, "refused"), campus.inside("elefevre", "refused")), (0, 0));
    let reports = reports(&campus);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("Status: 5.1.1") && reports[0].contains("Subject: refused"),
        "{}",
        reports[0]
    );
    Ok(())
}

#[test]
fn by_postfix_an_address_that_refuses_is_the_senders_to_know() -> Result<()> {
    an_address_that_refuses_is_the_senders_to_know(Options::MAPS)
}

#[test]
fn by_sieve_an_address_that_refuses_is_the_senders_to_know() -> Result<()> {
    an_address_that_refuses_is_the_senders_to_know(Options::SIEVE)
}

/// A server outside that forwards Éléonore's address back to the campus, and a copy of each mail to a witness.
fn forwards_back(campus: &mut Campus, witness: &Inbox) -> Result<Postfix> {
    let back = format!("{{ {HOME} = {ELEONORE}, temoin@temoin.example }}");
    let away = format!("{{ temoin.example = smtp:[127.0.0.1]:{} }}", witness.port());
    let extra_config = format!(
        "myhostname = mx.maison.example\nvirtual_alias_domains = maison.example\n\
         virtual_alias_maps = inline:{{ {back} }}\ntransport_maps = inline:{{ {away} }}\n"
    );
    let relay_to = campus.postfix.port();
    let elsewhere = Postfix::start(&PostfixOptions { relay_to, extra_config, ..PostfixOptions::default() })?;
    let there = format!("{{ maison.example = smtp:[127.0.0.1]:{} }}", elsewhere.port());
    campus.postfix.configure(&format!("transport_maps = inline:{{ {there} }}"))?;
    Ok(elsewhere)
}

/// How often a mail went round, and how often it is in the mailbox, once both servers have come to rest.
fn rounds(options: Options, keep_copy: bool) -> Result<(Campus, usize, usize)> {
    let mut campus = Campus::start(options)?;
    campus.activate("elefevre", Some((HOME, keep_copy)))?;
    let witness = Inbox::start(InboxOptions::default())?;
    let elsewhere = forwards_back(&mut campus, &witness)?;
    let replies = campus.write(&[ELEONORE], "round")?;
    assert!(replies.message.is_some_and(|reply| reply.starts_with("250")));
    // Each server may be at rest while the other is not: both, twice.
    for _ in 0..2 {
        campus.postfix.wait_empty(SOON)?;
        elsewhere.wait_empty(SOON)?;
    }
    let seen = witness.messages_to("temoin@temoin.example").len();
    let kept = campus.inside("elefevre", "round");
    Ok((campus, seen, kept))
}

#[test]
fn by_postfix_a_loop_ends_after_one_round_and_the_sender_hears_of_it() -> Result<()> {
    let (campus, seen, kept) = rounds(Options::MAPS, true)?;
    assert_eq!((seen, kept), (1, 2), "{}", campus.postfix.log());
    let reports = reports(&campus);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("loop") && reports[0].contains("Status: 5.4.6"), "{}", reports[0]);
    Ok(())
}

#[test]
fn by_sieve_a_loop_ends_after_one_round() -> Result<()> {
    let (campus, seen, kept) = rounds(Options::SIEVE, true)?;
    assert_eq!((seen, kept), (1, 2), "{}\n{}", campus.postfix.log(), campus.dovecot.log());
    assert_eq!(reports(&campus).len(), 0);
    Ok(())
}

/// Without a copy, what comes back has no place to be: its sender hears of it, or it stays in the mailbox.
#[test]
fn without_a_copy_a_loop_loses_nothing() -> Result<()> {
    let (campus, seen, kept) = rounds(Options::MAPS, false)?;
    assert_eq!((seen, kept, reports(&campus).len()), (1, 0, 1), "{}", campus.postfix.log());
    let (campus, seen, kept) = rounds(Options::SIEVE, false)?;
    assert_eq!((seen, kept, reports(&campus).len()), (1, 1, 0), "{}", campus.dovecot.log());
    Ok(())
}

fn rewritten_senders_keep_the_way_back(options: Options) -> Result<()> {
    let campus = Campus::start(Options { srs: true, ..options })?;
    campus.activate("elefevre", Some((HOME, false)))?;
    campus.deliver(&[ELEONORE], "rewritten")?;
    let came = campus.came(HOME, "rewritten");
    let came = came.first().context("it came")?;
    let (local, domain) = came.from.split_once('@').context("it has a sender")?;
    assert!(local.starts_with("SRS0=") && domain == "univ.example", "{}", came.from);
    assert!(local.ends_with("=ailleurs.example=ami"), "{}", came.from);
    assert_eq!(
        came.header("From").as_deref(),
        Some(&*format!("Ami <{FRIEND}>")),
        "the mail itself is the friend's"
    );
    // The campus's own senders are none to rewrite: those of the daemon's mail are as they were.
    let own = campus.scene.inbox.messages_to("elefevre@secours.example");
    assert!(own.iter().all(|mail| mail.from == "ne-pas-repondre@univ.example"), "{own:?}");
    // It left by its own way, the daemon's mail did not.
    let log = campus.postfix.log();
    let ways = |to: &str| -> Vec<bool> {
        let sent = log.lines().filter(|line| line.contains(&format!("to=<{to}>")));
        sent.map(|line| line.contains("postfix/forwarded/smtp[")).collect()
    };
    assert_eq!(ways("elefevre@secours.example"), vec![false; own.len()], "{log}");
    // First the link that proves the address, then the mail.
    assert_eq!(ways(HOME), [false, true], "{log}");
    // A server outside that took it, and finds out later.
    let report = letter("too-late");
    let replies = send(campus.postfix.port(), "", &[&came.from], &report)?;
    assert!(replies.recipients[0].starts_with("250"), "{replies:?}");
    let found = until(SOON, || Ok(campus.came(FRIEND, "too-late").pop()))?;
    assert!(found.is_some(), "{}", campus.postfix.log());
    // An address that somebody made up opens no relay.
    let forged = "SRS0=aaaa=bb=ailleurs.example=ami@univ.example";
    let replies = send(campus.postfix.port(), "", &[forged], &letter("forged"))?;
    assert!(replies.recipients[0].starts_with("550 5.1.1"), "{replies:?}");
    // And where the forwarding address refuses, the friend is told as before.
    campus.scene.inbox.script(HOME, Behaviour::Reject);
    campus.deliver(&[ELEONORE], "refused")?;
    assert!(reports(&campus).iter().any(|report| report.contains("Subject: refused")));
    Ok(())
}

#[test]
fn by_postfix_rewritten_senders_keep_the_way_back() -> Result<()> {
    rewritten_senders_keep_the_way_back(Options::MAPS)
}

#[test]
fn by_sieve_rewritten_senders_keep_the_way_back() -> Result<()> {
    rewritten_senders_keep_the_way_back(Options::SIEVE)
}
