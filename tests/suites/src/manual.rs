//! The documents as their readers take them: sections, and in them the blocks and words to type.
//!
//! It reads them and must not run anything.

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;

/// A document of the tree.
#[derive(Clone, Debug)]
pub struct Manual {
    path: String,
    text: String,
}

/// What is below one heading, without what is below the next.
#[derive(Clone, Debug)]
pub struct Section {
    place: String,
    text: String,
}

/// Lines to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence (`sh`); of an indented block, nothing.
    pub kind: String,
    /// The lines, without their indentation.
    pub text: String,
}

impl Manual {
    /// Reads a document, by its path from the top of the tree.
    pub fn read(path: &str) -> Result<Self> {
        let text = std::fs::read_to_string(workspace().join(path));
        Ok(Self { path: path.to_owned(), text: text.with_context(|| format!("failed to read {path}"))? })
    }

    /// The section with this heading.
    pub fn section(&self, heading: &str) -> Result<Section> {
        let place = format!("{}, {heading}", self.path);
        let mut lines = self.text.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading);
        lines.next().with_context(|| format!("there is no {place}"))?;
        let text: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
        Ok(Section { place, text: text.join("\n") })
    }
}

impl Section {
    /// Its blocks, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut fenced, mut indented) = (false, false);
        for line in self.text.lines() {
            match line.strip_prefix("```") {
                Some(_) if fenced => fenced = false,
                Some(kind) => {
                    blocks.push(Block { kind: kind.trim().to_owned(), text: String::new() });
                    fenced = true;
                }
                None => {
                    let code = if fenced { Some(line) } else { line.strip_prefix("    ") };
                    // An empty line belongs to the indented block before it, if another line of it follows.
                    match code {
                        Some(code) => {
                            if !fenced && !indented {
                                blocks.push(Block { kind: String::new(), text: String::new() });
                            }
                            indented = !fenced;
                            if let Some(block) = blocks.last_mut() {
                                block.text.push_str(code);
                                block.text.push('\n');
                            }
                        }
                        None if line.is_empty() && indented => {
                            blocks.last_mut().into_iter().for_each(|block| block.text.push('\n'));
                        }
                        None => indented = false,
                    }
                }
            }
        }
        blocks.iter_mut().for_each(|block| block.text.truncate(block.text.trim_end().len()));
        blocks
    }

    /// The block that has this text in it: exactly one.
    pub fn block(&self, with: &str) -> Result<String> {
        let mut found = self.blocks().into_iter().filter(|block| block.text.contains(with));
        let block = found.next().with_context(|| format!("{} has no block with {with:?}", self.place))?;
        anyhow::ensure!(found.next().is_none(), "{} has two blocks with {with:?}", self.place);
        Ok(block.text)
    }

    /// The code in its sentences, in order.
    pub fn spans(&self) -> Vec<String> {
        let prose = self.text.split("```").step_by(2).flat_map(str::lines);
        let prose: Vec<&str> = prose.filter(|line| !line.starts_with("    ")).collect();
        prose.join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The one piece of code in its sentences that begins so.
    pub fn span(&self, beginning: &str) -> Result<String> {
        let found = self.spans().into_iter().find(|span| span.starts_with(beginning));
        found.with_context(|| format!("{} has no code that begins with {beginning:?}", self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_both_kinds_and_words_in_sentences_are_found() {
        let text = "# All\n\n## One\nSay `a b`:\n\n    one\n\n      two\n\nor\n\n    three\n\n```sh\nfour\n```\n## Two\n    five\n";
        let manual = Manual { path: "x.md".to_owned(), text: text.to_owned() };
        let one = manual.section("One").unwrap();
        let blocks: Vec<(String, String)> =
            one.blocks().into_iter().map(|block| (block.kind, block.text)).collect();
        let expected = [("", "one\n\n  two"), ("", "three"), ("sh", "four")];
        assert_eq!(blocks, expected.map(|(kind, text)| (kind.to_owned(), text.to_owned())));
        assert_eq!((one.spans(), one.span("a").unwrap()), (vec!["a b".to_owned()], "a b".to_owned()));
        assert_eq!(manual.section("Two").unwrap().block("fi").unwrap(), "five");
        assert!(one.block("o").is_err() && one.block("six").is_err() && manual.section("Three").is_err());
    }
}
