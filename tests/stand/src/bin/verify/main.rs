//! `cargo verify`: everything that has to hold before a change is taken, in one run on a fresh Debian machine.
//!
//! It goes on after a failure, so that one run tells all, and its exit code is the verdict. What a stage does is in
//! `stages.rs`; this file must not know.

mod demo;
mod pages;
mod stage;
mod stages;
mod told;
mod units;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use parvis_stand::install::say;

use stage::{Outcome, Stage};

const USAGE: &str = "\
cargo verify [--full] [--only NAME]... [--screenshots DIR] [--list]

  --full             the long forms of the suites too (PARVIS_FULL=1)
  --only NAME        only the stages whose name contains NAME; may be given again
  --screenshots DIR  keep a picture of every page and every mail there, in both
                     languages, 360 and 1280 pixels wide (the stages pages and
                     mail_html make them)
  --list             print the stages and stop

Needs root, or sudo without a password: some suites run servers that drop
privileges or mount images. What it writes is under target/verify.";

fn main() -> ExitCode {
    match Asked::from_arguments().and_then(|asked| run(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("verify: {error:#}"));
            ExitCode::from(64)
        }
    }
}

#[derive(Default)]
struct Asked {
    full: bool,
    list: bool,
    help: bool,
    only: Vec<String>,
    screenshots: Option<PathBuf>,
}

impl Asked {
    fn from_arguments() -> Result<Self> {
        use lexopt::prelude::*;
        let mut asked = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("full") => asked.full = true,
                Long("list") => asked.list = true,
                Long("screenshots") => asked.screenshots = Some(parser.value()?.into()),
                Long("only") => asked.only.push(parser.value()?.string()?),
                Short('h') | Long("help") => asked.help = true,
                other => bail!("{}\n\n{USAGE}", other.unexpected()),
            }
        }
        Ok(asked)
    }
}

fn run(asked: &Asked) -> Result<bool> {
    if asked.help {
        say(USAGE);
        return Ok(true);
    }
    let screenshots = asked.screenshots.as_deref().map(screenshots).transpose()?;
    let mut plan = stages::plan(asked.full, screenshots.as_deref())?;
    plan.retain(|stage| asked.only.is_empty() || asked.only.iter().any(|name| stage.name.contains(name)));
    if plan.is_empty() {
        bail!("no stage is called {}; --list tells their names", asked.only.join(" or "));
    }
    say(&format!("the plan, {} stages:", plan.len()));
    for stage in &plan {
        say(&format!("  {:16} {}", stage.name, stage.purpose));
    }
    if asked.list {
        return Ok(true);
    }
    say("");
    let begun = Instant::now();
    let done: Vec<Done> = plan.into_iter().map(Done::of).collect();
    let right = report(&done, begun.elapsed());
    screenshots.as_deref().map(shown).transpose()?;
    Ok(right)
}

/// The folder for the pictures, made where it is not there: the suites run elsewhere, so its whole path.
fn screenshots(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    Ok(folder.canonicalize()?)
}

/// Says how many pictures there are, and makes one page that shows them all.
fn shown(folder: &Path) -> Result<()> {
    let entries = std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".png")).collect();
    names.sort();
    let figures = names.iter().map(|name| {
        format!("<figure><a href=\"{name}\"><img src=\"{name}\" alt=\"\"></a><figcaption>{name}</figcaption></figure>\n")
    });
    let style = "body{display:flex;flex-wrap:wrap;gap:1em;align-items:start}img{width:18em;border:1px solid}";
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Parvis</title><style>{style}</style>\n{}",
        figures.collect::<String>()
    );
    std::fs::write(folder.join("index.html"), page)?;
    say(&format!("\n{} pictures in {}", names.len(), folder.display()));
    Ok(())
}

struct Done {
    name: String,
    took: Duration,
    outcome: Outcome,
}

impl Done {
    fn of(stage: Stage) -> Self {
        let begun = Instant::now();
        let name = stage.name.clone();
        let outcome = stage.carry_out();
        let took = begun.elapsed();
        let word = if outcome.failed == 0 { "ok    " } else { "FAILED" };
        say(&format!("{word} {name:16} {:>7.1} s  {}", took.as_secs_f64(), outcome.note));
        if outcome.failed > 0 {
            for line in outcome.words.lines() {
                say(&format!("       | {line}"));
            }
        }
        Self { name, took, outcome }
    }
}

/// Where the time went, and the verdict, whose last line is for programs too.
fn report(done: &[Done], total: Duration) -> bool {
    let mut slowest: Vec<&Done> = done.iter().collect();
    slowest.sort_by_key(|done| std::cmp::Reverse(done.took));
    say("\nwhere the time went:");
    for done in slowest {
        let share = 100.0 * done.took.as_secs_f64() / total.as_secs_f64().max(0.001);
        say(&format!("  {:16} {:>7.1} s {share:>4.0} %", done.name, done.took.as_secs_f64()));
    }
    say(&format!("  {:16} {:>7.1} s", "total", total.as_secs_f64()));
    let passed: u64 = done.iter().map(|done| done.outcome.passed).sum();
    let failed: u64 = done.iter().map(|done| done.outcome.failed).sum();
    let broken: Vec<&Done> = done.iter().filter(|done| done.outcome.failed > 0).collect();
    if !broken.is_empty() {
        say("\nfailed:");
    }
    for done in broken {
        say(&format!("  {:16} {}", done.name, done.outcome.broken.join(", ")));
    }
    say(&format!("\n{passed} passed, {failed} failed"));
    failed == 0
}
