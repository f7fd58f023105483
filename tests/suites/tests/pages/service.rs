//! The program among others: its configuration, systemd's socket, a Unix socket behind a proxy, a path of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result};
use parvis_stand::binaries::{Profile, binaries, workspace};
use parvis_stand::place::{Place, Port};
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::{Scene, run};

fn program(args: &[&str]) -> Result<Output> {
    run::output(&binaries(Profile::Dev)?.parvis_pages, args, b"")
}

#[test]
fn the_shipped_file_is_right_and_every_fault_of_another_is_said_at_once() -> Result<()> {
    let shipped = workspace().join("conf/pages.toml");
    let shipped = shipped.to_string_lossy();
    assert!(program(&["--config", &shipped, "--check"])?.status.success());
    assert!(String::from_utf8_lossy(&program(&["--help"])?.stdout).contains("--check"));
    assert_eq!(program(&["--nope"])?.status.code(), Some(64));
    let place = Place::new("pages-config")?;
    let file = place.join("pages.toml");
    std::fs::write(&file, "base-url = \"ftp://x\"\nlisten = \"nowhere\"\n[campus]\naccent = \"#ffff00\"\n")?;
    for more in [&["--check"][..], &[]] {
        let out = program(&[&["--config", &file.to_string_lossy()], more].concat())?;
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(78), "{said}");
        for key in ["base-url", "listen", "campus.accent"] {
            assert!(said.contains(key), "{said}");
        }
    }
    Ok(())
}

/// One request over a Unix socket.
fn asked(socket: &Path, head: &str, body: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    write!(stream, "{head}Host: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    let mut all = String::new();
    stream.read_to_string(&mut all)?;
    Ok(all)
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> Result<&'t str> {
    text.split(from)
        .nth(1)
        .and_then(|rest| rest.split(to).next())
        .with_context(|| format!("no {from} in {text}"))
}

#[test]
fn a_unix_socket_a_path_of_its_own_and_the_client_that_the_proxy_names() -> Result<()> {
    let scene = Scene::start(SceneOptions {
        config: format!("[pages]\nbase-url = \"{BASE_URL}/activation\"\n[limits]\nclient = \"3/1h\""),
        ..SceneOptions::default()
    })?;
    let place = Place::new("pages-unix")?;
    let socket = place.join("pages.sock");
    let config = format!(
        "base-url = \"{BASE_URL}/activation\"\nlisten = \"unix:{}\"\nhook-socket = {:?}\n[sign-in]\noffered = true\n",
        socket.display(),
        scene.daemon.layout().hook_socket().display().to_string(),
    );
    std::fs::write(place.join("pages.toml"), config)?;
    let mut command = run::leashed(&binaries(Profile::Dev)?.parvis_pages);
    command.arg("--config").arg(place.join("pages.toml")).stdin(Stdio::null()).stderr(Stdio::null());
    let _pages = run::start("parvis-pages", command)?;
    run::until(parvis_stand::browser::PATIENCE, || Ok(UnixStream::connect(&socket).ok()))?
        .context("no socket")?;

    let page = asked(&socket, "GET /activation/sign-in HTTP/1.1\r\n", "")?;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("href=\"/activation/assets/style-"), "{page}");
    assert!(page.contains("action=\"/activation/sign-in\""));
    assert!(asked(&socket, "GET /activation HTTP/1.1\r\n", "")?.contains("location: /activation/sign-in"));
    assert!(asked(&socket, "GET /sign-in HTTP/1.1\r\n", "")?.starts_with("HTTP/1.1 404"));
    let cookie = format!("__Host-parvis-form={}", between(&page, "__Host-parvis-form=", ";")?);
    let body = format!("form={}&login=nobody&password=x", between(&page, "name=\"form\" value=\"", "\"")?);
    let sign_in = |client: &str| {
        let head = format!(
            "POST /activation/sign-in HTTP/1.1\r\nCookie: {cookie}\r\nOrigin: {BASE_URL}\r\nSec-Fetch-Site: same-origin\r\n\
             X-Forwarded-For: 192.0.2.66, {client}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        );
        asked(&socket, &head, &body)
    };
    let mut last = String::new();
    for _ in 0..5 {
        last = sign_in("198.51.100.1")?;
    }
    assert!(last.starts_with("HTTP/1.1 429") && last.contains("retry-after: "), "{last}");
    // Another client is another client; what the browser itself wrote in front names nobody.
    assert!(sign_in("198.51.100.2")?.starts_with("HTTP/1.1 422"));
    Ok(())
}

#[test]
fn systemds_socket_is_taken() -> Result<()> {
    let unit = std::fs::read_to_string(workspace().join("systemd/parvis-pages.socket"))?;
    let address = between(&unit, "ListenStream=", "\n")?;
    let defaults = std::fs::read_to_string(workspace().join("conf/pages.toml"))?;
    assert!(
        defaults.contains(&format!("listen = \"{address}\"")),
        "the unit and the defaults name one address"
    );
    let nginx = std::fs::read_to_string(workspace().join("conf/pages/nginx.conf"))?;
    let apache = std::fs::read_to_string(workspace().join("conf/pages/apache.conf"))?;
    assert!(nginx.contains(address) && apache.contains(address));
    let (place, port) = (Place::new("pages-socket")?, Port::free()?);
    // It would fail to listen by itself.
    std::fs::write(place.join("pages.toml"), "listen = \"192.0.2.1:1\"\n")?;
    let mut command = run::leashed(&run::program("systemd-socket-activate")?);
    command.arg("-l").arg(format!("127.0.0.1:{}", port.number()));
    command.arg(binaries(Profile::Dev)?.parvis_pages).arg("--config").arg(place.join("pages.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let pages = run::start("systemd-socket-activate", command)?;
    let answered = run::until(parvis_stand::browser::PATIENCE, || {
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port.number())) else {
            return Ok(None);
        };
        write!(stream, "GET /sign-in HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut all = String::new();
        stream.read_to_string(&mut all)?;
        Ok(Some(all))
    })?;
    let page = answered.context("nobody answers")?;
    // Without the key, signing in is the SSO's.
    assert!(page.starts_with("HTTP/1.1 200") && !page.contains("id=\"password\""), "{page}");
    assert!(pages.terminate(parvis_stand::browser::PATIENCE)?.success());
    Ok(())
}
