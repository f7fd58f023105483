//! Debian's real Groovy, which runs Parvis's scripts for CAS as CAS would (`tests/stand/cas/cas.groovy`).
//!
//! It must not know what a script answers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::binaries::workspace;
use crate::install::{GROOVY, JAVA, need, say};
use crate::run;

/// A Java that waits for sign-ins. It dies with the value, and with the thread that made it.
#[derive(Debug)]
pub struct Groovy {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Groovy {
    /// Starts it; installs Groovy first where it is missing.
    pub fn start() -> Result<Self> {
        need(&[GROOVY, JAVA], &mut |line| say(line))?;
        let mut command = run::leashed(&run::program("groovy")?);
        command.arg(workspace().join("tests/stand/cas/cas.groovy")).env("LC_ALL", "C.UTF-8");
        command.env("JAVA_OPTS", "-Xmx256m -XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, input, output })
    }

    /// One sign-in, and what the script made of it.
    pub fn sign_in(&mut self, sign: &Value) -> Result<Value> {
        writeln!(self.input, "{sign}")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("Groovy ended: {:?}", self.child.wait());
        }
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line:?}"))
    }

    /// Which Groovy and which Java.
    pub fn version() -> Result<String> {
        need(&[GROOVY, JAVA], &mut |line| say(line))?;
        run::expect(&run::program("groovy")?, &["--version"], b"")
    }
}

impl Drop for Groovy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
