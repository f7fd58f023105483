//! A certificate authority of the stand's own, by the `openssl` command. It must not be trusted for anything else.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{expect, program};

/// An authority whose certificates servers of one private directory present.
#[derive(Clone, Debug)]
pub struct Authority {
    dir: PathBuf,
}

/// A server's certificate and its key, both PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key, readable by the owner only.
    pub key: PathBuf,
}

impl Authority {
    /// Makes `ca.pem` and `ca.key` in `dir`.
    pub fn new(dir: &Path) -> Result<Self> {
        let authority = Self { dir: dir.to_owned() };
        let mut args = KEY.to_vec();
        args.extend(["-x509", "-days", "30", "-subj", "/CN=The stand's authority"]);
        args.extend(["-keyout", "ca.key", "-out", "ca.pem"]);
        authority.openssl("req", &args)?;
        Ok(authority)
    }

    /// The authority's own certificate: what a client is given to trust.
    pub fn file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A certificate for `localhost`, 127.0.0.1, this machine's name and `names`.
    ///
    /// The machine's own name is there because libldap with GnuTLS puts it in the place of `localhost` when it checks.
    pub fn issue(&self, stem: &str, names: &[&str]) -> Result<Certificate> {
        self.issue_for(stem, names, &[])
    }

    /// The same with more addresses.
    pub fn issue_for(&self, stem: &str, names: &[&str], addresses: &[IpAddr]) -> Result<Certificate> {
        let host = nix::unistd::gethostname().context("failed to read this machine's name")?;
        let mut san = format!("subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:{}", host.to_string_lossy());
        for name in names {
            san.push_str(&format!(",DNS:{name}"));
        }
        for address in addresses {
            san.push_str(&format!(",IP:{address}"));
        }
        self.sign(stem, &format!("{san}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"))
    }

    /// A client's certificate, with `names` and no other.
    pub fn issue_client(&self, stem: &str, names: &[&str]) -> Result<Certificate> {
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let san =
            if names.is_empty() { String::new() } else { format!("subjectAltName={}\n", names.join(",")) };
        self.sign(stem, &format!("{san}extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n"))
    }

    fn sign(&self, stem: &str, extensions: &str) -> Result<Certificate> {
        std::fs::write(self.dir.join(format!("{stem}.ext")), extensions)?;
        let (key, csr) = (format!("{stem}.key"), format!("{stem}.csr"));
        let (out, ext) = (format!("{stem}.pem"), format!("{stem}.ext"));
        let mut args = KEY.to_vec();
        args.extend(["-subj", "/CN=localhost", "-keyout", &key, "-out", &csr]);
        self.openssl("req", &args)?;
        let args = ["-req", "-in", &csr, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        let rest = ["-days", "30", "-extfile", &ext, "-out", &out];
        self.openssl("x509", &[&args[..], &rest[..]].concat())?;
        Ok(Certificate { certificate: self.dir.join(out), key: self.dir.join(key) })
    }

    fn openssl(&self, verb: &str, args: &[&str]) -> Result<()> {
        let dir = self.dir.to_string_lossy().into_owned();
        let mut all = vec!["-C", &dir, "openssl", verb];
        all.extend(args);
        expect(&program("env")?, &all, b"").context("failed to make a certificate")?;
        Ok(())
    }
}

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_accepts_what_the_authority_issued_for_the_names_asked() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path()).unwrap();
        let issued = authority.issue("mx", &["mx.univ.example"]).unwrap();
        let ca = authority.file();
        let verify = |name: &str| {
            let args = ["verify", "-CAfile", ca.to_str().unwrap(), "-verify_hostname", name];
            let args = [&args[..], &[issued.certificate.to_str().unwrap()]].concat();
            expect(&program("openssl").unwrap(), &args, b"")
        };
        assert!(verify("mx.univ.example").is_ok());
        assert!(verify("localhost").is_ok());
        assert!(verify("elsewhere.example").is_err());
    }
}
