//! Child processes on a leash: they die with the value, and with the process that made it, however that one dies.
//!
//! It must not interpret what a program says; callers do.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// A program that runs until it is told to stop, or is dropped (SIGKILL).
#[derive(Debug)]
pub struct Running {
    name: String,
    pid: Pid,
    state: Arc<(Mutex<Life>, Condvar)>,
}

#[derive(Debug)]
struct Life {
    child: std::process::Child,
    status: Option<ExitStatus>,
    /// Somebody of ours sent it a signal.
    told: bool,
}

/// What a process has used, from `/proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory, in KiB.
    pub resident_kib: u64,
    /// User and system time together, in steps of 10 ms.
    pub cpu: Duration,
}

/// A command whose process the kernel kills when this process dies. Add arguments and streams, then [`start`] it.
///
/// Not for a program that changes its user, even for a moment: the kernel then forgets.
pub fn leashed(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// As many open files for this process, and for those that it starts, as the daemon's unit allows (`LimitNOFILE`): whoever
/// signs in has 1,024, and a test opens more connections than that.
pub fn allow_files() -> Result<()> {
    const FILES: u64 = 16_384;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < FILES {
        setrlimit(Resource::RLIMIT_NOFILE, FILES.min(hard), hard)
            .context("failed to allow more open files")?;
    }
    Ok(())
}

/// Starts a command, [`leashed`] as a rule.
pub fn start(name: &str, command: Command) -> Result<Running> {
    let mut child = spawn_from_lasting_thread(command).with_context(|| format!("failed to start {name}"))?;
    child.stdin.take();
    let pid = Pid::from_raw(i32::try_from(child.id()).context("a process number out of range")?);
    let state = Arc::new((Mutex::new(Life { child, status: None, told: false }), Condvar::new()));
    let (seen, named) = (Arc::clone(&state), name.to_owned());
    std::thread::Builder::new().name(format!("wait-{name}")).spawn(move || {
        // WNOWAIT: the number stays the child's until the lock is held, so that no signal can hit a stranger.
        let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let mut life = lock(&seen.0);
        life.status = life.child.wait().ok();
        if let Some(signal) = struck(life.status, life.told) {
            // Past libtest's capture: whoever reads a failed run must see why nothing answered.
            let _ = writeln!(
                std::io::stderr(),
                "{named} ({pid}) was killed by signal {signal}, and not by the stand"
            );
        }
        seen.1.notify_all();
    })?;
    Ok(Running { name: name.to_owned(), pid, state })
}

/// The signal that ended it, where nobody of ours had sent one: the kernel short of memory, or somebody else's hand.
fn struck(status: Option<ExitStatus>, told: bool) -> Option<i32> {
    status.and_then(|status| status.signal()).filter(|_| !told)
}

impl Running {
    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Sends a signal; an error if the process has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut life = lock(&self.state.0);
        if let Some(status) = life.status {
            bail!("{} has ended already: {status}", self.name);
        }
        life.told = true;
        kill(self.pid, signal).with_context(|| format!("failed to send {signal} to {}", self.name))
    }

    /// It is to be signalled by other means, with others of its group.
    pub(crate) fn told(&self) {
        lock(&self.state.0).told = true;
    }

    /// SIGSTOP, and waits until each of its threads stands still: the signal alone leaves them a moment.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        still(self.pid())
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        lock(&self.state.0).status
    }

    /// Waits for its end, `None` if it still runs after `limit`.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let guard = lock(&self.state.0);
        let (guard, _) = self
            .state
            .1
            .wait_timeout_while(guard, limit, |life| life.status.is_none())
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        guard.status
    }

    /// SIGKILL, and waits until it is gone. Fine on one that has ended.
    pub fn kill9(&self) -> Option<ExitStatus> {
        let _ = self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(10))
    }

    /// SIGTERM, and waits; an error if it still runs after `limit`.
    pub fn terminate(&self, limit: Duration) -> Result<ExitStatus> {
        if self.status().is_none() {
            let _ = self.signal(Signal::SIGTERM);
        }
        self.wait(limit).ok_or_else(|| anyhow!("{} still runs {limit:?} after SIGTERM", self.name))
    }

    /// What it has used until now; an error once it has ended.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// It has ended, and nobody has asked after it yet.
    pub(crate) ended: bool,
    pub(crate) parent: u32,
    pub(crate) group: u32,
}

/// Every process of this machine.
pub(crate) fn processes() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may hold anything: state, parent, group.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        Some(Process {
            pid,
            ended,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    })
}

/// Waits until each thread of a process that was sent SIGSTOP stands still.
pub(crate) fn still(pid: u32) -> Result<()> {
    let moving = |stat: &str| {
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        state.is_some_and(|state| !matches!(state, "T" | "t" | "Z" | "X"))
    };
    let done = until(Duration::from_secs(30), || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let mut stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
        Ok((!stats.any(|stat| moving(&stat))).then_some(()))
    })?;
    done.with_context(|| format!("process {pid} still moves 30 s after SIGSTOP"))
}

/// What a process has used until now.
pub fn usage(pid: u32) -> Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident_kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .with_context(|| format!("process {pid} has no memory any more"))?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: state is field 3, utime 14, stime 15, in hundredths of a second.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Usage { resident_kib, cpu: Duration::from_millis(ticks * 10) })
}

/// Finds a program in `PATH` and in the system directories that an ordinary user's `PATH` lacks.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/libexec"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{name} is not installed"))
}

/// Runs a program to its end, with `input` on its standard input. Any exit status is an `Ok`.
pub fn output<S: AsRef<OsStr>>(program: &Path, args: &[S], input: &[u8]) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(args).env("LDAPNOINIT", "1").env("LC_ALL", "C.UTF-8");
    feed(command, input).with_context(|| format!("failed to run {}", program.display()))
}

/// Runs a command to its end, with `input` on its standard input.
pub fn feed(mut command: Command, input: &[u8]) -> Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    // From a thread: a program that writes much before it has read everything would wait for us, and we for it.
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        Ok(child.wait_with_output()?)
    })
}

/// As [`output`], and an error with what the program said unless it exited with 0. Gives its standard output.
pub fn expect<S: AsRef<OsStr>>(program: &Path, args: &[S], input: &[u8]) -> Result<String> {
    let out = output(program, args, input)?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("{} failed ({}): {}", program.display(), out.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A program made of this text, at this path, for every user.
///
/// Another process writes it: in ours, a child that another test has forked might hold the file open for writing still, and
/// whoever ran it would be told that it is busy (`ETXTBSY`, execve(2)).
pub fn script(path: &Path, text: &str) -> Result<()> {
    // Whole or not at all, for whoever runs the former one meanwhile.
    let new = path.with_extension("new");
    let args = ["-m".as_ref(), "755".as_ref(), "/dev/stdin".as_ref(), new.as_os_str()];
    expect(&program("install")?, &args, text.as_bytes())?;
    Ok(std::fs::rename(&new, path)?)
}

/// A copy of a program, for every user; by another process, as [`script`].
pub fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let args = ["-m".as_ref(), "755".as_ref(), from.as_os_str(), to.as_os_str()];
    expect(&program("install")?, &args, b"").map(drop)
}

/// Asks `done` every few milliseconds until it gives a value; for other programs' sockets, which announce nothing.
pub fn until<T>(limit: Duration, mut done: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = done()? {
            return Ok(Some(value));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The last lines of a log, for an error message.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

type Job = (Command, Sender<std::io::Result<std::process::Child>>);

/// The kernel's leash is tied to the *thread* that forked: a server that a test made for others to share would die
/// with that test. So one thread, which lasts as long as the process, forks them all.
fn spawn_from_lasting_thread(command: Command) -> Result<std::process::Child> {
    static FORKER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (jobs, work) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in work {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let (reply, answer) = channel();
    lock(forker).send((command, reply)).map_err(|_| anyhow!("the thread that starts programs is gone"))?;
    Ok(answer.recv().context("the thread that starts programs is gone")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Running {
        let mut command = leashed(&program("sleep").unwrap());
        command.arg("600");
        start("sleep", command).unwrap()
    }

    #[test]
    fn a_running_program_dies_with_its_value() {
        let running = sleeper();
        let proc = PathBuf::from(format!("/proc/{}", running.pid()));
        assert!(proc.exists());
        drop(running);
        assert!(!proc.exists());
    }

    #[test]
    fn a_frozen_program_stands_still() {
        let running = sleeper();
        running.freeze().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
        assert!(stat.contains(") T "), "{stat}");
    }

    #[test]
    fn it_outlives_the_thread_that_started_it() {
        let running = std::thread::spawn(sleeper).join().unwrap();
        assert!(running.wait(Duration::from_millis(100)).is_none());
        assert_eq!(running.terminate(Duration::from_secs(5)).unwrap().to_string(), "signal: 15 (SIGTERM)");
        assert!(running.signal(Signal::SIGHUP).is_err());
    }

    #[test]
    fn a_death_by_another_hand_is_told_from_ours() {
        let (ours, struck_down) = (sleeper(), sleeper());
        let of = |running: &Running| {
            let status = running.wait(Duration::from_secs(10));
            struck(status, lock(&running.state.0).told)
        };
        ours.signal(Signal::SIGTERM).unwrap();
        assert_eq!(of(&ours), None);
        kill(struck_down.pid, Signal::SIGKILL).unwrap();
        assert_eq!(of(&struck_down), Some(9));
    }

    #[test]
    fn usage_reads_our_own_process() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.resident_kib > 500, "{usage:?}");
    }

    #[test]
    fn expect_tells_what_the_program_said() {
        let sh = program("sh").unwrap();
        assert_eq!(expect(&sh, &["-c", "cat"], b"in").unwrap(), "in");
        let error = expect(&sh, &["-c", "echo words >&2; exit 3"], b"").unwrap_err().to_string();
        assert!(error.contains("words") && error.contains('3'), "{error}");
    }
}
