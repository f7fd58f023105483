//! The header file of ours, `parvis-store.toml`: which format the folder has, and how it was left.
//!
//! It is read before sled opens anything, so that a newer store is left alone, and a store that was not closed in order
//! is first opened as a copy.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::opening::OpenError;

/// The name of the header in the store's folder.
pub(super) const NAME: &str = "parvis-store.toml";
/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: i64 = 1;

/// How the folder was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was being made: nothing in it has been acknowledged to anybody.
    Creating,
    /// It was open: the last stop was not in order, unless the store is open now.
    Running,
    /// It was closed in order.
    Stopped,
}

const WORDS: [(State, &str); 3] =
    [(State::Creating, "creating"), (State::Running, "running"), (State::Stopped, "stopped")];

/// A state as the header writes it.
pub(super) fn word(state: State) -> &'static str {
    WORDS.iter().find(|(known, _)| *known == state).map_or("running", |(_, word)| word)
}

/// Reads the header; `None` when there is none.
pub(super) fn read(dir: &Path) -> Result<Option<State>, OpenError> {
    let path = dir.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Io { what: "read", path, source }),
    };
    let misshapen = |why: &str| OpenError::Header { path: path.clone(), why: why.to_owned() };
    let table: toml::Table = text.parse().map_err(|_| misshapen("it is not TOML"))?;
    let format = table.get("format").and_then(toml::Value::as_integer);
    match format.ok_or_else(|| misshapen("it names no format"))? {
        FORMAT => {}
        found if found > FORMAT => return Err(OpenError::Newer { path, found, known: FORMAT }),
        _ => return Err(misshapen("it names a format that never was")),
    }
    let word = table.get("state").and_then(toml::Value::as_str);
    let state = WORDS.iter().find(|(_, known)| Some(*known) == word).map(|(state, _)| *state);
    state.map(Some).ok_or_else(|| misshapen("it names no state that is known"))
}

/// Writes the header, whole or not at all, durably.
pub(super) fn write(dir: &Path, state: State) -> io::Result<()> {
    let word = word(state);
    let text = format!(
        "# What this folder is: the store of parvisd. Written by parvisd; leave it as it is.\n\
         format = {FORMAT}\n\
         state = \"{word}\"\n"
    );
    let new = dir.join(format!("{NAME}.new"));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, dir.join(NAME))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), text).unwrap();
        let read = format!("{:?}", read(dir.path()));
        assert!(read.contains(expect), "{text:?} gave {read}");
        assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), text);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().is_none());
        for (state, _) in WORDS {
            write(dir.path(), state).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Some(state));
        }
    }

    #[test]
    fn a_newer_format_and_a_damaged_header_are_told_apart() {
        check("format = 2\nanything = [1]\n", "Newer");
        check("format = 0\n", "never was");
        check("format = 1\n", "no state");
        check("format = 1\nstate = \"gone\"\n", "no state");
        check("", "no format");
        check("format = \"1\"", "no format");
        check("form\0at", "not TOML");
    }
}
