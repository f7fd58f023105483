//! A real LemonLDAP::NG: its portal under starman with our plugin, and two small applications behind it.
//!
//! It must not know what Parvis answers.

mod conf;
mod http;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binaries::workspace;
use crate::place::{Place, Port};
use crate::run::{self, Running};
use crate::slapd::Slapd;

pub use http::Reply;

/// The portal's name, and the applications'. A browser is told that they are this machine.
pub const HOSTS: &[&str] = &["auth.univ.example", "app.univ.example"];

const PATIENCE: Duration = Duration::from_secs(90);
const PORTAL: &str = include_str!("portal.psgi");
const APP: &str = include_str!("app.psgi");

/// Where both will be: known before the daemon starts, because its configuration names the portal.
#[derive(Debug)]
pub struct Ports {
    portal: Port,
    app: Port,
}

impl Ports {
    /// Claims them.
    pub fn free() -> Result<Self> {
        Ok(Self { portal: Port::free()?, app: Port::free()? })
    }

    /// The portal, as people reach it.
    pub fn portal_url(&self) -> String {
        format!("http://auth.univ.example:{}/", self.portal.number())
    }

    /// The applications, without a slash at the end.
    pub fn app_url(&self) -> String {
        format!("http://app.univ.example:{}", self.app.number())
    }

    /// What the daemon's configuration needs, so that people come back to the portal.
    pub fn daemon_config(&self) -> String {
        format!("[pages]\nreturn-to = [\"{0}\"]\nsign-in-url = \"{0}\"\n", self.portal_url())
    }
}

/// What to start.
#[derive(Clone, Debug)]
pub struct LemonOptions {
    /// Whether our plugin is loaded.
    pub plugin: bool,
    /// `customPluginsParams`.
    pub params: Vec<(String, String)>,
    /// More of the portal's configuration: an object, over the stand's own.
    pub conf: Value,
    /// Processes of the portal.
    pub workers: u8,
    /// Whether the applications are started as well.
    pub app: bool,
    /// Added to the portal's environment.
    pub environment: Vec<(String, String)>,
}

impl Default for LemonOptions {
    fn default() -> Self {
        let (params, conf, environment) = (Vec::new(), Value::Null, Vec::new());
        Self { plugin: true, params, conf, workers: 2, app: false, environment }
    }
}

/// A running portal.
#[derive(Debug)]
pub struct Lemon {
    portal: Running,
    _app: Option<Running>,
    place: Place,
    ports: Ports,
}

impl Lemon {
    /// Starts it before this directory, and returns once it answers; an error with its log where it does not.
    pub fn start(slapd: &Slapd, ports: Ports, options: &LemonOptions) -> Result<Self> {
        let place = Place::new("lemon")?;
        for store in conf::STORES {
            std::fs::create_dir_all(place.join(store).join("lock"))?;
        }
        std::fs::write(place.join("conf/lmConf-1.json"), conf::json(slapd, place.path(), &ports, options))?;
        std::fs::write(place.join("lemonldap-ng.ini"), conf::ini(place.path())?)?;
        std::fs::write(place.join("portal.psgi"), PORTAL)?;
        std::fs::write(place.join("app.psgi"), APP)?;
        let portal = starman(&place, "portal", &ports, options.workers, &options.environment)?;
        let app = options.app.then(|| starman(&place, "app", &ports, 1, &[])).transpose()?;
        let lemon = Self { portal, _app: app, place, ports };
        lemon.answering(lemon.ports.portal.number(), "auth.univ.example")?;
        if options.app {
            lemon.answering(lemon.ports.app.number(), "app.univ.example")?;
        }
        Ok(lemon)
    }

    /// A portal whose configuration is wrong answers 500, which is an answer too.
    fn answering(&self, port: u16, host: &str) -> Result<()> {
        let answered = run::until(PATIENCE, || {
            if let Some(status) = self.portal.status() {
                bail!("the portal ended ({status}): {}", self.log());
            }
            // starman starts such a worker again and again.
            let log = self.log() + &self.app_log();
            if log.contains("Error while loading") {
                bail!("starman cannot load it: {log}");
            }
            Ok(http::ask(port, host, "GET", "/", &[("Accept", "text/html")], None).ok())
        })?;
        answered.map(|_| ()).with_context(|| format!("nobody answers on {port}: {}", self.log()))
    }

    /// A GET, as a browser asks it.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        let all = [&[("Accept", "text/html")], headers].concat();
        http::ask(self.ports.portal.number(), &self.host(), "GET", path, &all, None)
    }

    /// A form, as a browser sends it.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Result<Reply> {
        let all = [&[("Accept", "text/html")], headers].concat();
        http::ask(self.ports.portal.number(), &self.host(), "POST", path, &all, Some(&http::form(form)))
    }

    /// A JSON object, as a program sends it.
    pub fn post_json(&self, path: &str, body: &str) -> Result<Reply> {
        let accept = [("Accept", "application/json")];
        http::ask(self.ports.portal.number(), &self.host(), "POST", path, &accept, Some(body))
    }

    /// The portal's sign-in form.
    pub fn sign_in(&self, login: &str, password: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        self.post("/", headers, &[("user", login), ("password", password)])
    }

    fn host(&self) -> String {
        format!("auth.univ.example:{}", self.ports.portal.number())
    }

    /// Where both are.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The sessions of people that the portal holds now, by their files: what no cookie can hide.
    pub fn sessions(&self) -> Result<Vec<String>> {
        let mut held = Vec::new();
        for entry in std::fs::read_dir(self.place.join("sessions"))? {
            let path = entry?.path();
            // One may be on its way out.
            let text = if path.is_file() {
                std::fs::read_to_string(&path).unwrap_or_default()
            } else {
                String::new()
            };
            if text.contains("\"_session_kind\":\"SSO\"") {
                held.push(text);
            }
        }
        Ok(held)
    }

    /// How many tickets the CAS server has given and holds.
    pub fn tickets(&self) -> Result<usize> {
        let files = std::fs::read_dir(self.place.join("cas"))?.filter_map(Result::ok);
        Ok(files.filter(|entry| entry.path().is_file()).count())
    }

    /// What the portal said, the applications' own log apart.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("portal.log")).unwrap_or_default()
    }

    /// What the applications said.
    pub fn app_log(&self) -> String {
        std::fs::read_to_string(self.place.join("app.log")).unwrap_or_default()
    }

    /// The lines that the plugin wrote.
    pub fn decisions(&self) -> Vec<String> {
        let log = self.log();
        let said =
            log.lines().filter_map(|line| line.split_once("Parvis: ").map(|(_, said)| said.to_owned()));
        said.collect()
    }

    /// The processes of the portal: its master and those that it started.
    pub fn processes(&self) -> Vec<u32> {
        let master = self.portal.pid();
        let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        let children = children.unwrap_or_default();
        let mut all: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        all.push(master);
        all
    }
}

/// starman's master tells its workers to end; killed, it takes them along (portal.psgi, app.psgi).
impl Drop for Lemon {
    fn drop(&mut self) {
        let _ = self.portal.signal(Signal::SIGTERM);
        let _ = self.portal.wait(Duration::from_secs(2));
    }
}

/// Where the plugin is.
pub fn plugin() -> PathBuf {
    workspace().join("hooks/lemonldap/lib")
}

fn starman(
    place: &Place,
    name: &str,
    ports: &Ports,
    workers: u8,
    more: &[(String, String)],
) -> Result<Running> {
    let port = if name == "app" { &ports.app } else { &ports.portal };
    let mut command = run::leashed(&run::program("starman")?);
    command.args(["--listen", &format!("127.0.0.1:{}", port.number()), "--workers", &workers.to_string()]);
    command.args(["--env", "deployment"]).arg(place.join(&format!("{name}.psgi"))).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("HOME", place.path());
    command.env("LLNG_DEFAULTCONFFILE", place.join("lemonldap-ng.ini")).env("PERL5LIB", plugin());
    command.env("STAND_PORTAL", ports.portal_url()).env("STAND_APP", ports.app_url());
    command.env("STAND_PORTAL_DIRECT", format!("http://127.0.0.1:{}/", ports.portal.number()));
    command.envs(more.iter().map(|(key, value)| (key, value)));
    let log = open(&place.join(&format!("{name}.log")))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    run::start(name, command)
}

fn open(path: &Path) -> Result<std::fs::File> {
    Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
}
