//! The sandbox of the unit: strict, and no tighter than the daemon needs; and where its secrets are, and are not.

use anyhow::{Context, Result, ensure};
use parvis_stand::binaries::workspace;
use parvis_stand::slapd::SERVICE_PASSWORD;
use serde_json::json;

use crate::support::Campus;
use crate::walk::Walk;

/// What a drop-in says so that each refused call of the kernel kills, instead of being answered by an error that the
/// program may pass over in silence; and what docs/operating.md has sites add.
const STRICT: &str = "[Service]\nSystemCallErrorNumber=kill\nIPAddressDeny=any\nIPAddressAllow=localhost\n";

const PASSWORD: &str = "Violet-mandarine-77";

/// All that a daemon does in a day.
fn a_day(campus: &Campus) -> Result<Vec<String>> {
    let mut walk = Walk::open(campus, "tomcat", "mdurand")?;
    walk.finish("marie@ailleurs.example", "durand@autre.example", PASSWORD)?;
    // Somebody who only comes to the door: with a ticket.
    let request = json!({ "login": "lnguyen", "authenticated": true });
    let (_, answer) = campus.hook("tomcat", "check", &request)?;
    let url = answer.get("url").and_then(|url| url.as_str()).context("a newcomer is sent on")?;
    walk.secrets.extend(url.rsplit('/').next().map(str::to_owned));
    for command in [
        "parvisctl check",
        "parvisctl list --all",
        "parvisctl show mdurand",
        "parvisctl cancel lnguyen --reason test",
        "parvisctl audit export",
        "parvisctl audit verify",
        "parvisctl sweep",
        "parvisctl mail test marie@ailleurs.example",
        "parvisctl backup /var/backups/day.jsonl",
        "systemctl reload parvisd",
    ] {
        campus.root(command)?;
    }
    campus.logged("reloaded")?;
    Ok(walk.secrets)
}

#[test]
fn the_sandbox_holds_and_refuses_nothing_that_the_daemon_wants() -> Result<()> {
    let campus = Campus::started()?;
    let unit = std::fs::read_to_string(workspace().join("systemd/parvisd.service"))?;
    let filters: Vec<&str> = unit.lines().filter(|line| line.starts_with("SystemCallFilter=")).collect();
    ensure!(!filters.is_empty(), "the unit has a filter");

    // Both are in force here: a program that asks for what the filter takes away is killed, and who sends to where the
    // network's narrowing does not let it is refused.
    let trial = |properties: &[&str], program: &[&str]| -> Result<bool> {
        let properties: Vec<&str> = properties.iter().flat_map(|property| ["-p", *property]).collect();
        let command = [&["systemd-run", "--quiet", "--wait"], &properties[..], &["--"], program].concat();
        Ok(campus.ask(&command)?.code == 0)
    };
    let filtered = [&filters[..], &["SystemCallErrorNumber=kill"]].concat();
    assert!(trial(&filtered, &["true"])?);
    assert!(!trial(&filtered, &["nice", "-n", "5", "true"])?, "no filter is enforced here");
    // A datagram, because it is refused at once.
    let connect = ["bash", "-c", "echo >/dev/udp/127.0.0.1/9"];
    assert!(trial(&["IPAddressDeny=any", "IPAddressAllow=localhost"], &connect)?);
    assert!(!trial(&["IPAddressDeny=any"], &connect)?, "no narrowing is enforced here");

    campus.edit("parvisd.service", STRICT)?;
    campus.root("systemctl restart parvisd")?;
    campus.works()?;
    let main = campus.shown("parvisd", "MainPID")?;
    a_day(&campus)?;
    assert_eq!(
        (campus.shown("parvisd", "MainPID")?, campus.shown("parvisd", "NRestarts")?),
        (main.clone(), "0".into())
    );
    campus.root("systemctl restart parvisd")?;
    campus.works()?;
    let main = campus.shown("parvisd", "MainPID")?;
    // What it has to say of its own accord: that it begins, and stops, without a complaint.
    let complaints = campus.root("journalctl -u parvisd -p warning -o cat --no-pager")?;
    let complaints: Vec<&str> = complaints.lines().filter(|line| *line != BEGINNING).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");

    // As the daemon sees the machine: nothing can be written but its own state, and much is not there.
    let seen = |script: &str| campus.ask(&["nsenter", "-t", &main, "-m", "--", "sh", "-c", script]);
    for path in ["/etc/parvis", "/usr", "/var/backups", "/sys"] {
        let said = seen(&format!("touch {path}/x"))?;
        assert!(said.code != 0 && said.err.contains("Read-only"), "{path}: {said:?}");
    }
    assert_eq!(seen("touch /var/lib/parvis/x && rm /var/lib/parvis/x")?.code, 0);
    for hidden in ["/root/parvis", "/proc/sys"] {
        assert_ne!(seen(&format!("ls -d {hidden}"))?.code, 0, "{hidden}");
    }

    let analysed = campus.root("systemd-analyze security --no-pager parvisd.service")?;
    let score = |text: &str, before: &str| -> Result<f64> {
        let (_, rest) = text.split_once(before).with_context(|| format!("no {before:?}: {text}"))?;
        Ok(rest.split_whitespace().next().context("no number")?.parse()?)
    };
    let manual = std::fs::read_to_string(workspace().join("docs/operating.md"))?;
    let (is, promised) =
        (score(&analysed, "exposure level for parvisd.service:")?, score(&manual, "The unit scores ")?);
    assert!(is <= promised, "{is}, and docs/operating.md says {promised}");
    Ok(())
}

/// A warning of a start in order: the directory of the start before is gone.
const BEGINNING: &str = "the watch broke off and begins again";

#[test]
fn secrets_are_where_the_manual_says_and_nowhere_else() -> Result<()> {
    let campus = Campus::started()?;
    campus.machine.write("/etc/parvis/conf.d/50-log.toml", "[log]\nfilter = \"trace\"\n")?;
    campus.root("systemctl restart parvisd")?;
    campus.works()?;
    let mut secrets = a_day(&campus)?;
    let key = campus.root("cat /etc/parvis/credentials/key")?;
    secrets.extend([key.trim().to_owned(), SERVICE_PASSWORD.to_owned()]);
    ensure!(secrets.len() > 12 && secrets.iter().all(|secret| secret.len() > 10), "{secrets:?}");

    let main = campus.shown("parvisd", "MainPID")?;
    let told = [
        campus.root("journalctl -a -o verbose --no-pager")?,
        campus.root(&format!("tr '\\0' '\\n' </proc/{main}/environ; tr '\\0' ' ' </proc/{main}/cmdline"))?,
        campus.root(
            "systemctl show --all parvisd; systemctl status --no-pager parvisd; parvisctl show mdurand",
        )?,
    ];
    ensure!(told[0].contains("TARGET=parvisd::"), "the journal has the daemon's fields");
    for (secret, told) in secrets.iter().flat_map(|secret| told.iter().map(move |told| (secret, told))) {
        let place = told.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(place, None, "{secret}");
    }

    // Two are files: root's, and what systemd hands to the daemon. The rest is nowhere on this machine.
    assert_eq!(
        campus.root("stat -c '%U %a' /etc/parvis/credentials /etc/parvis/credentials/*")?,
        "root 700\nroot 600\nroot 600\n"
    );
    let list = secrets.join("\n");
    let holding = |user: &str, folders: &[&str]| -> Result<Vec<String>> {
        let grep = ["grep", "-rlaF", "--devices=skip", "-f", "-"];
        let said = campus.machine.run_as(user, &[&grep, folders].concat(), list.as_bytes())?;
        let mut found: Vec<String> = said.out.lines().map(str::to_owned).collect();
        found.sort();
        Ok(found)
    };
    let handed = ["key", "directory-password"].map(|name| format!("/run/credentials/parvisd.service/{name}"));
    let kept = ["key", "directory-password"].map(|name| format!("/etc/parvis/credentials/{name}"));
    let sorted = |lists: &[&[String]]| {
        let mut all = lists.concat();
        all.sort();
        all
    };
    let everywhere = ["/etc", "/run", "/tmp", "/var"];
    assert_eq!(holding("parvis", &everywhere)?, sorted(&[&handed]));
    assert_eq!(holding("root", &everywhere)?, sorted(&[&handed, &kept]));
    assert_eq!(holding("tomcat", &everywhere)?, Vec::<String>::new());
    assert_eq!(campus.machine.run_as("parvis", &["cat", "/etc/parvis/credentials/key"], b"")?.code, 1);

    // A reload hands over nothing; a restart does.
    let handed = || campus.root("cat /run/credentials/parvisd.service/mail-password");
    campus.machine.write("/etc/parvis/credentials/mail-password", "another\n")?;
    campus.root("systemctl reload parvisd")?;
    assert_eq!(handed()?, "\n");
    campus.root("systemctl restart parvisd")?;
    campus.works()?;
    assert_eq!(handed()?, "another\n");
    Ok(())
}
