//! The Shibboleth page in a real Tomcat, Debian's: 9 with `javax.servlet`, as identity provider 4 has it, or 10 with
//! `jakarta.servlet`, as 5 does. Of the identity provider itself there are STAND-INS only: `tests/stand/shibboleth`.
//!
//! It must not know what the page does.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::binaries::workspace;
use crate::place::{Place, Port};
use crate::run::{self, Running};

const JAVA: &str = "/usr/share/java";
/// Starting a machine of Java's, and compiling a page in it, on a busy one of ours.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whose interfaces the page meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Identity provider 4: Tomcat 9.
    Four,
    /// Identity provider 5: Tomcat 10.
    Five,
}

impl Generation {
    fn tomcat(self) -> &'static str {
        match self {
            Self::Four => "tomcat9",
            Self::Five => "tomcat10",
        }
    }

    fn servlet(self) -> &'static str {
        match self {
            Self::Four => "javax",
            Self::Five => "jakarta",
        }
    }

    fn relying(self) -> &'static str {
        match self {
            Self::Four => "net.shibboleth.idp.profile.context",
            Self::Five => "net.shibboleth.profile.context",
        }
    }
}

/// A running Tomcat.
#[derive(Debug)]
pub struct Shibboleth {
    tomcat: Running,
    place: Place,
    port: Port,
}

impl Shibboleth {
    /// Compiles the stand-ins, and starts Tomcat with the page.
    pub fn start(generation: Generation) -> Result<Self> {
        let place = Place::new("shibboleth")?;
        let port = Port::free()?;
        // Beside the web application, not in it: the stand and the page have to mean the same classes.
        let classes = place.join("classes");
        for dir in ["classes", "webapp/WEB-INF", "webapp/parvis", "conf", "source", "tomcat"] {
            std::fs::create_dir_all(place.join(dir))?;
        }
        for name in ["parvis.jsp", "parvis-ask.jspf"] {
            let from = workspace().join("hooks/shibboleth").join(name);
            std::fs::copy(from, place.join("webapp/parvis").join(name))?;
        }
        let jars = jars(generation)?;
        let mut sources = Vec::new();
        sources_of(&workspace().join("tests/stand/shibboleth"), &mut sources)?;
        let mut files = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            let text = std::fs::read_to_string(source)?;
            let text =
                text.replace("@SERVLET@", generation.servlet()).replace("@RELYING@", generation.relying());
            let name = source.file_name().context("a source without a name")?;
            let dir = place.join("source").join(number.to_string());
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join(name), text)?;
            files.push(dir.join(name).display().to_string());
        }
        let mut args = vec!["-cp".to_owned(), jars.clone(), "-d".to_owned(), classes.display().to_string()];
        args.extend(files);
        run::expect(&run::program("javac")?, &args, b"").context("the stand-ins do not compile")?;
        let log = std::fs::File::create(place.join("tomcat.log"))?;
        let mut command = run::leashed(&run::program("java")?);
        command.arg(format!("-Didp.home={}", place.path().display()));
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(format!("{jars}:{}", classes.display()));
        command.arg("Stand").arg(port.number().to_string()).arg(place.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let tomcat = run::start("tomcat", command)?;
        let shibboleth = Self { tomcat, place, port };
        shibboleth.listening()?;
        Ok(shibboleth)
    }

    fn listening(&self) -> Result<()> {
        let open = run::until(PATIENCE, || {
            if self.tomcat.status().is_some() {
                bail!("tomcat ended: {}", self.log());
            }
            Ok(std::net::TcpStream::connect(("127.0.0.1", self.port.number())).ok())
        })?;
        open.map(|_| ()).with_context(|| format!("tomcat does not listen: {}", self.log()))
    }

    /// Replaces `conf/parvis.properties`.
    pub fn configure(&self, properties: &str) -> Result<()> {
        let file = self.place.join("conf/parvis.properties");
        std::fs::write(file.with_extension("new"), properties)?;
        Ok(std::fs::rename(file.with_extension("new"), file)?)
    }

    /// The application's base address.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/idp", self.port.number())
    }

    /// What Tomcat and the page logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("tomcat.log")).unwrap_or_default()
    }
}

fn jars(generation: Generation) -> Result<String> {
    let own = ["annotations-api", "api", "catalina", "coyote", "el-api", "jasper", "jasper-el", "jaspic-api"];
    let more = ["jni", "jsp-api", "juli", "servlet-api", "util", "util-scan"];
    let tomcat = own.iter().chain(&more).map(|name| format!("{}-{name}.jar", generation.tomcat()));
    let other = ["eclipse-jdt-core.jar", "slf4j-api.jar", "slf4j-simple.jar"].map(str::to_owned);
    let all: Vec<PathBuf> = tomcat.chain(other).map(|name| Path::new(JAVA).join(name)).collect();
    if let Some(absent) = all.iter().find(|jar| !jar.exists()) {
        bail!("{} is not there", absent.display());
    }
    Ok(all.iter().map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(":"))
}

fn sources_of(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.extension() {
            _ if path.is_dir() => sources_of(&path, found)?,
            Some(end) if end == "java" => found.push(path),
            _ => {}
        }
    }
    Ok(())
}
