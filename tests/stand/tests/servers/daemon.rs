//! The daemon's harness, on a script that behaves as a daemon does: notifications, log, signals, death.

use std::time::Duration;

use parvis_stand::run::{self, until};
use parvis_stand::{Daemon, DaemonOptions, Layout};

const SOON: Duration = Duration::from_secs(10);

/// In Perl, because a part of it is on every Debian (perl-base) and no shell can send a datagram.
const SCRIPT: &str = r#"#!/usr/bin/perl
use strict; use IO::Socket::UNIX; use Socket; $| = 1;
my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die;
sub say_it { $notify->send($_[0]) }
sub config { open(my $file, '<', $ARGV[1]) or die; return scalar <$file> }
die unless $ARGV[0] eq '--config';
printf "config %s secret %o\n", config(), (stat "$ENV{CREDENTIALS_DIRECTORY}/key")[2] & 0777;
exit 78 if config() =~ /broken/;
$SIG{HUP} = sub { say_it("RELOADING=1\nSTATUS=again " . config()) };
$SIG{TERM} = sub { say_it("STOPPING=1"); print STDERR "stopped\n"; exit 0 };
say_it("STATUS=starting"); say_it("READY=1\nSTATUS=working");
sleep 1 while 1;
"#;

fn options(layout: &Layout, config: &str) -> DaemonOptions {
    let script = layout.path().join("daemon");
    run::script(&script, SCRIPT).unwrap();
    DaemonOptions {
        config: config.to_owned(),
        credentials: vec![("key".into(), "not shown".into())],
        program: Some(script),
        ..DaemonOptions::default()
    }
}

#[test]
fn a_daemon_gets_ready_reloads_and_stops() {
    let layout = Layout::new().unwrap();
    let options = options(&layout, "one");
    let mut daemon = Daemon::start(layout, options).unwrap();
    assert_eq!(daemon.statuses(), ["starting", "working"]);
    assert!(daemon.ready_after() > Duration::ZERO);
    assert_eq!(daemon.wait_log("config", SOON).unwrap(), "config one secret 600");
    daemon.configure("two".into()).unwrap();
    daemon.hangup().unwrap();
    assert_eq!(daemon.wait_status("again", SOON).unwrap(), "again two");
    daemon.wait_notification("RELOADING=1", 1, SOON).unwrap();
    assert!(daemon.usage().unwrap().resident_kib > 1000);
    assert!(daemon.terminate().unwrap().success());
    assert!(daemon.log_contains("stopped"), "the last words are there once it has ended");
    assert!(daemon.terminate().is_err());
}

#[test]
fn a_daemon_is_killed_and_comes_back_on_the_same_layout() {
    let layout = Layout::new().unwrap();
    let options = options(&layout, "one");
    let mut daemon = Daemon::start(layout, options).unwrap();
    let first = daemon.pid().unwrap();
    daemon.kill9();
    assert!(daemon.pid().is_err());
    daemon.restart().unwrap();
    assert_ne!(daemon.pid().unwrap(), first);
    // It is ready when it says so, and its log is read beside.
    let twice = || Ok((daemon.log().matches("config one").count() == 2).then_some(()));
    assert!(until(SOON, twice).unwrap().is_some(), "{}", daemon.log());
    let (pid, path) = (daemon.pid().unwrap(), daemon.layout().path().to_owned());
    drop(daemon);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!path.exists());
}

#[test]
fn a_daemon_that_will_not_start_says_why() {
    let layout = Layout::new().unwrap();
    let broken = options(&layout, "broken");
    let error = Daemon::start(layout, broken).unwrap_err().to_string();
    assert!(error.contains("exit status: 78") && error.contains("config broken"), "{error}");
    let layout = Layout::new().unwrap();
    let broken = options(&layout, "broken");
    let (status, said) = Daemon::refused(layout, broken).unwrap();
    assert_eq!(parvis_stand::daemon::code(status), 78);
    assert!(said.contains("config broken"));
}
