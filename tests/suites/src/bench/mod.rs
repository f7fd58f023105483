//! The benchmark: each promise of speed measured beside what it is compared with, in one run, and judged.
//!
//! It is no timed test: nothing fails but this program. With `--smoke` it only shows that it works.

mod bare;
mod check;
mod driver;
mod enrolments;
mod idle;
mod invitation;
mod lemonldap;
mod mail;
mod many;
mod measure;
mod page;
mod postfix;
mod programs;
mod queue;
mod refresh;
mod start;

use std::process::ExitCode;

use anyhow::{Result, bail};
use parvis_stand::install::{self, say};

use measure::Line;

const USAGE: &str = "\
bench [NAME]... [--full | --smoke]

  NAME     check, enrolments, idle, invitation, lemonldap, mail, page, postfix, queue,
           refresh, start; all of them without one
  --full   more pairs, a whole minute of idleness
  --smoke  seconds, with the development build: shows that it works, judges nothing";

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Only that it works.
    Smoke,
    /// Minutes.
    Short,
    /// As for the record.
    Full,
}

impl Length {
    /// One of three values.
    fn of<T>(self, smoke: T, short: T, full: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Short => short,
            Self::Full => full,
        }
    }
}

type Bench = fn(Length) -> Result<Vec<Line>>;

const ALL: &[(&str, Bench)] = &[
    ("check", check::run),
    ("enrolments", enrolments::run),
    ("idle", idle::run),
    ("invitation", invitation::run),
    ("lemonldap", lemonldap::run),
    ("mail", mail::run),
    ("page", page::run),
    ("postfix", postfix::run),
    ("queue", queue::run),
    ("refresh", refresh::run),
    ("start", start::run),
];

/// The program.
pub fn main() -> ExitCode {
    match asked().and_then(|asked| asked.map_or(Ok(true), |(length, benches)| run(length, &benches))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::from(70)
        }
    }
}

/// What was asked for: how long, and which.
type Asked = (Length, Vec<(&'static str, Bench)>);

fn asked() -> Result<Option<Asked>> {
    use lexopt::prelude::*;
    let mut length = Length::Short;
    let mut benches = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("full") => length = Length::Full,
            Long("smoke") => length = Length::Smoke,
            Short('h') | Long("help") => {
                say(USAGE);
                return Ok(None);
            }
            Value(name) => match ALL.iter().find(|(known, _)| name == **known) {
                Some(bench) => benches.push(*bench),
                None => bail!("no benchmark has the name {}\n\n{USAGE}", name.display()),
            },
            other => bail!("{}\n\n{USAGE}", other.unexpected()),
        }
    }
    if benches.is_empty() {
        benches.extend(ALL);
    }
    Ok(Some((length, benches)))
}

/// Whether every limit is kept.
fn run(length: Length, benches: &[(&str, Bench)]) -> Result<bool> {
    install::need(install::DIRECTORY, &mut |line| say(line))?;
    let mut kept = true;
    for (name, bench) in benches {
        say(&format!("{name}:"));
        for line in bench(length)? {
            say(&line.text(length != Length::Smoke));
            kept &= line.kept() || length == Length::Smoke;
        }
    }
    if length != Length::Smoke {
        say(if kept { "every limit is kept" } else { "a limit is missed" });
    }
    Ok(kept)
}
