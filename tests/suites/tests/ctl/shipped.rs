//! What is shipped beside the program: the command line's pages and completions, and the units.

use std::path::Path;

use parvis_stand::binaries::{Profile, binaries, workspace};
use parvis_stand::scene::{self, SceneOptions};
use parvis_stand::{Daemon, DaemonOptions, Inbox, InboxOptions, Layout, Slapd, SlapdOptions, run};

use crate::support::{alone, ctl, logins};

#[test]
fn the_command_line_is_read_and_its_pages_are_current() {
    let absent = Path::new("/no/such/parvis.toml");
    for wrong in
        [&[][..], &["statuss"], &["list", "--state", "chartered"], &["cancel", "x"], &["show"], &["--nope"]]
    {
        let said = alone(absent, wrong).code(64);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{said:?}");
    }
    for fine in [&["--help"][..], &["--version"], &["audit", "--help"], &["list", "--help"]] {
        assert!(!alone(absent, fine).code(0).out.is_empty());
    }
    for shell in ["bash", "zsh", "fish"] {
        let said = alone(absent, &["completions", shell]).code(0);
        assert!(said.out.contains("parvisctl") && said.out.contains("dry-run"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    alone(absent, &["man", dir.path().to_str().unwrap()]).code(0);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let kept = workspace().join("docs/man").join(&name);
        let same = std::fs::read(&path).unwrap() == std::fs::read(&kept).unwrap_or_default();
        assert!(same, "{} is behind its program: run `parvisctl man docs/man`", kept.display());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// What systemd does with the socket units, in Perl: a part of it is on every Debian (perl-base).
const HAND_OVER: &str = r#"#!/usr/bin/perl
use strict; use IO::Socket::UNIX; use POSIX ();
my ($names, $program, @paths) = (<names>, <program>, <paths>);
my @sockets = map { IO::Socket::UNIX->new(Local => $_, Listen => 100) or die $! } @paths;
POSIX::dup2(fileno($sockets[$_]), 20 + $_) for 0 .. $#sockets;
POSIX::dup2(20 + $_, 3 + $_) for 0 .. $#sockets;
@ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} = ($$, scalar @sockets, $names);
exec $program, @ARGV or die $!;
"#;

/// A key of a unit, and what it says.
fn unit(name: &str, key: &str) -> String {
    let text = std::fs::read_to_string(workspace().join("systemd").join(name)).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned);
    value.unwrap_or_else(|| panic!("{name} has no {key}"))
}

#[test]
fn the_daemon_takes_the_sockets_that_the_units_hand_over() {
    let units = ["parvisd-admin.socket", "parvisd-hook.socket"];
    let defaults = std::fs::read_to_string(workspace().join("conf/parvis.toml")).unwrap();
    for name in units {
        assert!(defaults.contains(&unit(name, "ListenStream")), "{name} and the defaults name one path");
        assert!(unit("parvisd.service", "Requires").contains(name), "starting the service starts {name}");
    }
    let (slapd, inbox) =
        (Slapd::start(SlapdOptions::default()).unwrap(), Inbox::start(InboxOptions::default()).unwrap());
    let layout = Layout::new().unwrap();
    let options = SceneOptions::default();
    let config = scene::config(&options, &layout, &slapd, &inbox);
    let quoted = |text: &str| format!("'{text}'");
    let paths = [layout.admin_socket(), layout.hook_socket()];
    let script = HAND_OVER
        .replace("<names>", &quoted(&units.map(|name| unit(name, "FileDescriptorName")).join(":")))
        .replace("<program>", &quoted(binaries(Profile::Dev).unwrap().parvisd.to_str().unwrap()))
        .replace("<paths>", &paths.each_ref().map(|path| quoted(path.to_str().unwrap())).join(", "));
    let program = layout.path().join("hand-over");
    run::script(&program, &script).unwrap();
    let options = DaemonOptions { program: Some(program), ..scene::daemon_options(&options, config) };
    let mut daemon = Daemon::start(layout, options).unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = paths.each_ref().map(|path| inode(path));
    let (code, answer) =
        daemon.hook("open", &serde_json::json!({ "login": "mdurand", "locale": "fr" })).unwrap();
    assert_eq!((code, answer["ok"].clone()), (0, true.into()), "the hook socket answers as one: {answer}");
    assert!(logins(&ctl(&daemon, &["list", "--json"]).code(0)).contains(&"mdurand".to_owned()));
    daemon.terminate().unwrap();
    assert_eq!(
        paths.each_ref().map(|path| inode(path)),
        before,
        "they are systemd's, and outlive the daemon"
    );
}
