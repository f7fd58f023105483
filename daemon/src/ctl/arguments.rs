//! What the command line says. The man page is made of these comments.

use crate::mail::{Locale, MailName};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use parvis_protocol::hook::Step;
use std::path::PathBuf;

/// Where the admin socket is if nobody says otherwise.
pub const ADMIN_SOCKET: &str = "/run/parvis/admin.sock";

/// See and steer Parvis: the daemon, the people who are being activated, and what is kept of them.
#[derive(Debug, Parser)]
#[command(name = "parvisctl", version, max_term_width = 100)]
pub struct Arguments {
    /// The daemon's configuration.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/parvis/parvis.toml")]
    pub config: PathBuf,
    /// The daemon's admin socket [default: gate.admin-socket of the configuration, else /run/parvis/admin.sock].
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print one JSON document (`audit export`: one a line) instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say how the daemon and each of its parts are; exit 1 where something does not work.
    Status,
    /// List the people whose enrolment is open, the one that has not changed for longest first.
    List {
        /// Only people in this state: a step (recovery-address, charter, …), activating, done, closed, closed-expired, …
        #[arg(long, value_name = "STATE", value_parser = state)]
        state: Option<String>,
        /// Also those whose enrolment is finished or closed.
        #[arg(long, conflicts_with = "state")]
        all: bool,
    },
    /// Show one person: where they are, their links, and what happened.
    Show {
        /// A login, or an entry's UUID.
        #[arg(value_name = "LOGIN")]
        person: String,
    },
    /// Send the mail of a person's live link once more, whatever the cooldown.
    Resend {
        /// A login, or an entry's UUID.
        #[arg(value_name = "LOGIN")]
        person: String,
    },
    /// Close a person's enrolment. The account stays provisional; signing in with the letter starts again.
    Cancel {
        /// A login, or an entry's UUID.
        #[arg(value_name = "LOGIN")]
        person: String,
        /// Why: it stands in the audit.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Run the nightly sweep now.
    Sweep {
        /// Only say what it would do.
        #[arg(long)]
        dry_run: bool,
    },
    /// Verify or read the audit: `verify --anchor HEAD`, `export --after N`.
    #[command(subcommand)]
    Audit(Audit),
    /// See a mail as people get it, or send one: `preview link --locale fr --html`, `test ADDRESS --mail link`.
    #[command(subcommand)]
    Mail(Mail),
    /// Look at the directory as Parvis does: `who LOGIN`, `plan LOGIN --listed --hidden --forward --no-copy --recovery`,
    /// `doctor --uri --starttls --ca-file --allow-clear-text --bind-dn --password-file --base`.
    #[command(subcommand)]
    Directory(super::directory::arguments::Directory),
    /// Write everything that is stored to a file, while the daemon goes on working.
    Backup {
        /// The file, replaced whole or not at all (mode 0600); - for the standard output.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a store of a backup, in the empty folder store.path, while no daemon runs.
    Restore {
        /// The backup; - for the standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Look at the configuration and at everything it names: directory, mail server, store, templates, files.
    Check {
        /// Also try passwords on directory.probe-entry, an entry made for that, to prove what the directory does.
        #[arg(long)]
        probe: bool,
    },
    /// Print the completions for a shell.
    Completions {
        /// Which shell.
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write the man pages.
    #[command(hide = true)]
    Man {
        /// Where.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// What to do with the audit.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Verify that no record was altered, removed or moved; exit 1 where one was.
    Verify {
        /// A head from the journal, NUMBER:HEX: it must be part of the chain, so that a tail cut off is found.
        #[arg(long, value_name = "HEAD")]
        anchor: Option<String>,
    },
    /// Print the records as JSON, one a line; the chain's head goes to the standard error.
    Export {
        /// Begin after so many records.
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u64,
    },
}

/// What to do with mails.
#[derive(Debug, Subcommand)]
pub enum Mail {
    /// Print a mail with believable data, in the campus's own words where it has some; exit 1 where those are broken.
    Preview {
        /// Which: link, forward, invitation, reminder, activated, password-changed, report.
        #[arg(value_name = "NAME", value_parser = mail_name)]
        name: MailName,
        /// In which language: fr or en [default: the campus's].
        #[arg(long, value_name = "LOCALE", value_parser = locale)]
        locale: Option<Locale>,
        /// The HTML instead of the text.
        #[arg(long)]
        html: bool,
    },
    /// Send such a mail, marked as a test, and print each reply of the mail server; exit 1 where it is not taken.
    Test {
        /// To whom.
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// Which: link, forward, invitation, reminder, activated, password-changed, report.
        #[arg(long = "mail", value_name = "NAME", default_value = "link", value_parser = mail_name)]
        name: MailName,
        /// In which language: fr or en [default: the campus's].
        #[arg(long, value_name = "LOCALE", value_parser = locale)]
        locale: Option<Locale>,
    },
}

fn mail_name(text: &str) -> Result<MailName, String> {
    let known = || MailName::ALL.map(MailName::as_str).join(", ");
    MailName::ALL
        .into_iter()
        .find(|name| name.as_str() == text)
        .ok_or_else(|| format!("the mails are {}", known()))
}

fn locale(text: &str) -> Result<Locale, String> {
    Locale::ALL
        .into_iter()
        .find(|locale| locale.as_str() == text)
        .ok_or_else(|| "the languages are fr and en".to_owned())
}

/// Further states than the steps.
const STATES: &[&str] = &[
    "unseen",
    "activating",
    "done-drift",
    "no-population",
    "closed-withdrawn",
    "closed-locked",
    "closed-gone",
    "closed-expired",
    "closed-cancelled",
    "unreadable",
];

/// A state, or the beginning of one: a misspelt one would find nobody, and look as if nobody were stuck.
fn state(text: &str) -> Result<String, String> {
    let steps = Step::ALL.iter().map(|step| step.as_str()).filter(|step| *step != Step::SignIn.as_str());
    let known: Vec<&str> = steps.chain(STATES.iter().copied()).collect();
    if !text.is_empty() && known.iter().any(|state| state.starts_with(text)) {
        return Ok(text.to_owned());
    }
    Err(format!("the states are {}, or the beginning of one", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_state_is_known_or_refused() {
        for known in ["charter", "closed", "closed-expired", "done", "recovery"] {
            assert_eq!(state(known).as_deref(), Ok(known));
        }
        for unknown in ["", "Charter", "chartered", "sign-in"] {
            assert!(state(unknown).unwrap_err().contains("recovery-address"), "{unknown}");
        }
    }
}
