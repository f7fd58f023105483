//! A real `parvis-sso` between the portal and the daemon: with a token on this machine, and under mutual TLS.

use anyhow::{Result, ensure};
use parvis_stand::lemon::Ports;
use parvis_stand::scene::SceneOptions;
use parvis_stand::sso::{Sso, SsoOptions, TOKEN};
use parvis_stand::{Lemon, LemonOptions, Scene};

use crate::support::{ACTIVE, Campus, LOCKED, NEW, TIMEOUT};

fn scene() -> Result<(Ports, Scene, Sso)> {
    let ports = Ports::free()?;
    let scene = Scene::start(SceneOptions { config: ports.daemon_config(), ..SceneOptions::default() })?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    Ok((ports, scene, sso))
}

fn campus(ports: Ports, scene: Scene, params: &[(&str, String)]) -> Result<Campus> {
    let params = params.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let lemon = Lemon::start(&scene.slapd, ports, &LemonOptions { params, ..LemonOptions::default() })?;
    Ok(Campus { lemon, scene })
}

/// Everybody meets what they should.
fn answers(campus: &Campus) -> Result<()> {
    campus.sent_to_activation(&campus.sign_in(NEW)?)?;
    assert_eq!(campus.decided(), "mdurand: sent to activation");
    campus.told(&campus.sign_in(LOCKED)?, "Ce compte est verrouillé")
}

fn closed(campus: &Campus) -> Result<()> {
    campus.told(&campus.sign_in(NEW)?, "Nous ne pouvons pas vérifier")?;
    ensure!(campus.decided().starts_with("mdurand: no answer: "), "{}", campus.decided());
    campus.enters(ACTIVE)?;
    assert_eq!(campus.decided(), "cbernard: passed by the directory");
    Ok(())
}

#[test]
fn with_a_token_on_this_machine() -> Result<()> {
    let (ports, scene, mut sso) = scene()?;
    let file = sso.token_file();
    let params = [
        ("parvisUrl", sso.url()),
        ("parvisTokenFile", file.display().to_string()),
        ("parvisTimeout", TIMEOUT.to_owned()),
    ];
    let campus = campus(ports, scene, &params)?;
    answers(&campus)?;
    // Another token than the server's, which read its own when it started.
    std::fs::write(&file, format!("{}\n", TOKEN.replace('0', "1")))?;
    let reply = campus.sign_in(NEW)?;
    campus.nobody_is_in(&reply)?;
    ensure!(!campus.decided().contains("sent"), "{}", campus.decided());
    sso.write_token(TOKEN)?;
    answers(&campus)?;
    sso.terminate()?;
    closed(&campus)?;
    ensure!(!campus.lemon.log().contains(TOKEN), "the token is in the log");
    Ok(())
}

#[test]
fn under_mutual_tls_and_to_no_other_server() -> Result<()> {
    let (ports, scene, sso) = scene()?;
    let client = sso.client()?;
    let ca = sso.authority().file().display().to_string();
    let mine = [
        ("parvisCertificate", client.certificate.display().to_string()),
        ("parvisKey", client.key.display().to_string()),
        ("parvisTimeout", "5".to_owned()),
    ];
    let with = |more: &[(&'static str, String)]| [&mine[..], more].concat();
    let first = campus(ports, scene, &with(&[("parvisUrl", sso.tls_url()), ("parvisCa", ca.clone())]))?;
    answers(&first)?;
    let Campus { scene, lemon } = first;
    drop(lemon);
    // A server whose certificate nobody here has signed.
    let other = campus(Ports::free()?, scene, &with(&[("parvisUrl", sso.tls_url())]))?;
    closed(&other)?;
    ensure!(other.lemon.log().contains("curl ended with 60"), "{}", other.lemon.log());
    let Campus { scene, lemon } = other;
    drop(lemon);
    // A portal that shows no certificate.
    let bare = [("parvisUrl", sso.tls_url()), ("parvisCa", ca), ("parvisTimeout", "5".to_owned())];
    closed(&campus(Ports::free()?, scene, &bare)?)
}
