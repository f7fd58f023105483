//! A real SimpleSAMLphp, Debian's: an identity provider before the stand's directory, and a service provider with a
//! small application, each under PHP's own web server. Our module is linked in.
//!
//! The package's own configuration and state are not touched. It must not know what the module does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::binaries::workspace;
use crate::place::{Place, Port};
use crate::run::{self, Running};
use crate::slapd::Slapd;

/// What Debian's package installs.
const PACKAGE: &str = "/usr/share/simplesamlphp";
const PATIENCE: Duration = Duration::from_secs(20);

/// How they are to be.
#[derive(Clone, Debug, Default)]
pub struct SimplesamlphpOptions {
    /// PHP of `authproc.idp`: what stands between its brackets.
    pub authproc: String,
    /// `usenewui`: Twig templates, as in 2.x.
    pub new_ui: bool,
}

/// Both, running.
#[derive(Debug)]
pub struct Simplesamlphp {
    _idp: Running,
    _sp: Running,
    place: Place,
    ports: Ports,
    ldap: String,
}

/// The ports of both: a daemon has to know them before they run.
#[derive(Debug)]
pub struct Ports {
    idp: Port,
    sp: Port,
}

impl Ports {
    /// Two free ones.
    pub fn free() -> Result<Self> {
        Ok(Self { idp: Port::free()?, sp: Port::free()? })
    }

    /// The identity provider's base address.
    pub fn idp(&self) -> String {
        format!("http://localhost:{}/simplesaml", self.idp.number())
    }

    /// The application's base address.
    pub fn sp(&self) -> String {
        format!("http://localhost:{}", self.sp.number())
    }
}

impl Simplesamlphp {
    /// Starts both before this directory, and returns once they answer.
    pub fn start(slapd: &Slapd, ports: Ports, options: &SimplesamlphpOptions) -> Result<Self> {
        let place = Place::new("simplesamlphp")?;
        copy(&place)?;
        let module = place.join("package/modules/parvis");
        std::os::unix::fs::symlink(workspace().join("hooks/simplesamlphp"), module)?;
        for who in ["idp", "sp"] {
            for dir in ["data", "temp", "cert", "metadata", "sessions", "config", "root"] {
                std::fs::create_dir_all(place.join(who).join(dir))?;
            }
            std::os::unix::fs::symlink(place.join("package/www"), place.join(who).join("root/simplesaml"))?;
        }
        certificate(&place)?;
        let ldap = slapd.url();
        configure(&place, &ports, &ldap, options)?;
        let idp = serve(&place, "idp", &ports.idp)?;
        let sp = serve(&place, "sp", &ports.sp)?;
        Ok(Self { _idp: idp, _sp: sp, place, ports, ldap })
    }

    /// Other filters, or another theme, from the next request on.
    pub fn configure(&self, options: &SimplesamlphpOptions) -> Result<()> {
        configure(&self.place, &self.ports, &self.ldap, options)
    }

    /// The identity provider's base address.
    pub fn idp(&self) -> String {
        self.ports.idp()
    }

    /// The application, which asks the identity provider through `default-sp` or `passive-sp`.
    pub fn application(&self, source: &str) -> String {
        format!("{}/app.php?source={source}", self.ports.sp())
    }

    /// Runs a script of the stand's with the identity provider's package and configuration.
    pub fn php(&self, script: &str) -> Result<Output> {
        let mut command = Command::new(run::program("php")?);
        command.arg(script).env("SIMPLESAMLPHP_CONFIG_DIR", self.place.join("idp/config"));
        command.env("STAND_PACKAGE", self.place.join("package"));
        run::feed(command, b"")
    }

    /// What the identity provider logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("idp/simplesamlphp.log")).unwrap_or_default()
    }

    /// The last words of both, for an error message.
    pub fn last_words(&self) -> String {
        let logs = ["idp/simplesamlphp.log", "idp/server.log", "sp/simplesamlphp.log", "sp/server.log"];
        logs.map(|log| format!("{log}:\n{}\n", run::tail(&self.place.join(log), 12))).concat()
    }

    /// What the web server of the identity provider said: each request, and PHP's own complaints.
    pub fn server_log(&self) -> String {
        std::fs::read_to_string(self.place.join("idp/server.log")).unwrap_or_default()
    }
}

/// A copy of the package, because modules are looked for in it: by hard links where that can be.
fn copy(place: &Place) -> Result<()> {
    let to = place.join("package");
    for how in ["-al", "-a"] {
        let mut command = Command::new(run::program("cp")?);
        command.arg(how).arg(PACKAGE).arg(&to).stdin(Stdio::null()).stderr(Stdio::null());
        if command.status()?.success() {
            return Ok(());
        }
        let _ = std::fs::remove_dir_all(&to);
    }
    bail!("{PACKAGE} cannot be copied: is the package simplesamlphp installed?")
}

/// The identity provider's, for its signatures. RSA, because SAML's default algorithm is.
fn certificate(place: &Place) -> Result<()> {
    let cert = place.join("idp/cert");
    let dir = cert.to_string_lossy();
    let args = ["-C", &dir, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
    let rest = ["-subj", "/CN=The stand's identity provider", "-keyout", "idp.key", "-out", "idp.pem"];
    run::expect(&run::program("env")?, &[&args[..], &rest[..]].concat(), b"")?;
    std::fs::copy(cert.join("idp.pem"), place.join("sp/cert/idp.pem"))?;
    Ok(())
}

fn configure(place: &Place, ports: &Ports, ldap: &str, options: &SimplesamlphpOptions) -> Result<()> {
    for (who, cookie, base) in
        [("idp", "idp", ports.idp()), ("sp", "sp", format!("{}/simplesaml", ports.sp()))]
    {
        let authproc = if who == "idp" { options.authproc.as_str() } else { "" };
        let put = |text: &str| {
            text.replace("@BASE@", &base)
                .replace("@DIR@", &place.join(who).display().to_string())
                .replace("@COOKIE@", cookie)
                .replace("@NEWUI@", if options.new_ui { "true" } else { "false" })
                .replace("@AUTHPROC@", authproc)
                .replace("@LDAP@", ldap)
                .replace("@IDP-BASE@", &ports.idp())
                .replace("@SP-BASE@", &format!("{}/simplesaml", ports.sp()))
                .replace("@SP@", "urn:stand:sp")
                .replace("@IDP@", "urn:stand:idp")
                .replace("@PACKAGE@", &place.join("package").display().to_string())
                .replace("@ROOT@", &ports.sp())
        };
        let write = |name: &str, text: &str| write(&place.join(who).join(name), &put(text));
        write("config/config.php", include_str!("../simplesamlphp/config.php"))?;
        write("config/authsources.php", include_str!("../simplesamlphp/authsources.php"))?;
        if who == "idp" {
            write("metadata/saml20-idp-hosted.php", include_str!("../simplesamlphp/saml20-idp-hosted.php"))?;
            write("metadata/saml20-sp-remote.php", include_str!("../simplesamlphp/saml20-sp-remote.php"))?;
        } else {
            write("metadata/saml20-idp-remote.php", include_str!("../simplesamlphp/saml20-idp-remote.php"))?;
            write("root/app.php", include_str!("../simplesamlphp/application.php"))?;
            write("root/error.php", include_str!("../simplesamlphp/error.php"))?;
        }
    }
    Ok(())
}

/// Whole or not at all: a request may read it at any moment.
fn write(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path).with_context(|| format!("failed to write {}", path.display()))
}

fn serve(place: &Place, who: &str, port: &Port) -> Result<Running> {
    let log = std::fs::File::options().create(true).append(true).open(place.join(who).join("server.log"))?;
    let mut command = run::leashed(&run::program("php")?);
    // Every file is read anew: the tests change the configuration.
    command.args(["-d", "opcache.enable=0", "-d", "display_errors=0", "-d", "log_errors=1"]);
    command.arg("-S").arg(format!("127.0.0.1:{}", port.number()));
    command.arg("-t").arg(place.join(who).join("root"));
    command.env("SIMPLESAMLPHP_CONFIG_DIR", place.join(who).join("config"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let running = run::start("php", command)?;
    let file: PathBuf = place.join(who).join("server.log");
    let open = run::until(PATIENCE, || {
        if running.status().is_some() {
            bail!("php ended: {}", run::tail(&file, 8));
        }
        Ok(std::net::TcpStream::connect(("127.0.0.1", port.number())).ok())
    })?;
    open.with_context(|| format!("php does not listen: {}", run::tail(&file, 8)))?;
    Ok(running)
}
