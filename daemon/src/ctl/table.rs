//! Tables for people: columns as wide as what is in them, no borders, the last column wrapped to the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: &str = "  ";
/// The last column is wrapped to no less than this.
const NARROWEST: usize = 16;

/// Headings and rows.
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// One more row. An empty cell is shown as a dash, so that columns can be counted.
    pub fn row(&mut self, cells: Vec<String>) {
        let shown = cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { clean(&cell) });
        self.rows.push(shown.collect());
    }

    /// The lines. With a width, the last column is wrapped to it; without one, a row is a line.
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let widths = self.widths(&headings);
        std::iter::once(&headings).chain(&self.rows).flat_map(|row| lay(row, &widths, width)).collect()
    }

    fn widths(&self, headings: &[String]) -> Vec<usize> {
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).chain(headings.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        (0..headings.len()).map(widest).collect()
    }
}

/// One row, on as many lines as its last cell takes.
fn lay(row: &[String], widths: &[usize], width: Option<usize>) -> Vec<String> {
    let Some((last, first)) = row.split_last() else { return Vec::new() };
    let mut begin = String::new();
    for (cell, width) in first.iter().zip(widths) {
        begin.push_str(cell);
        begin.push_str(&" ".repeat(width.saturating_sub(cell.width())));
        begin.push_str(GAP);
    }
    let indent = begin.width();
    let room = width.map(|width| width.saturating_sub(indent).max(NARROWEST));
    let pieces = room.map_or_else(|| vec![last.clone()], |room| wrap(last, room));
    let continued = " ".repeat(indent);
    let lines = pieces.iter().enumerate().map(|(index, piece)| {
        let before = if index == 0 { &begin } else { &continued };
        format!("{before}{piece}").trim_end().to_owned()
    });
    lines.collect()
}

/// A text in pieces of at most so many columns: between words where that is possible.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        for piece in chop(word, room) {
            let used = lines.last().map_or(0, |line| line.width());
            match lines.last_mut() {
                Some(line) if used == 0 => line.push_str(&piece),
                Some(line) if used + 1 + piece.width() <= room => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

/// A word in pieces of at most so many columns.
fn chop(word: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for character in word.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide > room {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}

/// Without what could move the cursor or turn the writing: texts come from the directory and from mail servers.
pub fn clean(text: &str) -> String {
    let admitted = |c: char| parvis_protocol::limits::Alphabet::Identifier.admits(c);
    text.chars().map(|c| if admitted(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Table {
        let mut table = Table::new(&["LOGIN", "ADDRESS"]);
        table.row(vec!["mdurand".into(), "marie@x.example".into()]);
        table.row(vec!["é日本".into(), String::new()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        assert_eq!(people().lines(None), ["LOGIN    ADDRESS", "mdurand  marie@x.example", "é日本    -"]);
    }

    #[test]
    fn the_last_column_is_wrapped_and_nothing_is_lost() {
        let mut table = Table::new(&["A", "WHAT"]);
        table.row(vec!["x".into(), "one two three four five-and-twenty-letters".into()]);
        let lines = table.lines(Some(19));
        assert_eq!(lines, ["A  WHAT", "x  one two three", "   four", "   five-and-twenty-", "   letters"]);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let mut table = Table::new(&["A"]);
        table.row(vec!["a\u{1b}[2Jb\nc\u{202e}d\u{9b}e".into()]);
        assert_eq!(table.lines(None), ["A", "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e"]);
    }
}
