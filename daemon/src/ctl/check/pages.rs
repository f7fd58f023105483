//! The pages' own configuration, where they are set up on this machine. `parvis-pages --check --json` judges it, because
//! the daemon knows nothing of the pages; what both configurations say is compared here.

use super::{Level, Notes};
use crate::config::Settings;
use nix::unistd::{Uid, User};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The program, and the user under whom its unit runs it.
const PROGRAM: &str = "parvis-pages";
/// The pages' configuration, beside the daemon's.
const FILE: &str = "pages.toml";
/// The form of the JSON that is understood.
const SCHEMA: u32 = 1;
/// How long the program may take: it reads three files.
const TIME: Duration = Duration::from_secs(10);
/// The most that it may say, in bytes.
const LONGEST: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Report {
    schema: u32,
    version: String,
    findings: Vec<Finding>,
    facts: Option<Facts>,
}

#[derive(Deserialize)]
struct Finding {
    level: String,
    what: String,
    expected: String,
    action: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Facts {
    base_url: String,
    hook_socket: PathBuf,
    sign_in_offered: bool,
    sign_in_url: Option<String>,
    help_address: String,
    letter_name: BTreeMap<String, String>,
    charters: Vec<String>,
}

/// Has it judged, and compares; `daemon` is the daemon's configuration file.
pub fn look(daemon: &Path, settings: Option<&Settings>, notes: &mut Notes) {
    let file = daemon.with_file_name(FILE);
    if !file.exists() {
        return notes.ok(format!("there is no {}: the pages are not set up on this machine", file.display()));
    }
    let Some(program) = program() else {
        let action = "install it in /usr/sbin, or remove the file where the pages run elsewhere";
        let what = format!("{} is there, and {PROGRAM} is not: nobody looks at it", file.display());
        return notes.warning(what, "the program that reads it", action);
    };
    match asked(&program, &file) {
        Ok(report) => told(report, settings, notes),
        Err(why) => {
            let action = format!("run it yourself: {PROGRAM} --config {} --check", file.display());
            notes.failure(format!("{}: {why}", program.display()), "what it finds", &action);
        }
    }
}

/// Beside ourselves, or where the system's own daemons are. Not in `PATH`: root may be asking.
fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let folders = beside.into_iter().chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(PROGRAM)).find(|path| path.is_file())
}

fn asked(program: &Path, file: &Path) -> Result<Report, String> {
    let mut command = Command::new(program);
    command.args(["--check", "--json", "--config"]).arg(file).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // As the user that the unit has: what root can read, the pages perhaps cannot.
    if Uid::effective().is_root()
        && let Ok(Some(user)) = User::from_name(PROGRAM)
    {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let mut child = command.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
    let out = child.stdout.take().ok_or("it has no output")?;
    let (done, read) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let result = out.take(LONGEST).read_to_string(&mut text);
        let _ = done.send(result.map(|_| text));
    });
    let text = read.recv_timeout(TIME);
    // Whatever it still does, it has said enough or too little.
    let _ = child.kill();
    let _ = child.wait();
    let text = text.map_err(|_| format!("it did not answer within {} s", TIME.as_secs()))?;
    let text = text.map_err(|error| format!("what it says cannot be read: {error}"))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|_| "what it says is no report: it may be of another version".to_owned())?;
    match report.schema {
        SCHEMA => Ok(report),
        other => Err(format!("its report has the form {other}, and this parvisctl reads {SCHEMA}")),
    }
}

fn told(report: Report, settings: Option<&Settings>, notes: &mut Notes) {
    if report.version != env!("CARGO_PKG_VERSION") {
        let what = format!("{PROGRAM} is {}, and parvisctl {}", report.version, env!("CARGO_PKG_VERSION"));
        notes.warning(what, "the same version", "install both from one build");
    }
    for finding in report.findings {
        let level = match finding.level.as_str() {
            "ok" => Level::Ok,
            "warning" => Level::Warning,
            _ => Level::Failure,
        };
        notes.note(level, finding.what, &finding.expected, &finding.action);
    }
    if let (Some(facts), Some(settings)) = (&report.facts, settings) {
        compare(facts, settings, notes);
    }
}

/// What stands in both files, or must fit together.
fn compare(facts: &Facts, settings: &Settings, notes: &mut Notes) {
    let base = settings.base_url();
    let same = "the same in both files";
    if facts.base_url == base {
        notes.ok(format!("{FILE} and the daemon agree that people come to {base}"));
    } else {
        let what = format!("{FILE} has base-url {}, and the daemon pages.base-url {base}", facts.base_url);
        notes.failure(what, same, "correct one: mailed links lead to the daemon's");
    }
    let socket = &settings.gate.hook_socket;
    if facts.hook_socket != *socket {
        let (own, theirs) = (socket.display(), facts.hook_socket.display());
        let what = format!("{FILE} has hook-socket {theirs}, and the daemon gate.hook-socket {own}");
        notes.failure(what, same, "correct one: the pages find no daemon");
    }
    if facts.sign_in_offered && !settings.gate.authenticate {
        let what = format!("{FILE} offers to sign in, and gate.authenticate is off");
        let action = "set gate.authenticate = true, or sign-in.offered = false with sign-in.url";
        notes.failure(what, "both or neither", action);
    }
    if !facts.sign_in_offered && facts.sign_in_url.is_none() && settings.pages.sign_in_url.is_none() {
        let action = "set sign-in.url to where people sign in with the letter";
        notes.warning(
            format!("{FILE} neither offers to sign in nor says where"),
            "a way to begin again",
            action,
        );
    }
    let stale = facts.charters.iter().any(|digest| {
        let texts = &settings.policy.charter.texts;
        !texts.iter().any(|(_, own)| own == digest)
    });
    if stale {
        let what = format!("a text of charter.file in {FILE} is not one that the daemon has in force");
        notes.warning(what, same, "name the same files: until then, people get the link only");
    }
    if facts.help_address != settings.campus.help_address {
        let what = format!(
            "{FILE} sends people to {}, and the daemon to {}",
            facts.help_address, settings.campus.help_address
        );
        notes.warning(what, same, "correct campus.help-address in one");
    }
    if facts.letter_name != settings.campus.letter_name {
        let what = format!("{FILE} and the daemon call the letter by different names");
        notes.warning(what, same, "correct campus.letter-name in one");
    }
}
