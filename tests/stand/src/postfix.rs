//! A private Postfix before the inbox: what a campus really sends its mail through. TLS on submission, a queue,
//! retries, bounces. It needs root, because Postfix runs its parts as users of their own.
//!
//! `/etc/postfix` and the system's own Postfix are not touched. It must not deliver to anything but the inbox, and what
//! a test adds.

use std::io::{BufRead, BufReader, PipeWriter};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::certs::Authority;
use crate::place::{Place, Port};
use crate::run::{self, Running, program};

/// How Postfix is to be.
#[derive(Clone, Debug, Default)]
pub struct PostfixOptions {
    /// The port on loopback that everything is relayed to: the inbox's, or a fault proxy's before it.
    pub relay_to: u16,
    /// Added to the end of main.cf.
    pub extra_config: String,
    /// Lines of master.cf: each takes the place of the part of the same name and kind, or is added.
    pub extra_parts: String,
    /// Files beside main.cf, by their path from there; `$config_directory` in main.cf is where.
    pub files: Vec<(String, String)>,
}

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    running: Option<Running>,
    /// While this is open, Postfix runs.
    hold: Option<PipeWriter>,
    place: Place,
    smtp: Port,
    submission: Port,
    submissions: Port,
}

impl Postfix {
    /// Starts it, and returns once it greets. An error without root, or if the package is missing.
    pub fn start(options: &PostfixOptions) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a private Postfix needs root");
        }
        let place = Place::new("postfix")?;
        place.open_to_all()?;
        let mut postfix = Self {
            running: None,
            hold: None,
            smtp: Port::free()?,
            submission: Port::free()?,
            submissions: Port::free()?,
            place,
        };
        postfix.write(options)?;
        postfix.launch()?;
        Ok(postfix)
    }

    /// The port that takes mail in clear, STARTTLS offered.
    pub fn port(&self) -> u16 {
        self.smtp.number()
    }

    /// The port that insists on STARTTLS (RFC 6409).
    pub fn submission_port(&self) -> u16 {
        self.submission.number()
    }

    /// The port that is TLS from the first byte (RFC 8314).
    pub fn submissions_port(&self) -> u16 {
        self.submissions.number()
    }

    /// The certificate to trust; the servers' are for `localhost` and `mx.univ.example`.
    pub fn ca_file(&self) -> PathBuf {
        self.place.join("ca.pem")
    }

    /// Its log until now.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Stops it; what is queued stays, and is sent after [`Postfix::restart`].
    pub fn stop(&mut self) -> Result<()> {
        self.hold = None;
        let limit = Duration::from_secs(20);
        match self.running.take().map(|running| running.wait(limit)) {
            Some(None) => bail!("Postfix still runs after {limit:?}"),
            _ => Ok(()),
        }
    }

    /// Starts it again with the same ports and queue.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    /// Adds to the end of main.cf, and starts it again.
    pub fn configure(&mut self, more: &str) -> Result<()> {
        let path = self.place.join("conf/main.cf");
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, once(&format!("{text}{more}\n")))?;
        self.restart()
    }

    /// The queue's directory; sockets of programs that Postfix hands mail to are in `private` there.
    pub fn queue(&self) -> PathBuf {
        self.place.join("queue")
    }

    /// Waits until nothing is queued any more: each mail that was taken has been delivered, or returned.
    pub fn wait_empty(&self, limit: Duration) -> Result<()> {
        // A mail that leaves another behind (a report, or what Dovecot sends on) queues it before it goes itself, but
        // perhaps where we have looked already: so two looks in a row have to find nothing.
        let mut empty = 0;
        let done = run::until(limit, || {
            let queues = ["maildrop", "incoming", "active", "deferred", "hold"];
            empty = if queues.iter().any(|name| holds(&self.queue().join(name))) { 0 } else { empty + 1 };
            Ok((empty == 2).then_some(()))
        })?;
        done.with_context(|| {
            format!("mail is still queued after {limit:?}:\n{}", run::tail(&self.log_file(), 20))
        })
    }

    /// What a lookup table gives for a key, as `postmap -q` prints it; `table` is relative to main.cf's folder.
    pub fn look_up(&self, kind: &str, table: &str, key: &str) -> Result<Option<String>> {
        let conf = self.place.join("conf");
        let table = format!("{kind}:{}", conf.join(table).display());
        let conf = conf.to_str().context("the directory's name is not UTF-8")?;
        let out = run::output(&program("postmap")?, &["-c", conf, "-q", key, &table], b"")?;
        match (out.status.code(), String::from_utf8_lossy(&out.stderr).trim()) {
            (Some(0), _) => Ok(Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())),
            (Some(1), "") => Ok(None),
            (_, said) => bail!("postmap failed ({}): {said}", out.status),
        }
    }

    fn log_file(&self) -> PathBuf {
        self.place.join("data/maillog")
    }

    fn write(&self, options: &PostfixOptions) -> Result<()> {
        let dir = self.place.path();
        Authority::new(dir)?.issue("server", &["mx.univ.example"])?;
        let owner = nix::unistd::User::from_name("postfix")?.context("Postfix is not installed")?;
        for name in ["conf", "queue", "data"] {
            std::fs::create_dir(dir.join(name))?;
            std::fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o755))?;
        }
        chown(dir.join("data"), Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
        std::fs::write(dir.join("conf/main.cf"), once(&main_cf(dir, options)))?;
        std::fs::write(dir.join("conf/master.cf"), self.master_cf(&options.extra_parts))?;
        for (name, text) in &options.files {
            let path = dir.join("conf").join(name);
            std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
            std::fs::write(&path, text)?;
            // As it has to be with a password in it.
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640))?;
            chown(&path, None, Some(owner.gid.as_raw()))?;
        }
        Ok(())
    }

    fn master_cf(&self, extra: &str) -> String {
        let (smtp, submission, submissions) =
            (self.smtp.number(), self.submission.number(), self.submissions.number());
        let mut text = format!(
            "127.0.0.1:{smtp} inet n - n - - smtpd\n\
             127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt\n\
             127.0.0.1:{submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
        );
        let named = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
        let replaced: Vec<Vec<String>> = extra.lines().map(named).collect();
        for line in PARTS.lines().filter(|line| !replaced.contains(&named(line))).chain(extra.lines()) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn launch(&mut self) -> Result<()> {
        let output = std::fs::File::create(self.place.join("start.log"))?;
        let conf = self.place.join("conf");
        let conf = conf.to_str().context("the directory's name is not UTF-8")?;
        run::expect(&program("postfix")?, &["-c", conf, "check"], b"")
            .context("failed to prepare Postfix")?;
        let (read, hold) = std::io::pipe()?;
        let mut command = Command::new(program("sh")?);
        command.args(["-c", KEEPER]).arg(master()?).args(["-c", conf, "-s"]);
        command.stdin(read).stdout(output.try_clone()?).stderr(output);
        let running = run::start("postfix", command)?;
        let port = self.smtp.number();
        let ready = run::until(Duration::from_secs(30), || match running.status() {
            Some(status) => Err(anyhow!("Postfix ended ({status})")),
            None => Ok(greets(port).then_some(())),
        });
        let ready = ready.and_then(|ready| ready.ok_or_else(|| anyhow!("Postfix does not greet after 30 s")));
        ready.with_context(|| {
            let said = run::tail(&self.place.join("start.log"), 10);
            format!("failed to start a private Postfix:\n{said}\n{}", run::tail(&self.log_file(), 10))
        })?;
        (self.running, self.hold) = (Some(running), Some(hold));
        Ok(())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Everything goes to the inbox; short waits, so that a test of a deferral lasts seconds. Not shorter ones:
/// after a single second a mail was once "skipped, still being delivered", and never tried again; most likely because the
/// queue manager counts in whole seconds, and took up what its agent had not let go of yet.
fn main_cf(dir: &Path, options: &PostfixOptions) -> String {
    let (dir, relay) = (dir.display(), options.relay_to);
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {dir}/queue\n\
         data_directory = {dir}/data\n\
         maillog_file = {dir}/data/maillog\n\
         maillog_file_prefixes = {dir}\n\
         myhostname = mx.univ.example\n\
         mydestination =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         relayhost = [127.0.0.1]:{relay}\n\
         disable_dns_lookups = yes\n\
         smtp_dns_support_level = disabled\n\
         alias_maps =\n\
         alias_database =\n\
         local_recipient_maps =\n\
         biff = no\n\
         smtpd_tls_cert_file = {dir}/server.pem\n\
         smtpd_tls_key_file = {dir}/server.key\n\
         smtpd_tls_security_level = may\n\
         smtp_tls_security_level = none\n\
         smtpd_client_connection_count_limit = 0\n\
         queue_run_delay = 1s\n\
         minimal_backoff_time = 2s\n\
         maximal_backoff_time = 2s\n\
         {}\n",
        options.extra_config
    )
}

/// Each parameter once, as it was said last.
///
/// Where one is there twice, every process of Postfix warns of it as it starts, postlogd too, which reads the warnings:
/// with enough of them before it, it waits for itself for ever.
fn once(text: &str) -> String {
    let mut parameters: Vec<(&str, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match parameters.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => value.push_str(&format!("{line}\n")),
            _ => {
                let name = line.split('=').next().unwrap_or_default().trim();
                parameters.retain(|(known, _)| *known != name);
                parameters.push((name, format!("{line}\n")));
            }
        }
    }
    parameters.into_iter().map(|(_, value)| value).collect()
}

/// The parts of Postfix that relaying and handing over need. No chroot: its queue directory has no /etc.
const PARTS: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// Starts Postfix's master, and ends it when standard input ends: when we close the pipe, or are no more.
///
/// Not the leash of [`run::leashed`]: the kernel forgets it when a process changes its user for a moment, as the master
/// does. And not `postfix start-fg`, whose master is a grandchild. A master that is killed with SIGKILL would leave its
/// parts running, so it is asked.
const KEEPER: &str = "exec 3<&0; \"$0\" \"$@\" 3<&- & master=$!; \
    { read -r _ <&3; kill -TERM $master; } & reader=$!; wait $master; status=$?; kill $reader; exit $status";

fn master() -> Result<PathBuf> {
    let asked = run::expect(&program("postconf")?, &["-d", "-h", "daemon_directory"], b"")?;
    Ok(Path::new(asked.trim()).join("master"))
}

/// Whether there is a file, however deep; a folder that is not there holds nothing.
fn holds(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds(&entry.path()),
        Ok(_) => true,
        Err(_) => false,
    })
}

fn greets(port: u16) -> bool {
    let greeting = || -> std::io::Result<String> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    greeting().is_ok_and(|line| line.starts_with("220"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_parameter_that_is_there_twice_the_last_counts_with_all_its_lines() {
        let text = "a = 1\n  2\nb = 3\n# a = 4\na = 5,\n\t6\n\nc=7\n";
        assert_eq!(once(text), "b = 3\na = 5,\n\t6\nc=7\n");
    }
}
