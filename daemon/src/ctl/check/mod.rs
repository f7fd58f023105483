//! `parvisctl check`: is the configuration right, and is everything that it names as it should be?
//!
//! Each thing that is looked at gives a finding: what was found, what was expected, what to do. Nothing is changed,
//! unless `--probe` is given and the sysadmin names an entry made for it. No finding holds a secret.

mod files;
mod leaving;
mod pages;
mod settings;
pub(super) mod surroundings;

use super::Verdict;
use super::ask::Desk;
use super::failure::{EXIT_WRONG, Failure};
use super::screen::{Screen, Style};
use super::table::{clean, wrap};
use crate::config::{Faults, Sources};
use crate::directory::Addition;
use crate::service::EXIT_CONFIG;
use serde::Serialize;

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, but not as well, or not as safely, as it could.
    Warning,
    /// It will not work, or not safely.
    Failure,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What it is about, as a word: `configuration`, `directory`, `mail`, …
    area: &'static str,
    /// What was found.
    what: String,
    /// What was expected; empty where it was found.
    expected: String,
    /// What to do; empty where nothing is to be done.
    action: String,
    /// What to add to the configuration of the server that was looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add: Vec<Addition>,
}

/// All of them.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Nothing failed.
    pub(super) ok: bool,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn of(notes: Notes) -> Self {
        let failed = |finding: &Finding| finding.level == Level::Failure;
        Self { ok: !notes.findings.iter().any(failed), findings: notes.findings }
    }
}

/// Collects findings, about one area after the other.
#[derive(Default)]
pub(super) struct Notes {
    area: &'static str,
    findings: Vec<Finding>,
}

impl Notes {
    /// What comes next is about this.
    pub(super) fn about(&mut self, area: &'static str) -> &mut Self {
        self.area = area;
        self
    }

    fn note(&mut self, level: Level, what: String, expected: &str, action: &str) {
        let (area, expected, action) = (self.area, expected.to_owned(), action.to_owned());
        self.findings.push(Finding { level, area, what, expected, action, add: Vec::new() });
    }

    /// The last finding's remedy.
    fn add(&mut self, add: Vec<Addition>) {
        if let Some(last) = self.findings.last_mut() {
            last.add = add;
        }
    }

    pub(super) fn ok(&mut self, what: impl Into<String>) {
        self.note(Level::Ok, what.into(), "", "");
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, expected: &str, action: &str) {
        self.note(Level::Warning, what.into(), expected, action);
    }

    pub(super) fn failure(&mut self, what: impl Into<String>, expected: &str, action: &str) {
        self.note(Level::Failure, what.into(), expected, action);
    }
}

/// Looks at everything; 78 where the configuration is wrong, 1 where anything else is.
pub fn check(sources: &Sources, desk: &Desk, screen: &Screen, probe: bool) -> Result<Verdict, Failure> {
    let settings = sources.settings();
    let misconfigured = settings.is_err();
    let mut notes = Notes::default();
    match &settings {
        Ok(settings) => {
            notes
                .about("configuration")
                .ok(format!("{} and what is beside it is sound", sources.file.display()));
            settings::look(settings, &mut notes);
        }
        Err(faults) => configuration(faults, notes.about("configuration")),
    }
    files::configuration(sources, &mut notes);
    if let Ok(settings) = &settings {
        files::look(settings, &mut notes);
        surroundings::look(settings, desk, probe, &mut notes);
    }
    pages::look(&sources.file, settings.as_ref().ok(), notes.about("parvis-pages"));
    let report = Report::of(notes);
    screen.answer(&report, || print(&report, screen, false))?;
    Ok(match (misconfigured, report.ok) {
        (true, _) => Verdict::Wrong(EXIT_CONFIG),
        (false, true) => Verdict::Fine,
        (false, false) => Verdict::Wrong(EXIT_WRONG),
    })
}

fn configuration(faults: &Faults, notes: &mut Notes) {
    for fault in faults {
        notes.failure(fault.to_string(), "", "");
    }
    let action = "correct it, and check again: nothing else was looked at but the files; every key and its default \
                  are in the parvis.toml that is shipped";
    notes.failure(format!("faults in the configuration: {}", faults.len()), "none", action);
}

/// `lines`: also what is to be added, as it is written; else where to get it.
pub(super) fn print(report: &Report, screen: &Screen, lines: bool) -> Result<(), Failure> {
    let mut area = "";
    let mut shown: Vec<&Addition> = Vec::new();
    for finding in &report.findings {
        if finding.area != area {
            area = finding.area;
            screen.raw(&screen.styled(area, Style::Bold))?;
        }
        let (word, style) = match finding.level {
            Level::Ok => ("ok", Style::Good),
            Level::Warning => ("warning", Style::Doubtful),
            Level::Failure => ("failure", Style::Bad),
        };
        paragraph(screen, &screen.styled(&format!("{word:<7}"), style), &finding.what)?;
        if !finding.expected.is_empty() {
            paragraph(screen, "       ", &format!("expected: {}", finding.expected))?;
        }
        if !finding.action.is_empty() {
            paragraph(screen, "       ", &format!("to do: {}", finding.action))?;
        }
        match finding.add.as_slice() {
            [] => {}
            _ if !lines => {
                paragraph(screen, "       ", "parvisctl directory doctor prints the lines to add")?;
            }
            add => additions(screen, add, &mut shown)?,
        }
    }
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let (warnings, failures) = (count(Level::Warning), count(Level::Failure));
    screen.line("")?;
    screen.line(&format!("failures: {failures}, warnings: {warnings}"))
}

/// As they are written, so that they can be copied: a space before a line of LDIF would mean something. Each once.
fn additions<'r>(screen: &Screen, add: &'r [Addition], shown: &mut Vec<&'r Addition>) -> Result<(), Failure> {
    for one in add {
        if shown.contains(&one) {
            paragraph(screen, "       ", &format!("add: as above, {}", one.form))?;
            continue;
        }
        shown.push(one);
        paragraph(screen, "       ", &format!("add: {}", one.form))?;
        screen.line("")?;
        one.lines.lines().try_for_each(|line| screen.line(line))?;
        screen.line("")?;
    }
    Ok(())
}

/// A text behind its level, wrapped where the output is a terminal.
fn paragraph(screen: &Screen, before: &str, text: &str) -> Result<(), Failure> {
    const INDENT: usize = 11;
    let room = screen.width().map(|width| width.saturating_sub(INDENT).max(20));
    // Some texts (TLS, templates) have several lines.
    let lines = text.lines().flat_map(|line| {
        let line = clean(line);
        room.map_or_else(|| vec![line.clone()], |room| wrap(&line, room))
    });
    for (index, line) in lines.enumerate() {
        screen.raw(&format!("  {}  {line}", if index == 0 { before } else { "       " }))?;
    }
    Ok(())
}
