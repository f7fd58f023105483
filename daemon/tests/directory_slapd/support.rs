//! A private slapd in a temporary directory, on free ports of this host, gone with the value that started it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use parvis_stand::Port;
use parvisd::directory::{
    Bind, Directory, DirectoryHealth, Outside, PasswordWrite, Prepared, Settings, Timeouts,
};
use tempfile::TempDir;

pub const BASE: &str = "dc=univ,dc=test";
pub const SERVICE: &str = "cn=parvis,ou=services,dc=univ,dc=test";
pub const SERVICE_PASSWORD: &str = "Service-123";
pub const ROOT: &str = "cn=admin,dc=univ,dc=test";
pub const ROOT_PASSWORD: &str = "admin-secret";
/// Everybody's provisional password.
pub const LETTER: &str = "Letter-123";

/// How this slapd differs from the usual one.
#[derive(Clone, Copy)]
pub struct Options {
    pub hashes: bool,
    pub policy: bool,
    pub open_config: bool,
    pub tls: bool,
    pub session_log: usize,
    /// Give the service OpenLDAP's `manage`, as some sites do.
    pub manage: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            hashes: true,
            policy: true,
            open_config: false,
            tls: false,
            session_log: 1000,
            manage: false,
        }
    }
}

pub struct Slapd {
    dir: TempDir,
    child: Option<Child>,
    port: Port,
    tls_port: Port,
}

impl Slapd {
    pub fn start(options: Options, people: &str) -> Slapd {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["db", "config"] {
            std::fs::create_dir(dir.path().join(sub)).unwrap();
        }
        if options.tls {
            certificates(dir.path());
        }
        std::fs::write(dir.path().join("slapd.conf"), configuration(dir.path(), options)).unwrap();
        let tree = format!("{TREE}{people}");
        run(
            Command::new("slapadd").args(["-q", "-w", "-b", BASE, "-f"]).arg(dir.path().join("slapd.conf")),
            &tree,
        );
        let mut slapd =
            Slapd { dir, child: None, port: Port::free().unwrap(), tls_port: Port::free().unwrap() };
        slapd.launch();
        slapd
    }

    pub fn launch(&mut self) {
        let urls = format!("{} {} {}", self.uri(), self.tls_uri(), self.local_uri());
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        let child = Command::new("slapd")
            .arg("-f")
            .arg(self.dir.path().join("slapd.conf"))
            .args(["-h", &urls, "-d", "0"])
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port.number())).is_err() {
            assert!(Instant::now() < until, "slapd does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn uri(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port.number())
    }

    pub fn named_uri(&self) -> String {
        format!("ldap://localhost:{}", self.port.number())
    }

    pub fn tls_uri(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port.number())
    }

    pub fn local_uri(&self) -> String {
        format!("ldapi://{}", self.dir.path().join("ldapi").display().to_string().replace('/', "%2F"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Send a signal; once this returns from a stop, all of it stands still.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.as_ref().expect("slapd runs").id()).unwrap());
        kill(id, signal).unwrap();
        if signal == Signal::SIGSTOP {
            waitpid(id, Some(WaitPidFlag::WUNTRACED)).unwrap();
        }
    }

    /// End it as asked, and wait for it.
    pub fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.child.take().expect("slapd runs").wait().unwrap();
    }

    /// Change the directory as its administrator.
    pub fn modify(&self, ldif: &str) {
        self.tool("ldapmodify", &["-c"], ldif);
    }

    /// One entry's attributes as LDIF, as its administrator sees them.
    pub fn show(&self, dn: &str) -> String {
        self.tool("ldapsearch", &["-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn, "*", "+"], "")
    }

    pub fn tool(&self, tool: &str, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(tool);
        command.args(["-x", "-H", &self.uri(), "-D", ROOT, "-w", ROOT_PASSWORD]).args(arguments);
        run(&mut command, input)
    }

    /// Does this password bind?
    pub fn binds(&self, dn: &str, password: &str) -> bool {
        let mut command = Command::new("ldapwhoami");
        command.args(["-x", "-H", &self.uri(), "-D", dn, "-w", password]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    pub fn settings(&self) -> Settings {
        Settings {
            uris: vec![self.uri()],
            bind: Bind::Simple { dn: SERVICE.to_owned(), password: SERVICE_PASSWORD.into() },
            base: format!("ou=people,{BASE}"),
            password_write: Some(PasswordWrite::InModify),
            populations: vec![
                ("hourly".to_owned(), "(eduPersonAffiliation=affiliate)".to_owned()),
                ("staff".to_owned(), "(objectClass=inetOrgPerson)".to_owned()),
            ],
            attributes: [
                "mail",
                "cn",
                "displayName",
                "supannMailPerso",
                "supannRessourceEtatDate",
                "pwdReset",
            ]
            .map(str::to_owned)
            .to_vec(),
            timeouts: Timeouts { heartbeat: Duration::from_millis(500), ..quick() },
            ..Settings::default()
        }
    }

    pub fn prepared(&self) -> Arc<Prepared> {
        self.settings().prepare().unwrap()
    }

    pub async fn directory(&self) -> Directory {
        connected(self.settings()).await
    }
}

pub fn quick() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(2),
        operation: Duration::from_secs(2),
        heartbeat: Duration::from_secs(30),
        backoff: Duration::from_millis(200),
    }
}

pub async fn connected(settings: Settings) -> Directory {
    let directory = Directory::connect(settings.prepare().unwrap(), outside());
    until_up(&directory).await;
    directory
}

pub async fn until_up(directory: &Directory) {
    let mut health = directory.health();
    let up = health.wait_for(|health| matches!(health, DirectoryHealth::Up { .. }));
    let up = tokio::time::timeout(Duration::from_secs(20), up).await;
    assert!(up.is_ok(), "{:?}", directory.health().borrow());
}

/// Time that stands still, and numbers that do not repeat.
pub fn outside() -> Outside {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    Outside {
        now: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
        random: Arc::new(|| COUNT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)),
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A person's DN.
pub fn dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{BASE}")
}

/// A person with the letter's password; `more` are further LDIF lines.
pub fn person(uid: &str, state: &str, more: &str) -> String {
    let mut ldif = String::new();
    writeln!(ldif, "dn: {}", dn(uid)).unwrap();
    for class in ["inetOrgPerson", "eduPerson", "supannPerson", "qmailUser"] {
        writeln!(ldif, "objectClass: {class}").unwrap();
    }
    writeln!(ldif, "uid: {uid}\ncn: {uid} Test\nsn: Test\nuserPassword: {}", ssha()).unwrap();
    writeln!(ldif, "supannRessourceEtat: {{COMPTE}}{state}\n{more}\n").unwrap();
    ldif.replace("\n\n\n", "\n\n")
}

/// The letter's password, hashed once.
fn ssha() -> &'static str {
    static HASH: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| run(Command::new("slappasswd").args(["-n", "-s", LETTER]), ""));
    &HASH
}

fn run(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An authority of our own, and another that nobody should trust.
fn certificates(dir: &Path) {
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let openssl = |arguments: &[&str]| {
        run(Command::new("openssl").current_dir(dir).args(arguments), "");
    };
    for name in ["ca", "other"] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut arguments =
            vec!["req", "-x509", "-days", "2", "-subj", "/CN=Test CA", "-keyout", &key, "-out", &certificate];
        arguments.extend(ec);
        openssl(&arguments);
    }
    let mut request = vec!["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"];
    request.extend(ec);
    openssl(&request);
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.pem",
    ]);
}

fn configuration(dir: &Path, options: Options) -> String {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/schema/eduperson-supann.schema");
    let at = dir.display();
    let on = |wanted: bool, text: String| if wanted { text } else { String::new() };
    let mut text = String::new();
    for name in ["core", "cosine", "inetorgperson", "nis", "namedobject"] {
        writeln!(text, "include /etc/ldap/schema/{name}.schema").unwrap();
    }
    let tls = format!(
        "TLSCACertificateFile {at}/ca.pem\nTLSCertificateFile {at}/server.pem\nTLSCertificateKeyFile {at}/server.key\n"
    );
    let config_reader = on(options.open_config, format!("by dn.exact=\"{SERVICE}\" read"));
    let right = if options.manage { "manage" } else { "write" };
    let hash = on(options.hashes, "ppolicy_hash_cleartext\n".to_owned());
    let policy = format!("overlay ppolicy\nppolicy_default cn=default,ou=policies,{BASE}\n{hash}");
    write!(
        text,
        "include {}
pidfile {at}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload ppolicy
threads 8
{}
database config
rootdn cn=config
rootpw config-secret
access to * {config_reader} by * none
database mdb
suffix {BASE}
rootdn {ROOT}
rootpw {ROOT_PASSWORD}
directory {at}/db
maxsize 1073741824
dbnosync
index objectClass,uid,entryUUID,entryCSN eq
limits dn.exact=\"{SERVICE}\" size=unlimited time=unlimited
access to attrs=userPassword by dn.exact=\"{SERVICE}\" {right} by self write by anonymous auth by * none
access to attrs=employeeType by dn.exact=\"{SERVICE}\" read by * none
access to * by dn.exact=\"{SERVICE}\" {right} by dn.exact=gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth write by self read by * none
{}overlay syncprov
syncprov-checkpoint 1000 5
syncprov-sessionlog {}
",
        schema.display(),
        on(options.tls, tls),
        on(options.policy, policy),
        options.session_log,
    )
    .unwrap();
    text
}

const TREE: &str = "dn: dc=univ,dc=test
objectClass: dcObject
objectClass: organization
o: Universite Test
dc: univ

dn: ou=people,dc=univ,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=gone,ou=people,dc=univ,dc=test
objectClass: organizationalUnit
ou: gone

dn: ou=services,dc=univ,dc=test
objectClass: organizationalUnit
ou: services

dn: ou=policies,dc=univ,dc=test
objectClass: organizationalUnit
ou: policies

dn: cn=default,ou=policies,dc=univ,dc=test
objectClass: namedObject
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdMinLength: 8
pwdCheckQuality: 2
pwdInHistory: 3
pwdLockout: TRUE
pwdMaxFailure: 3
pwdLockoutDuration: 600
pwdMustChange: TRUE
pwdAllowUserChange: TRUE

dn: cn=parvis,ou=services,dc=univ,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: parvis
userPassword: Service-123

";
