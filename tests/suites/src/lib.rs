//! What the suites share: a login page that outlives the daemon, the admin socket, a raw socket, and dice.
//!
//! It asserts nothing, and must not know how the daemon works inside. The benchmark's rooms are in `bench`.

pub mod bench;
pub mod manual;
pub mod outbox;
pub mod strange;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use parvis_protocol::Client;
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::daemon::code;
use parvis_stand::{Daemon, Inbox, Layout, Proxy, Scene, SceneOptions, Slapd, run};
use serde_json::{Value, json};

/// How long a test waits for what must come.
pub const LONG: Duration = Duration::from_secs(60);

/// A login page: it runs the real `parvis-hook`, whether the daemon lives or not.
#[derive(Clone, Debug)]
pub struct Page {
    hook: PathBuf,
    socket: PathBuf,
}

impl Page {
    /// A page before this daemon.
    pub fn of(daemon: &Daemon) -> Result<Self> {
        Self::at(daemon.layout())
    }

    /// A page before whatever daemon has this layout.
    pub fn at(layout: &Layout) -> Result<Self> {
        Ok(Self { hook: binaries(Profile::Dev)?.parvis_hook, socket: layout.hook_socket() })
    }

    /// A page that other users of this machine can be: the daemon's place is opened, and the hook copied there, because
    /// the build may be where they cannot go. The daemon must be restarted by nobody but this test.
    pub fn for_everybody(daemon: &Daemon) -> Result<Self> {
        let layout = daemon.layout();
        layout.open_to_all()?;
        let hook = layout.path().join("parvis-hook");
        run::copy_program(&binaries(Profile::Dev)?.parvis_hook, &hook)?;
        Ok(Self { hook, socket: layout.hook_socket() })
    }

    /// Exit code and printed JSON.
    pub fn ask(&self, call: &str, request: &Value) -> Result<(i32, Value)> {
        let socket = self.socket.to_string_lossy();
        let args = [call, "--socket", &socket];
        let out = run::output(&self.hook, &args, request.to_string().as_bytes())?;
        let text = String::from_utf8_lossy(&out.stdout);
        let answer = serde_json::from_str(&text)
            .with_context(|| format!("parvis-hook {call} printed no JSON ({}): {text:?}", out.status))?;
        Ok((code(out.status), answer))
    }

    /// As [`Page::ask`], as another user of this machine.
    pub fn ask_as(&self, user: u32, call: &str, request: &Value) -> Result<(i32, Value)> {
        let (socket, hook) = (self.socket.to_string_lossy(), self.hook.to_string_lossy());
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        let args = [&uid, &gid, "--clear-groups", "--", &hook, call, "--socket", &socket];
        let out = run::output(&run::program("setpriv")?, &args, request.to_string().as_bytes())?;
        let text = String::from_utf8_lossy(&out.stdout);
        let said = String::from_utf8_lossy(&out.stderr);
        let answer = serde_json::from_str(&text).with_context(|| {
            format!("parvis-hook {call} as {user} printed no JSON ({}): {text:?} {said}", out.status)
        })?;
        Ok((code(out.status), answer))
    }
}

/// A call on the admin socket: its answer's parameters, or the error's name and parameters.
pub fn admin(daemon: &Daemon, method: &str, parameters: &Value) -> Result<Value> {
    let mut client = Client::connect(&daemon.layout().admin_socket(), Instant::now() + LONG)?;
    let reply = client.call(&format!("org.parvis.Admin.{method}"), parameters);
    let reply = reply.map_err(|error| anyhow!("{method}: {error}"))?;
    Ok(serde_json::from_str(reply.parameters()?.get())?)
}

/// What the admin socket shows of a person; `Null` where nobody is known.
pub fn show(daemon: &Daemon, person: &str) -> Value {
    admin(daemon, "Show", &json!({ "person": person })).unwrap_or(Value::Null)
}

/// Waits until the admin socket shows something of a person.
pub fn shown(daemon: &Daemon, person: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let found = run::until(LONG, || Ok(Some(show(daemon, person)).filter(|shown| wanted(shown))))?;
    found.with_context(|| format!("{person} never came to be so: {}", show(daemon, person)))
}

/// Whether a person's timeline has this word.
pub fn happened(shown: &Value, what: &str) -> bool {
    times(shown, what) > 0
}

/// How often a person's timeline has this word.
pub fn times(shown: &Value, what: &str) -> usize {
    let timeline = shown.get("timeline").and_then(Value::as_array);
    timeline.into_iter().flatten().filter(|moment| moment.get("what").is_some_and(|w| w == what)).count()
}

/// The code of a printed refusal.
pub fn refusal(answer: &Value) -> &str {
    answer.pointer("/refusal/code").and_then(Value::as_str).unwrap_or_default()
}

/// Waits until the latest `STATUS` of the daemon has this text.
pub fn status_now(daemon: &Daemon, text: &str) -> Result<String> {
    let found = run::until(LONG, || Ok(daemon.statuses().pop().filter(|status| status.contains(text))))?;
    found.with_context(|| format!("the latest STATUS never had {text:?}: {:?}", daemon.statuses()))
}

/// A scene whose daemon reaches the directory through a proxy.
pub fn proxied(options: SceneOptions) -> Result<(Scene, Proxy)> {
    let slapd = Slapd::start(options.slapd.clone())?;
    let inbox = Inbox::start(options.inbox.clone())?;
    let proxy = Proxy::start(slapd.ldaps_port())?;
    let uri = format!("ldaps://localhost:{}", proxy.port());
    let options = SceneOptions { ldap_uri: Some(uri), ..options };
    Ok((Scene::around(slapd, inbox, &options)?, proxy))
}

/// A connection to a socket of the daemon, byte by byte.
#[derive(Debug)]
pub struct Raw {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Raw {
    /// Connects; nothing that it does lasts longer than [`LONG`].
    pub fn connect(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_write_timeout(Some(LONG))?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a call.
    pub fn call(&mut self, method: &str, parameters: &Value, more: bool) -> Result<()> {
        let mut bytes = json!({ "method": method, "parameters": parameters, "more": more }).to_string();
        bytes.push('\0');
        Ok(self.send(bytes.as_bytes())?)
    }

    /// The next message; `None` where the daemon has closed the connection.
    pub fn receive(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.read.drain(..=end).collect();
                let text = message.strip_suffix(b"\0").unwrap_or_default();
                return Ok(Some(serde_json::from_slice(text)?));
            }
            let mut buffer = [0; 8192];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.read.extend(buffer.iter().take(count)),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => bail!("no message came: {error}"),
            }
        }
    }
}

/// Dice of which a failing test can say how they were thrown.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same throws for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit` (SplitMix64).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    /// A time between two.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.below(span))
    }
}
