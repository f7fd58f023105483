//! A mail handed to a program that is called as sendmail is: the message on standard input, its verdict by exit code.
//!
//! Nothing of the message is an argument; the two addresses are. A program that does not end within the deadline is
//! ended, with whatever it has started; what one that has ended leaves running (Exim delivers so) goes on.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::message::Composed;
use super::relay::{Accepted, Probe};
use super::verdict::{SendError, fit};

/// The program.
#[derive(Clone, Debug)]
pub(crate) struct Sendmail {
    program: PathBuf,
    deadline: Duration,
}

/// So much of what it says is read.
const MOST_WORDS: u64 = 4096;
/// What it said before its end is there within this.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Sendmail {
    pub(crate) fn new(program: PathBuf, deadline: Duration) -> Self {
        Self { program, deadline }
    }

    /// Whether it is there and may be run: what it would do with a mail, only a mail shows.
    pub(crate) fn probe(&self) -> Result<Probe, SendError> {
        let held = |words: String| SendError::Configuration { code: None, words };
        let found = std::fs::metadata(&self.program)
            .map_err(|error| held(format!("{}: {error}", self.program.display())))?;
        if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
            return Err(held(format!("{} is no program", self.program.display())));
        }
        Ok(Probe { encrypted: false, signed_in: false, smtputf8: true, sender_reply: None })
    }

    pub(crate) async fn send(&self, mail: &Composed) -> Result<Accepted, SendError> {
        let mut child = self.start(mail)?;
        let mut group = Group(child.id());
        // Programs of this kind take the line ends of this system.
        let message = String::from_utf8_lossy(&mail.bytes).replace("\r\n", "\n");
        let (mut given, mut words) = (false, Vec::new());
        let ended =
            timeout(self.deadline, feed(&mut child, message.as_bytes(), &mut given, &mut words)).await;
        if matches!(ended, Ok(Ok(_))) {
            group.0 = None;
        }
        drop(group);
        let words = fit(&String::from_utf8_lossy(&words), &mail.hidden);
        match ended {
            Ok(Ok(status)) => verdict(status, given, &words),
            Ok(Err(error)) => Err(lost(given, format!("sendmail: {error}"))),
            Err(_) => {
                Err(lost(given, format!("sendmail: not done within {} s", self.deadline.as_secs_f64())))
            }
        }
    }

    fn start(&self, mail: &Composed) -> Result<Child, SendError> {
        let mut command = Command::new(&self.program);
        command.args(["-i", "-f", mail.from.as_str(), "--", mail.to.as_str()]);
        // Nothing of ours is for it: neither where the secrets are nor whom systemd wants to hear from.
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command.spawn().map_err(|error| {
            let words = format!("cannot run {}: {error}", self.program.display());
            match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                    SendError::Configuration { code: None, words }
                }
                _ => SendError::Transient { code: None, about_us: true, words },
            }
        })
    }
}

/// The program's process group, which is ended when this is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // Nobody is left in it, as a rule.
            let _gone = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

/// Writes the message, reads what is said, waits for the end. `given`: all of the message was taken.
async fn feed(
    child: &mut Child,
    message: &[u8],
    given: &mut bool,
    words: &mut Vec<u8>,
) -> std::io::Result<ExitStatus> {
    let (mut input, output) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(input) = &mut input {
            // One that has heard enough closes its end, and says why by its exit code.
            *given = input.write_all(message).await.is_ok();
        }
        drop(input.take());
    };
    let read = async {
        let Some(mut output) = output else { return };
        // What cannot be read is left out: the exit code decides.
        let _read = (&mut output).take(MOST_WORDS).read_to_end(words).await;
        let _rest = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
    };
    let mut read = pin!(read.fuse());
    let mut end = pin!(async { tokio::join!(write, child.wait()).1 });
    let status = tokio::select! {
        status = &mut end => status?,
        () = &mut read => end.await?,
    };
    // What it has left running may hold its standard error open.
    let _said = timeout(LAST_WORDS, read).await;
    Ok(status)
}

/// The codes of sysexits.h.
fn verdict(status: ExitStatus, given: bool, words: &str) -> Result<Accepted, SendError> {
    let Some(code) = status.code() else {
        return Err(lost(given, format!("sendmail: {status}")));
    };
    let said = if words.is_empty() {
        format!("sendmail: exit {code}")
    } else {
        format!("sendmail: exit {code}: {words}")
    };
    let permanent =
        |address_fault, words| SendError::Permanent { code: None, enhanced: None, address_fault, words };
    Err(match code {
        0 => return Ok(Accepted { reply: "sendmail has taken it".to_owned() }),
        // EX_DATAERR: the message. EX_NOUSER, EX_NOHOST: the address.
        65 => permanent(false, said),
        67 | 68 => permanent(true, said),
        // EX_USAGE, EX_OSFILE, EX_CANTCREAT, EX_NOPERM, EX_CONFIG: whatever the mail.
        64 | 72 | 73 | 77 | 78 => SendError::Configuration { code: None, words: said },
        // EX_TEMPFAIL; and EX_UNAVAILABLE, which msmtp says of any reply to one mail, "later" or not. It is this mail's affair:
        // one odd recipient must not hold back everybody's.
        69 | 75 => SendError::Transient { code: u16::try_from(code).ok(), about_us: false, words: said },
        // EX_NOINPUT, EX_SOFTWARE, EX_OSERR, EX_IOERR, EX_PROTOCOL, and what sysexits.h does not know.
        _ => SendError::Transient { code: None, about_us: true, words: said },
    })
}

/// It ended without a verdict: what it had whole, it may have sent.
fn lost(given: bool, words: String) -> SendError {
    if given {
        SendError::MaybeSent { words }
    } else {
        SendError::Transient { code: None, about_us: true, words }
    }
}
