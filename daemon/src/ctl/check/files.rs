//! Files and folders: who may read and write them, and whether they hold what they should.

use super::Notes;
use crate::config::{Settings, Sources};
use crate::store;
use nix::sys::statvfs::statvfs;
use nix::unistd::Uid;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Less free space than this is a failure, in bytes.
const LEAST_FREE: u64 = 64 * 1024 * 1024;
/// At so many places the list of breached passwords is looked at.
const SAMPLES: u64 = 256;

/// The configuration's own files and the secrets beside it.
pub fn configuration(sources: &Sources, notes: &mut Notes) {
    let Ok(places) = sources.places() else { return };
    let notes = notes.about("files");
    for file in &places.files {
        config_file(file, notes);
    }
    for file in &places.credentials {
        credential(file, notes);
    }
}

fn config_file(path: &Path, notes: &mut Notes) {
    let Ok(found) = std::fs::metadata(path) else { return };
    let shown = path.display();
    if found.mode() & 0o002 != 0 {
        let action = format!("chmod o-w {shown}");
        notes.failure(
            format!("{shown} can be written by everybody ({})", mode(&found)),
            "only its owner",
            &action,
        );
    } else if !trusted(&found) {
        let action = format!("chown root {shown}");
        notes.warning(format!("{shown} belongs to user {}", found.uid()), "root", &action);
    } else {
        notes.ok(format!("{shown} can be written by root or its owner only"));
    }
}

fn credential(path: &Path, notes: &mut Notes) {
    let shown = path.display();
    // That it is missing or empty is the configuration's fault, and said there.
    let Ok(found) = std::fs::metadata(path) else { return };
    if found.mode() & 0o077 != 0 {
        let action = format!("chmod 600 {shown}");
        let what = format!("{shown} can be read by others than its owner ({})", mode(&found));
        notes.failure(what, "mode 0600", &action);
    } else if !trusted(&found) {
        let action = format!("chown root {shown}: systemd hands it to the daemon");
        notes.warning(format!("{shown} belongs to user {}", found.uid()), "root", &action);
    } else {
        notes.ok(format!("{shown} can be read by its owner only"));
    }
}

/// Owned by root or by whoever looks.
fn trusted(found: &Metadata) -> bool {
    found.uid() == 0 || found.uid() == Uid::effective().as_raw()
}

fn mode(found: &Metadata) -> String {
    format!("mode {:04o}", found.mode() & 0o7777)
}

/// What the settings name: store, sockets, charter, breached passwords.
pub fn look(settings: &Settings, notes: &mut Notes) {
    store_folder(&settings.store, notes.about("store"));
    let gate = &settings.gate;
    for (key, socket) in [("gate.hook-socket", &gate.hook_socket), ("gate.admin-socket", &gate.admin_socket)]
    {
        socket_folder(key, socket, notes.about("sockets"));
    }
    charter(settings, notes.about("charter"));
    if let Some(path) = &settings.password.breached {
        breached(path, notes.about("password"));
    }
}

fn store_folder(dir: &Path, notes: &mut Notes) {
    let shown = dir.display();
    let above = dir.parent().unwrap_or(dir);
    let Ok(parent) = std::fs::metadata(above) else {
        let action =
            "start the service once (it makes the folder), or create it for the daemon's user, mode 0700";
        return notes.failure(format!("{} is not there", above.display()), "the store's home", action);
    };
    let found = std::fs::metadata(dir).ok();
    match store::look(dir) {
        Ok(Some(state)) => notes.ok(format!("{shown} is a store, marked {state}")),
        Ok(None) if found.is_some() => notes.ok(format!("{shown} holds no store yet: the daemon makes one")),
        Ok(None) => notes.ok(format!("{shown} is not there yet: the daemon makes it")),
        Err(error) => {
            notes.failure(error.to_string(), "a store that this version reads", "see the text above")
        }
    }
    let closed = |folder: &Metadata| folder.mode() & 0o077 == 0;
    match &found {
        Some(found) if found.uid() != parent.uid() => {
            let action = format!("chown -R {}:{} {shown}", parent.uid(), parent.gid());
            let what = format!(
                "{shown} belongs to user {}, and {} to user {}",
                found.uid(),
                above.display(),
                parent.uid()
            );
            notes.failure(what, "one owner: the daemon's user", &action);
        }
        Some(found) if !closed(found) && !closed(&parent) => {
            let action = format!("chmod 700 {shown}");
            notes.failure(format!("{shown} is open to others ({})", mode(found)), "mode 0700", &action);
        }
        None if !closed(&parent) => {
            let action = format!("chmod 700 {}", above.display());
            let what = format!("{} is open to others ({})", above.display(), mode(&parent));
            notes.warning(what, "mode 0700", &action);
        }
        _ => notes.ok(format!("{shown} is closed to others than user {}", parent.uid())),
    }
    room(dir, above, notes);
}

/// After a stop that was not in order, the store is first opened as a copy: as much again must be free.
fn room(dir: &Path, above: &Path, notes: &mut Notes) {
    let Ok(disk) = statvfs(above) else {
        return notes.warning(
            format!("the free space at {} cannot be seen", above.display()),
            "an answer",
            "run it as root",
        );
    };
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    let used = std::fs::read_dir(dir.join("sled")).into_iter().flatten().flatten();
    let used: u64 = used.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum();
    let what = format!("{} MiB are free for the store, which has {} MiB", free >> 20, used >> 20);
    if free < LEAST_FREE {
        let expected = format!("{} MiB", LEAST_FREE >> 20);
        notes.failure(what, &expected, "make room: without it, nobody can go on");
    } else if free < used + LEAST_FREE {
        let expected = "as much again as the store has";
        notes.warning(
            what,
            expected,
            "make room: after a power cut, the daemon first opens a copy of the store",
        );
    } else {
        notes.ok(what);
    }
}

fn socket_folder(key: &str, socket: &Path, notes: &mut Notes) {
    let folder = socket.parent().unwrap_or(socket);
    let shown = folder.display();
    match std::fs::metadata(folder) {
        Err(error) => {
            let action = "systemd makes it: systemctl enable --now parvisd-hook.socket parvisd-admin.socket";
            notes.warning(format!("{key}: {shown} is not there ({error})"), "a folder", action);
        }
        Ok(found) if found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0 => {
            let action = format!("chmod o-w {shown}: anybody could put a socket of their own in its place");
            notes.failure(format!("{key}: {shown} can be written by everybody"), "mode 0755", &action);
        }
        Ok(_) => notes.ok(format!("{key}: {shown} is there")),
    }
}

fn charter(settings: &Settings, notes: &mut Notes) {
    let charter = &settings.policy.charter;
    for (locale, digest) in &charter.texts {
        let short = digest.get(..16).unwrap_or(digest);
        if *digest == EMPTY {
            let action = "name the file of the charter's text";
            notes.failure(format!("the charter in {locale} is empty"), "its text", action);
        } else {
            notes.ok(format!("version {} in {locale}: SHA-256 {short}…", charter.version));
        }
    }
}

/// SHA-256 of nothing (FIPS 180-4).
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn breached(path: &Path, notes: &mut Notes) {
    let shown = path.display();
    let expected = "SHA-1 digests in hexadecimal, one a line, sorted";
    let action = "sort it: LC_ALL=C sort -u -o FILE FILE; unsorted, breached passwords are not found in it";
    match sample(path) {
        Ok(Some(fault)) => notes.failure(format!("{shown}: {fault}"), expected, action),
        Ok(None) => notes.ok(format!("{shown} looks sorted")),
        Err(error) => notes.failure(
            format!("{shown} cannot be read: {error}"),
            expected,
            "check the path and its rights",
        ),
    }
}

/// The first whole line at each of some evenly spaced places; what is wrong with them, if anything.
fn sample(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut before = String::new();
    if length == 0 {
        return Ok(Some("it is empty".to_owned()));
    }
    for place in 0..SAMPLES.min(length) {
        let offset = length / SAMPLES.min(length) * place;
        file.seek(SeekFrom::Start(offset))?;
        let mut lines = BufReader::new((&file).take(1024)).split(b'\n');
        // The line in whose midst we are.
        if offset > 0 && lines.next().transpose()?.is_none() {
            continue;
        }
        let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) else { continue };
        let Some(digest) = line.get(..40).filter(|digest| digest.iter().all(u8::is_ascii_hexdigit)) else {
            return Ok(Some(format!("no digest stands after byte {offset}")));
        };
        let digest = String::from_utf8_lossy(digest).to_uppercase();
        if digest < before {
            return Ok(Some(format!("it is not in order after byte {offset}")));
        }
        before = digest;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    fn check(text: &str, expect: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, text).unwrap();
        let found = sample(&path).unwrap();
        match (expect, &found) {
            (None, None) => {}
            (Some(words), Some(fault)) if fault.contains(words) => {}
            _ => panic!("{found:?} where {expect:?} was expected"),
        }
    }

    #[test]
    fn a_list_is_sorted_or_it_is_said() {
        let mut digests: Vec<String> = (0..5000_u32)
            .map(|n| crate::config::hex(&Sha1::digest(n.to_be_bytes())).to_uppercase() + ":17")
            .collect();
        check(&digests.join("\n"), Some("not in order"));
        digests.sort();
        check(&digests.join("\n"), None);
        check(&digests.join("\r\n"), None);
        check(&digests[..1].join("\n"), None);
        digests.swap(0, 4000);
        check(&digests.join("\n"), Some("not in order"));
        check("", Some("empty"));
        check("password\n123456\n", Some("no digest"));
        check(&"é".repeat(5000), Some("no digest"));
    }
}
