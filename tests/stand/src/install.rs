//! What has to be on the machine, and how it gets there: Debian packages, and cargo's tools beside the build.
//!
//! Says first what it does. A package's own service is neither started nor enabled. It must not touch a package that nobody
//! asked for, nor leave anything behind but the packages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::binaries::cargo;
use crate::run::program;

/// A Debian package, and what it is for, as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// A few words.
    pub purpose: &'static str,
}

/// slapd.
pub const SLAPD: Package = Package { name: "slapd", purpose: "a private directory" };
/// ldapsearch and its like.
pub const LDAP_UTILS: Package = Package { name: "ldap-utils", purpose: "to look into it" };
/// openssl.
pub const OPENSSL: Package = Package { name: "openssl", purpose: "its certificates" };
/// Postfix.
pub const POSTFIX: Package = Package { name: "postfix", purpose: "a private mail system" };
/// Its LDAP maps.
pub const POSTFIX_LDAP: Package = Package { name: "postfix-ldap", purpose: "that asks the directory" };
/// Dovecot, with what its LMTP, IMAP, Sieve and LDAP are in.
pub const DOVECOT: [Package; 5] = [
    Package { name: "dovecot-core", purpose: "private mailboxes" },
    Package { name: "dovecot-lmtpd", purpose: "to deliver into them" },
    Package { name: "dovecot-imapd", purpose: "to read them" },
    Package { name: "dovecot-sieve", purpose: "to forward from them" },
    Package { name: "dovecot-ldap", purpose: "that ask the directory" },
];
/// dkimpy, and what it verifies Ed25519 with.
pub const DKIMPY: [Package; 2] = [
    Package { name: "python3-dkim", purpose: "another's judgement of our signatures" },
    Package { name: "python3-nacl", purpose: "those by Ed25519 among them" },
];
/// dnsmasq's program alone.
pub const DNSMASQ: Package = Package { name: "dnsmasq-base", purpose: "a private DNS, for mail domains" };
/// msmtp, which is called as sendmail is.
pub const MSMTP: Package = Package { name: "msmtp", purpose: "a sendmail without rights of its own" };
/// PostSRSd.
pub const POSTSRSD: Package = Package { name: "postsrsd", purpose: "rewritten senders of forwarded mail" };
/// systemd-analyze.
pub const SYSTEMD: Package = Package { name: "systemd", purpose: "to verify the units" };
/// systemd-nspawn.
pub const SYSTEMD_CONTAINER: Package =
    Package { name: "systemd-container", purpose: "a machine of its own to install on" };
/// What that machine is made with, and what its administrator's commands are from.
pub const MACHINE: [Package; 5] = [
    Package { name: "dbus", purpose: "systemd's own bus there" },
    Package { name: "adduser", purpose: "its users" },
    Package { name: "ca-certificates", purpose: "whom it trusts" },
    Package { name: "iproute2", purpose: "its loopback" },
    Package { name: "util-linux", purpose: "to make it and to enter it" },
];
/// Python's environments.
pub const PYTHON_VENV: Package = Package { name: "python3-venv", purpose: "an independent Varlink client" };
/// faketime.
pub const FAKETIME: Package = Package { name: "faketime", purpose: "a daemon that starts three days later" };
/// Chromium.
pub const CHROMIUM: Package = Package { name: "chromium", purpose: "a browser for the pages" };
/// chromedriver.
pub const CHROMIUM_DRIVER: Package = Package { name: "chromium-driver", purpose: "to drive it" };
/// nginx.
pub const NGINX: Package = Package { name: "nginx-light", purpose: "TLS before the pages, as on a campus" };
/// Apache, its program alone: nothing is enabled.
pub const APACHE: Package = Package { name: "apache2-bin", purpose: "the same, for campuses with Apache" };
/// npm.
pub const NPM: Package = Package { name: "npm", purpose: "to fetch axe-core, which audits accessibility" };
/// SimpleSAMLphp.
pub const SIMPLESAMLPHP: Package = Package { name: "simplesamlphp", purpose: "a SAML identity provider" };
/// PHP as CGI: what Debian's `php` wants to be there, and the one of its kind that is no service.
pub const PHP_CGI: Package = Package { name: "php8.2-cgi", purpose: "PHP without a service" };
/// PHP's own web server.
pub const PHP_CLI: Package = Package { name: "php8.2-cli", purpose: "PHP's own web server" };
/// PHP's XML.
pub const PHP_XML: Package = Package { name: "php8.2-xml", purpose: "SAML's messages" };
/// PHP's strings.
pub const PHP_MBSTRING: Package = Package { name: "php8.2-mbstring", purpose: "SimpleSAMLphp's texts" };
/// PHP's LDAP.
pub const PHP_LDAP: Package = Package { name: "php8.2-ldap", purpose: "SimpleSAMLphp before the directory" };
/// PHP's curl.
pub const PHP_CURL: Package = Package { name: "php8.2-curl", purpose: "SimpleSAMLphp before parvis-sso" };
/// javac, and with it java.
pub const JDK: Package =
    Package { name: "openjdk-17-jdk-headless", purpose: "Java, for the page of Shibboleth's" };
/// Tomcat 9's parts.
pub const TOMCAT9: Package = Package { name: "libtomcat9-java", purpose: "Tomcat with javax.servlet" };
/// Tomcat 10's parts.
pub const TOMCAT10: Package = Package { name: "libtomcat10-java", purpose: "Tomcat with jakarta.servlet" };
/// slf4j.
pub const SLF4J: Package = Package { name: "libslf4j-java", purpose: "the log of Shibboleth's" };
/// Groovy.
pub const GROOVY: Package = Package { name: "groovy", purpose: "to run CAS's scripts" };
/// Its Java.
pub const JAVA: Package = Package { name: "default-jre-headless", purpose: "to run Groovy" };
/// curl.
pub const CURL: Package = Package { name: "curl", purpose: "a client with a certificate" };
/// mkfs.ext4.
pub const E2FSPROGS: Package = Package { name: "e2fsprogs", purpose: "a disk that fails" };
/// LemonLDAP::NG's portal, and the packages without which it answers 500 or its pages look like nothing.
pub const LEMON: &[Package] = &[
    Package { name: "liblemonldap-ng-portal-perl", purpose: "a private LemonLDAP::NG portal" },
    Package { name: "liblemonldap-ng-handler-perl", purpose: "an application behind it" },
    Package { name: "starman", purpose: "to serve both" },
    Package { name: "libplack-perl", purpose: "to serve both" },
    Package { name: "libnet-ldap-perl", purpose: "the portal needs it" },
    Package { name: "libunicode-string-perl", purpose: "the portal needs it" },
    Package { name: "libio-socket-timeout-perl", purpose: "the portal needs it" },
    Package { name: "libio-string-perl", purpose: "the portal needs it" },
    Package { name: "libcrypt-openssl-bignum-perl", purpose: "the portal's OpenID Connect needs it" },
    Package { name: "libxml-simple-perl", purpose: "the portal's CAS server needs it" },
    Package { name: "libipc-run-perl", purpose: "the portal needs it" },
    Package { name: "libmime-tools-perl", purpose: "the portal needs it" },
    Package { name: "libconvert-base32-perl", purpose: "the portal's second factors need it" },
    Package { name: "libgd-securityimage-perl", purpose: "the portal needs it" },
    Package { name: "libimage-magick-perl", purpose: "the portal needs it" },
    Package { name: "libemail-sender-perl", purpose: "the portal's mails need it" },
    Package { name: "libstring-random-perl", purpose: "the portal's mails need it" },
    Package { name: "libemail-date-format-perl", purpose: "the portal's mails need it" },
    Package { name: "libjs-bootstrap4", purpose: "the portal's pages need it" },
    Package { name: "libjs-jquery", purpose: "the portal's pages need it" },
    Package { name: "libjs-jquery-ui", purpose: "the portal's pages need it" },
    Package { name: "libjs-jquery-cookie", purpose: "the portal's pages need it" },
    Package { name: "fonts-font-awesome", purpose: "the portal's pages need it" },
    Package { name: "curl", purpose: "the portal's plugin asks a parvis-sso by it" },
];

/// 389 Directory Server.
pub const DS389: &[Package] = &[
    Package { name: "389-ds-base", purpose: "a private 389 Directory Server" },
    Package { name: "python3-lib389", purpose: "to make it" },
    Package { name: "libnss3-tools", purpose: "its certificates" },
    LDAP_UTILS,
    OPENSSL,
];
/// Samba as a domain controller.
pub const SAMBA_AD: &[Package] = &[
    Package { name: "samba", purpose: "a private Active Directory" },
    Package { name: "samba-ad-dc", purpose: "its domain controller" },
    Package { name: "samba-ad-provision", purpose: "to make its domain" },
    Package { name: "samba-dsdb-modules", purpose: "its database" },
    Package { name: "samba-vfs-modules", purpose: "its domain needs it" },
    Package { name: "winbind", purpose: "its domain needs it" },
    Package { name: "python3-samba", purpose: "to make its domain" },
    Package { name: "ldb-tools", purpose: "to look into its database" },
    LDAP_UTILS,
    OPENSSL,
];

/// What the demo and most suites need.
pub const DIRECTORY: &[Package] = &[SLAPD, LDAP_UTILS, OPENSSL];
/// What all suites need.
pub const EVERYTHING: &[Package] = &[
    SLAPD,
    LDAP_UTILS,
    OPENSSL,
    POSTFIX,
    POSTFIX_LDAP,
    DOVECOT[0],
    DOVECOT[1],
    DOVECOT[2],
    DOVECOT[3],
    DOVECOT[4],
    POSTSRSD,
    DKIMPY[0],
    DKIMPY[1],
    DNSMASQ,
    MSMTP,
    SYSTEMD,
    SYSTEMD_CONTAINER,
    MACHINE[0],
    MACHINE[1],
    MACHINE[2],
    MACHINE[3],
    MACHINE[4],
    FAKETIME,
    E2FSPROGS,
    PYTHON_VENV,
    CHROMIUM,
    CHROMIUM_DRIVER,
    NGINX,
    SIMPLESAMLPHP,
    PHP_CGI,
    PHP_CLI,
    PHP_XML,
    PHP_MBSTRING,
    PHP_LDAP,
    PHP_CURL,
    JDK,
    TOMCAT9,
    TOMCAT10,
    SLF4J,
    GROOVY,
    JAVA,
    CURL,
    APACHE,
];

/// Installs what is missing: as root, or through sudo where it asks for no password. Otherwise an error with the one
/// command to type. `say` is told beforehand what will be done.
pub fn need(packages: &[Package], say: &mut dyn FnMut(&str)) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        say(&format!("installing the package {}: {}", package.name, package.purpose));
    }
    say("their services are neither started nor enabled; the packages stay, nothing else does");
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let script = script(&names, POLICY, PRESET);
    let root = nix::unistd::geteuid().is_root();
    if !root && !sudo_works() {
        bail!(
            "this needs root, and sudo asks for a password. Type this, and start again:\n\n{}\n",
            typed(&script)
        );
    }
    let mut command = if root { Command::new("sh") } else { Command::new("sudo") };
    command.args(if root { vec![] } else { vec!["-n", "sh"] }).args(["-c", &script]);
    let out = command.stdin(Stdio::null()).output().context("failed to run the installation")?;
    if !out.status.success() {
        let said = [out.stdout, out.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n");
        bail!("failed to install {} ({}):\n{last}", names.join(" "), out.status);
    }
    Ok(())
}

/// Which of them dpkg does not have installed.
pub fn missing(packages: &[Package]) -> Result<Vec<Package>> {
    let Ok(query) = program("dpkg-query") else {
        let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
        bail!("this is not a Debian system: install what it calls {} yourself", names.join(", "));
    };
    let mut missing = Vec::new();
    for package in packages {
        let out = Command::new(&query)
            .args(["-W", "-f", "${db:Status-Status}", package.name])
            .output()
            .context("failed to run dpkg-query")?;
        if out.stdout != b"installed" {
            missing.push(*package);
        }
    }
    Ok(missing)
}

/// Whether sudo is there and asks nothing.
pub fn sudo_works() -> bool {
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success())
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const PRESET: &str = "/run/systemd/system-preset/00-parvis-stand.preset";

/// Without a single quote, so that it can be typed inside a pair of them. policy-rc.d is Debian's own way to keep a
/// package from starting its service; one that is there already is the machine's, and stays. A preset of systemd keeps
/// it from being enabled for the next start of the machine, and a script of init.d is disabled afterwards. Postfix is
/// told not to write a configuration for the machine.
fn script(packages: &[&str], policy: &str, preset: &str) -> String {
    format!(
        "set -e; export DEBIAN_FRONTEND=noninteractive; made={preset}; trap \"rm -f \\$made\" EXIT INT TERM; \
         mkdir -p \"$(dirname {preset})\"; echo disable \"*\" >{preset}; \
         if [ ! -e {policy} ]; then made=\"$made {policy}\"; \
         printf \"#!/bin/sh\\nexit 101\\n\" >{policy}; chmod 755 {policy}; fi; \
         echo postfix postfix/main_mailer_type select No configuration | debconf-set-selections; \
         set -- apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends {names}; \
         \"$@\" || {{ apt-get update; \"$@\"; }}; \
         for name in $(dpkg -L {names} | sed -n s,^/etc/init.d/,,p); do update-rc.d $name disable; done",
        names = packages.join(" ")
    )
}

fn typed(script: &str) -> String {
    format!("sudo sh -c '{script}'")
}

/// A cargo subcommand of a fixed version, built once into `target/tools` (or found in `PATH`, whichever version).
pub fn cargo_tool(name: &str, version: &str, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let root = target_directory()?.join("tools");
    let binary = root.join("bin").join(name);
    if binary.is_file() {
        return Ok(binary);
    }
    if let Ok(found) = program(name) {
        return Ok(found);
    }
    say(&format!("building {name} {version} into {} (minutes, once)", root.display()));
    let build = root.join("build");
    let mut command = cargo();
    command.args(["install", "--locked", "--quiet", name, "--version", version]);
    command.arg("--root").arg(&root).arg("--target-dir").arg(&build);
    let status = command.stdin(Stdio::null()).status().context("failed to run cargo install")?;
    if !status.success() {
        bail!("failed to build {name} {version} ({status})");
    }
    let _ = std::fs::remove_dir_all(build);
    Ok(binary)
}

/// A Python with one package of a fixed version, in an environment of its own under `target/tools`, made once.
pub fn python_tool(package: &str, version: &str, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    python_tools(&format!("{package}-{version}"), &[&format!("{package}=={version}")], say)
}

/// A Python with these packages, each of a fixed version (`name==version`), in an environment of that name.
pub fn python_tools(name: &str, packages: &[&str], say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let root = target_directory()?.join("tools").join(format!("python-{name}"));
    let (python, whole) = (root.join("bin/python"), root.join("whole"));
    if whole.is_file() {
        return Ok(python);
    }
    // Another process may be at it: whoever comes second finds it whole.
    std::fs::create_dir_all(root.parent().context("no folder for tools")?)?;
    let lock = std::fs::File::create(root.with_extension("lock"))?;
    lock.lock().context("failed to lock a Python environment")?;
    if whole.is_file() {
        return Ok(python);
    }
    say(&format!("installing {} for Python into {}", packages.join(", "), root.display()));
    let mut command = Command::new(program("python3")?);
    let status = command.args(["-m", "venv", "--clear"]).arg(&root).stdin(Stdio::null()).status();
    if !status.context("failed to run python3")?.success() {
        bail!("failed to make a Python environment: the package python3-venv makes it possible");
    }
    let mut command = Command::new(&python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    let status = command.args(packages).stdin(Stdio::null()).status();
    if !status.context("failed to run pip")?.success() {
        bail!("failed to install {}", packages.join(", "));
    }
    std::fs::write(whole, "")?;
    Ok(python)
}

/// A package of npm's, of a fixed version, in a folder of its own under `target/tools`, made once. Its scripts do not
/// run. `npm` is whichever is in `PATH`, else Debian's.
pub fn npm_package(name: &str, version: &str, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    // Once, also where two tests ask at the same time.
    static FETCHING: Mutex<()> = Mutex::new(());
    let _fetching = crate::run::lock(&FETCHING);
    let root = target_directory()?.join("tools").join(format!("npm-{name}-{version}"));
    let (package, whole) = (root.join("node_modules").join(name), root.join("whole"));
    if whole.is_file() {
        return Ok(package);
    }
    if program("npm").is_err() {
        need(&[NPM], say)?;
    }
    say(&format!("fetching {name} {version} from npm into {}", root.display()));
    std::fs::create_dir_all(&root)?;
    let mut command = Command::new(program("npm")?);
    command.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    let status = command.arg(&root).arg(format!("{name}@{version}")).stdin(Stdio::null()).status();
    if !status.context("failed to run npm")?.success() {
        bail!("failed to fetch {name} {version}");
    }
    std::fs::write(whole, "")?;
    Ok(package)
}

/// Where cargo builds.
pub fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let path = metadata.get("target_directory").and_then(|path| path.as_str());
    path.map(|path| Path::new(path).to_owned()).context("cargo metadata names no target directory")
}

/// What `cargo metadata` says of the workspace, without its dependencies.
pub fn metadata() -> Result<serde_json::Value> {
    let out = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .context("failed to run cargo metadata")?;
    if !out.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// Writes a line for people. A closed pipe is their choice, not a fault.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs in the place of apt-get and debconf that write down what they are asked.
    fn machine(apt: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("apt-get", apt),
            ("debconf-set-selections", "cat >>$D/log"),
            ("dpkg", "echo /etc/default/one; echo /etc/init.d/one"),
            ("update-rc.d", "echo rc \"$@\" >>$D/log"),
        ] {
            let path = dir.path().join(name);
            crate::run::script(&path, &format!("#!/bin/sh\nD=${{0%/*}}\n{text}\n")).unwrap();
        }
        dir
    }

    fn run(dir: &Path) -> (bool, String) {
        let policy = dir.join("policy-rc.d");
        let path = format!("{}:/usr/bin:/bin", dir.display());
        let preset = dir.join("preset/00.preset");
        let script = script(&["one", "two"], policy.to_str().unwrap(), preset.to_str().unwrap());
        let out = Command::new("sh").args(["-c", &script]).env("PATH", path).output().unwrap();
        assert!(!preset.exists());
        (out.status.success(), std::fs::read_to_string(dir.join("log")).unwrap())
    }

    #[test]
    fn it_installs_with_services_held_back_and_leaves_no_policy() {
        let dir = machine(
            "echo $DEBIAN_FRONTEND \"$@\" >>$D/log; sh $D/policy-rc.d; echo policy $? >>$D/log; cat $D/preset/* >>$D/log",
        );
        let (ok, log) = run(dir.path());
        assert!(ok, "{log}");
        assert!(log.contains(
            "noninteractive -o DPkg::Lock::Timeout=300 install -y --no-install-recommends one two"
        ));
        assert!(log.contains("policy 101") && log.contains("No configuration"), "{log}");
        assert!(log.contains("\ndisable *\n") && log.ends_with("rc one disable\n"), "{log}");
        assert!(!dir.path().join("policy-rc.d").exists());
    }

    #[test]
    fn a_stale_list_of_packages_is_refreshed_once() {
        let dir =
            machine("echo \"$@\" >>$D/log; case \"$*\" in *update*) touch $D/new;; *) [ -e $D/new ];; esac");
        let (ok, log) = run(dir.path());
        assert!(ok, "{log}");
        assert_eq!(log.matches("install -y").count(), 2);
        assert_eq!(log.matches("update").count(), 1);
        let dir = machine("echo \"$@\" >>$D/log; exit 100");
        assert!(!run(dir.path()).0, "a failure is a failure");
        assert!(!dir.path().join("policy-rc.d").exists());
    }

    #[test]
    fn the_machines_own_policy_stays() {
        let dir = machine("true");
        std::fs::write(dir.path().join("policy-rc.d"), "theirs").unwrap();
        assert!(run(dir.path()).0);
        assert_eq!(std::fs::read_to_string(dir.path().join("policy-rc.d")).unwrap(), "theirs");
    }

    #[test]
    fn the_command_to_type_is_one_and_quotes_well() {
        let command = typed(&script(&["slapd"], POLICY, PRESET));
        assert!(!command.contains('\n'));
        let out = Command::new("sh").args(["-nc", &command]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(command.matches('\'').count(), 2);
    }

    #[test]
    fn dpkg_knows_what_is_there() {
        let there = Package { name: "dpkg", purpose: "" };
        let not = Package { name: "no-such-package-at-all", purpose: "" };
        assert_eq!(missing(&[there, not]).unwrap(), [not]);
    }
}
