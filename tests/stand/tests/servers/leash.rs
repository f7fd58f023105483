//! What happens to the servers of a process that is killed: this test starts itself again, and kills that.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use parvis_stand::place::Place;
use parvis_stand::run::until;
use parvis_stand::{
    Dovecot, DovecotOptions, Inbox, InboxOptions, Postfix, PostfixOptions, Slapd, SlapdOptions, Srs,
};

const VICTIM: &str = "PARVIS_STAND_VICTIM";

#[test]
fn a_killed_process_takes_its_servers_with_it_and_the_next_one_tidies_up() {
    if std::env::var_os(VICTIM).is_some() {
        return hold();
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let held: Vec<PathBuf> =
        lines.filter_map(|line| Some(PathBuf::from(line.strip_prefix("held ")?))).take(4).collect();
    assert!(held.len() == 4 && held.iter().all(|dir| dir.is_dir() && working_in(dir) > 0), "{held:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    for dir in &held {
        let gone = until(Duration::from_secs(20), || Ok((working_in(dir) == 0).then_some(()))).unwrap();
        assert!(gone.is_some(), "{} processes still work in {}", working_in(dir), dir.display());
    }
    Place::sweep();
    assert!(held.iter().all(|dir| !dir.exists()), "{held:?}");
}

/// Starts one of each, says where, and waits for its end.
fn hold() {
    let inbox = Inbox::start(InboxOptions::default()).unwrap();
    let slapd = Slapd::start(SlapdOptions::default()).unwrap();
    let options = PostfixOptions { relay_to: inbox.port(), ..PostfixOptions::default() };
    let postfix = Postfix::start(&options).unwrap();
    let dovecot = Dovecot::start(&DovecotOptions::default()).unwrap();
    let srs = Srs::start("univ.example").unwrap();
    for file in [slapd.ca_file(), postfix.ca_file(), dovecot.homes(), srs.secret_file()] {
        println!("\nheld {}", file.parent().unwrap().display());
    }
    std::thread::sleep(Duration::from_secs(60));
    panic!("nobody has killed the victim");
}

/// How many processes work in a directory, or were told of it.
pub(crate) fn working_in(dir: &Path) -> usize {
    let name = dir.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    let ours = processes.filter(|process| {
        let inside = std::fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(dir));
        inside || std::fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains(name))
    });
    ours.count()
}
