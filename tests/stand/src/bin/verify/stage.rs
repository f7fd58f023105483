//! One stage: a name, and something that holds or does not. A test program's stage counts its tests, any other counts
//! as one. It must not decide what comes next.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::told;

type Action = Box<dyn FnOnce(&Path) -> Result<String>>;

/// What has to hold.
pub struct Stage {
    /// Short, and stable: people type it.
    pub name: String,
    /// A few words for the plan.
    pub purpose: String,
    log: PathBuf,
    action: Action,
}

/// Whether it held.
pub struct Outcome {
    /// Tests passed, or 1.
    pub passed: u64,
    /// Tests failed, or 1.
    pub failed: u64,
    /// A few words.
    pub note: String,
    /// The tests that failed, by name.
    pub broken: Vec<String>,
    /// Of its log, when it failed.
    pub words: String,
}

impl Stage {
    /// A stage whose action is given the path of its log; what it returns is the note.
    pub fn new(
        logs: &Path,
        name: &str,
        purpose: &str,
        action: impl FnOnce(&Path) -> Result<String> + 'static,
    ) -> Self {
        let log = logs.join(format!("{name}.log"));
        Self { name: name.to_owned(), purpose: purpose.to_owned(), log, action: Box::new(action) }
    }

    /// A stage that is one command.
    pub fn command(logs: &Path, name: &str, purpose: &str, command: Command) -> Self {
        Self::new(logs, name, purpose, move |log| logged(command, log))
    }

    /// Does it. Whatever fails is in the outcome.
    pub fn carry_out(self) -> Outcome {
        let log = self.log;
        let result = File::create(&log).context("failed to write a log").and_then(|_| (self.action)(&log));
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let (passed, failed) = told::tests(&text);
        let counted = passed + failed > 0;
        match result {
            Ok(note) => {
                let note = if counted { format!("{passed} tests {note}") } else { note };
                let passed = if counted { passed } else { 1 };
                Outcome { passed, failed, note, broken: Vec::new(), words: String::new() }
            }
            Err(error) => {
                let words = format!("{}\n{error:#}\n(all of it: {})", told::words(&text), log.display());
                let broken = told::failed(&text).into_iter().map(str::to_owned).collect();
                Outcome { passed, failed: failed.max(1), note: String::new(), broken, words }
            }
        }
    }
}

/// Runs a command with everything it says appended to the log; an error unless it exits with 0.
pub fn logged(mut command: Command, log: &Path) -> Result<String> {
    let out = File::options().append(true).create(true).open(log)?;
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("failed to run {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(action: impl FnOnce(&Path) -> Result<String> + 'static) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        Stage::new(dir.path(), "x", "", action).carry_out()
    }

    fn sh(text: &'static str) -> impl FnOnce(&Path) -> Result<String> {
        move |log| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            logged(command, log)
        }
    }

    #[test]
    fn tests_are_counted_and_anything_else_is_one() {
        let outcome = done(sh("echo fine"));
        assert_eq!((outcome.passed, outcome.failed), (1, 0));
        let outcome = done(sh("echo 'test result: ok. 7 passed; 0 failed; 0 ignored'"));
        assert_eq!((outcome.passed, outcome.failed), (7, 0));
    }

    #[test]
    fn a_failure_tells_its_words_and_counts_even_without_a_test() {
        let outcome = done(sh("seq 100; echo oops >&2; exit 3"));
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
        assert!(outcome.words.contains("oops") && outcome.words.contains("exit status: 3"));
        assert!(!outcome.words.contains("\n42\n"), "not the whole log");
        let outcome = done(sh("echo 'test result: FAILED. 7 passed; 2 failed; 0 ignored'; exit 101"));
        assert_eq!((outcome.passed, outcome.failed), (7, 2));
    }
}
