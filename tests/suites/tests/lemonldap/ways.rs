//! The two other ways to ask: a program, and an HTTP server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::place::Place;
use parvis_stand::run;
use parvis_stand::scene::SceneOptions;
use parvis_stand::{LemonOptions, Scene};

use crate::fake::program;
use crate::support::{ACTIVE, BOUND, Campus, LOCKED, NEW, TIMEOUT, person};

/// The command lines of this machine's processes, arguments apart by blanks.
fn command_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

/// Whether the portal has a child that has ended and that nobody has asked after.
fn zombies(campus: &Campus) -> usize {
    let children = campus.lemon.processes().into_iter().flat_map(|pid| {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    let states = children.filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    states.filter(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))).count()
}

fn closed(campus: &Campus, case: &str) -> Result<()> {
    let begun = Instant::now();
    let reply = campus.sign_in(NEW)?;
    let took = begun.elapsed();
    ensure!(took < BOUND, "{case}: it took {took:?}");
    campus.told(&reply, "Nous ne pouvons pas vérifier").with_context(|| case.to_owned())?;
    ensure!(campus.decided().starts_with("mdurand: no answer: "), "{case}: {}", campus.decided());
    ensure!(zombies(campus) == 0, "{case}: a zombie is left");
    Ok(())
}

fn of_the_daemon(scene: &Scene) -> String {
    let socket = scene.daemon.layout().hook_socket();
    let hook = binaries(Profile::Dev).map(|all| all.parvis_hook).unwrap_or_default();
    format!("#!/bin/sh\nexec {} \"$@\" --socket {}\n", hook.display(), socket.display())
}

#[test]
fn the_program_says_who_passes_and_hangs_nobody() -> Result<()> {
    let place = Place::new("program")?;
    let path = program(&place, "#!/bin/sh\nexit 1\n")?;
    let params = [("parvisHook", path.as_str()), ("parvisTimeout", TIMEOUT)];
    let mut campus = Campus::with(SceneOptions::default(), LemonOptions::default(), &params)?;
    let marker = format!("{}/left", place.path().display());
    // What is run in its place; where it leaves a child behind, that child's command line has the marker.
    let flood = "while :; do echo '{\"schema\":1,\"ok\":true,\"allow\":true}'; done";
    let cases = [
        ("it hangs", "cat >/dev/null; exec sleep 60".to_owned()),
        ("it ignores what asks it to end", "trap '' TERM INT HUP; while :; do sleep 1; done".to_owned()),
        ("it leaves a child with its output", format!("sh -c 'sleep 60; : {marker}' & exit 0")),
        ("it floods", flood.to_owned()),
        ("it says yes and fails", "echo '{\"schema\":1,\"ok\":true,\"allow\":true}'; exit 1".to_owned()),
        ("it ends well without a word", "exit 0".to_owned()),
        ("it says neither", "echo '{\"schema\":1,\"ok\":true}'; exit 0".to_owned()),
        ("it is killed", "echo '{\"schema\":1,\"ok\":true,\"allow\":true}'; kill -9 $$".to_owned()),
    ];
    for (case, text) in cases {
        program(&place, &format!("#!/bin/sh\n{text}\n"))?;
        closed(&campus, case)?;
    }
    let gone = run::until(Duration::from_secs(5), || {
        Ok((!command_lines().iter().any(|line| line.contains(&marker))).then_some(()))
    })?;
    ensure!(gone.is_some(), "a child is left");
    std::fs::remove_file(&path)?;
    closed(&campus, "there is no program")?;
    // The real one.
    program(&place, &of_the_daemon(&campus.scene))?;
    let reply = campus.sign_in(LOCKED)?;
    campus.told(&reply, "Ce compte est verrouillé")?;
    let reply = campus.sign_in(NEW)?;
    campus.sent_to_activation(&reply)?;
    assert_eq!(campus.decided(), "mdurand: sent to activation");
    ensure!(zombies(&campus) == 0);
    campus.scene.daemon.terminate()?;
    let reply = campus.sign_in(NEW)?;
    // Its own words for it, in both languages.
    campus.nobody_is_in(&reply)?;
    assert_eq!(campus.decided(), "mdurand: refused: unavailable");
    campus.enters(ACTIVE).map(drop)
}

#[test]
fn no_secret_is_on_a_command_line() -> Result<()> {
    let place = Place::new("program")?;
    let path = program(&place, "#!/bin/sh\ncat >/dev/null; exec sleep 2\n")?;
    let params = [("parvisHook", path.as_str()), ("parvisTimeout", TIMEOUT)];
    let campus = Campus::with(SceneOptions::default(), LemonOptions::default(), &params)?;
    let marie = person(NEW);
    let seen = std::thread::scope(|scope| -> Result<Vec<String>> {
        let signing = scope.spawn(|| campus.sign_in(NEW));
        let mut seen = Vec::new();
        while !signing.is_finished() {
            seen.extend(command_lines());
            std::thread::sleep(Duration::from_millis(10));
        }
        signing.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
        Ok(seen)
    })?;
    ensure!(seen.iter().any(|line| line.contains("sleep 2")), "the program was not seen at work");
    ensure!(!seen.iter().any(|line| line.contains(&marie.provisional_password)), "a password");
    ensure!(!seen.iter().any(|line| line.contains("authenticated")), "a question");
    ensure!(!campus.lemon.log().contains(&marie.provisional_password));
    Ok(())
}

/// What an HTTP server in the place of parvis-sso does.
#[derive(Clone)]
enum Served {
    /// Asks the real program, and prints what it prints.
    Asks(String),
    /// These bytes, as they are.
    Says(Vec<u8>),
    /// This again and again, after a head.
    Endless,
    /// Nothing.
    Silent,
}

struct Server {
    port: u16,
    served: Arc<Mutex<Served>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (served, heard) = (Arc::new(Mutex::new(Served::Silent)), Arc::new(Mutex::new(Vec::new())));
        let (serves, hears) = (Arc::clone(&served), Arc::clone(&heard));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::io::Result::ok) {
                let served = serves.lock().expect("nobody panics with it").clone();
                let hears = Arc::clone(&hears);
                std::thread::spawn(move || serve(stream, &served, &hears));
            }
        });
        Ok(Self { port, served, heard })
    }

    fn now(&self, served: Served) {
        *self.served.lock().expect("nobody panics with it") = served;
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("nobody panics with it").last().cloned().unwrap_or_default()
    }
}

fn serve(mut stream: TcpStream, served: &Served, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
        let last = line.trim().is_empty();
        head.push_str(&line);
        if last {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    heard.lock().expect("nobody panics with it").push(head + &String::from_utf8_lossy(&body));
    let answer = |status: &str, body: &[u8]| {
        [format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    };
    match served {
        Served::Asks(path) => {
            let out = run::output(std::path::Path::new(path), &["check"], &body).ok()?;
            stream.write_all(&answer("200 OK", &out.stdout)).ok()
        }
        Served::Says(bytes) => stream.write_all(bytes).ok(),
        Served::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).ok()?;
            }
        }
        Served::Silent => stream.read(&mut [0; 1]).ok().map(drop),
    }
}

#[test]
fn an_http_server_is_asked_with_its_token_and_hangs_nobody() -> Result<()> {
    let (server, place) = (Server::new()?, Place::new("token")?);
    let token = "a-token-of-the-stand-5177";
    std::fs::write(place.join("token"), format!("{token}\n"))?;
    let (url, file) =
        (format!("http://127.0.0.1:{}", server.port), place.join("token").display().to_string());
    let params = [("parvisUrl", url.as_str()), ("parvisTokenFile", &file), ("parvisTimeout", TIMEOUT)];
    let campus = Campus::with(SceneOptions::default(), LemonOptions::default(), &params)?;
    closed(&campus, "it says nothing")?;
    server.now(Served::Endless);
    closed(&campus, "it says too much")?;
    let yes = b"{\"schema\":1,\"ok\":true,\"allow\":true,\"status\":\"active\"}";
    let said = |status: &str, body: &[u8]| {
        Served::Says(
            [format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body]
                .concat(),
        )
    };
    for (case, answer) in [
        ("no HTTP", Served::Says(b"yes, yes\n".to_vec())),
        ("closed at once", Served::Says(vec![])),
        ("cut short", Served::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"ok\":true".to_vec())),
        ("a yes and a fault", said("500 Internal Server Error", yes)),
        ("sent elsewhere", said("302 Found\r\nLocation: http://127.0.0.1:1/", b"")),
        ("a page", said("200 OK", b"<html>allow: true</html>")),
        ("a yes of another kind", said("200 OK", b"{\"schema\":1,\"ok\":true,\"allow\":\"yes\"}")),
    ] {
        server.now(answer);
        closed(&campus, case)?;
    }
    let real = Place::new("program")?;
    server.now(Served::Asks(program(&real, &of_the_daemon(&campus.scene))?));
    let reply = campus.sign_in(NEW)?;
    campus.sent_to_activation(&reply)?;
    let heard = server.heard();
    ensure!(heard.starts_with("POST /v1/check HTTP/1.1\r\n"), "{heard}");
    ensure!(heard.contains(&format!("Authorization: Bearer {token}\r\n")), "{heard}");
    ensure!(heard.contains("\"login\":\"mdurand\"") && heard.contains("\"authenticated\":true"), "{heard}");
    let reply = campus.sign_in(LOCKED)?;
    campus.told(&reply, "Ce compte est verrouillé")?;
    server.now(said("200 OK", yes));
    campus.enters(NEW)?;
    ensure!(!campus.lemon.log().contains(token), "the token is in the log");
    campus.enters(ACTIVE).map(drop)
}
