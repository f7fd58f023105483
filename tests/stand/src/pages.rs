//! A real `parvis-pages` with a web server before it, as on a campus: TLS, the campus's own name, our shipped site.
//!
//! It must not know what the pages show.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::binaries::{Profile, binaries};
use crate::front::{self, Front};
use crate::place::{Place, Port};
use crate::run::{self, Running};
use crate::scene::{BASE_URL, Scene};

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct PagesOptions {
    /// TOML of `pages.toml`, after what the stand sets at its top level.
    pub config: String,
    /// Top-level keys, before any table.
    pub keys: String,
    /// Where people sign in, if that is not the pages' own affair.
    pub sso: Option<String>,
    /// How much they log; all there is where it is empty.
    pub log: &'static str,
    /// Which build.
    pub profile: Profile,
    /// What stands before them.
    pub front: Front,
}

/// Running pages.
#[derive(Debug)]
pub struct Pages {
    pages: Option<Running>,
    _front: Option<Running>,
    place: Place,
    port: Port,
    tls: Option<Port>,
    options: PagesOptions,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Pages {
    /// Starts the pages of a scene's daemon, which sign people in themselves, and the web server; returns once both answer.
    pub fn start(scene: &Scene, options: PagesOptions) -> Result<Self> {
        let place = Place::new("pages")?;
        place.open_to_all()?;
        let (port, tls) = (Port::free()?, Port::free()?);
        let config = config(&scene.daemon.layout().hook_socket(), BASE_URL, port.number(), &options);
        std::fs::write(place.join("pages.toml"), config)?;
        let (front, number) =
            (front::start(options.front, &place, port.number(), tls.number())?, tls.number());
        let mut pages = Self { pages: None, _front: Some(front), place, port, tls: Some(tls), options };
        pages.launch()?;
        pages.answering(number)?;
        Ok(pages)
    }

    /// The same on this port, without a web server and TLS: browsers take `http://localhost` for safe. The daemon's own
    /// `pages.base-url` has to be [`localhost`] of it.
    pub fn on_localhost(scene: &Scene, port: Port, options: PagesOptions) -> Result<Self> {
        let place = Place::new("pages")?;
        let base = localhost(&port);
        let config = config(&scene.daemon.layout().hook_socket(), &base, port.number(), &options);
        std::fs::write(place.join("pages.toml"), config)?;
        let mut pages = Self { pages: None, _front: None, place, port, tls: None, options };
        pages.launch()?;
        Ok(pages)
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = run::leashed(&binaries(self.options.profile)?.parvis_pages);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.place.join("pages.log"))?;
        command.arg("--config").arg(self.place.join("pages.toml")).env_clear();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.pages = Some(run::start("parvis-pages", command)?);
        self.answering(self.port.number())
    }

    /// A port is open once something listens.
    fn answering(&self, port: u16) -> Result<()> {
        let open = run::until(PATIENCE, || {
            if self.pages.as_ref().is_some_and(|pages| pages.status().is_some()) {
                bail!("parvis-pages ended: {}", self.log());
            }
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        open.map(|_| ()).with_context(|| format!("nobody listens on {port}: {}", self.log()))
    }

    /// Stops the pages and starts them again; the web server stays.
    pub fn restart(&mut self) -> Result<()> {
        if let Some(pages) = self.pages.take() {
            pages.terminate(PATIENCE)?;
        }
        self.launch()
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> Result<std::process::ExitStatus> {
        self.pages.take().context("the pages are stopped")?.terminate(PATIENCE)
    }

    /// The pages' own port on 127.0.0.1, without TLS.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The web server's port on 127.0.0.1; 0 where there is none.
    pub fn tls_port(&self) -> u16 {
        self.tls.as_ref().map_or(0, Port::number)
    }

    /// Everything that the pages printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("pages.log")).unwrap_or_default()
    }

    /// What the web server logged.
    pub fn front_log(&self) -> String {
        front::logs(&self.place)
    }

    /// Memory and CPU until now.
    pub fn usage(&self) -> Result<run::Usage> {
        self.pages.as_ref().context("the pages are stopped")?.usage()
    }
}

/// Where a browser of this machine finds pages on that port.
pub fn localhost(port: &Port) -> String {
    format!("http://localhost:{}", port.number())
}

/// The configuration's text.
fn config(socket: &Path, base: &str, port: u16, options: &PagesOptions) -> String {
    let sign_in = match &options.sso {
        Some(url) => format!("offered = false\nurl = {url:?}"),
        None => "offered = true".to_owned(),
    };
    format!(
        "base-url = \"{base}\"\nlisten = \"127.0.0.1:{port}\"\nhook-socket = {:?}\nlog = \"{}\"\n{}\n\
         [sign-in]\n{sign_in}\n{}\n",
        socket.display().to_string(),
        if options.log.is_empty() { "debug" } else { options.log },
        options.keys,
        options.config,
    )
}
