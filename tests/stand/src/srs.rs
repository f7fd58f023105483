//! A private PostSRSd: the two lookup tables by which Postfix rewrites the senders of what it forwards. It must not
//! know any mail.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::place::{Place, Port};
use crate::run::{self, Running, leashed, program};

/// A running PostSRSd.
#[derive(Debug)]
pub struct Srs {
    _running: Running,
    place: Place,
    forward: Port,
    reverse: Port,
}

impl Srs {
    /// Starts it for a domain, and returns once it listens.
    pub fn start(domain: &str) -> Result<Self> {
        let place = Place::new("srs")?;
        let (forward, reverse) = (Port::free()?, Port::free()?);
        let secret = place.join("secret");
        std::fs::write(&secret, "stand-srs-2290\n")?;
        let mut command = leashed(&program("postsrsd")?);
        command.arg(format!("-s{}", secret.display())).arg(format!("-d{domain}")).args(["-l127.0.0.1", "-4"]);
        command.arg(format!("-f{}", forward.number())).arg(format!("-r{}", reverse.number()));
        let output = std::fs::File::create(place.join("log"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let running = run::start("postsrsd", command)?;
        let listens = |port: &Port| TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).is_ok();
        let ready = run::until(Duration::from_secs(20), || match running.status() {
            Some(status) => Err(anyhow!("PostSRSd ended ({status}): {}", run::tail(&place.join("log"), 5))),
            None => Ok((listens(&forward) && listens(&reverse)).then_some(())),
        })?;
        ready.ok_or_else(|| anyhow!("PostSRSd does not listen after 20 s"))?;
        Ok(Self { _running: running, place, forward, reverse })
    }

    /// The port that rewrites a sender.
    pub fn forward_port(&self) -> u16 {
        self.forward.number()
    }

    /// What it signs with.
    pub fn secret_file(&self) -> PathBuf {
        self.place.join("secret")
    }

    /// The port that finds a rewritten sender again.
    pub fn reverse_port(&self) -> u16 {
        self.reverse.number()
    }
}
