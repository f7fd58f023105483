//! A private Active Directory: Samba as a domain controller, its LDAP alone, with the same campus in AD's words.
//!
//! A domain is provisioned once for a machine; each server is a copy of it. Samba's ports are fixed, so each server has
//! a loopback address of its own: several run at once. It needs root. It must not touch the system's Samba.

mod recipe;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as Name, UnixListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::campus::{Person, small};
use crate::certs::Authority;
use crate::directory::DirectoryServer;
use crate::install::{SAMBA_AD, need, say};
use crate::ldap::{Client, answers};
use crate::place::Place;
use crate::run::{self, Running, processes, program};

pub use recipe::{BASE, DOMAIN, SERVICE, SERVICE_DN, SUFFIX, WRITABLE, unicode};

/// The domain's administrator. For the stand only.
pub const ADMIN: &str = "administrator@ad.univ.example";
/// Their password.
pub const ADMIN_PASSWORD: &str = "Stand-admin-9026";
/// The service account's.
pub const SERVICE_PASSWORD: &str = "Stand-service-4713";

/// How the directory is to be.
#[derive(Clone, Debug)]
pub struct SambaAdOptions {
    /// Who is in it from the start.
    pub people: Vec<Person>,
    /// More entries, as LDIF, added after the people.
    pub more: String,
    /// A provisional person's password is to be changed at the next logon (`pwdLastSet` 0).
    pub must_change: bool,
}

impl Default for SambaAdOptions {
    fn default() -> Self {
        Self { people: small(), more: String::new(), must_change: true }
    }
}

/// A running Samba.
#[derive(Debug)]
pub struct SambaAd {
    // Dropped in this order: first the processes, then their directory, then the address.
    running: Option<Group>,
    admin: Client,
    place: Place,
    address: Address,
    must_change: bool,
}

impl SambaAd {
    /// Makes the domain, starts it, adds the campus, and returns once it answers. The first time on a machine takes
    /// twenty seconds more.
    pub fn start(options: &SambaAdOptions) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a private Samba needs root");
        }
        need(SAMBA_AD, &mut say)?;
        let (place, address) = (Place::new("samba")?, Address::free()?);
        recipe::domain(place.path(), address.ip)?;
        Authority::new(place.path())?.issue_for("server", &["dc1.ad.univ.example"], &[address.ip.into()])?;
        let url = format!("ldaps://{}", address.ip);
        let ca = place.join("ca.pem");
        let admin = Client::new(place.path(), &url, ADMIN, ADMIN_PASSWORD, Some(&ca))?;
        let mut server = Self { running: None, admin, place, address, must_change: options.must_change };
        server.launch()?;
        let people = options.people.iter().map(|person| recipe::entry(person, options.must_change));
        server.admin.add(&format!("{}\n{}", people.collect::<String>(), options.more))?;
        Ok(server)
    }

    /// The loopback address on which it listens, on AD's own ports.
    pub fn ip(&self) -> Ipv4Addr {
        self.address.ip
    }

    /// An ordinary account beside the service's own, with the same password and no right of its own. Its DN.
    pub fn add_account(&self, login: &str) -> Result<String> {
        let (dn, entry) = recipe::account(login);
        self.admin.add(&entry)?;
        Ok(dn)
    }

    /// Lines for a shell, as an administrator runs them on this domain controller: its `samba-tool` is this server's.
    pub fn shell(&self, lines: &str) -> Result<String> {
        let (bin, tool) = (self.place.join("bin"), program("samba-tool")?);
        std::fs::create_dir_all(&bin)?;
        let (wrapper, conf) = (bin.join("samba-tool"), self.place.join("smb.conf"));
        let script = format!("#!/bin/sh\nexec '{}' \"$@\" -s '{}'\n", tool.display(), conf.display());
        run::script(&wrapper, &script)?;
        let first = format!("PATH='{}':$PATH\nset -e\n{lines}", bin.display());
        let out = run::output(&program("sh")?, &["-c", &first], b"")?;
        if !out.status.success() {
            bail!("{lines:?} failed ({}): {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn group(&self) -> Result<&Group> {
        self.running.as_ref().ok_or_else(|| anyhow!("Samba is stopped"))
    }

    fn launch(&mut self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.log_file())?;
        let mut command = run::leashed(&program("samba")?);
        // In a group of its own: its parts are processes of their own, which have to be stopped together.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.arg("-i").arg("-s").arg(self.place.join("smb.conf")).arg("--debug-stdout");
        // It ends when its standard input does.
        let (input, hold) = std::io::pipe()?;
        command.stdin(input).stdout(log.try_clone()?).stderr(log);
        let group = Group { running: run::start("samba", command)?, _hold: hold };
        let address = SocketAddr::from((self.address.ip, 389));
        let ready = run::until(Duration::from_secs(90), || match group.running.status() {
            Some(status) => Err(anyhow!("samba ended ({status})")),
            None => Ok(answers(address).then_some(())),
        });
        let ready = ready.and_then(|ready| ready.ok_or_else(|| anyhow!("Samba does not answer after 90 s")));
        ready.with_context(|| {
            format!("failed to start a private Samba\n{}", run::tail(&self.log_file(), 12))
        })?;
        self.running = Some(group);
        Ok(())
    }
}

impl DirectoryServer for SambaAd {
    fn name(&self) -> &'static str {
        "Samba AD"
    }

    fn url(&self) -> String {
        format!("ldap://{}", self.address.ip)
    }

    fn ldaps_url(&self) -> String {
        format!("ldaps://{}", self.address.ip)
    }

    fn ldaps_address(&self) -> SocketAddr {
        SocketAddr::from((self.address.ip, 636))
    }

    fn ca_file(&self) -> PathBuf {
        self.place.join("ca.pem")
    }

    fn log_file(&self) -> PathBuf {
        self.place.join("samba.log")
    }

    fn base(&self) -> &str {
        BASE
    }

    fn service(&self) -> (&str, &str) {
        (SERVICE_DN, SERVICE_PASSWORD)
    }

    fn admin(&self) -> &Client {
        &self.admin
    }

    fn here(&self, person: &Person) -> Person {
        Person { dn: recipe::dn(&person.login), ..person.clone() }
    }

    fn add_person(&self, person: &Person) -> Result<()> {
        self.admin.add(&recipe::entry(person, self.must_change))
    }

    fn stop(&mut self) -> Result<()> {
        let Some(group) = self.running.take() else { return Ok(()) };
        group.signal(Signal::SIGCONT)?;
        group.signal(Signal::SIGTERM)?;
        group.running.wait(Duration::from_secs(60)).context("Samba still runs 60 s after SIGTERM")?;
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
        let group = self.group()?;
        group.signal(Signal::SIGSTOP)?;
        group.members().into_iter().try_for_each(run::still)
    }

    fn resume(&self) -> Result<()> {
        self.group()?.signal(Signal::SIGCONT)
    }

    fn data(&self) -> PathBuf {
        self.place.join("private")
    }
}

/// Samba's processes, which are one group, and die together.
#[derive(Debug)]
struct Group {
    running: Running,
    _hold: std::io::PipeWriter,
}

impl Group {
    fn signal(&self, signal: Signal) -> Result<()> {
        let group =
            Pid::from_raw(i32::try_from(self.running.pid()).context("a process number out of range")?);
        self.running.told();
        killpg(group, signal).with_context(|| format!("failed to send {signal} to Samba"))
    }

    /// The numbers of its processes.
    fn members(&self) -> Vec<u32> {
        let leader = self.running.pid();
        processes().filter(|process| process.group == leader).map(|process| process.pid).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.signal(Signal::SIGKILL);
        // The parts are not our children: gone is what no longer listens, and that is the kernel's word for a group.
        let _ =
            run::until(Duration::from_secs(10), || Ok(self.signal(Signal::SIGCONT).is_err().then_some(())));
    }
}

/// A loopback address that nobody else of ours takes, for as long as the value lives.
#[derive(Debug)]
struct Address {
    ip: Ipv4Addr,
    _claim: UnixListener,
}

impl Address {
    fn free() -> Result<Self> {
        for (third, fourth) in (0..=255u8).flat_map(|third| (1..=254u8).map(move |fourth| (third, fourth))) {
            let ip = Ipv4Addr::new(127, 77, third, fourth);
            let name = Name::from_abstract_name(format!("parvis-stand-address-{ip}"))?;
            let Ok(claim) = UnixListener::bind_addr(&name) else { continue };
            let free = [389, 636].into_iter().all(|port| crate::place::is_silent(ip, port));
            if free {
                return Ok(Self { ip, _claim: claim });
            }
        }
        bail!("no free address in 127.77.0.0/16")
    }
}
