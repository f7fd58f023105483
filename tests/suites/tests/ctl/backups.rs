//! `backup` and `restore`: the same people in another folder, or nothing.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::{busy, ctl};

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
