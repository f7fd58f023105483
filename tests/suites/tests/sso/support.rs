//! What these tests share.

use std::io::{Read, Write};
use std::process::Output;

use anyhow::{Context, Result};
use parvis_stand::certs::Certificate;
use parvis_stand::scene::at;
use parvis_stand::sso::{Reply, Sso, SsoOptions};
use parvis_stand::{Scene, SceneOptions, install, run};
use serde_json::Value;

/// A daemon and what stands before it.
pub struct Stage {
    pub sso: Sso,
    pub scene: Scene,
}

impl Stage {
    pub fn new() -> Result<Self> {
        Self::with("", SsoOptions::default())
    }

    /// The daemon's configuration, and parvis-sso's.
    pub fn with(daemon: &str, options: SsoOptions) -> Result<Self> {
        let scene = Scene::start(SceneOptions { config: daemon.to_owned(), ..SceneOptions::default() })?;
        Ok(Self { sso: Sso::start(&scene, options)?, scene })
    }
}

/// A refusal with its status and code, and words in it.
pub fn refused(reply: &Reply, status: u16, code: &str) -> Result<()> {
    let answer = reply.json()?;
    assert_eq!((reply.status, at(&answer, "/ok")), (status, &Value::Bool(false)), "{reply:?}");
    assert_eq!(at(&answer, "/refusal/code"), code, "{answer}");
    assert!(at(&answer, "/refusal/message").as_str().is_some_and(|words| words.len() > 10), "{answer}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    Ok(())
}

/// curl with these arguments, and a certificate.
pub fn curl(sso: &Sso, certificate: Option<&Certificate>, args: &[&str]) -> Result<Output> {
    install::need(&[install::CURL], &mut |line| install::say(line))?;
    let ca = sso.authority().file().display().to_string();
    let mut all = vec!["-sS".to_owned(), "--max-time".to_owned(), "20".to_owned(), "--cacert".to_owned(), ca];
    if let Some(Certificate { certificate, key }) = certificate {
        all.extend(["--cert".to_owned(), certificate.display().to_string()]);
        all.extend(["--key".to_owned(), key.display().to_string()]);
    }
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    run::output(&run::program("curl")?, &all, b"")
}

/// `check` under TLS: the status and the body; an error where there was no answer.
pub fn check_by_tls(sso: &Sso, certificate: Option<&Certificate>, login: &str) -> Result<(u16, Value)> {
    let url = format!("{}/v1/check", sso.tls_url());
    let body = format!("{{\"login\":\"{login}\",\"authenticated\":true}}");
    let args = ["-w", "\n%{http_code}", "-H", "Content-Type: application/json", "-d", &body, &url];
    let out = curl(sso, certificate, &args)?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    anyhow::ensure!(out.status.success(), "no answer: {said}");
    let text = String::from_utf8_lossy(&out.stdout);
    let (body, status) = text.rsplit_once('\n').context("no status")?;
    Ok((status.parse()?, serde_json::from_str(body).with_context(|| format!("no JSON: {body:?}"))?))
}

/// `check` on a connection of its own, until it is answered.
pub fn slowly(port: u16) -> Result<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    let body = "{\"login\":\"a\",\"authenticated\":true}";
    let token = parvis_stand::sso::TOKEN;
    write!(
        stream,
        "POST /v1/check HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut all = String::new();
    stream.read_to_string(&mut all)?;
    Ok(all)
}
