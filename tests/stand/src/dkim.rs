//! Keys that sign mail, and somebody else's judgement of a signature: dkimpy (python3-dkim), asked with the record that
//! would stand in the DNS. It must not use any code of the daemon's.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::message::Message;
use crate::run::{self, program};

/// A private key as openssl makes it, in PEM: `RSA` with its number of bits, or `ED25519`.
pub fn key(algorithm: &str, bits: Option<u32>) -> Result<String> {
    let mut args = vec!["genpkey".to_owned(), "-algorithm".to_owned(), algorithm.to_owned()];
    args.extend(bits.into_iter().flat_map(|bits| ["-pkeyopt".to_owned(), format!("rsa_keygen_bits:{bits}")]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run::expect(&program("openssl")?, &args, b"")
}

/// What dkimpy says of a message whose signer's record stands at `name`: an error with its reason where it does not hold.
pub fn verify(mail: &Message, name: &str, record: &str) -> Result<()> {
    let asked = json!({ "mail": String::from_utf8_lossy(&mail.raw), "name": name, "record": record });
    // Debian's own: another python that stands before it in the path does not have Debian's packages.
    let said = run::expect(Path::new("/usr/bin/python3"), &["-c", VERIFY], asked.to_string().as_bytes())?;
    match said.trim() {
        "True" => Ok(()),
        reason => bail!("dkimpy does not verify it: {reason}"),
    }
}

/// The name and the text of the record that `parvisctl check --json` tells to publish.
pub fn published(report: &Value) -> Result<(String, String)> {
    let findings = report.pointer("/findings").and_then(Value::as_array).context("no findings")?;
    let lines = findings.iter().filter_map(|finding| finding.pointer("/what")?.as_str());
    let line = lines.filter_map(|what| what.strip_prefix("the record that has to be in the DNS: ")).next();
    let (name, text) = line.and_then(|line| line.split_once(". IN TXT ")).context("no record to publish")?;
    let pieces = text.split('"').skip(1).step_by(2);
    Ok((name.to_owned(), pieces.collect()))
}

/// The record is found under its own name alone, as the DNS would have it.
const VERIFY: &str = r#"
import dkim, json, sys
asked = json.load(sys.stdin)
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return asked["record"].encode() if name.rstrip(".") == asked["name"] else None
signature = dkim.DKIM(asked["mail"].encode("utf-8"))
try:
    print(signature.verify(dnsfunc=txt))
except dkim.DKIMException as error:
    print(type(error).__name__, error)
"#;
