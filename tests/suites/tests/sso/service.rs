//! The program among others: its configuration, its command line, systemd's sockets, its units.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result};
use parvis_stand::binaries::{Profile, binaries, workspace};
use parvis_stand::certs::Certificate;
use parvis_stand::place::{Place, Port};
use parvis_stand::run;
use parvis_stand::sso::TOKEN;

use crate::support::{Stage, check_by_tls};

fn program(args: &[&str]) -> Result<Output> {
    run::output(&binaries(Profile::Dev)?.parvis_sso, args, b"")
}

fn token(place: &Place, mode: u32) -> Result<()> {
    let dir = place.join("credentials");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("sso-token"), TOKEN)?;
    Ok(std::fs::set_permissions(dir.join("sso-token"), PermissionsExt::from_mode(mode))?)
}

fn checked(place: &Place, text: &str) -> Result<(Option<i32>, String)> {
    let file = place.join("sso.toml");
    std::fs::write(&file, text)?;
    let out = program(&["--config", &file.to_string_lossy(), "--check"])?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!said.contains(TOKEN), "{said}");
    Ok((out.status.code(), said))
}

#[test]
fn the_shipped_file_is_right_and_every_fault_of_another_is_said_at_once() -> Result<()> {
    let place = Place::new("sso-config")?;
    token(&place, 0o600)?;
    let shipped = std::fs::read_to_string(workspace().join("conf/sso.toml"))?;
    assert_eq!(checked(&place, &shipped)?, (Some(0), String::new()));
    assert!(String::from_utf8_lossy(&program(&["--help"])?.stdout).contains("--check"));
    assert_eq!(program(&["--nope"])?.status.code(), Some(64));
    let (code, said) = checked(
        &place,
        "log = \"trace\"\n[loopback]\nlisten = \"0.0.0.0:8471\"\n[cas]\nlogin-url = \"cas\"\n",
    )?;
    assert_eq!(code, Some(78));
    for key in ["log", "loopback.listen", "cas.login-url"] {
        assert!(said.contains(key), "{said}");
    }
    let tls = "[tls]\noffered = true\ncertificate = \"/nowhere/a.pem\"\nkey = \"/nowhere/a.key\"\nclient-ca = \"/nowhere/c.pem\"\n";
    let (code, said) = checked(&place, tls)?;
    assert_eq!(code, Some(78));
    for key in ["tls.certificate", "tls.key", "tls.client-ca"] {
        assert!(said.contains(key), "{said}");
    }
    assert!(checked(&place, "[tls]\nofered = true\n")?.1.contains("ofered"));
    Ok(())
}

#[test]
fn without_a_token_or_with_one_that_others_can_read_it_does_not_start() -> Result<()> {
    let place = Place::new("sso-token")?;
    let (code, said) = checked(&place, "")?;
    assert!(code == Some(78) && said.contains("token-file"), "{said}");
    token(&place, 0o644)?;
    assert!(checked(&place, "")?.1.contains("every user can read it"));
    token(&place, 0o640)?;
    assert_eq!(checked(&place, "")?.0, Some(0));
    std::fs::write(place.join("credentials/sso-token"), "only-thirty-one-characters-here")?;
    let (code, said) = checked(&place, "")?;
    assert!(code == Some(78) && said.contains("at least 32"), "{said}");
    assert_eq!(checked(&place, "[loopback]\noffered = false\n")?.0, Some(78), "then nobody could ask");
    Ok(())
}

/// parvis-sso behind systemd's socket activation, with sockets of these names.
fn activated(place: &Place, names: &str, ports: &[&Port], text: &str) -> Result<run::Running> {
    std::fs::write(place.join("sso.toml"), text)?;
    let mut command = run::leashed(&run::program("systemd-socket-activate")?);
    for port in ports {
        command.arg("-l").arg(format!("127.0.0.1:{}", port.number()));
    }
    command.arg(format!("--fdname={names}")).arg(binaries(Profile::Dev)?.parvis_sso);
    command.arg("--activated").arg("--config").arg(place.join("sso.toml"));
    let log = std::fs::File::create(place.join("sso.log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    run::start("systemd-socket-activate", command)
}

fn said(place: &Place) -> String {
    std::fs::read_to_string(place.join("sso.log")).unwrap_or_default()
}

fn answered(port: &Port) -> Result<String> {
    let patience = parvis_stand::browser::PATIENCE;
    let page = run::until(patience, || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port.number())) else { return Ok(None) };
        let _ = write!(stream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut all = String::new();
        let _ = stream.read_to_string(&mut all);
        Ok(Some(all))
    })?;
    page.context("nobody answers")
}

#[test]
fn systemds_sockets_are_taken_by_their_names_and_no_other() -> Result<()> {
    let (place, port) = (Place::new("sso-socket")?, Port::free()?);
    token(&place, 0o600)?;
    std::fs::write(place.join("sso.toml"), "")?;
    let none = program(&["--config", &place.join("sso.toml").to_string_lossy(), "--activated"])?;
    assert_eq!(none.status.code(), Some(75));
    // It would fail to listen by itself.
    let elsewhere = "[loopback]\nlisten = \"127.0.0.1:1\"\n";
    let sso = activated(&place, "loopback", &[&port], elsewhere)?;
    assert!(answered(&port)?.starts_with("HTTP/1.1 401"));
    assert!(sso.terminate(parvis_stand::browser::PATIENCE)?.success());
    for (name, text, why) in [
        ("tls", elsewhere, "handed over no socket of that name"),
        ("pages", elsewhere, "neither loopback nor tls"),
        ("unknown", "", "neither loopback nor tls"),
    ] {
        let port = Port::free()?;
        let sso = activated(&place, name, &[&port], text)?;
        let _ = run::until(parvis_stand::browser::PATIENCE, || {
            let _ = TcpStream::connect(("127.0.0.1", port.number()));
            Ok(sso.status())
        })?;
        assert_eq!(sso.status().and_then(|status| status.code()), Some(75), "{name}: {}", said(&place));
        // It is systemd-socket-activate's own end that is seen; what was said is ours.
        assert!(said(&place).contains(why), "{name}: {}", said(&place));
    }
    Ok(())
}

#[test]
fn the_units_the_defaults_and_the_users_say_the_same() -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(workspace().join(name));
    let (loopback, tls) = (read("systemd/parvis-sso.socket")?, read("systemd/parvis-sso-tls.socket")?);
    let (service, conf) = (read("systemd/parvis-sso.service")?, read("conf/sso.toml")?);
    assert!(
        loopback.contains("ListenStream=127.0.0.1:8471\n") && conf.contains("listen = \"127.0.0.1:8471\"")
    );
    assert!(tls.contains("ListenStream=8472\n") && conf.contains("listen = \"[::]:8472\""));
    assert!(loopback.contains("FileDescriptorName=loopback\n") && tls.contains("FileDescriptorName=tls\n"));
    assert!(tls.contains("Service=parvis-sso.service\n"));
    assert!(service.contains("User=parvis-sso\n") && service.contains("LoadCredential=sso-token:"));
    assert!(conf.contains("token-file = \"sso-token\""));
    // A socket that is enabled and not offered keeps the service from starting at the next boot.
    assert!(!service.lines().any(|line| line.starts_with("Also=") || line.starts_with("Sockets=")));
    assert!(service.contains("ExecStart=/usr/sbin/parvis-sso --activated\n"));
    assert!(read("systemd/parvis.sysusers.conf")?.contains("u     parvis-sso "));
    // The user's own group has the role, and the user is not the pages'.
    let daemon = read("conf/parvis.toml")?;
    assert!(daemon.contains("sso = [\"@parvis-sso\"]") && daemon.contains("pages = [\"parvis-pages\"]"));
    let security = run::program("systemd-analyze")?;
    let unit = workspace().join("systemd/parvis-sso.service");
    let args = ["security", "--offline=true", "--threshold=20", &unit.to_string_lossy()];
    let out = run::output(&security, &args, b"")?;
    let table = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && Path::new(&security).is_file(), "{table}");
    Ok(())
}

/// The fenced blocks of a page that hold this text.
fn block(page: &str, holds: &str) -> Result<String> {
    let text = std::fs::read_to_string(workspace().join(page))?;
    let found = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    found.into_iter().find(|block| block.contains(holds)).map(str::to_owned).context("no such block")
}

#[test]
fn the_commands_of_the_page_do_what_it_says() -> Result<()> {
    let stage = Stage::new()?;
    let sh = |text: &str| run::expect(&run::program("sh")?, &["-euc", text], b"");
    let ask = block("docs/sso.md", "curl -s")?.replace("http://127.0.0.1:8471", &stage.sso.url());
    let ask = ask.replace("/etc/parvis/credentials/sso-token", &stage.sso.token_file().display().to_string());
    let printed = sh(&ask)?;
    let page = std::fs::read_to_string(workspace().join("docs/sso.md"))?;
    assert!(page.contains(printed.trim()), "{printed}");
    // The authority and the client's certificate, without the users that a test has not.
    let place = Place::new("sso-page")?;
    let dir = place.path().display().to_string();
    let commands = block("docs/sso.md", "openssl req -x509")?;
    let lines: Vec<&str> =
        commands.lines().filter(|line| !line.starts_with("install") && !line.starts_with("chgrp")).collect();
    sh(&format!("cd {dir}; {}", lines.join("\n").replace("/root/", &format!("{dir}/"))))?;
    let ours = std::fs::read(stage.sso.authority().file())?;
    std::fs::copy(place.join("client-ca.pem"), stage.sso.authority().file())?;
    stage.sso.hangup()?;
    stage.sso.wait_log("are read again")?;
    std::fs::write(stage.sso.authority().file(), ours)?;
    let client = Certificate { certificate: place.join("client.pem"), key: place.join("client.key") };
    assert_eq!(check_by_tls(&stage.sso, Some(&client), "cbernard")?.0, 200);
    stage.sso.wait_log("asked by cas.univ.example").map(|_| ())
}
