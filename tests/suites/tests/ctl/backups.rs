//! `backup` and `restore`: the same people in another folder, or nothing.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use parvis_stand::{Daemon, run::until};

use crate::support::{SOON, busy, busy_with, ctl};

#[test]
fn a_backup_is_restored_into_a_new_folder_and_the_daemon_goes_on_from_it() {
    let mut scene = busy();
    let file = scene.daemon.layout().path().join("backup.jsonl");
    let name = file.to_str().unwrap();
    let made = ctl(&scene.daemon, &["backup", name, "--json"]).code(0).json();
    let found = std::fs::metadata(&file).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.len()), (0o600, made["bytes"].as_u64().unwrap()));
    let beside = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(
        beside.filter(|name| name.to_string_lossy().contains("backup")).count(),
        1,
        "nothing is left beside it"
    );
    let piped = ctl(&scene.daemon, &["backup", "-"]).code(0);
    assert!(piped.out.starts_with("{\"parvis-backup\":1") && piped.out.ends_with("\"}\n"), "{piped:?}");
    ctl(&scene.daemon, &["backup", "/no/such/folder/backup"]).code(1);
    ctl(&scene.daemon, &["backup", "/tmp"]).code(1);

    let before = ctl(&scene.daemon, &["list", "--all", "--json"]).code(0).json();
    let locked = ctl(&scene.daemon, &["restore", name]).code(1);
    assert!(locked.err.contains("stop the daemon first"), "{locked:?}");
    scene.daemon.terminate().unwrap();
    let full = ctl(&scene.daemon, &["restore", name]).code(1);
    assert!(full.err.contains("not empty"), "{full:?}");

    let store = scene.daemon.layout().state().join("another");
    let over = format!("[store]\npath = {:?}\n", store.to_str().unwrap());
    std::fs::write(scene.daemon.layout().path().join("conf.d/60-store.toml"), over).unwrap();
    let text = std::fs::read(&file).unwrap();
    let cut = scene.daemon.layout().path().join("cut");
    for length in [0, 1, text.len() / 2, text.len() - 1] {
        std::fs::write(&cut, &text[..length]).unwrap();
        let refused = ctl(&scene.daemon, &["restore", cut.to_str().unwrap()]).code(1);
        assert!(refused.err.contains("line "), "{length}: {refused:?}");
        assert!(!store.exists(), "nothing is left of {length} bytes");
    }
    // What root restores belongs to whoever owns the folder above, as the daemon's user owns /var/lib/parvis.
    let root = nix::unistd::geteuid().is_root();
    let owner = if root { 65_534 } else { nix::unistd::geteuid().as_raw() };
    std::os::unix::fs::chown(scene.daemon.layout().state(), Some(owner), None).unwrap();
    let restored = ctl(&scene.daemon, &["restore", name, "--json"]).code(0).json();
    assert!(
        restored["keys"].as_u64().unwrap() > 4 && restored["records"].as_u64().unwrap() > 4,
        "{restored}"
    );
    for path in [store.clone(), store.join("parvis-store.toml"), store.join("sled/db")] {
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o077), (owner, 0), "{}", path.display());
    }
    scene.daemon.restart().unwrap();
    let after = ctl(&scene.daemon, &["list", "--all", "--json"]).code(0).json();
    assert_eq!(before, after);
    ctl(&scene.daemon, &["audit", "verify"]).code(0);
}

/// The anchors in the daemon's log, as somebody would copy them from the journal.
fn anchors(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains("audit anchor"));
    let words =
        lines.filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("anchor=")));
    words.map(str::to_owned).collect()
}

/// Export the audit trail and wait for the anchor that the daemon logs at it: the answer comes before the log's line.
fn export(daemon: &Daemon) {
    let before = anchors(daemon).len();
    ctl(daemon, &["audit", "export"]).code(0);
    let logged = until(SOON, || Ok((anchors(daemon).len() > before).then_some(()))).unwrap();
    assert!(logged.is_some(), "no anchor at the export: {}", daemon.log());
}

#[test]
fn an_anchor_from_the_journal_is_found_in_the_chain_unless_the_chain_was_cut_back_before_it() {
    // Due since midnight, whatever time it is: a run at the start.
    let mut scene = busy_with("[sweep]\nschedule = \"0 0 * * *\"\n");
    scene.daemon.wait_log("audit anchor", SOON).unwrap();
    export(&scene.daemon);
    let file = scene.daemon.layout().path().join("backup.jsonl");
    ctl(&scene.daemon, &["backup", file.to_str().unwrap()]).code(0);
    // What happens after the backup will be cut off.
    scene.open("dcohen").unwrap().prove("david@ailleurs.example").unwrap();
    export(&scene.daemon);
    let anchors = anchors(&scene.daemon);
    let [night, before, .., after] = anchors.as_slice() else { panic!("{anchors:?}") };
    let length = |anchor: &str| anchor.split_once(':').unwrap().0.parse::<u64>().unwrap();
    assert!(length(night) <= length(before) && length(before) < length(after), "{anchors:?}");
    let verify = |daemon: &Daemon, anchor: &str, code: i32| {
        ctl(daemon, &["audit", "verify", "--anchor", anchor]).code(code).out
    };
    for anchor in [night, before, after] {
        assert!(verify(&scene.daemon, anchor, 0).contains("the chain holds"), "{anchor}");
    }
    // Of the right length and another content, or of none.
    let other = format!("{}:{}", length(after), "ab".repeat(32));
    for wrong in [other.as_str(), "nonsense", after.split_once(':').unwrap().1] {
        assert!(verify(&scene.daemon, wrong, 1).contains("is not part of the chain"), "{wrong}");
    }

    scene.daemon.terminate().unwrap();
    let store = scene.daemon.layout().state().join("cut-back");
    let over = format!("[store]\npath = {:?}\n", store.to_str().unwrap());
    std::fs::write(scene.daemon.layout().path().join("conf.d/60-store.toml"), over).unwrap();
    ctl(&scene.daemon, &["restore", file.to_str().unwrap()]).code(0);
    scene.daemon.restart().unwrap();
    // The chain itself holds: only the anchor can tell.
    ctl(&scene.daemon, &["audit", "verify"]).code(0);
    assert!(verify(&scene.daemon, before, 0).contains("the chain holds"));
    let said = verify(&scene.daemon, after, 1);
    assert!(said.contains(after.as_str()) && said.contains("its tail was cut off or rewritten"), "{said}");
    // However much is written after the cut.
    let mut eleonore = scene.open("elefevre").unwrap();
    eleonore.prove("eleonore@ailleurs.example").unwrap();
    eleonore.charter().unwrap();
    eleonore.listing(true).unwrap();
    let now = ctl(&scene.daemon, &["audit", "verify", "--json"]).code(0).json();
    assert!(now["length"].as_u64().unwrap() > length(after), "{now}");
    assert!(verify(&scene.daemon, after, 1).contains("is not part of the chain"));
}
