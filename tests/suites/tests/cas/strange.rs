//! Whatever the other side does, and whatever is in the configuration: a no, in bounded time, with words.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;
use parvis_stand::djangocas;
use parvis_stand::place::Place;
use parvis_stand::run;
use parvis_stand::scene::at;
use parvis_suites::strange::{self, Habit, recorder, strange_daemon};
use serde_json::json;

use crate::support::{ACTIVE, PROVISIONAL, Script};

/// Nobody passes who is not active; it takes no longer than it may; and no thread of the script's stays.
fn closed(script: &mut Script, what: &str) -> Result<()> {
    let said = script.sign_in("mdurand", PROVISIONAL, &json!({}))?;
    assert_eq!(said.stopped().with_context(|| format!("{what}: {}", said.0))?, None, "{what}");
    assert!(said.took() < Duration::from_secs(4), "{what}: {}", said.0);
    let line = said.log()?;
    assert!(line.contains("mdurand: no answer: "), "{what}: {line}");
    // What goes on for ever is not read until time is up: it would fill the memory meanwhile.
    let size = ["endless", "floods"].contains(&what);
    assert!(!size || line.contains("does not end"), "{what}: {line}");
    let active = script.sign_in("cbernard", ACTIVE, &json!({}))?;
    assert!(active.passed(), "{what}: {}", active.0);
    Ok(())
}

fn no_thread_stays(script: &mut Script) -> Result<()> {
    let gone = run::until(Duration::from_secs(10), || {
        let said = script.sign_in("cbernard", ACTIVE, &json!({}))?;
        Ok((at(&said.0, "/threads") == 0).then_some(()))
    })?;
    gone.context("threads of the script's are still there")
}

#[test]
fn strange_daemons() -> Result<()> {
    let mut script = Script::new()?;
    let habits: [(&str, Habit); 6] = [
        ("endless", strange::endless),
        ("silent", strange::silent),
        ("dripping", strange::dripping),
        ("garbage", strange::garbage),
        ("another answer", |stream| drop(stream.write_all(b"{\"parameters\":[true]}\0"))),
        ("another error", strange::another_error),
    ];
    for (name, habit) in habits {
        let (_place, socket) = strange_daemon(habit)?;
        script.configure(&[("socket", &socket.display().to_string()), ("timeout", "1")])?;
        if name == "another answer" {
            // An object without a yes in it.
            let said = script.sign_in("mdurand", PROVISIONAL, &json!({}))?;
            assert_eq!(said.stopped()?, None, "{}", said.0);
            continue;
        }
        closed(&mut script, name)?;
    }
    no_thread_stays(&mut script)
}

#[test]
fn only_true_is_a_yes() -> Result<()> {
    let mut script = Script::new()?;
    for reply in [
        "{\"parameters\":{\"allow\":\"true\"}}\0",
        "{\"parameters\":{\"allow\":1}}\0",
        "{\"parameters\":{\"allow\":[true]}}\0",
        "{\"parameters\":{\"allow\":null}}\0",
        "{\"parameters\":{\"Allow\":true}}\0",
        "{\"parameters\":{\"allow\":true,\"ok\":false}}\0",
        "{\"allow\":true}\0",
        "{\"error\":\"org.parvis.Hook.Refused\",\"parameters\":{\"allow\":true,\"code\":\"x\",\"message\":\"Des mots pour vous.\"}}\0",
    ] {
        let (_place, socket, _) = recorder(reply)?;
        script.configure(&[("socket", &socket.display().to_string())])?;
        let said = script.sign_in("mdurand", PROVISIONAL, &json!({}))?;
        said.stopped().with_context(|| format!("{reply}: {}", said.0))?;
    }
    // A url that is none of the web's leads nowhere; markup in words is text.
    let reply = "{\"parameters\":{\"allow\":false,\"url\":\"javascript:alert(1)\",\"message\":\"<b>&</b> some words\"}}\0";
    let (_place, socket, _) = recorder(reply)?;
    script.configure(&[("socket", &socket.display().to_string())])?;
    let said = script.sign_in("mdurand", PROVISIONAL, &json!({}))?;
    assert_eq!((said.stopped()?, said.message()), (None, "&lt;b&gt;&amp;&lt;/b&gt; some words"));
    Ok(())
}

/// What it does with each connection, after it has read something.
type WebHabit = fn(&mut std::net::TcpStream);

/// A web server that answers the same to everything, for ever if need be.
fn strange_web(habit: WebHabit) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 8192]);
                habit(&mut stream);
            });
        }
    });
    Ok(url)
}

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

const WEB: [(&str, WebHabit); 8] = [
    ("silent", |stream| drop(stream.read_to_end(&mut Vec::new()))),
    ("endless", |stream| {
        let _ = stream.write_all(FINE);
        while stream.write_all(&[b' '; 8192]).is_ok() {}
    }),
    ("endless head", |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X: y\r\n").is_ok() {}
    }),
    ("dripping", |stream| {
        let _ = stream.write_all(FINE);
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }),
    ("garbage", |stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"))),
    ("a yes that is none", |stream| {
        drop(stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 14\r\n\r\n{\"allow\":true}"));
    }),
    ("a redirection", |stream| {
        drop(stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 14\r\n\r\n{\"allow\":true}"));
    }),
    ("no http", |stream| drop(stream.write_all(b"{\"allow\":true}\0"))),
];

#[test]
fn strange_web_servers() -> Result<()> {
    let mut script = Script::new()?;
    for (name, habit) in WEB {
        script.configure(&[("url", &strange_web(habit)?), ("timeout", "1")])?;
        closed(&mut script, name)?;
    }
    // Nobody there at all.
    script.configure(&[("url", "http://127.0.0.1:1"), ("timeout", "1")])?;
    closed(&mut script, "nobody")?;
    no_thread_stays(&mut script)
}

/// What is in the place of parvis-hook.
const HOOKS: [(&str, &str); 9] = [
    ("hangs", "exec sleep 60"),
    ("hangs-with-a-child", "sleep 60 & wait"),
    ("floods", "exec yes '{\"allow\":true}'"),
    ("floods-errors", "exec yes >&2"),
    ("reads-nothing", "exec 0<&-; echo nonsense"),
    ("says-yes-and-fails", "cat >/dev/null; echo '{\"allow\":true}'; exit 1"),
    ("says-no-and-succeeds", "cat >/dev/null; echo '{\"allow\":false}'"),
    ("says-nothing", "cat >/dev/null"),
    ("dies", "kill -9 $$"),
];

fn hook(place: &Place, name: &str, text: &str) -> Result<String> {
    let path = place.join(name);
    run::script(&path, &format!("#!/bin/sh\n{text}\n"))?;
    Ok(path.display().to_string())
}

/// django-cas-server's glue, by itself: how long it took, and what it made of the answer.
const ASK: &str = "import json, sys, time, parvis_cas
for line in sys.stdin:
    conf, begun = {**parvis_cas.DEFAULTS, **json.loads(line)}, time.monotonic()
    try:
        said = json.dumps(parvis_cas.ask(conf, {'login': 'mdurand', 'authenticated': True}))
    except Exception as fault:
        said = 'no: %s' % fault
    print(int((time.monotonic() - begun) * 1000), said, flush=True)
";

#[test]
fn the_module_for_django_bears_the_same() -> Result<()> {
    let place = Place::new("hooks-of-django")?;
    let (mut asked, mut input) = (Vec::new(), String::new());
    let mut add = |name: &str, conf: serde_json::Value| {
        asked.push(name.to_owned());
        input.push_str(&format!("{conf}\n"));
    };
    for (name, habit) in WEB {
        add(name, json!({ "timeout": 1, "url": strange_web(habit)? }));
    }
    for (name, text) in HOOKS {
        add(name, json!({ "timeout": 1, "hook": hook(&place, name, text)? }));
    }
    add("not there", json!({ "timeout": 1, "hook": "/nowhere" }));
    add("nobody", json!({ "timeout": 1, "url": "http://127.0.0.1:1" }));
    let mut command = std::process::Command::new(djangocas::python()?);
    command.args(["-c", ASK]).env("PYTHONPATH", workspace().join("hooks/cas/django"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let out = run::feed(command, input.as_bytes())?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), asked.len(), "{said} {}", String::from_utf8_lossy(&out.stderr));
    for (name, line) in asked.iter().zip(lines) {
        let (took, said) = line.split_once(' ').context("a time")?;
        assert!(said.starts_with("no: "), "{name}: {said}");
        assert!(took.parse::<u64>()? < 4000, "{name}: {took}");
        let size = ["endless", "floods"].contains(&name.as_str());
        assert!(!size || said.contains("does not end"), "{name}: {said}");
    }
    Ok(())
}

#[test]
fn strange_hooks_and_nothing_secret_where_others_can_see_it() -> Result<()> {
    let (mut script, place) = (Script::new()?, Place::new("hooks")?);
    let write = |name: &str, text: &str| hook(&place, name, text);
    for (name, text) in HOOKS {
        script.configure(&[("hook", &write(name, text)?), ("timeout", "1")])?;
        closed(&mut script, name)?;
    }
    script.configure(&[("hook", "/nowhere/parvis-hook"), ("timeout", "1")])?;
    closed(&mut script, "not there")?;
    let seen = place.join("seen").display().to_string();
    let spy = write(
        "spy",
        &format!(
            "{{ tr '\\0' ' ' </proc/$$/cmdline; env; }} >{seen}; cat >/dev/null; echo '{{\"allow\":true}}'"
        ),
    )?;
    script.configure(&[("hook", &spy)])?;
    assert!(script.sign_in("mdurand", PROVISIONAL, &json!({ "ip": "192.0.2.99" }))?.passed());
    let seen = std::fs::read_to_string(seen)?;
    assert!(seen.contains("check --socket /run/parvis/hook.sock --timeout 2000ms"), "{seen}");
    for told in ["mdurand", "192.0.2.99", "JAVA", "HOME="] {
        assert!(!seen.contains(told), "{told} in {seen}");
    }
    no_thread_stays(&mut script)
}

#[test]
fn a_configuration_that_is_wrong_stops_everybody_and_says_why() -> Result<()> {
    let mut script = Script::new()?;
    for (lines, why) in [
        (&[("sockt", "/x")][..], "there is no key sockt"),
        (&[("hook", "/x"), ("url", "http://x")][..], "one of them"),
        (&[("timeout", "0")][..], "timeout"),
        (&[("timeout", "3600")][..], "timeout"),
        (&[("timeout", "soon")][..], "soon"),
        (&[("active", "(")][..], "Unclosed"),
    ] {
        script.configure(lines)?;
        for state in [PROVISIONAL, ACTIVE] {
            let said = script.sign_in("mdurand", state, &json!({}))?;
            assert_eq!(said.stopped()?, None, "{}", said.0);
            assert!(said.log()?.contains(why), "{}", said.log()?);
        }
    }
    // A login of nobody's, and arguments of no version of CAS's.
    let (_place, socket, _) = recorder("{\"parameters\":{\"allow\":false,\"status\":\"unknown\"}}\0")?;
    script.configure(&[("socket", &socket.display().to_string())])?;
    let said = script.sign_in("a\nINFO parvis: root: passed\u{2028}b", PROVISIONAL, &json!({}))?;
    assert_eq!(said.log()?.lines().count(), 1, "{}", said.log()?);
    for cas in [5, 6, 7] {
        let said = script.sign_in("mdurand", ACTIVE, &json!({ "broken": true, "cas": cas }))?;
        assert!(cas == 5 || said.stopped().is_ok(), "{}", said.0);
    }
    Ok(())
}
