//! A private Dovecot: mailboxes that Postfix delivers into by LMTP, and that people read by IMAP. It needs root, because
//! Dovecot runs its parts as users of their own.
//!
//! `/etc/dovecot` and the system's own Dovecot are not touched. It must not know who has a mailbox: its configuration
//! comes from the test, with `/etc/dovecot/` in it standing for a private folder.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::message::Message;
use crate::place::{Place, Port};
use crate::run::{self, Running, leashed, program};

/// The user whom the mailboxes belong to: one that every Debian has.
pub const OWNER: &str = "mail";

/// How Dovecot is to be.
#[derive(Clone, Debug, Default)]
pub struct DovecotOptions {
    /// Added to the end of dovecot.conf. The mailboxes have to be `Maildir` under [`Dovecot::homes`], `/var/vmail` here.
    pub config: String,
    /// Files in the place of those in `/etc/dovecot/`, by their path from there; `….sieve` are compiled.
    pub files: Vec<(String, String)>,
}

/// A running Dovecot.
#[derive(Debug)]
pub struct Dovecot {
    // Dropped in this order: first the process, then its directory, then its port.
    running: Running,
    place: Place,
    imap: Port,
}

impl Dovecot {
    /// Starts it, and returns once it greets. An error without root, or if a package is missing.
    pub fn start(options: &DovecotOptions) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a private Dovecot needs root");
        }
        let place = Place::new("dovecot")?;
        place.open_to_all()?;
        let imap = Port::free()?;
        write(place.path(), imap.number(), options)?;
        let output = std::fs::File::create(place.join("start.log"))?;
        let mut command = leashed(&program("dovecot")?);
        command.args(["-F", "-c"]).arg(place.join("conf/dovecot.conf"));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let running = run::start("dovecot", command)?;
        let ready = run::until(Duration::from_secs(30), || match running.status() {
            Some(status) => Err(anyhow!("Dovecot ended ({status})")),
            None => Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, imap.number())).is_ok().then_some(())),
        });
        let ready =
            ready.and_then(|ready| ready.ok_or_else(|| anyhow!("Dovecot does not listen after 30 s")));
        ready.with_context(|| {
            let said = [place.join("start.log"), place.join("log")].map(|log| run::tail(&log, 10));
            format!("failed to start a private Dovecot:\n{}", said.join("\n"))
        })?;
        Ok(Self { running, place, imap })
    }

    /// The port of IMAP, in clear.
    pub fn imap_port(&self) -> u16 {
        self.imap.number()
    }

    /// Its log until now.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("log")).unwrap_or_default()
    }

    /// Where the mailboxes are, a folder each.
    pub fn homes(&self) -> PathBuf {
        self.place.join("homes")
    }

    /// What is in somebody's mailbox (not in a folder below), oldest first; nothing where there is no mailbox.
    pub fn mailbox(&self, login: &str) -> Result<Vec<Message>> {
        let maildir = self.homes().join(login).join("Maildir");
        let mut paths = Vec::new();
        for folder in ["new", "cur"] {
            let entries = std::fs::read_dir(maildir.join(folder)).into_iter().flatten();
            paths.extend(entries.flatten().map(|entry| entry.path()));
        }
        // A Maildir's file names begin with the second of delivery.
        paths.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
        let read = |(number, path): (u64, &PathBuf)| -> Result<Message> {
            let raw =
                String::from_utf8_lossy(&std::fs::read(path)?).replace("\r\n", "\n").replace('\n', "\r\n");
            Ok(Message {
                number,
                from: String::new(),
                to: vec![login.to_owned()],
                raw: raw.into_bytes(),
                come: Instant::now(),
            })
        };
        (1..).zip(&paths).map(read).collect()
    }

    /// What the user databases say of somebody, as `doveadm user` prints it; nothing of whom they do not know.
    pub fn user(&self, name: &str) -> Result<Option<String>> {
        let conf = self.place.join("conf/dovecot.conf");
        let args = [Path::new("-c"), &conf, Path::new("user"), Path::new(name)];
        let out = run::output(&program("doveadm")?, &args, b"")?;
        match out.status.code() {
            Some(0) => Ok(Some(String::from_utf8_lossy(&out.stdout).into_owned())),
            // EX_NOUSER
            Some(67) => Ok(None),
            _ => bail!("doveadm user failed: {}", String::from_utf8_lossy(&out.stderr).trim()),
        }
    }

    /// Reads the subjects of somebody's mailbox as they do, by IMAP; an error where the server refuses the password.
    pub fn read_by_imap(&self, login: &str, password: &str) -> Result<Vec<String>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.imap.number()))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut read = BufReader::new(stream.try_clone()?);
        let mut ask = |tag: &str, command: &str| -> Result<Vec<String>> {
            write!(stream, "{tag} {command}\r\n")?;
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if read.read_line(&mut line)? == 0 {
                    bail!("the IMAP server hung up");
                }
                if let Some(verdict) = line.strip_prefix(&format!("{tag} ")) {
                    let name = command.split(' ').next().unwrap_or_default();
                    return if verdict.starts_with("OK") {
                        Ok(lines)
                    } else {
                        bail!("{name}: {}", verdict.trim())
                    };
                }
                lines.push(line.trim_end().to_owned());
            }
        };
        ask("a", &format!("LOGIN \"{login}\" \"{password}\""))?;
        ask("b", "SELECT INBOX")?;
        let lines = ask("c", "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        let subjects = |line: &String| line.strip_prefix("Subject: ").map(str::to_owned);
        // An empty mailbox has no message 1.
        Ok(lines.unwrap_or_default().iter().filter_map(subjects).collect())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Asked, its parts end with it at once; killed, each would have to notice.
        let _ = self.running.terminate(Duration::from_secs(10));
    }
}

fn write(dir: &Path, imap: u16, options: &DovecotOptions) -> Result<()> {
    let owner = nix::unistd::User::from_name(OWNER)?.with_context(|| format!("there is no user {OWNER}"))?;
    for name in ["conf", "run", "state", "homes"] {
        std::fs::create_dir(dir.join(name))?;
        std::fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o755))?;
    }
    chown(dir.join("homes"), Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
    let here = |text: &str| {
        let conf = format!("{}/conf/", dir.display());
        text.replace("/etc/dovecot/", &conf).replace("/var/vmail", &format!("{}/homes", dir.display()))
    };
    std::fs::write(dir.join("conf/dovecot.conf"), base(dir, imap) + &here(&options.config))?;
    for (name, text) in &options.files {
        let path = dir.join("conf").join(name);
        std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        std::fs::write(&path, here(text))?;
        let script = path.extension().is_some_and(|end| end == "sieve");
        // What is not a script has a password in it.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(if script { 0o644 } else { 0o600 }))?;
    }
    let conf = dir.join("conf/dovecot.conf");
    for (name, _) in options.files.iter().filter(|(name, _)| name.ends_with(".sieve")) {
        let script = dir.join("conf").join(name);
        run::expect(&program("sievec")?, &[Path::new("-c"), &conf, &script], b"")?;
    }
    Ok(())
}

/// What belongs to the machine, not to the campus.
fn base(dir: &Path, imap: u16) -> String {
    let dir = dir.display();
    format!(
        "base_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = {dir}/log\n\
         protocols = imap lmtp\nlisten = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\n\
         first_valid_uid = 1\nfirst_valid_gid = 1\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {imap}\n  }}\n  inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
         service stats {{\n  unix_listener stats-writer {{\n    mode = 0666\n  }}\n}}\n"
    )
}
