//! What happens to the servers of a process that is killed: this test starts itself again, and kills that.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use parvis_stand::run::until;

use crate::support::{ds389, samba};

const VICTIM: &str = "PARVIS_STAND_VICTIM";

#[test]
fn a_killed_process_takes_its_directories_with_it() {
    if std::env::var_os(VICTIM).is_some() {
        let servers = [ds389(), samba()];
        for server in &servers {
            println!("\nheld {}", server.ldaps_address());
        }
        std::thread::sleep(Duration::from_secs(60));
        panic!("nobody has killed the victim");
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let held = lines.filter_map(|line| line.strip_prefix("held ")?.parse().ok());
    let held: Vec<SocketAddr> = held.take(2).collect();
    assert_eq!(held.iter().filter(|address| TcpStream::connect(address).is_ok()).count(), 2, "{held:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    for address in held {
        // Every process of a server holds its listening socket: refused means that none is left.
        let refused = || Ok(TcpStream::connect(address).is_err().then_some(()));
        assert!(until(Duration::from_secs(20), refused).unwrap().is_some(), "{address} still listens");
    }
}
