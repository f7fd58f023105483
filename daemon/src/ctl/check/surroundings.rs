//! A live look at what the daemon talks to: the directory, the mail server, and the daemon itself.

use super::{Level, Notes, leaving};
use crate::config::Settings;
use crate::ctl::ask::{Desk, QUICK};
use crate::ctl::failure::Failure;
use crate::directory::{self, PasswordWrite};
use crate::mail::{self, Templates, Way};
use crate::service::outside;
use crate::workers;
use parvis_enrolment::policy::{Forwarding, Population};
use parvis_protocol::admin::{Call, PartState, StatusAnswer};
use std::time::Duration;

/// The directory's own answers are bounded one by one; all of them together, by this.
pub const DIRECTORY_TIME: Duration = Duration::from_secs(120);
/// So is the conversation with the mail server.
const MAIL_TIME: Duration = Duration::from_secs(60);

/// Asks each of them.
pub fn look(settings: &Settings, desk: &Desk, probe: bool, notes: &mut Notes) {
    templates(settings, notes.about("templates"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            // A second installation in one process is refused, and changes nothing.
            let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
            runtime.block_on(directory(settings, probe, notes.about("directory")));
            runtime.block_on(mail_server(settings, notes.about("mail server")));
        }
        Err(error) => {
            notes.about("directory").failure(
                format!("cannot look: {error}"),
                "a runtime",
                "check this machine's limits (ulimit -a)",
            );
        }
    }
    daemon(desk, notes.about("daemon"));
}

fn templates(settings: &Settings, notes: &mut Notes) {
    let folder = settings.mail.overrides.as_deref();
    let action = "correct the file: until then the shipped text is sent";
    match Templates::load(folder) {
        Err(faults) => {
            for fault in &faults.0 {
                notes.failure(fault.to_string(), "a folder", "create mail.overrides, or take the key out");
            }
        }
        Ok(templates) => match (templates.check(), folder) {
            (Ok(()), Some(folder)) => {
                notes.ok(format!("every mail can be written with {}", folder.display()))
            }
            (Ok(()), None) => notes.ok("the shipped ones are used"),
            (Err(faults), _) => {
                for fault in &faults.0 {
                    notes.failure(fault.to_string(), "a template that can be rendered", action);
                }
            }
        },
    }
}

async fn directory(settings: &Settings, probe: bool, notes: &mut Notes) {
    let prepared = match settings.directory.clone().prepare() {
        Ok(prepared) => prepared,
        Err(faults) => {
            return faults
                .iter()
                .for_each(|fault| notes.failure(fault.to_string(), "settings that can be used", ""));
        }
    };
    let entry = settings.probe_entry.as_deref().filter(|_| probe);
    if probe && entry.is_none() {
        let action = "make an entry of no person for it, and name its DN in directory.probe-entry";
        notes.failure(
            "there is no entry on which a password could be tried",
            "directory.probe-entry",
            action,
        );
    }
    let writes: Vec<String> = settings.mapping.writes().map(str::to_owned).collect();
    let people = |wanted: fn(&&Population) -> bool| -> Vec<String> {
        settings.policy.populations.iter().filter(wanted).map(|people| people.name.clone()).collect()
    };
    let asked = directory::Asked {
        writes: &writes,
        copy_classes: &settings.mapping.classes_for(&["mailDeliveryOption", "deliveryMode"]),
        forwarding: &people(|people| people.mailbox && people.forwarding != Forwarding::Off),
        mailboxes: &people(|people| people.mailbox),
        mail_attribute: &settings.attributes.mail,
        domains: &settings.policy.own_domains,
    };
    let random = outside().random;
    let looked = directory::probe(&prepared, &asked, entry, random.as_ref());
    let Ok(report) = tokio::time::timeout(DIRECTORY_TIME, looked).await else {
        let what = format!("the directory did not answer everything within {} s", DIRECTORY_TIME.as_secs());
        return notes.failure(what, "answers", "look at the server's load and log, then check again");
    };
    found(report, notes);
}

/// What the directory room found.
pub fn found(report: directory::Report, notes: &mut Notes) {
    let mut reached = true;
    for finding in report.findings {
        let level = match finding.level {
            directory::Level::Ok => Level::Ok,
            directory::Level::Warn => Level::Warning,
            directory::Level::Fail => Level::Failure,
        };
        reached = reached && level != Level::Failure;
        notes.note(level, finding.what, &finding.expected, &finding.action);
        notes.add(finding.add);
    }
    if reached {
        notes.ok(match report.password_write {
            PasswordWrite::InModify => {
                "new passwords are written by the one modify (password-write = \"modify\")"
            }
            PasswordWrite::UnicodePwd => "new passwords are written by the one modify, as unicodePwd",
            PasswordWrite::Extended => {
                "new passwords are written by RFC 3062 first (password-write = \"extended\")"
            }
        });
    }
}

async fn mail_server(settings: &Settings, notes: &mut Notes) {
    let server = leaving::place(&settings.mail);
    let relay = match workers::relay(&settings.mail) {
        Ok(relay) => relay,
        Err(fault) => {
            return notes.failure(fault.to_string(), "settings that can be used", "correct the section mail");
        }
    };
    let sender = match workers::sender(settings) {
        Ok(sender) => sender,
        Err(error) => {
            return notes.failure(
                error.to_string(),
                "a sender that can be written",
                "correct mail.from and campus.name",
            );
        }
    };
    // Servers may take only some senders: it is asked for the one that mails have.
    let sender = workers::trial_path(&settings.mail).unwrap_or_else(|| sender.address().clone());
    match tokio::time::timeout(MAIL_TIME, relay.probe(&sender)).await {
        Ok(Ok(found)) => reached((&server, &sender), settings, &found, notes),
        Ok(Err(error)) => {
            let action = "check mail.transport and where it leads, mail.security and the server's log; mails wait meanwhile";
            notes.failure(format!("{server}: {error}"), "a server that takes our mails", action);
        }
        Err(_) => {
            let what = format!("{server} did not answer within {} s", MAIL_TIME.as_secs());
            notes.failure(what, "answers", "check the firewall and the server's load");
        }
    }
}

fn reached(
    (server, sender): (&str, &mail::Address),
    settings: &Settings,
    found: &mail::Probe,
    notes: &mut Notes,
) {
    let signed_in = if found.signed_in { ", signed in" } else { "" };
    notes.ok(match (&settings.mail.way, found.encrypted) {
        (Way::Sendmail(_), _) => format!("{server} is there, and can be run"),
        (Way::Lmtp(Some(_)), _) => format!("{server} is reached{signed_in}"),
        (_, true) => format!("{server} is reached, encrypted{signed_in}"),
        (_, false) => format!("{server} is reached, in clear{signed_in}"),
    });
    if let Some(reply) = &found.sender_reply {
        notes.ok(format!("it takes mails from {sender}: {reply}"));
    }
    leaving::way(&settings.mail, notes);
    if !found.smtputf8 {
        let action = "people with such an address are asked for another one; nothing to do if that is rare";
        notes.warning("it does not take addresses beyond ASCII (SMTPUTF8)", "SMTPUTF8 (RFC 6531)", action);
    }
}

fn daemon(desk: &Desk, notes: &mut Notes) {
    let socket = desk.socket().display();
    let status: StatusAnswer = match desk.ask(&Call::Status, "ask for the status", QUICK) {
        Ok(status) => status,
        Err(failure @ Failure::Unreachable { .. }) => {
            return notes.warning(
                format!("no daemon runs: cannot {failure}"),
                "a daemon",
                "systemctl start parvisd",
            );
        }
        Err(failure) => {
            return notes.failure(format!("{socket}: cannot {failure}"), "an answer", failure.action());
        }
    };
    notes.ok(format!("parvisd {} answers on {socket}", status.version));
    if status.version != env!("CARGO_PKG_VERSION") {
        let what = format!("parvisd is {}, and parvisctl {}", status.version, env!("CARGO_PKG_VERSION"));
        notes.warning(what, "the same version", "systemctl restart parvisd");
    }
    for part in status.parts {
        let what = format!("{}: {}, {}", part.name, part.state, part.detail);
        match part.state {
            PartState::Working | PartState::Idle => notes.ok(what),
            PartState::Degraded => notes.warning(what, "working", "journalctl -u parvisd"),
            PartState::Down => notes.failure(what, "working", "journalctl -u parvisd"),
        }
    }
}
