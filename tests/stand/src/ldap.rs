//! ldap-utils, as the stand uses them on any of its directories: to look and to change, as somebody.
//!
//! A password travels by a file, never on a command line. It must not know one server from another.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::ldif::{Entry, parse, push};
use crate::run::{feed, program};

/// One name and password at one address.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    dn: String,
    password: Arc<tempfile::NamedTempFile>,
    ca: Option<PathBuf>,
    dir: PathBuf,
}

impl Client {
    /// `dir` is where files with passwords may lie; `ca` is trusted, and nothing else.
    pub fn new(dir: &Path, url: &str, dn: &str, password: &str, ca: Option<&Path>) -> Result<Self> {
        let password = Arc::new(password_file(dir, password)?);
        let ca = ca.map(Path::to_owned);
        Ok(Self { url: url.to_owned(), dn: dn.to_owned(), password, ca, dir: dir.to_owned() })
    }

    /// The same server for somebody else.
    pub fn as_user(&self, dn: &str, password: &str) -> Result<Self> {
        Self::new(&self.dir, &self.url, dn, password, self.ca.as_deref())
    }

    /// Adds the entries of an LDIF text.
    pub fn add(&self, ldif: &str) -> Result<()> {
        self.tool("ldapadd", &[], ldif).map(drop)
    }

    /// Carries out the change records of an LDIF text (`dn:`, `changetype: modify`, …).
    pub fn modify(&self, ldif: &str) -> Result<()> {
        self.tool("ldapmodify", &[], ldif).map(drop)
    }

    /// Replaces every value of one attribute; none removes it.
    pub fn replace(&self, dn: &str, attribute: &str, values: &[&str]) -> Result<()> {
        let mut ldif = String::new();
        push(&mut ldif, "dn", dn);
        ldif.push_str(&format!("changetype: modify\nreplace: {attribute}\n"));
        for value in values {
            push(&mut ldif, attribute, value);
        }
        self.modify(&ldif)
    }

    /// Gives an entry another name (`uid=new`) where it is, or under `parent`.
    pub fn rename(&self, dn: &str, name: &str, parent: Option<&str>) -> Result<()> {
        let mut ldif = String::new();
        push(&mut ldif, "dn", dn);
        ldif.push_str("changetype: modrdn\n");
        push(&mut ldif, "newrdn", name);
        ldif.push_str("deleteoldrdn: 1\n");
        if let Some(parent) = parent {
            push(&mut ldif, "newsuperior", parent);
        }
        self.modify(&ldif)
    }

    /// Removes one entry.
    pub fn delete(&self, dn: &str) -> Result<()> {
        self.tool("ldapdelete", &[dn], "").map(drop)
    }

    /// The entries under `base` that match, with the attributes asked for (none: all but the operational ones).
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let fixed = ["-LLL", "-o", "ldif-wrap=no", "-b", base, filter];
        Ok(parse(&self.tool("ldapsearch", &[&fixed[..], attributes].concat(), "")?))
    }

    /// One entry with all its attributes, the operational ones too; `None` where there is none.
    pub fn entry(&self, dn: &str) -> Result<Option<Entry>> {
        self.entry_with(dn, &["*", "+"])
    }

    /// As [`Client::entry`], with the attributes asked for.
    pub fn entry_with(&self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>> {
        let args = ["-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn, "(objectClass=*)"];
        let out = self.call("ldapsearch", &[&args[..], attributes].concat(), "")?;
        match out.status.code() {
            Some(0) => Ok(parse(&String::from_utf8_lossy(&out.stdout)).into_iter().next()),
            Some(32) => Ok(None),
            _ => bail!("failed to read {dn}: {}", String::from_utf8_lossy(&out.stderr).trim()),
        }
    }

    /// Whether this name and password sign in. An error if the directory does not say.
    pub fn bind_works(&self, dn: &str, password: &str) -> Result<bool> {
        let out = self.as_user(dn, password)?.call("ldapwhoami", &[], "")?;
        let said = String::from_utf8_lossy(&out.stderr);
        match out.status.code() {
            Some(0) => Ok(true),
            Some(49) => Ok(false),
            // The bind worked and the question did not: Samba does not know it, and 389 answers nothing to somebody who
            // has to change their password.
            _ if said.contains("ldap_parse_result") => Ok(true),
            _ => bail!("failed to bind as {dn}: {}", said.trim()),
        }
    }

    /// A tool's standard output; an error with what it said unless it exited with 0.
    pub fn tool(&self, name: &str, args: &[&str], input: &str) -> Result<String> {
        let out = self.call(name, args, input)?;
        if !out.status.success() {
            bail!("{name} failed ({}): {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs one of ldap-utils; its exit code is LDAP's result code.
    pub fn call(&self, name: &str, args: &[&str], input: &str) -> Result<Output> {
        let mut command = Command::new(program(name)?);
        command.env("LC_ALL", "C.UTF-8");
        // LDAPNOINIT would make the library forget which authority to trust, too.
        match &self.ca {
            Some(ca) => command.env("LDAPCONF", "/dev/null").env("LDAPTLS_CACERT", ca),
            None => command.env("LDAPNOINIT", "1"),
        };
        command.args(["-x", "-H", &self.url, "-D", &self.dn, "-y"]).arg(self.password.path());
        command.args(args);
        feed(command, input.as_bytes()).with_context(|| format!("failed to run {name}"))
    }
}

/// A file with a password that is gone with its value.
pub(crate) fn password_file(dir: &Path, password: &str) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(password.as_bytes())?;
    Ok(file)
}

/// An anonymous bind (RFC 4511, section 4.2), by hand: whether the server answers and not only its kernel.
pub(crate) fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")?;
        stream.read(&mut [0; 14])
    };
    ask().is_ok_and(|read| read > 0)
}
