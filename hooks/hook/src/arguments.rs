//! The command line of `parvis-hook`.
//!
//! Nothing secret is an argument, and no argument is ever said back: one that should not have been there may be a
//! password.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};
use parvis_protocol::hook::Method;
use parvis_protocol::outcome::SCHEMA;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// One call.
    Run(Options),
    /// A text: the help or the version.
    Print(String),
    /// Something that cannot be understood, to be said in the format asked for.
    Wrong {
        /// The format, as far as it was understood.
        format: Format,
        /// A fragment that completes "failed to …".
        problem: String,
    },
}

/// One call and how to make it.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Which call.
    pub method: Method,
    /// How to say what became of it.
    pub format: Format,
    /// Where the daemon is.
    pub socket: PathBuf,
    /// Everything ends within it.
    pub timeout: Duration,
}

/// How to say what became of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// The printed form of the contract.
    #[default]
    Json,
    /// CAS's `InterruptResponse`.
    CasInterrupt,
    /// CAS's acceptable use policy, for a Groovy `verify`.
    CasAup,
    /// Nothing but the exit code.
    ExitCode,
    /// Nothing, and an exit code that a mail system understands: taken, or try again later.
    Pipe,
}

const SOCKET: &str = "/run/parvis/hook.sock";

/// The longest `--timeout`: no login page waits longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

const HELP: &str = "\
parvis-hook: ask Parvis about one person, for a login page

  parvis-hook CALL [--as FORMAT] [--socket PATH] [--timeout 2s]

It reads one JSON object on standard input and writes one on standard output.
CALL is one of
  check open enter authenticate recovery-address look redeem charter listing
  mail password state resend restart
or bounce, which reads a mail (RFC 5322) as it is.

  --as json            the answer, with \"schema\" and \"ok\" (the default)
  --as cas-interrupt   check, as CAS's InterruptResponse
  --as cas-aup         check, as {\"accepted\": …} for CAS's acceptable use policy
  --as exit-code       nothing but the exit code
  --as pipe            bounce, for a mail system's pipe: nothing; 0 taken, 75 not now
  --socket PATH        the daemon's socket (PARVIS_SOCKET, /run/parvis/hook.sock)
  --timeout 2s         ends within it, whatever happens: 500ms, 2s (2s; password: 10s)
  --help, --version

Exit codes: 0 done, or let the person through; 1 refused, or do not let them
through; 64 wrong command line; 65 wrong standard input; 69 the daemon cannot be
reached in time; 70 a fault of Parvis's own; 75 try again later; 77 this caller
may not.
";

/// Reads the command line; `socket` is what the environment says.
pub fn parse(mut parser: Parser, socket: Option<OsString>) -> Command {
    let mut read = Read::default();
    while let Some(next) = parser.next().transpose() {
        match next {
            Ok(Arg::Short('h') | Arg::Long("help")) => return Command::Print(HELP.to_owned()),
            Ok(Arg::Short('V') | Arg::Long("version")) => return Command::Print(version()),
            Ok(Arg::Long("as")) => read.format(&value(&mut parser)),
            Ok(Arg::Long("socket")) => read.socket(parser.value().ok()),
            Ok(Arg::Long("timeout")) => read.timeout(&value(&mut parser)),
            Ok(Arg::Value(word)) => read.call(&word),
            Ok(Arg::Short(_) | Arg::Long(_)) => {
                read.wrong("understand an option: there are --as, --socket, --timeout, --help and --version");
            }
            Err(_) => read.wrong("understand the command line: an option has a value that it does not take"),
        }
    }
    read.finish(socket)
}

fn version() -> String {
    format!("parvis-hook {} (schema {SCHEMA})\n", env!("CARGO_PKG_VERSION"))
}

fn value(parser: &mut Parser) -> String {
    parser.value().ok().and_then(|value| value.into_string().ok()).unwrap_or_default()
}

/// What was understood so far, and the first thing that was not: reading goes on, because the format to say it in
/// may come later.
#[derive(Default)]
struct Read {
    method: Option<Method>,
    format: Format,
    socket: Option<PathBuf>,
    timeout: Option<Duration>,
    problem: Option<&'static str>,
}

impl Read {
    fn wrong(&mut self, problem: &'static str) {
        self.problem.get_or_insert(problem);
    }

    fn call(&mut self, word: &OsString) {
        match word.to_str().and_then(Method::from_word) {
            Some(method) if self.method.is_none() => self.method = Some(method),
            Some(_) => self.wrong("make more than one call"),
            None => self.wrong("understand an argument that is no call (see --help)"),
        }
    }

    fn format(&mut self, word: &str) {
        match word {
            "json" => self.format = Format::Json,
            "cas-interrupt" => self.format = Format::CasInterrupt,
            "cas-aup" => self.format = Format::CasAup,
            "exit-code" => self.format = Format::ExitCode,
            "pipe" => self.format = Format::Pipe,
            _ => self.wrong("understand --as: json, cas-interrupt, cas-aup, exit-code or pipe"),
        }
    }

    fn socket(&mut self, path: Option<OsString>) {
        match path {
            Some(path) if !path.is_empty() => self.socket = Some(path.into()),
            _ => self.wrong("understand --socket: the path of a socket"),
        }
    }

    fn timeout(&mut self, text: &str) {
        match duration(text) {
            Some(timeout) => self.timeout = Some(timeout),
            None => self.wrong("understand --timeout: 500ms or 2s, at most 600s"),
        }
    }

    fn finish(mut self, socket: Option<OsString>) -> Command {
        match self.method {
            None => self.wrong("make a call: none was named (see --help)"),
            Some(Method::Bounce) if self.format == Format::Pipe => {}
            Some(_) if self.format == Format::Pipe => {
                self.wrong("say the answer in a mail system's way: only bounce has it");
            }
            Some(Method::Check) => {}
            Some(_) if matches!(self.format, Format::CasInterrupt | Format::CasAup) => {
                self.wrong("say the answer in CAS's words: only check has them");
            }
            Some(_) => {}
        }
        let named = socket.filter(|path| !path.is_empty()).map(PathBuf::from);
        match (self.method, self.problem) {
            (Some(method), None) => Command::Run(Options {
                method,
                format: self.format,
                socket: self.socket.or(named).unwrap_or_else(|| SOCKET.into()),
                timeout: self.timeout.unwrap_or_else(|| default_timeout(method)),
            }),
            (_, problem) => Command::Wrong {
                format: self.format,
                problem: problem.unwrap_or("understand the command line").to_owned(),
            },
        }
    }
}

/// `password` waits for the directory to hash and judge; everything else is quick or not at all.
const fn default_timeout(method: Method) -> Duration {
    match method {
        Method::Password => Duration::from_secs(10),
        _ => Duration::from_secs(2),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => return None,
    };
    (!duration.is_zero() && duration <= TIMEOUT_MAX).then_some(duration)
}
