//! The man pages: one for each program, and none that is behind the program's own `--help`. It must not care how a
//! page is made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use parvis_stand::binaries::{Profile, binaries, workspace};

/// Every option and command that `--help` names is in the page, and every option of the page is in some `--help`.
pub fn verify(log: &Path) -> Result<String> {
    let programs = binaries(Profile::Dev)?;
    let mut faults = Vec::new();
    let ours = [
        &programs.parvisd,
        &programs.parvisctl,
        &programs.parvis_hook,
        &programs.parvis_pages,
        &programs.parvis_sso,
    ];
    for program in ours {
        let name = program.file_name().and_then(|name| name.to_str()).context("a program without a name")?;
        match page(name) {
            Some(path) => {
                let text = std::fs::read_to_string(&path)?;
                faults
                    .extend(compare(&help(program)?, &plain(&text)).map(|fault| format!("{name}: {fault}")));
            }
            None => faults.push(format!("{name}: no page docs/man/{name}.1 or .8")),
        }
    }
    std::fs::write(log, faults.join("\n"))?;
    if !faults.is_empty() {
        bail!("{} faults in the man pages", faults.len());
    }
    Ok(String::new())
}

fn page(name: &str) -> Option<PathBuf> {
    let dir = workspace().join("docs/man");
    ["1", "8"].iter().map(|section| dir.join(format!("{name}.{section}"))).find(|path| path.is_file())
}

/// What the program says of itself and of each of its commands.
fn help(program: &Path) -> Result<String> {
    let ask = |args: &[&str]| -> Result<String> {
        let out = Command::new(program).args(args).output()?;
        if !out.status.success() {
            bail!("{} {} ended with {}", program.display(), args.join(" "), out.status);
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let mut text = ask(&["--help"])?;
    for command in commands(&text) {
        text.push_str(&ask(&[&command, "--help"])?);
    }
    Ok(text)
}

/// The words under `Commands:`, as clap prints them; `help` is clap's own.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = lines.filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

fn compare(help: &str, page: &str) -> impl Iterator<Item = String> {
    let (helped, paged) = (options(help), options(page));
    let absent: Vec<String> =
        helped.difference(&paged).map(|option| format!("{option} is not in the page")).collect();
    let stale: Vec<String> =
        paged.difference(&helped).map(|option| format!("{option} is in the page only")).collect();
    let commands = commands(help).into_iter().filter(|command| !page.contains(command.as_str()));
    let commands: Vec<String> = commands.map(|command| format!("{command} is not in the page")).collect();
    absent.into_iter().chain(stale).chain(commands)
}

fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let long = words.filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"));
    long.map(|word| word.trim_end_matches('-').to_owned()).collect()
}

/// A page without roff's escapes and font changes.
fn plain(roff: &str) -> String {
    let mut text = roff.replace("\\-", "-").replace("\\&", "");
    for font in ["\\fB", "\\fI", "\\fR", "\\fP"] {
        text = text.replace(font, " ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Usage: x\n\nCommands:\n  list  people\n        with a state\n  help  this\n\nOptions:\n      --config <FILE>  x\n  -h, --help  y\n";

    #[test]
    fn a_page_with_everything_has_no_fault_and_each_lack_is_told() {
        let page = "\\fB\\-\\-config\\fR=\\fIFILE\\fR\n.SH list\n\\fB\\-\\-help\\fR";
        assert_eq!(compare(HELP, &plain(page)).count(), 0);
        let faults: Vec<String> = compare(HELP, &plain("\\-\\-help \\-\\-old")).collect();
        assert_eq!(
            faults,
            ["--config is not in the page", "--old is in the page only", "list is not in the page"]
        );
    }

    #[test]
    fn commands_are_the_words_of_their_own_lines() {
        assert_eq!(commands(HELP), ["list"]);
    }
}
