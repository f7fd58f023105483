//! The fault proxy, before a server that echoes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use parvis_stand::{Fault, Proxy};

const MOMENT: Duration = Duration::from_millis(150);

/// An echo on a port of its own, for as long as the process lives.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
            });
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    stream
}

fn say(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    hear(stream, text.len())
}

fn hear(stream: &mut TcpStream, length: usize) -> std::io::Result<String> {
    let mut heard = vec![0; length];
    stream.read_exact(&mut heard)?;
    Ok(String::from_utf8(heard).unwrap())
}

#[test]
fn it_forwards_both_ways_and_ends_with_the_client() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(say(&mut stream, "hello").unwrap(), "hello");
    assert_eq!(proxy.open(), 1);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_stall_holds_everything_and_then_lets_it_through() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    say(&mut stream, "before").unwrap();
    proxy.fault(Fault::Stall);
    let error = say(&mut stream, "held").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "it hangs, and does not fail");
    let mut second = connect(&proxy);
    assert!(say(&mut second, "new").is_err(), "a new connection is accepted and hangs as well");
    proxy.fault(Fault::None);
    assert_eq!(hear(&mut stream, 4).unwrap(), "held");
    assert_eq!(hear(&mut second, 3).unwrap(), "new");
}

#[test]
fn a_delay_is_at_least_as_long_as_asked_each_way() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    proxy.fault(Fault::Delay(Duration::from_millis(40)));
    let begun = Instant::now();
    assert_eq!(say(&mut stream, "late").unwrap(), "late");
    assert!(begun.elapsed() >= Duration::from_millis(80), "{:?}", begun.elapsed());
}

#[test]
fn cuts_and_resets_end_connections() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    say(&mut stream, "x").unwrap();
    proxy.cut();
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert!(say(&mut stream, "y").is_err());
    assert_eq!(say(&mut connect(&proxy), "again").unwrap(), "again");

    proxy.fault(Fault::CutAfter(4));
    let mut stream = connect(&proxy);
    stream.write_all(b"123456").unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    assert!(heard.len() <= 4, "{heard:?}");

    proxy.fault(Fault::Reset);
    assert!(say(&mut connect(&proxy), "x").is_err());
    proxy.fault(Fault::None);
    assert_eq!(say(&mut connect(&proxy), "well").unwrap(), "well");
}

#[test]
fn refused_is_refused_until_it_accepts_again() {
    let mut proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    say(&mut stream, "x").unwrap();
    proxy.refuse();
    assert!(say(&mut stream, "y").is_err());
    let error = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    proxy.accept().unwrap();
    assert_eq!(say(&mut connect(&proxy), "back").unwrap(), "back");
}

#[test]
fn a_target_that_is_down_is_a_reset_and_a_dropped_proxy_leaves_nothing_hanging() {
    let proxy = Proxy::start(1).unwrap();
    assert!(say(&mut connect(&proxy), "x").is_err());
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    say(&mut stream, "x").unwrap();
    proxy.fault(Fault::Stall);
    stream.write_all(b"held").unwrap();
    drop(proxy);
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
}
