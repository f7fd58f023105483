//! One stage: a name, and something that holds or does not. A test program's stage counts its tests, any other counts
//! as one. It must not decide what comes next.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use parvis_stand::run::tail;

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
    /// Of its log, when it failed.
    pub last_lines: String,
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
        let (passed, failed) = tests(&text);
        match result {
            Ok(note) => {
                let counted = passed + failed > 0;
                let note = if counted { format!("{passed} tests {note}") } else { note };
                Outcome { passed: if counted { passed } else { 1 }, failed, note, last_lines: String::new() }
            }
            Err(error) => {
                let last_lines = format!("{}\n{error:#}\n(all of it: {})", tail(&log, 40), log.display());
                Outcome { passed, failed: failed.max(1), note: String::new(), last_lines }
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

/// The tests passed and failed that a log of `cargo test` tells of.
fn tests(log: &str) -> (u64, u64) {
    let count = |line: &str, word: &str| -> u64 {
        let before = line.split(word).next().unwrap_or_default();
        before.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    let results = log.lines().filter(|line| line.starts_with("test result:"));
    results.fold((0, 0), |(passed, failed), line| {
        (passed + count(line, " passed;"), failed + count(line, " failed;"))
    })
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
        let result = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out";
        assert_eq!(tests(&format!("{result}\nx\n{result}")), (6, 4));
        let outcome = done(sh("echo fine"));
        assert_eq!((outcome.passed, outcome.failed), (1, 0));
        let outcome = done(sh("echo 'test result: ok. 7 passed; 0 failed; 0 ignored'"));
        assert_eq!((outcome.passed, outcome.failed), (7, 0));
    }

    #[test]
    fn a_failure_tells_its_last_lines_and_counts_even_without_a_test() {
        let outcome = done(sh("seq 100; echo oops >&2; exit 3"));
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
        assert!(outcome.last_lines.contains("oops") && outcome.last_lines.contains("exit status: 3"));
        assert!(!outcome.last_lines.contains("\n42\n"), "not the whole log");
        let outcome = done(sh("echo 'test result: FAILED. 7 passed; 2 failed; 0 ignored'; exit 101"));
        assert_eq!((outcome.passed, outcome.failed), (7, 2));
    }
}
