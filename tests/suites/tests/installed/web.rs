//! The pages and `parvis-sso` beside the daemon, by their own documents: installed, configured, started, answering. Each
//! call of the kernel that their sandbox refuses kills them here, so none is.

use anyhow::{Context, Result};
use parvis_stand::certs::Authority;
use parvis_suites::manual::Manual;
use serde_json::{Value, json};

use crate::support::{Campus, built};

const STRICT: &str = "[Service]\nSystemCallErrorNumber=kill\n";

/// Killed, it comes again by itself, and nobody is turned away meanwhile.
fn survives(campus: &Campus, unit: &str, call: &str) -> Result<()> {
    campus.root(&format!("systemctl kill --signal=KILL --kill-whom=main {unit}"))?;
    campus.root(call)?;
    campus.comes(unit, "NRestarts", "1")?;
    campus.comes(unit, "ActiveState", "active")
}

#[test]
fn the_pages_are_installed_and_take_a_newcomer_in() -> Result<()> {
    let manual = Manual::read("docs/pages.md")?;
    let campus = Campus::started()?;
    campus.root(&built(&manual.section("Install")?.block("systemd-sysusers")?))?;
    let configure = manual.section("Configure")?;
    // The campus of the daemon's manual.
    let configuration = configure.block("[sign-in]")?.replace("univ.example", "univ-bretagne.example");
    campus.machine.write("/etc/parvis/pages.toml", &configuration)?;
    campus.edit("parvis-pages.service", STRICT)?;
    let said = campus.root(&configure.block("--check")?)?;
    assert!(said.contains("failures: 0") && said.contains("pages.toml and the daemon agree"), "{said}");

    let here = "http://127.0.0.1:8470";
    let tried = manual.section("Try it")?.block("curl")?;
    let tried = campus.root(&tried.replace("https://activation.univ.example", here))?;
    assert!(tried.starts_with("HTTP/1.1 200 OK"), "{tried}");
    assert!(tried.contains("serving https://activation.univ-bretagne.example"), "{tried}");

    let request = json!({ "login": "mdurand", "authenticated": true, "locale": "fr" });
    let (_, answer) = campus.hook("tomcat", "check", &request)?;
    let url = answer.get("url").and_then(Value::as_str).context("a newcomer is sent to the pages")?;
    let url = url.replace("https://activation.univ-bretagne.example", here);
    // As behind the web server that has the certificate: the cookies are for TLS.
    let cookie = campus.root(&format!(
        "curl -s -o /dev/null -D - '{url}' | sed -n 's/^set-cookie: \\(__Host-parvis=[^;]*\\).*/\\1/p'"
    ))?;
    let page = campus.root(&format!("curl -s -H 'Cookie: {}' {here}/step", cookie.trim()))?;
    assert!(page.contains("Marie Durand") && page.contains("name=\"address\""), "{page}");

    survives(&campus, "parvis-pages", &format!("curl -sf -o /dev/null {here}/sign-in"))?;
    campus
        .machine
        .run(&["systemctl", "stop", "parvisd", "parvisd-hook.socket", "parvisd-admin.socket"], b"")?;
    let page = campus.root(&format!("curl -s -H 'Cookie: {}' {here}/step", cookie.trim()))?;
    assert!(!page.contains("Marie Durand"), "{page}");
    campus.root("systemctl start parvisd")?;
    campus.works()?;
    let page = campus.root(&format!("curl -s -H 'Cookie: {}' {here}/step", cookie.trim()))?;
    assert!(page.contains("Marie Durand"), "{page}");
    Ok(())
}

#[test]
fn parvis_sso_is_installed_and_answers_on_loopback_and_from_elsewhere() -> Result<()> {
    let manual = Manual::read("docs/sso.md")?;
    let campus = Campus::started()?;
    campus.root(&built(&manual.section("Install")?.block("systemd-sysusers")?))?;
    campus.edit("parvis-sso.service", STRICT)?;
    campus.root(&manual.section("Loopback")?.block("systemctl")?)?;
    let asking = manual.section("Ask")?;
    let (ask, answer) = (asking.block("curl")?, asking.block("\"schema\"")?);
    assert_eq!(campus.root(&ask)?, answer);
    let stranger =
        campus.root("curl -s -o /dev/null -w '%{http_code}' -d '{}' http://127.0.0.1:8471/v1/check")?;
    assert_eq!(stranger, "401");
    survives(&campus, "parvis-sso", &ask)?;

    let elsewhere = manual.section("From another machine")?;
    let dir = tempfile::tempdir()?;
    let server = Authority::new(dir.path())?.issue("server", &[])?;
    for (path, name) in [(server.certificate, "certificate.pem"), (server.key, "key.pem")] {
        campus.machine.write(&format!("/etc/parvis/sso/{name}"), &std::fs::read_to_string(path)?)?;
    }
    campus.root(&elsewhere.block("openssl")?)?;
    campus.machine.write("/etc/parvis/sso.toml", &elsewhere.block("[tls]")?)?;
    campus.root(&elsewhere.span("parvis-sso --check")?)?;
    campus.root(&elsewhere.block("systemctl enable")?)?;
    campus.machine.write("/root/server-ca.pem", &std::fs::read_to_string(dir.path().join("ca.pem"))?)?;
    let call = "curl -s --cacert /root/server-ca.pem -H 'Content-Type: application/json' \
                -d '{\"login\": \"cbernard\", \"authenticated\": true}' https://localhost:8472/v1/check";
    let with = format!("{call} --cert /root/client.pem --key /root/client.key");
    assert_eq!(campus.root(&with)?, answer);
    assert!(campus.root(call).is_err(), "nobody gets in without a certificate");
    assert!(campus.root(&ask).is_err(), "loopback is not offered any more");
    campus.root("systemctl reload parvis-sso")?;
    assert_eq!(campus.root(&with)?, answer);
    survives(&campus, "parvis-sso", &with)?;
    let log = campus.root("journalctl -u parvis-sso --no-pager")?;
    assert!(log.contains("check of cbernard, asked by cas.univ.example: let through"), "{log}");
    assert!(log.contains("read again"), "{log}");
    Ok(())
}
