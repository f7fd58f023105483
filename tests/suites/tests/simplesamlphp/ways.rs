//! The other ways to ask: `parvis-hook`, and `parvis-sso` by its two doors. The socket is what the other tests use.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::sso::{Sso, SsoOptions};
use parvis_stand::{Visitor, run};

use crate::faults::closed_but_for_the_active;
use crate::support::{Outcome, Stage, person, socket};
use crate::tap::Mode;

fn hook(stage: &Stage) -> Result<String> {
    let hook = binaries(Profile::Dev)?.parvis_hook;
    Ok(format!("'hook' => '{}', {}", hook.display(), socket(stage.tap.path())))
}

#[test]
fn through_the_hook() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.gate(&hook(&stage)?)?;
    let came = stage.sign_in(&mut Visitor::new("fr"), &person("mdurand"))?;
    assert!(matches!(came, Outcome::Activation(_)), "{came:?} {}", stage.decision());
    let Outcome::Refused(page) = stage.sign_in(&mut Visitor::new("en"), &person("rlemoine"))? else {
        panic!("not refused")
    };
    assert!(page.body.contains("This account is locked"), "{}", page.body);
    stage.scene.daemon.pause()?;
    closed_but_for_the_active(&stage, "hung")?;
    stage.scene.daemon.resume()?;
    stage.scene.daemon.terminate()?;
    closed_but_for_the_active(&stage, "stopped")
}

#[test]
fn a_hook_that_is_none_opens_no_door() -> Result<()> {
    let stage = Stage::new()?;
    let dir = tempfile::tempdir()?;
    let script = |name: &str, text: &str| -> Result<String> {
        let path = dir.path().join(name);
        run::script(&path, &format!("#!/bin/sh\n{text}\n"))?;
        Ok(path.display().to_string())
    };
    let yes = r#"echo '{"schema":1,"ok":true,"allow":true,"status":"active"}'"#;
    for (name, text) in [
        ("no-output", "exit 0".to_owned()),
        ("garbage", "echo yes".to_owned()),
        ("yes-but", format!("{yes}; exit 1")),
        ("endless", "exec yes".to_owned()),
        ("silent", "exec sleep 60".to_owned()),
        ("closes-and-stays", "exec >&- 2>&- <&-; exec sleep 60".to_owned()),
        ("says-and-stays", format!("{yes}; exec sleep 60")),
    ] {
        stage.gate(&format!("'hook' => '{}'", script(name, &text)?))?;
        closed_but_for_the_active(&stage, name)?;
    }
    stage.gate("'hook' => '/nowhere/parvis-hook'")?;
    closed_but_for_the_active(&stage, "absent")
}

#[test]
fn no_command_line_has_a_secret_or_a_name() -> Result<()> {
    let stage = Stage::new()?;
    stage.gate(&hook(&stage)?)?;
    stage.tap.set(Mode::Silent);
    let marie = person("mdurand");
    let seen = std::thread::scope(|scope| -> Result<BTreeSet<String>> {
        let signing = scope.spawn(|| stage.sign_in(&mut Visitor::new("fr"), &marie));
        let mut seen = BTreeSet::new();
        while !signing.is_finished() {
            for entry in std::fs::read_dir("/proc")?.flatten() {
                let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
                let line = [read("cmdline"), b"\n".to_vec(), read("environ")].concat();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if line.contains("parvis-hook check") || line.contains("php -d") {
                    seen.insert(line);
                }
            }
        }
        Ok(seen)
    })?;
    assert!(seen.iter().any(|line| line.contains("parvis-hook check")), "the hook was not seen: {seen:?}");
    for line in seen {
        for secret in ["mdurand", marie.provisional_password.as_str()] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    Ok(())
}

fn by_token(sso: &Sso) -> String {
    format!("'url' => '{}', 'token-file' => '{}'", sso.url(), sso.token_file().display())
}

fn by_certificate(sso: &Sso) -> Result<String> {
    let client = sso.client()?;
    Ok(format!(
        "'url' => '{}', 'ca' => '{}', 'certificate' => '{}', 'key' => '{}'",
        sso.tls_url(),
        sso.authority().file().display(),
        client.certificate.display(),
        client.key.display()
    ))
}

#[test]
fn over_http_by_both_doors_of_parvis_sso() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut sso = Sso::start(&stage.scene, SsoOptions::default())?;
    for keys in [by_token(&sso), by_certificate(&sso)?] {
        stage.gate(&keys)?;
        let came = stage.sign_in(&mut Visitor::new("fr"), &person("mdurand"))?;
        assert!(matches!(came, Outcome::Activation(_)), "{keys}: {came:?} {}", stage.decision());
        let Outcome::Refused(page) = stage.sign_in(&mut Visitor::new("en"), &person("rlemoine"))? else {
            panic!("not refused")
        };
        assert!(page.body.contains("This account is locked"), "{}", page.body);
        stage.scene.daemon.pause()?;
        closed_but_for_the_active(&stage, "the daemon hangs")?;
        stage.scene.daemon.resume()?;
        sso.signal(Signal::SIGSTOP)?;
        closed_but_for_the_active(&stage, "parvis-sso hangs")?;
        sso.signal(Signal::SIGCONT)?;
    }
    // Whoever is not heard gets nobody through; nor is anybody else taken for parvis-sso.
    let strange = tempfile::tempdir()?;
    let authority = parvis_stand::certs::Authority::new(strange.path())?.file();
    let ca = format!("'ca' => '{}'", sso.authority().file().display());
    let (tls, http) = (sso.tls_url(), sso.url());
    let file = strange.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef")?;
    for (keys, why) in [
        (format!("'url' => '{tls}', {ca}"), "no certificate"),
        (
            by_certificate(&sso)?
                .replace(&sso.authority().file().display().to_string(), &authority.display().to_string()),
            "another authority",
        ),
        (format!("'url' => '{http}'"), "no token"),
        (format!("'url' => '{http}', 'token-file' => '{}'", file.display()), "another token"),
        (format!("'url' => '{http}', 'token-file' => '/nowhere/token'"), "no token file"),
    ] {
        stage.gate(&keys)?;
        closed_but_for_the_active(&stage, why)?;
    }
    stage.gate(&by_token(&sso))?;
    stage.scene.daemon.terminate()?;
    closed_but_for_the_active(&stage, "the daemon is stopped")?;
    sso.terminate()?;
    closed_but_for_the_active(&stage, "parvis-sso is stopped")
}

#[test]
fn no_nonsense_over_http_opens_the_door() -> Result<()> {
    let stage = Stage::new()?;
    let yes = r#"{"schema":1,"ok":true,"allow":true,"status":"active"}"#;
    let with = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let endless = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned();
    for (head, more) in [
        (with("500 Oops", yes), ""),
        (with("422 No", yes), ""),
        (with("302 Found\r\nLocation: /elsewhere", yes), ""),
        (with("200 OK", "true"), ""),
        (with("200 OK", r#"{"allow":"true"}"#), ""),
        (with("200 OK", ""), ""),
        ("garbage\r\n\r\n".to_owned(), ""),
        (with("200 OK", yes).replace("Length: ", "Length: 9"), " "),
        (endless.clone(), "fast"),
        (endless, " "),
    ] {
        let liar = TcpListener::bind(("127.0.0.1", 0))?;
        stage.gate(&format!("'url' => 'http://{}'", liar.local_addr()?))?;
        let why = format!("{head:?} {more:?}");
        std::thread::spawn(move || {
            for mut stream in liar.incoming().map_while(Result::ok) {
                let (head, more) = (head.clone(), more);
                std::thread::spawn(move || -> std::io::Result<()> {
                    let _ = stream.read(&mut [0; 8192])?;
                    stream.write_all(head.as_bytes())?;
                    while !more.is_empty() {
                        match more {
                            "fast" => stream.write_all(&[b' '; 8192])?,
                            drip => {
                                stream.write_all(drip.as_bytes())?;
                                std::thread::sleep(Duration::from_millis(100));
                            }
                        }
                    }
                    Ok(())
                });
            }
        });
        closed_but_for_the_active(&stage, &why)?;
    }
    Ok(())
}
