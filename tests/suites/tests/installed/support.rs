//! What these tests share: a machine with a systemd of its own, the tree on it as if it had just been built there, and
//! the campus's directory and mail server at the ports where a campus has them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parvis_stand::binaries::{Profile, binaries, workspace};
use parvis_stand::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD};
use parvis_stand::{Container, ContainerOptions, Inbox, InboxOptions, Said, Slapd, SlapdOptions, run};
use parvis_suites::manual::Manual;
use serde_json::Value;

/// How long a test waits for what must come.
pub const LONG: Duration = Duration::from_secs(60);
/// Where the tree lies there.
const CHECKOUT: &str = "/root/parvis";

/// What an earlier installation on this very machine may have left: the new machine has none of it.
const NEW: &[&str] = &[
    "etc/parvis",
    "etc/sysusers.d/parvis.conf",
    "etc/tmpfiles.d/parvis.conf",
    "usr/bin/parvis*",
    "usr/lib/sysusers.d/parvis.conf",
    "usr/local/share/man/*",
    "usr/sbin/parvis*",
    "usr/share/parvis",
    "var/backups/*",
    "var/lib/parvis",
];

/// The machine, and what it reaches.
#[derive(Debug)]
pub struct Campus {
    /// Dropped first.
    pub machine: Container,
    pub slapd: Slapd,
    pub inbox: Inbox,
}

impl Campus {
    /// Nothing of Parvis's on it but the tree.
    pub fn new() -> Result<Self> {
        let slapd = Slapd::start(SlapdOptions::default())?;
        let inbox = Inbox::start(InboxOptions::default())?;
        let programs = binaries(Profile::Dev)?.parvisd;
        let programs = programs.parent().context("the programs are in no folder")?.to_owned();
        let there = |name: &str| PathBuf::from(CHECKOUT).join(name);
        let mut folders: Vec<(PathBuf, PathBuf)> =
            ["conf", "docs", "systemd"].map(|name| (workspace().join(name), there(name))).to_vec();
        folders.push((programs, there("target/release")));
        let without = NEW.iter().map(|path| (*path).to_owned()).collect();
        let mut machine = Container::start(&ContainerOptions { folders, without })?;
        machine.forward(636, slapd.ldaps_port())?;
        machine.forward(25, inbox.port())?;
        let authority = std::fs::read_to_string(slapd.ca_file())?;
        machine.write("/usr/local/share/ca-certificates/campus.crt", &authority)?;
        let campus = Self { machine, slapd, inbox };
        campus.root(
            "sed -i /^parvis/d /etc/passwd /etc/shadow /etc/group /etc/gshadow; update-ca-certificates",
        )?;
        Ok(campus)
    }

    /// What root types in the tree's folder; an error where a line fails.
    pub fn root(&self, script: &str) -> Result<String> {
        self.root_with(script, "")
    }

    /// The same, and what is typed when it reads.
    pub fn root_with(&self, script: &str, input: &str) -> Result<String> {
        let said = self.machine.shell(CHECKOUT, script, input.as_bytes())?;
        said.fine().with_context(|| format!("failed to do this:\n{script}"))
    }

    /// A command of root's, however it ends.
    pub fn ask(&self, command: &[&str]) -> Result<Said> {
        self.machine.run(command, b"")
    }

    /// As docs/operating.md says it, up to the start.
    pub fn install(&self) -> Result<()> {
        let manual = Manual::read("docs/operating.md")?;
        self.root(&manual.section("Install")?.block("systemd-sysusers")?)?;
        self.machine.write("/etc/parvis/parvis.toml", &configuration(&manual)?)?;
        self.root(&manual.section("First configuration")?.block("install")?)?;
        let credentials = manual.section("Credentials")?.block("credentials/key")?;
        // As it is typed: with the line's end.
        self.root_with(&credentials, &format!("{SERVICE_PASSWORD}\n")).map(drop)
    }

    /// Installed, started, with a login page's user, and everything works.
    pub fn started() -> Result<Self> {
        let campus = Self::new()?;
        campus.install()?;
        campus.root("useradd --system tomcat && adduser tomcat parvis-sso")?;
        campus.root("systemctl enable --now parvisd")?;
        campus.works()?;
        Ok(campus)
    }

    /// Waits until everything works: the daemon is ready before it has read the directory.
    pub fn works(&self) -> Result<()> {
        let found = run::until(LONG, || Ok((self.ask(&["parvisctl", "status"])?.code == 0).then_some(())))?;
        found.with_context(|| {
            format!("it never works: {:?}\n{}", self.ask(&["parvisctl", "status"]), self.log())
        })
    }

    /// The daemon's journal.
    pub fn log(&self) -> String {
        let said = self.ask(&["journalctl", "--no-pager", "-u", "parvisd"]);
        said.map_or_else(|error| error.to_string(), |said| said.out)
    }

    /// Waits for a line with these words in the daemon's journal.
    pub fn logged(&self, words: &str) -> Result<()> {
        let found = run::until(LONG, || Ok(self.log().contains(words).then_some(())))?;
        found.with_context(|| format!("{words:?} is never in the journal:\n{}", self.log()))
    }

    /// What systemd knows of a unit.
    pub fn shown(&self, unit: &str, property: &str) -> Result<String> {
        let said = self.ask(&["systemctl", "show", "--value", "--property", property, unit])?.fine()?;
        Ok(said.trim().to_owned())
    }

    /// Waits until systemd knows this of a unit.
    pub fn comes(&self, unit: &str, property: &str, wanted: &str) -> Result<()> {
        let found = run::until(LONG, || Ok((self.shown(unit, property)? == wanted).then_some(())))?;
        found.with_context(|| {
            format!("{property} of {unit} is {:?}, not {wanted}\n{}", self.shown(unit, property), self.log())
        })
    }

    /// A drop-in, as `systemctl edit` makes it.
    pub fn edit(&self, unit: &str, text: &str) -> Result<()> {
        self.machine.write(&format!("/etc/systemd/system/{unit}.d/override.conf"), text)?;
        self.root("systemctl daemon-reload").map(drop)
    }

    /// `parvis-hook CALL` by a user of the machine: its exit code and the JSON that it printed.
    pub fn hook(&self, user: &str, call: &str, request: &Value) -> Result<(i32, Value)> {
        // A busy machine is no fault of the daemon's.
        let command = ["parvis-hook", call, "--timeout", "60s"];
        let said = self.machine.run_as(user, &command, request.to_string().as_bytes())?;
        let answer =
            serde_json::from_str(&said.out).with_context(|| format!("{call} printed no JSON: {said:?}"))?;
        Ok((said.code, answer))
    }
}

/// The manual's first configuration, with the addresses of this campus: its directory's, and where the people are in it.
fn configuration(manual: &Manual) -> Result<String> {
    let mut text = manual.section("First configuration")?.block("[campus]")?;
    let ours = [
        ("uris", "[\"ldaps://localhost\"]".to_owned()),
        ("bind-dn", format!("\"{SERVICE_DN}\"")),
        ("base", format!("\"{PEOPLE}\"")),
    ];
    for (key, value) in ours {
        let lines: Vec<&str> = text.lines().collect();
        let with = |line: &&str| line.starts_with(&format!("{key} = "));
        ensure!(lines.iter().filter(|line| with(line)).count() == 1, "the manual sets {key} once");
        let lines = lines
            .into_iter()
            .map(|line| if with(&line) { format!("{key} = {value}") } else { line.to_owned() });
        text = lines.collect::<Vec<_>>().join("\n");
    }
    Ok(text)
}

/// What is typed of a block: all but building, which is done.
pub fn built(block: &str) -> String {
    let typed: Vec<&str> = block.lines().filter(|line| !line.starts_with("cargo build ")).collect();
    typed.join("\n")
}
