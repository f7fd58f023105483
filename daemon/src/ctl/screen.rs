//! Where answers go: text for people, or JSON for programs. Bold and colour only on a terminal that wants them.

use super::failure::Failure;
use super::table::{Table, clean};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// The standard output, and the standard error for what failed.
pub struct Screen {
    json: bool,
    /// The terminal's columns; none where the output is no terminal.
    width: Option<usize>,
    styled: bool,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    Plain,
    /// A heading.
    Bold,
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Wrong.
    Bad,
}

impl Screen {
    /// As the process's standard output is.
    pub fn of_process(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let size = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self { json, width: terminal.then_some(size.max(40)), styled: terminal && wanted }
    }

    /// The terminal's columns; none where the output is no terminal.
    pub const fn width(&self) -> Option<usize> {
        self.width
    }

    /// The answer as one JSON document where programs read it; else whatever `text` prints.
    pub fn answer<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.json { self.json_line(value) } else { text() }
    }

    /// One line of JSON.
    pub fn json_line<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?;
        self.raw(&text)
    }

    /// One line of text, cleaned of what a terminal could act on.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        self.raw(&clean(text))
    }

    /// A table, its headings in bold.
    pub fn table(&self, table: &Table) -> Result<(), Failure> {
        for (index, line) in table.lines(self.width).iter().enumerate() {
            let style = if index == 0 { Style::Bold } else { Style::Plain };
            self.raw(&self.styled(line, style))?;
        }
        Ok(())
    }

    /// A text that stands out, where the terminal can.
    pub fn styled(&self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Bold => "1",
            Style::Good => "32",
            Style::Doubtful => "33",
            Style::Bad => "1;31",
            Style::Plain => return text.to_owned(),
        };
        if self.styled { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// One line as it is; for text that is clean already.
    pub fn raw(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Output)
    }

    /// What failed, and what to do: on the standard error, or as the JSON document.
    pub fn failure(&self, failure: &Failure) {
        let (text, action) = (failure.to_string(), failure.action());
        if self.json {
            let document = serde_json::json!({
                "ok": false,
                "error": format!("failed to {text}"),
                "action": action,
                "exit": failure.exit_code(),
            });
            let _nobody_reads = self.json_line(&document);
            return;
        }
        let mut out = std::io::stderr().lock();
        let lines: Vec<String> = text.lines().map(clean).collect();
        let _nobody_reads = writeln!(out, "parvisctl: failed to {}", lines.join("\n"));
        if !action.is_empty() {
            let _nobody_reads = writeln!(out, "{action}");
        }
    }

    /// A remark beside the answer: on the standard error.
    pub fn remark(&self, text: &str) {
        let _nobody_reads = writeln!(std::io::stderr().lock(), "{}", clean(text));
    }
}

/// An instant of the daemon's (RFC 3339 with the campus's offset) as a table shows it: the campus's civil time.
pub fn short(instant: &str) -> String {
    match (instant.get(..10), instant.get(10..11), instant.get(11..16)) {
        (Some(date), Some("T"), Some(time)) => format!("{date} {time}"),
        _ => instant.to_owned(),
    }
}

/// The same to the second and with its offset.
pub fn exact(instant: &str) -> String {
    match (instant.get(..10), instant.get(10..11), instant.get(11..19), instant.get(19..)) {
        (Some(date), Some("T"), Some(time), Some(offset)) => format!("{date} {time} {offset}"),
        _ => instant.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shortened_and_anything_else_is_left() {
        let instant = "2026-09-01T23:59:59+02:00";
        assert_eq!(short(instant), "2026-09-01 23:59");
        assert_eq!(exact(instant), "2026-09-01 23:59:59 +02:00");
        for other in ["", "soon", "2026-09-01", "2026-é9-01T23:59:59"] {
            assert_eq!((short(other), exact(other)), (other.to_owned(), other.to_owned()));
        }
    }
}
