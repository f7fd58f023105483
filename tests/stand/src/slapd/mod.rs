//! A private OpenLDAP: slapd on loopback with a campus in it, and the stand's own way to look and to change things.
//!
//! The stand works as the directory's administrator, over ldapi; Parvis gets an account of its own with the rights it
//! needs and no more ([`SERVICE_DN`], see `config.rs`). It must not be used by the product itself.

mod config;

use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;

use crate::campus::{Person, dn, entry, small};
use crate::certs::Authority;
use crate::directory::DirectoryServer;
use crate::ldap::{Client, answers, password_file};
use crate::ldif::Entry;
use crate::place::{Place, Port};
use crate::run::{self, Running, Usage, lock, program};

pub use config::WRITABLE;

/// The campus's suffix.
pub const SUFFIX: &str = "dc=univ,dc=example";
/// Where the people are.
pub const PEOPLE: &str = "ou=people,dc=univ,dc=example";
/// The account that Parvis binds as.
pub const SERVICE_DN: &str = "cn=parvis,ou=services,dc=univ,dc=example";
/// Its password.
pub const SERVICE_PASSWORD: &str = "stand-service-4713";
/// The directory's administrator: slapd's rootdn, for which it skips its password policy. For the stand only.
pub const ADMIN_DN: &str = "cn=admin,dc=univ,dc=example";
/// Its password.
pub const ADMIN_PASSWORD: &str = "stand-admin-9026";
/// The administrator of `cn=config`.
pub const CONFIG_DN: &str = "cn=config";
/// Its password.
pub const CONFIG_PASSWORD: &str = "stand-config-1358";

/// OpenLDAP's own inetLocalMailRecipient, for [`SlapdOptions::schema`].
pub const MISC: &str = "include /etc/ldap/schema/misc.schema\n";
/// As much of Zimbra's schema as forwarding needs, for [`SlapdOptions::schema`].
pub const ZIMBRA: &str = include_str!("../../schema/zimbra.schema");

/// How the directory is to be. The default is what a test of something else wants: quick, not durable, ppolicy on.
#[derive(Clone, Debug)]
pub struct SlapdOptions {
    /// Who is in it from the start.
    pub people: Vec<Person>,
    /// More entries, as LDIF, loaded after the people.
    pub more: String,
    /// Each write reaches the disk before its answer. False: faster by three, and kill -9 still loses nothing.
    pub durable: bool,
    /// The password policy overlay, with a default policy: 8 characters, 3 in history, locked after 5 failures.
    pub ppolicy: bool,
    /// slapd hashes a clear `userPassword` that a modify brings (`ppolicy_hash_cleartext`).
    pub hash_cleartext: bool,
    /// The overlay that lets changes be followed (RFC 4533); without it, its module is not loaded either.
    pub syncprov: bool,
    /// Every write is recorded in `cn=accesslog`.
    pub accesslog: bool,
    /// `memberOf` is kept up to date.
    pub memberof: bool,
    /// No two people with one `uid`.
    pub unique: bool,
    /// The service account may read `cn=config`.
    pub config_readable: bool,
    /// Over ldapi with SASL EXTERNAL, this process's user is the service account.
    pub external_is_service: bool,
    /// A simple bind in clear is refused: ldaps, StartTLS or ldapi.
    pub require_tls: bool,
    /// How many changes the session log of syncprov remembers.
    pub session_log: u32,
    /// The attributes of people that the service account may write.
    pub writable: Vec<String>,
    /// More schema: lines of slapd.conf, such as [`MISC`] and [`ZIMBRA`].
    pub schema: String,
    /// Added to the end of the people's database section of slapd.conf.
    pub extra_config: String,
    /// slapd's own `-d`: 0 is silent, 256 logs operations.
    pub log_level: u32,
}

impl Default for SlapdOptions {
    fn default() -> Self {
        Self {
            people: small(),
            more: String::new(),
            durable: false,
            ppolicy: true,
            hash_cleartext: true,
            syncprov: true,
            accesslog: false,
            memberof: false,
            unique: false,
            config_readable: true,
            external_is_service: false,
            require_tls: false,
            session_log: 10_000,
            writable: WRITABLE.iter().map(|name| (*name).to_owned()).collect(),
            schema: String::new(),
            extra_config: String::new(),
            log_level: 0,
        }
    }
}

/// A running slapd.
#[derive(Debug)]
pub struct Slapd {
    // Dropped in this order: first the process, then its directory, then its ports.
    running: Option<Running>,
    admin: Client,
    place: Place,
    ldap: Port,
    ldaps: Port,
    log_level: u32,
}

impl Slapd {
    /// Makes the directory, loads the campus, starts slapd, and returns once it answers.
    pub fn start(options: SlapdOptions) -> Result<Self> {
        let place = Place::new("slapd")?;
        let admin = Client::new(place.path(), &ldapi(&place), ADMIN_DN, ADMIN_PASSWORD, None)?;
        let mut slapd = Self {
            running: None,
            admin,
            ldap: Port::free()?,
            ldaps: Port::free()?,
            log_level: options.log_level,
            place,
        };
        let dir = slapd.place.path();
        Authority::new(dir)?.issue("server", &[])?;
        for name in ["people.mdb", "accesslog.mdb"] {
            std::fs::create_dir(dir.join(name))?;
        }
        std::fs::write(dir.join("stand.schema"), SCHEMA)?;
        std::fs::write(dir.join("slapd.conf"), config::text(&options, dir))?;
        slapd.load(&options)?;
        drop(options);
        slapd.launch()?;
        Ok(slapd)
    }

    /// `ldap://127.0.0.1:PORT`, where StartTLS is offered too.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ldap.number())
    }

    /// `ldaps://localhost:PORT`, with a certificate of [`Slapd::ca_file`].
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.ldaps.number())
    }

    /// `ldapi://` and the socket's path, percent-encoded.
    pub fn ldapi_url(&self) -> String {
        ldapi(&self.place)
    }

    /// The port of `ldap://`: what a fault proxy is put before.
    pub fn port(&self) -> u16 {
        self.ldap.number()
    }

    /// The port of `ldaps://`.
    pub fn ldaps_port(&self) -> u16 {
        self.ldaps.number()
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.place.join("ldapi")
    }

    /// The certificate to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.place.join("ca.pem")
    }

    /// slapd's own log.
    pub fn log_file(&self) -> PathBuf {
        self.place.join("slapd.log")
    }

    /// What slapd has used until now.
    pub fn usage(&self) -> Result<Usage> {
        self.process()?.usage()
    }

    /// The database's files, which must hold no password in clear.
    pub fn database(&self) -> PathBuf {
        self.place.join("people.mdb")
    }
}

/// Its life.
impl Slapd {
    /// Stops slapd as a system would, if it runs.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            let _ = running.signal(Signal::SIGCONT);
            running.terminate(Duration::from_secs(30))?;
        }
        Ok(())
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same data and ports, after [`Slapd::stop`] or [`Slapd::kill9`], or stops it first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    /// Freezes slapd: connections are accepted by the kernel, and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.process()?.freeze()
    }

    /// Goes on after [`Slapd::pause`].
    pub fn resume(&self) -> Result<()> {
        self.process()?.signal(Signal::SIGCONT)
    }

    fn process(&self) -> Result<&Running> {
        self.running.as_ref().ok_or_else(|| anyhow!("slapd is stopped"))
    }

    /// slapadd, so that a hundred thousand people take ten seconds and not five minutes.
    fn load(&self, options: &SlapdOptions) -> Result<()> {
        let path = self.place.join("campus.ldif");
        let mut out = std::io::BufWriter::new(std::fs::File::create(&path)?);
        out.write_all(config::tree()?.as_bytes())?;
        hash_all(options.people.iter().map(|person| person.provisional_password.as_str()))?;
        for person in &options.people {
            writeln!(out, "{}", entry(person, &hash(&person.provisional_password)?))?;
        }
        writeln!(out, "{}", options.more)?;
        out.into_inner()?;
        let conf = self.place.join("slapd.conf");
        let args = ["-q", "-w", "-b", SUFFIX, "-f", utf8(&conf)?, "-l", utf8(&path)?];
        run::expect(&program("slapadd")?, &args, b"").with_context(|| hint(self.place.path()))?;
        std::fs::remove_file(path)?;
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.log_file())?;
        let listen = format!("{} {} {}", self.url(), self.ldaps_bind(), self.ldapi_url());
        let mut command = run::leashed(&program("slapd")?);
        command.arg("-f").arg(self.place.join("slapd.conf")).args(["-h", &listen]);
        // With -d, slapd stays in the foreground, and its process is ours to watch.
        command.args(["-d", &self.log_level.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let running = run::start("slapd", command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ldap.number()));
        let ready = run::until(Duration::from_secs(60), || match running.status() {
            Some(status) => Err(anyhow!("slapd ended ({status})")),
            None => Ok(answers(address).then_some(())),
        });
        let ready = ready.and_then(|ready| ready.ok_or_else(|| anyhow!("slapd does not answer after 60 s")));
        ready.with_context(|| hint(self.place.path()))?;
        self.running = Some(running);
        Ok(())
    }

    fn ldaps_bind(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ldaps.number())
    }
}

/// Looking and changing, as the administrator: [`Client`]'s, in short.
impl Slapd {
    /// Adds the entries of an LDIF text.
    pub fn add(&self, ldif: &str) -> Result<()> {
        self.admin.add(ldif)
    }

    /// Adds one person, with their password hashed.
    pub fn add_person(&self, person: &Person) -> Result<()> {
        self.add(&entry(person, &hash(&person.provisional_password)?))
    }

    /// Carries out the change records of an LDIF text (`dn:`, `changetype: modify`, …).
    pub fn modify(&self, ldif: &str) -> Result<()> {
        self.admin.modify(ldif)
    }

    /// Changes `cn=config`, while it runs.
    pub fn configure(&self, ldif: &str) -> Result<()> {
        self.admin.as_user(CONFIG_DN, CONFIG_PASSWORD)?.modify(ldif)
    }

    /// Replaces every value of one attribute; none removes it.
    pub fn replace(&self, dn: &str, attribute: &str, values: &[&str]) -> Result<()> {
        self.admin.replace(dn, attribute, values)
    }

    /// Removes one entry.
    pub fn delete(&self, dn: &str) -> Result<()> {
        self.admin.delete(dn)
    }

    /// The entries under `base` that match, with the attributes asked for (none: all but the operational ones).
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        self.admin.search(base, filter, attributes)
    }

    /// One entry with all its attributes, the operational ones too; `None` where there is none.
    pub fn entry(&self, dn: &str) -> Result<Option<Entry>> {
        self.admin.entry(dn)
    }

    /// Whether this name and password sign in. An error if the directory does not say.
    pub fn bind_works(&self, dn: &str, password: &str) -> Result<bool> {
        self.admin.bind_works(dn, password)
    }
}

impl DirectoryServer for Slapd {
    fn name(&self) -> &'static str {
        "OpenLDAP"
    }

    fn url(&self) -> String {
        self.url()
    }

    fn ldaps_url(&self) -> String {
        self.ldaps_url()
    }

    fn ldaps_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ldaps.number()))
    }

    fn ca_file(&self) -> PathBuf {
        self.ca_file()
    }

    fn log_file(&self) -> PathBuf {
        self.log_file()
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
        self.add_person(person)
    }

    fn stop(&mut self) -> Result<()> {
        self.stop()
    }

    fn kill9(&mut self) {
        self.kill9();
    }

    fn restart(&mut self) -> Result<()> {
        self.restart()
    }

    fn pause(&self) -> Result<()> {
        self.pause()
    }

    fn resume(&self) -> Result<()> {
        self.resume()
    }

    fn data(&self) -> PathBuf {
        self.database()
    }
}

const SCHEMA: &str = include_str!("../../schema/parvis-stand.schema");

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn ldapi(place: &Place) -> String {
    format!("ldapi://{}", place.join("ldapi").to_string_lossy().replace('/', "%2F"))
}

fn hint(dir: &Path) -> String {
    let log = run::tail(&dir.join("slapd.log"), 8);
    let confined = Path::new("/sys/kernel/security/apparmor/profiles").exists();
    let advice = if confined && !(dir.starts_with("/tmp") || dir.starts_with("/var/tmp")) {
        "\nAppArmor may confine slapd to /tmp and /var/tmp here: unset PARVIS_STAND_DIR, or set it to one of these"
    } else if confined {
        "\nif the kernel's log shows AppArmor denials for slapd: aa-complain /usr/sbin/slapd"
    } else {
        ""
    };
    format!("failed to start a private slapd in {}{advice}\n{log}", dir.display())
}

fn known() -> &'static Mutex<HashMap<String, String>> {
    static KNOWN: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    KNOWN.get_or_init(Mutex::default)
}

/// `{SSHA}` by slappasswd, once for each password in a process.
pub(crate) fn hash(password: &str) -> Result<String> {
    if let Some(hash) = lock(known()).get(password) {
        return Ok(hash.clone());
    }
    let file = password_file(&std::env::temp_dir(), password)?;
    let args = ["-n", "-h", "{SSHA}", "-T", utf8(file.path())?];
    let hash = run::expect(&program("slappasswd")?, &args, b"")?.trim().to_owned();
    lock(known()).insert(password.to_owned(), hash.clone());
    Ok(hash)
}

/// As many at once as there are passwords not seen before: a dozen processes side by side, 20 ms in all.
fn hash_all<'a>(passwords: impl Iterator<Item = &'a str>) -> Result<()> {
    let new: std::collections::BTreeSet<&str> = passwords.collect();
    let new: Vec<&str> = new.into_iter().filter(|password| !lock(known()).contains_key(*password)).collect();
    for some in new.chunks(16) {
        std::thread::scope(|scope| -> Result<()> {
            let at_work: Vec<_> = some.iter().map(|password| scope.spawn(|| hash(password))).collect();
            for work in at_work {
                work.join().map_err(|_| anyhow!("a thread that hashes has panicked"))??;
            }
            Ok(())
        })?;
    }
    Ok(())
}
