//! Whatever is wrong with the other side: active people enter, nobody else does, and nothing takes longer than it may.

use std::time::Instant;

use anyhow::{Result, ensure};
use parvis_stand::scene::SceneOptions;
use parvis_stand::{LemonOptions, Reply};

use crate::fake::{Fake, Manner, says};
use crate::support::{ACTIVE, BOUND, Campus, NEW, TIMEOUT};

/// A provisional person's sign-in, which must end in words and in time.
fn closed(campus: &Campus, case: &str) -> Result<Reply> {
    let begun = Instant::now();
    let reply = campus.sign_in(NEW)?;
    let took = begun.elapsed();
    ensure!(took < BOUND, "{case}: it took {took:?}");
    campus.told(&reply, "Nous ne pouvons pas vérifier l’état de votre compte")?;
    ensure!(reply.status == 200, "{case}: {}", reply.status);
    ensure!(campus.decided().starts_with("mdurand: no answer: "), "{case}: {}", campus.decided());
    Ok(reply)
}

/// An active person's, which asks nobody.
fn open(campus: &Campus) -> Result<()> {
    campus.enters(ACTIVE)?;
    ensure!(campus.decided() == "cbernard: passed by the directory", "{}", campus.decided());
    Ok(())
}

#[test]
fn with_the_daemon_stopped_or_hung_active_people_enter_and_others_do_not() -> Result<()> {
    let params = [("parvisTimeout", TIMEOUT)];
    let mut campus = Campus::with(SceneOptions::default(), LemonOptions::default(), &params)?;
    campus.scene.daemon.pause()?;
    closed(&campus, "hung")?;
    ensure!(campus.decided().ends_with("nothing came in time"), "{}", campus.decided());
    // Hung for so long that nobody takes connections any more.
    let socket = campus.scene.daemon.layout().hook_socket();
    let _waiting: Vec<_> = (0..5000).map_while(|_| queued(&socket)).collect();
    closed(&campus, "hung, and its queue is full")?;
    campus.scene.daemon.resume()?;
    drop(_waiting);
    campus.scene.daemon.terminate()?;
    closed(&campus, "stopped")?;
    open(&campus)?;
    campus.scene.daemon.restart()?;
    let reply = campus.sign_in(NEW)?;
    ensure!(reply.location().starts_with("https://activation.univ.example/enter/"), "{}", campus.lemon.log());
    campus.scene.daemon.pause()?;
    let entered = open(&campus);
    campus.scene.daemon.resume()?;
    entered
}

/// A connection that nobody takes, as long as the kernel has room for one.
fn queued(socket: &std::path::Path) -> Option<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket as new};
    use std::os::fd::AsRawFd;
    let fd = new(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).ok()?;
    connect(fd.as_raw_fd(), &UnixAddr::new(socket).ok()?).ok()?;
    Some(fd)
}

#[test]
fn no_answer_but_a_clear_yes_opens() -> Result<()> {
    let fake = Fake::new(Manner::Silent)?;
    let params = [("parvisTimeout", TIMEOUT), ("parvisSocket", &fake.socket())];
    let campus = Campus::with(SceneOptions::default(), LemonOptions::default(), &params)?;
    closed(&campus, "silent")?;
    let yes = "\"parameters\":{\"allow\":true,\"status\":\"active\"}";
    let manners = [
        ("a byte now and then", Manner::Drips),
        ("endless", Manner::Endless(b"{\"parameters\":{\"allow\":true, ".to_vec())),
        ("endless blanks", Manner::Endless(vec![b' '; 4096])),
        ("too long", Manner::Says([&[b' '; 70_000][..], b"{\"parameters\":{\"allow\":true}}\0"].concat())),
        ("no end", Manner::Says(format!("{{{yes}}}").into_bytes())),
        ("nothing", Manner::Says(vec![])),
        ("only an end", says("")),
        ("garbage", Manner::Says(b"\xff\xfe HTTP/1.1 200 OK\0".to_vec())),
        ("a list", says(&format!("[{{{yes}}}]"))),
        ("a number for yes", says("{\"parameters\":{\"allow\":1}}")),
        ("a word for yes", says("{\"parameters\":{\"allow\":\"true\"}}")),
        ("no yes at all", says("{\"parameters\":{\"status\":\"active\"}}")),
        ("an error beside a yes", says(&format!("{{\"error\":\"org.parvis.Hook.Fault\",{yes}}}"))),
        (
            "an address that is none",
            says("{\"parameters\":{\"allow\":false,\"url\":\"javascript:alert(1)\"}}"),
        ),
        (
            "two lines",
            says("{\"parameters\":{\"allow\":false,\"url\":\"https://a.example/\\r\\nSet-Cookie: x=1\"}}"),
        ),
    ];
    for (case, manner) in manners {
        fake.becomes(manner);
        closed(&campus, case)?;
    }
    // The daemon's own refusals are words as well.
    fake.becomes(says(
        "{\"error\":\"org.parvis.Hook.Refused\",\"parameters\":{\"code\":\"unavailable\",\"message\":\"L’<b>annuaire</b> ne répond pas.\"}}",
    ));
    let reply = campus.sign_in(NEW)?;
    campus.told(&reply, "L’&lt;b&gt;annuaire&lt;/b&gt; ne répond pas.")?;
    assert_eq!(campus.decided(), "mdurand: refused: unavailable");
    // And this is what a yes looks like: the test can fail.
    fake.becomes(says(&format!("{{{yes}}}")));
    campus.enters(NEW)?;
    assert_eq!(campus.decided(), "mdurand: passed");
    Ok(())
}
