//! A real CAS server that can be installed anywhere (django-cas-server, from PyPI) before a scene's directory, with
//! Parvis's glue, and a small application behind it.
//!
//! It must not know what the glue answers.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::binaries::workspace;
use crate::install::{python_tools, say};
use crate::place::{Place, Port};
use crate::run::{self, Running};
use crate::scene::Scene;
use crate::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD};

/// The environment: what the glue was written for.
const PACKAGES: &[&str] = &["django-cas-server==3.1.0", "Django==5.2.19", "ldap3==2.9.1"];
const PATIENCE: Duration = Duration::from_secs(60);

/// A running CAS and its application.
#[derive(Debug)]
pub struct DjangoCas {
    cas: Option<Running>,
    _app: Running,
    place: Place,
    port: Port,
    app: Port,
    python: PathBuf,
}

/// The Python of its environment, made once.
pub fn python() -> Result<PathBuf> {
    python_tools("django-cas-server-3.1.0", PACKAGES, &mut |line| say(line))
}

impl DjangoCas {
    /// Starts both; `parvis` is what `PARVIS = {…}` holds in its settings, in Python's words.
    pub fn start(scene: &Scene, parvis: &str) -> Result<Self> {
        let python = python()?;
        let place = Place::new("cas")?;
        let (port, app) = (Port::free()?, Port::free()?);
        let settings = format!(
            "CAS_LDAP_SERVER = {:?}\nCAS_LDAP_USER = {SERVICE_DN:?}\nCAS_LDAP_PASSWORD = {SERVICE_PASSWORD:?}\n\
             CAS_LDAP_BASE_DN = {PEOPLE:?}\n\
             DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': {:?}}}}}\n\
             PARVIS = {{{parvis}}}\n",
            scene.slapd.url(),
            place.join("cas.sqlite3").display().to_string(),
        );
        std::fs::write(place.join("casplace.py"), settings)?;
        let url = format!("http://localhost:{}/cas/", port.number());
        let mut command = run::leashed(&python);
        command.arg(workspace().join("tests/stand/cas/app.py")).arg(app.number().to_string()).arg(&url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = run::start("app.py", command)?;
        let mut cas = Self { cas: None, _app: running, place, port, app, python };
        let mut prepare = cas.django();
        prepare.arg(workspace().join("tests/stand/cas/prepare.py"));
        let out = run::feed(prepare, b"")?;
        if !out.status.success() {
            bail!("failed to make CAS's database: {}", String::from_utf8_lossy(&out.stderr));
        }
        cas.launch()?;
        Ok(cas)
    }

    fn django(&self) -> std::process::Command {
        let mut command = run::leashed(&self.python);
        let paths =
            ["tests/stand/cas", "hooks/cas/django"].map(|path| workspace().join(path).display().to_string());
        let path = [&paths[..], &[self.place.path().display().to_string()]].concat().join(":");
        command.env("PYTHONPATH", path).env("DJANGO_SETTINGS_MODULE", "settings");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = self.django();
        command.args(["-m", "django", "runserver", "--noreload"]);
        command.arg(format!("127.0.0.1:{}", self.port.number()));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.place.join("cas.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let running = run::start("django-cas-server", command)?;
        for port in [&self.port, &self.app] {
            let open = run::until(PATIENCE, || {
                if let Some(status) = running.status() {
                    bail!("CAS ended ({status}): {}", self.log());
                }
                Ok(TcpStream::connect(("127.0.0.1", port.number())).ok())
            })?;
            open.with_context(|| format!("nobody listens on {}: {}", port.number(), self.log()))?;
        }
        self.cas = Some(running);
        Ok(())
    }

    /// `http://localhost:PORT/cas/`.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/cas/", self.port.number())
    }

    /// The application's address.
    pub fn app_url(&self) -> String {
        format!("http://localhost:{}/", self.app.number())
    }

    /// CAS's process.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.cas.as_ref().context("CAS is stopped")?.pid())
    }

    /// Everything that CAS printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("cas.log")).unwrap_or_default()
    }
}
