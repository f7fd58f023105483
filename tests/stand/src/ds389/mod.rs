//! A private 389 Directory Server on loopback, with the same campus and the same service account as [`crate::Slapd`].
//!
//! `dscreate` makes an instance once for a machine; each server is a copy of it, with certificates, ports and people of
//! its own. It needs root, because ns-slapd runs as a user of its own. It must not touch the system's instances.

mod dse;
mod recipe;
mod schema;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;

use crate::campus::{Person, dn, entry, small};
use crate::certs::Authority;
use crate::directory::{DirectoryServer, copy};
use crate::install::{DS389, need, say};
use crate::ldap::{Client, answers};
use crate::place::{Place, Port};
use crate::run::{self, Running, expect, program};
use crate::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD, SUFFIX};

use dse::Dse;
pub use recipe::WRITABLE;

/// The directory's administrator, for whom it skips its password policy. For the stand only.
pub const MANAGER_DN: &str = "cn=Directory Manager";
/// Its password.
pub const MANAGER_PASSWORD: &str = "stand-manager-3381";

/// How the directory is to be.
#[derive(Clone, Debug)]
pub struct Ds389Options {
    /// Who is in it from the start.
    pub people: Vec<Person>,
    /// More entries, as LDIF, added after the people.
    pub more: String,
    /// The Content Synchronization plugin (RFC 4533). It needs the change log.
    pub sync: bool,
    /// The Retro Changelog plugin: `cn=changelog`.
    pub changelog: bool,
    /// The USN plugin: `entryusn` on each entry that is written.
    pub usn: bool,
    /// The password policy: 8 characters, 3 in history, locked for a minute after 5 failures.
    pub policy: bool,
    /// With the policy: a password that somebody else has set is to be changed at the next bind.
    pub must_change: bool,
    /// The attributes of people that the service account may write, `userPassword` among them.
    pub writable: Vec<String>,
}

impl Default for Ds389Options {
    fn default() -> Self {
        Self {
            people: small(),
            more: String::new(),
            sync: true,
            changelog: true,
            usn: false,
            policy: true,
            must_change: true,
            writable: WRITABLE.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// A running 389 Directory Server.
#[derive(Debug)]
pub struct Ds389 {
    // Dropped in this order: first the process, then its directory, then its ports.
    running: Option<Running>,
    admin: Client,
    place: Place,
    ldap: Port,
    ldaps: Port,
}

impl Ds389 {
    /// Makes the directory, starts it, adds the campus, and returns once it answers. The first time on a machine takes
    /// twenty seconds more.
    pub fn start(options: &Ds389Options) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a private 389 Directory Server needs root");
        }
        need(DS389, &mut say)?;
        let place = Place::new("389ds")?;
        place.open_to_all()?;
        let (ldap, ldaps) = (Port::free()?, Port::free()?);
        recipe::instance(place.path())?;
        certificates(place.path())?;
        let path = place.join(recipe::DSE);
        let mut dse = Dse::parse(&std::fs::read_to_string(&path)?);
        recipe::configure(&mut dse, options, ldap.number(), ldaps.number())?;
        std::fs::write(&path, dse.text())?;
        given_to_dirsrv(&place.join("root"))?;
        let socket = place.join("root/run/slapd-t.socket");
        let url = format!("ldapi://{}", socket.to_string_lossy().replace('/', "%2F"));
        let admin = Client::new(place.path(), &url, MANAGER_DN, MANAGER_PASSWORD, None)?;
        let mut server = Self { running: None, admin, place, ldap, ldaps };
        server.launch()?;
        server.fill(options)?;
        Ok(server)
    }

    /// The Unix socket's address.
    pub fn ldapi_url(&self) -> String {
        let socket = self.place.join("root/run/slapd-t.socket");
        format!("ldapi://{}", socket.to_string_lossy().replace('/', "%2F"))
    }

    /// The port of `ldap://`.
    pub fn port(&self) -> u16 {
        self.ldap.number()
    }

    /// The port of `ldaps://`.
    pub fn ldaps_port(&self) -> u16 {
        self.ldaps.number()
    }

    fn process(&self) -> Result<&Running> {
        self.running.as_ref().ok_or_else(|| anyhow!("389 Directory Server is stopped"))
    }

    /// The people come after the policy, which is to judge what happens to them; the service account comes before it:
    /// an account that has to change its own password may do nothing else.
    fn fill(&self, options: &Ds389Options) -> Result<()> {
        // dscreate's own, which anybody may read.
        self.admin.delete(SUFFIX)?;
        self.admin.add(&recipe::tree(&options.writable)?)?;
        if options.policy {
            self.admin.modify(&recipe::policy(options.must_change))?;
        }
        let people: Vec<String> =
            options.people.iter().map(|person| entry(person, &person.provisional_password)).collect();
        self.admin.add(&format!("{}\n\n{}", people.join("\n"), options.more))
    }

    fn launch(&mut self) -> Result<()> {
        // What names the process of before: after a SIGKILL the server would believe it.
        for lock in std::fs::read_dir(self.place.join("root/run/lock/dirsrv/slapd-t/server"))?.flatten() {
            std::fs::remove_file(lock.path())?;
        }
        let log = std::fs::File::options().create(true).append(true).open(self.place.join("output"))?;
        // The leash after the change of user: the kernel forgets it there.
        let mut command = as_dirsrv(&program("setpriv")?);
        command.args(["--pdeathsig", "KILL", "--"]).arg(program("ns-slapd")?);
        command.arg("-D").arg(self.place.join(recipe::HOME)).arg("-i").arg(self.place.join("root/run/pid"));
        // Any -d keeps it in the foreground; this one is its usual level.
        command.args(["-d", "16384"]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let running = run::start("ns-slapd", command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ldap.number()));
        let ready = run::until(Duration::from_secs(90), || match running.status() {
            Some(status) => Err(anyhow!("ns-slapd ended ({status})")),
            None => Ok(answers(address).then_some(())),
        });
        let ready =
            ready.and_then(|ready| ready.ok_or_else(|| anyhow!("ns-slapd does not answer after 90 s")));
        ready.with_context(|| {
            format!(
                "failed to start a private 389 Directory Server\n{}",
                run::tail(&self.place.join("output"), 12)
            )
        })?;
        self.running = Some(running);
        Ok(())
    }
}

impl DirectoryServer for Ds389 {
    fn name(&self) -> &'static str {
        "389 Directory Server"
    }

    fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ldap.number())
    }

    fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.ldaps.number())
    }

    fn ldaps_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ldaps.number()))
    }

    fn ca_file(&self) -> PathBuf {
        self.place.join("ca.pem")
    }

    fn log_file(&self) -> PathBuf {
        self.place.join("root/var/log/dirsrv/slapd-t/errors")
    }

    fn base(&self) -> &str {
        PEOPLE
    }

    fn service(&self) -> (&str, &str) {
        (SERVICE_DN, SERVICE_PASSWORD)
    }

    fn admin(&self) -> &Client {
        &self.admin
    }

    fn here(&self, person: &Person) -> Person {
        Person { dn: dn(&person.login), ..person.clone() }
    }

    fn add_person(&self, person: &Person) -> Result<()> {
        self.admin.add(&entry(person, &person.provisional_password))
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            let _ = running.signal(Signal::SIGCONT);
            running.terminate(Duration::from_secs(60))?;
        }
        Ok(())
    }

    fn kill9(&mut self) {
        self.running = None;
    }

    fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    fn pause(&self) -> Result<()> {
        self.process()?.freeze()
    }

    fn resume(&self) -> Result<()> {
        self.process()?.signal(Signal::SIGCONT)
    }

    fn data(&self) -> PathBuf {
        self.place.join("root/var/lib/dirsrv/slapd-t")
    }
}

/// A command that runs as the user of the package.
fn as_dirsrv(what: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=dirsrv", "--regid=dirsrv", "--init-groups", "--"]).arg(what);
    command
}

fn given_to_dirsrv(tree: &Path) -> Result<()> {
    let args = ["-R".as_ref(), "dirsrv:dirsrv".as_ref(), tree.as_os_str()];
    expect(&program("chown")?, &args, b"").map(drop)
}

/// A certificate of the stand's own in a database of NSS's, which has no password: it lives as long as a test.
fn certificates(dir: &Path) -> Result<()> {
    let issued = Authority::new(dir)?.issue("server", &[])?;
    let database = format!("sql:{}", dir.join(recipe::HOME).display());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (ca, bundle) = (text(&dir.join("ca.pem")), text(&dir.join("server.p12")));
    let (certificate, key) = (text(&issued.certificate), text(&issued.key));
    let bundled = ["pkcs12", "-export", "-in", &certificate, "-inkey", &key, "-name", "Server-Cert"];
    expect(&program("openssl")?, &[&bundled[..], &["-out", &bundle, "-passout", "pass:"]].concat(), b"")?;
    let certutil = program("certutil")?;
    expect(&certutil, &["-N", "-d", &database, "--empty-password"], b"")?;
    expect(&certutil, &["-A", "-d", &database, "-n", "stand-ca", "-t", "CT,,", "-i", &ca], b"")?;
    expect(&program("pk12util")?, &["-i", &bundle, "-d", &database, "-W", ""], b"").map(drop)
}
