//! A real `parvisd` with a private configuration, seen as systemd and a login page see it: its notifications, its log,
//! its exit, its sockets. It must not look into its store or its memory.

mod layout;
pub(crate) mod watch;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binaries::{Binaries, Profile, binaries};
use crate::run::{self, Running, Usage};

pub use layout::Layout;
use watch::{Log, Notifications};

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// The whole of parvis.toml. Paths come from the [`Layout`].
    pub config: String,
    /// Name and content of each file in the credentials directory (mode 0600).
    pub credentials: Vec<(String, String)>,
    /// Added to the daemon's environment, which has nothing else but `PATH`, `HOME`, `LANG` and what systemd would give.
    pub environment: Vec<(String, String)>,
    /// After `--config FILE`.
    pub arguments: Vec<String>,
    /// Which build.
    pub profile: Profile,
    /// `WATCHDOG_USEC`: how often the daemon has to say that it lives.
    pub watchdog: Option<Duration>,
    /// How long it may take to say `READY=1`.
    pub patience: Duration,
    /// Another program in the daemon's place, such as faketime with the daemon's path among `arguments`.
    pub program: Option<PathBuf>,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            config: String::new(),
            credentials: vec![],
            environment: vec![],
            arguments: vec![],
            profile: Profile::Dev,
            watchdog: None,
            patience: Duration::from_secs(30),
            program: None,
        }
    }
}

/// A running `parvisd`.
#[derive(Debug)]
pub struct Daemon {
    running: Option<Running>,
    options: DaemonOptions,
    layout: Layout,
    notifications: Notifications,
    log: Arc<Log>,
    ready_after: Duration,
}

impl Daemon {
    /// Writes the configuration and the credentials, starts the daemon, and returns once it has said `READY=1`.
    pub fn start(layout: Layout, options: DaemonOptions) -> Result<Self> {
        let mut daemon = Self::prepare(layout, options)?;
        daemon.launch()?;
        daemon.wait_ready()?;
        Ok(daemon)
    }

    /// As [`Daemon::start`] for a daemon that is expected not to start: how it ended, and what it said.
    pub fn refused(layout: Layout, options: DaemonOptions) -> Result<(ExitStatus, String)> {
        let mut daemon = Self::prepare(layout, options)?;
        daemon.launch()?;
        let patience = daemon.options.patience;
        let status = daemon.process()?.wait(patience);
        let status = status.ok_or_else(|| anyhow!("parvisd still runs after {patience:?}"))?;
        daemon.log.wait_end(Duration::from_secs(5));
        Ok((status, daemon.log.text()))
    }

    fn prepare(layout: Layout, options: DaemonOptions) -> Result<Self> {
        layout.write(&options)?;
        let notifications = Notifications::listen(&layout.notify_socket())?;
        let log = Arc::new(Log::new(&layout.log_file())?);
        Ok(Self { running: None, options, layout, notifications, log, ready_after: Duration::ZERO })
    }

    /// Where everything of this daemon is.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How long it took from the start of the process to `READY=1`.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    fn launch(&mut self) -> Result<()> {
        run::allow_files()?;
        let program = match &self.options.program {
            Some(program) => program.clone(),
            None => self.binaries()?.parvisd,
        };
        self.notifications.forget();
        let mut command = run::leashed(&program);
        command.arg("--config").arg(self.layout.config_file()).args(&self.options.arguments);
        command.env_clear();
        for name in ["PATH", "HOME", "LANG", "TZDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("NOTIFY_SOCKET", self.layout.notify_socket());
        command.env("CREDENTIALS_DIRECTORY", self.layout.credentials());
        command.envs(self.options.watchdog.map(|every| ("WATCHDOG_USEC", every.as_micros().to_string())));
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        let (read, write) = std::io::pipe()?;
        command.stdin(Stdio::null()).stdout(write.try_clone()?).stderr(write);
        let log = Arc::clone(&self.log);
        log.begin();
        std::thread::spawn(move || {
            for line in BufReader::new(read).split(b'\n').map_while(Result::ok) {
                log.push(&String::from_utf8_lossy(&line));
            }
            log.end();
        });
        let begun = Instant::now();
        self.notifications.begun(begun);
        self.running = Some(run::start("parvisd", command)?);
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<()> {
        let running = self.process()?;
        let ready = self.notifications.wait(self.options.patience, |seen| {
            if seen.ready.is_some() || running.status().is_some() { Some(seen.ready) } else { None }
        });
        match ready.flatten() {
            Some(after) => {
                self.ready_after = after;
                Ok(())
            }
            None => {
                let end = running.status().map_or_else(|| "it still runs".to_owned(), |end| end.to_string());
                self.log.wait_end(Duration::from_millis(200));
                bail!("parvisd did not get ready ({end}); it said:\n{}", self.log.text())
            }
        }
    }

    fn binaries(&self) -> Result<Binaries> {
        binaries(self.options.profile)
    }

    fn process(&self) -> Result<&Running> {
        self.running.as_ref().ok_or_else(|| anyhow!("parvisd is stopped"))
    }
}

/// Its life.
impl Daemon {
    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill9();
        }
    }

    /// SIGTERM, and waits; an error if it still runs after `options.patience`.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        let running = self.running.take().ok_or_else(|| anyhow!("parvisd is stopped"))?;
        let status = running.terminate(self.options.patience)?;
        self.log.wait_end(Duration::from_secs(5));
        Ok(status)
    }

    /// SIGHUP: read the configuration again. Write it first with [`Daemon::configure`].
    pub fn hangup(&self) -> Result<()> {
        self.process()?.signal(Signal::SIGHUP)
    }

    /// Replaces parvis.toml; the daemon does not know before [`Daemon::hangup`] or a restart.
    pub fn configure(&mut self, config: String) -> Result<()> {
        self.options.config = config;
        self.layout.write(&self.options)
    }

    /// Starts it again on the same state and configuration, and waits for `READY=1`. Stops it first if it runs.
    pub fn restart(&mut self) -> Result<()> {
        if self.running.is_some() {
            self.terminate()?;
        }
        self.launch()?;
        self.wait_ready()
    }

    /// SIGSTOP: its sockets accept, and nothing answers any more when this returns.
    pub fn pause(&self) -> Result<()> {
        self.process()?.freeze()
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.process()?.signal(Signal::SIGCONT)
    }

    /// Waits for it to end by itself.
    pub fn wait_exit(&self, limit: Duration) -> Result<ExitStatus> {
        self.process()?.wait(limit).ok_or_else(|| anyhow!("parvisd still runs after {limit:?}"))
    }

    /// Its process number.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process()?.pid())
    }

    /// Memory and CPU until now.
    pub fn usage(&self) -> Result<Usage> {
        self.process()?.usage()
    }
}

/// What it says.
impl Daemon {
    /// Every line of its log until now, of all its starts.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Whether the log has this text. For a line that is to come, [`Daemon::wait_log`].
    pub fn log_contains(&self, text: &str) -> bool {
        self.log.text().contains(text)
    }

    /// The first line with this text, come already or to come.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<String> {
        self.log.wait(text, limit).with_context(|| {
            format!("no line with {text:?} in the log within {limit:?}; it has:\n{}", self.log.text())
        })
    }

    /// Every `STATUS=` since the last start, in order.
    pub fn statuses(&self) -> Vec<String> {
        self.notifications.statuses()
    }

    /// The first `STATUS=` since the last start with this text, come already or to come.
    pub fn wait_status(&self, text: &str, limit: Duration) -> Result<String> {
        let found = self
            .notifications
            .wait(limit, |seen| seen.statuses.iter().find(|status| status.contains(text)).cloned());
        found.with_context(|| format!("no STATUS with {text:?} within {limit:?}: {:?}", self.statuses()))
    }

    /// Every notification since the last start, as it came (`WATCHDOG=1`, `RELOADING=1`, `STOPPING=1`, …).
    pub fn notifications(&self) -> Vec<String> {
        self.notifications.all()
    }

    /// Waits for the `count`th notification that begins with this (`WATCHDOG=1`) since the last start.
    pub fn wait_notification(&self, prefix: &str, count: usize, limit: Duration) -> Result<()> {
        let found = self.notifications.wait(limit, |seen| {
            (seen.all.iter().filter(|line| line.starts_with(prefix)).count() >= count).then_some(())
        });
        found.with_context(|| format!("no {count} × {prefix} within {limit:?}: {:?}", self.notifications()))
    }
}

/// What others ask of it.
impl Daemon {
    /// Runs the real `parvis-hook CALL` with `request` on its standard input: its exit code and the JSON it printed.
    pub fn hook(&self, call: &str, request: &Value) -> Result<(i32, Value)> {
        let out = self.hook_raw(&[call], request.to_string().as_bytes())?;
        let text = String::from_utf8_lossy(&out.stdout);
        let answer = serde_json::from_str(&text).with_context(|| {
            format!(
                "parvis-hook {call} printed no JSON ({}): {text:?} {}",
                out.status,
                String::from_utf8_lossy(&out.stderr)
            )
        })?;
        Ok((code(out.status), answer))
    }

    /// Runs `parvis-hook` with these arguments, this daemon's socket and this standard input.
    pub fn hook_raw(&self, args: &[&str], input: &[u8]) -> Result<Output> {
        let socket = self.layout.hook_socket();
        let socket = socket.to_string_lossy();
        run::output(&self.binaries()?.parvis_hook, &[args, &["--socket", &socket]].concat(), input)
    }

    /// Runs `parvisctl` with these arguments, this daemon's configuration, credentials and admin socket.
    pub fn ctl(&self, args: &[&str]) -> Result<Output> {
        let mut command = std::process::Command::new(self.binaries()?.parvisctl);
        command.arg("--config").arg(self.layout.config_file());
        command.arg("--socket").arg(self.layout.admin_socket()).args(args);
        command.env("CREDENTIALS_DIRECTORY", self.layout.credentials()).env("LC_ALL", "C.UTF-8");
        run::feed(command, b"").context("failed to run parvisctl")
    }
}

/// The exit code as a shell would give it: 128 and the signal for a program that was killed.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
