//! `backup`, through the daemon, and `restore`, without one.

use super::Verdict;
use super::ask::{Desk, LONG};
use super::failure::Failure;
use super::screen::Screen;
use crate::config::Sources;
use crate::store;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chown};
use parvis_protocol::admin::{BackupAnswer, Call};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Everything that is stored, to a file or to the standard output.
pub fn backup(desk: &Desk, screen: &Screen, file: &Path) -> Result<Verdict, Failure> {
    if file == Path::new("-") {
        let mut out = std::io::stdout().lock();
        receive(desk, |piece| out.write_all(piece).map_err(Failure::Output))?;
        out.flush().map_err(Failure::Output)?;
        return Ok(Verdict::Fine);
    }
    let beside = Beside::of(file)?;
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside.path)
        .map_err(|source| failed("make", &beside.path, source))?;
    let bytes =
        receive(desk, |piece| out.write_all(piece).map_err(|source| failed("write", &beside.path, source)))?;
    out.sync_all().map_err(|source| failed("write", &beside.path, source))?;
    beside.rename(file)?;
    let shown = file.display().to_string();
    screen.answer(&serde_json::json!({ "file": shown, "bytes": bytes }), || {
        screen.line(&format!("the backup is in {shown} ({bytes} bytes); keep the key apart from it"))
    })?;
    Ok(Verdict::Fine)
}

/// Takes the backup piece by piece; how many bytes it has.
fn receive(desk: &Desk, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<u64, Failure> {
    let mut bytes = 0;
    let mut line = desk.connect("make the backup")?;
    line.stream(&Call::Backup, LONG, |answer: BackupAnswer| {
        bytes += answer.piece.len() as u64;
        take(answer.piece.as_bytes())
    })?;
    Ok(bytes)
}

/// The file beside the one that is wanted; removed unless it became that one.
struct Beside {
    path: PathBuf,
    folder: PathBuf,
}

impl Beside {
    fn of(file: &Path) -> Result<Self, Failure> {
        let name = file.file_name().filter(|_| !file.is_dir());
        let name = name.ok_or_else(|| failed("write", file, std::io::ErrorKind::IsADirectory.into()))?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}", std::process::id()));
        Ok(Self { path: folder.join(beside), folder: folder.to_owned() })
    }

    fn rename(self, file: &Path) -> Result<(), Failure> {
        std::fs::rename(&self.path, file).map_err(|source| failed("write", file, source))?;
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(|source| failed("write", &self.folder, source))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// Makes a store of a backup, owned by whoever owns the folder above it.
pub fn restore(sources: &Sources, screen: &Screen, file: &Path) -> Result<Verdict, Failure> {
    let store = sources.places().map_err(Failure::Configuration)?.store;
    umask(Mode::from_bits_truncate(0o077));
    let mut backup: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(|source| failed("read", file, source))?)
    };
    let summary = store::restore(&store, &mut backup)?;
    hand_over(&store)?;
    let shown = store.display().to_string();
    let (keys, records, commit) = (summary.keys, summary.records, summary.commit);
    let document = serde_json::json!({ "store": shown, "keys": keys, "records": records, "commit": commit });
    screen.answer(&document, || {
        screen.line(&format!("restored {keys} keys and {records} audit records into {shown}"))?;
        screen.line("start the daemon with the key under which the backup was made: systemctl start parvisd")
    })?;
    Ok(Verdict::Fine)
}

/// What root restored belongs to the daemon's user, who owns the folder above (systemd's StateDirectory).
fn hand_over(store: &Path) -> Result<(), Failure> {
    let Some(above) = store.parent().filter(|_| Uid::effective().is_root()) else { return Ok(()) };
    let owner = std::fs::metadata(above).map_err(|source| failed("look at", above, source))?;
    give(store, Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()))
}

fn give(path: &Path, uid: Uid, gid: Gid) -> Result<(), Failure> {
    chown(path, Some(uid), Some(gid)).map_err(|errno| failed("change the owner of", path, errno.into()))?;
    if !path.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(|source| failed("read", path, source))? {
        give(&entry.map_err(|source| failed("read", path, source))?.path(), uid, gid)?;
    }
    Ok(())
}

fn failed(what: &'static str, path: &Path, source: std::io::Error) -> Failure {
    Failure::File { what, path: path.to_owned(), source }
}
