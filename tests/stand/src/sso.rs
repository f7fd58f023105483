//! A real `parvis-sso` before a scene's daemon, on loopback and under mutual TLS at once, with a token and an authority
//! of its own.
//!
//! It must not know what an answer means.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binaries::{Profile, binaries};
use crate::certs::{Authority, Certificate};
use crate::place::{Place, Port};
use crate::run::{self, Running};
use crate::scene::Scene;

/// The token of loopback, as in the file that [`Sso::token_file`] names.
pub const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// The name in the certificate of the client that may ask, unless the options name others.
pub const CLIENT: &str = "cas.univ.example";

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct SsoOptions {
    /// TOML of `sso.toml`, after what the stand sets.
    pub config: String,
    /// `tls.names`; empty: every certificate of the authority's.
    pub names: Vec<String>,
    /// Which build.
    pub profile: Profile,
}

/// A running `parvis-sso`.
#[derive(Debug)]
pub struct Sso {
    running: Option<Running>,
    place: Place,
    port: Port,
    tls: Port,
    authority: Authority,
    profile: Profile,
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("no JSON ({}): {:?}", self.status, self.body))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Sso {
    /// Starts it before a scene's daemon; returns once both its doors are open.
    pub fn start(scene: &Scene, options: SsoOptions) -> Result<Self> {
        Self::before(&scene.daemon.layout().hook_socket(), options)
    }

    /// The same before whatever has this socket.
    #[expect(clippy::needless_pass_by_value, reason = "options are written where they are used")]
    pub fn before(socket: &Path, options: SsoOptions) -> Result<Self> {
        let place = Place::new("sso")?;
        place.open_to_all()?;
        let (port, tls) = (Port::free()?, Port::free()?);
        let authority = Authority::new(place.path())?;
        authority.issue("server", &["activation.univ.example"])?;
        let sso = Self { running: None, place, port, tls, authority, profile: options.profile };
        sso.write_token(TOKEN)?;
        let config = sso.config(socket, &options);
        std::fs::write(sso.place.join("sso.toml"), config)?;
        let mut sso = sso;
        sso.launch()?;
        Ok(sso)
    }

    fn config(&self, socket: &Path, options: &SsoOptions) -> String {
        let path = |name: &str| format!("{:?}", self.place.join(name).display().to_string());
        format!(
            "hook-socket = {:?}\nlog = \"debug\"\n\
             [loopback]\nlisten = \"127.0.0.1:{}\"\ntoken-file = {}\n\
             [tls]\noffered = true\nlisten = \"127.0.0.1:{}\"\ncertificate = {}\nkey = {}\nclient-ca = {}\nnames = {:?}\n{}\n",
            socket.display().to_string(),
            self.port.number(),
            path("token"),
            self.tls.number(),
            path("server.pem"),
            path("server.key"),
            path("ca.pem"),
            options.names,
            options.config,
        )
    }

    /// Puts another token into the file; it counts after [`Sso::hangup`].
    pub fn write_token(&self, token: &str) -> Result<()> {
        std::fs::write(self.token_file(), format!("{token}\n"))?;
        Ok(std::fs::set_permissions(self.token_file(), std::fs::Permissions::from_mode(0o640))?)
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = run::leashed(&binaries(self.profile)?.parvis_sso);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.place.join("sso.log"))?;
        command.arg("--config").arg(self.place.join("sso.toml")).env_clear();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let running = run::start("parvis-sso", command)?;
        for port in [&self.port, &self.tls] {
            let open = run::until(PATIENCE, || {
                if running.status().is_some() {
                    bail!("parvis-sso ended: {}", self.log());
                }
                Ok(TcpStream::connect(("127.0.0.1", port.number())).ok())
            })?;
            open.with_context(|| format!("nobody listens on {}: {}", port.number(), self.log()))?;
        }
        self.running = Some(running);
        Ok(())
    }

    /// What a glue's `url` is, on loopback.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// What a glue's `url` is, under TLS. The certificate is for `localhost` and `activation.univ.example`.
    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.tls.number())
    }

    /// The port of loopback.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port of TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls.number()
    }

    /// What a glue's `token-file` is.
    pub fn token_file(&self) -> PathBuf {
        self.place.join("token")
    }

    /// The authority of both sides: what a glue's `ca` is, and who signs its certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What a glue's `certificate` and `key` are: with the name [`CLIENT`].
    pub fn client(&self) -> Result<Certificate> {
        self.authority.issue_client("client", &[CLIENT])
    }

    /// SIGHUP: the token and the certificates anew.
    pub fn hangup(&self) -> Result<()> {
        self.process()?.signal(Signal::SIGHUP)
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.running.take().context("parvis-sso is stopped")?.terminate(PATIENCE)
    }

    /// SIGTERM, without waiting.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process()?.signal(signal)
    }

    /// Its process.
    pub fn process(&self) -> Result<&Running> {
        self.running.as_ref().context("parvis-sso is stopped")
    }

    /// Everything that it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("sso.log")).unwrap_or_default()
    }

    /// Waits for a line with this text.
    pub fn wait_log(&self, text: &str) -> Result<String> {
        let found = run::until(PATIENCE, || {
            Ok(self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
        })?;
        found.with_context(|| format!("no line with {text:?}: {}", self.log()))
    }

    /// A call on loopback, with the token.
    pub fn ask(&self, call: &str, request: &Value) -> Result<Reply> {
        let body = request.to_string();
        let more = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n");
        self.send(&format!("POST /v1/{call}"), &more, body.as_bytes())
    }

    /// A GET on loopback, with the token as Basic, as CAS sends it.
    pub fn get(&self, path: &str, more: &str) -> Result<Reply> {
        let pair = parvis_protocol::base64::encode(format!("cas:{TOKEN}").as_bytes());
        self.send(&format!("GET {path}"), &format!("Authorization: Basic {pair}\r\n{more}"), b"")
    }

    /// Any request on loopback: its first line without the version, more header lines, its body.
    pub fn send(&self, line: &str, more: &str, body: &[u8]) -> Result<Reply> {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    /// Any bytes on loopback, and what is answered until the connection ends.
    pub fn raw(&self, bytes: &[u8]) -> Result<Reply> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.number()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Who refuses a request may close before it has come in whole.
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        parse(&String::from_utf8_lossy(&all))
    }
}

fn parse(text: &str) -> Result<Reply> {
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("no status: {head:?}"))?;
    Ok(Reply { status, head: head.to_lowercase(), body: body.to_owned() })
}
