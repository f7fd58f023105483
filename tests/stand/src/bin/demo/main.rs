//! `cargo demo`: a private campus, the daemon, a mail server with an inbox that one can read; and the ten steps.
//!
//! It installs what is missing (and says so first), leaves nothing running, and nothing behind but the packages.

mod auto;
mod browser;
mod terminal;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use parvis_stand::install::{DIRECTORY, need, say};
use parvis_stand::{Port, Scene, binaries};

const USAGE: &str = "\
cargo demo [--auto | --terminal] [--locale fr|en]

  (nothing)   walk the ten steps in your browser, with a letter, and an inbox in this terminal
  --terminal  walk them in this terminal, without the pages
  --auto      three people, unattended; exits 0 only if everything held
  --locale    the language that the person is spoken to in (default: fr); the pages ask the browser first, and have a switch";

fn main() -> ExitCode {
    match Asked::from_arguments().and_then(|asked| run(&asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\ndemo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

struct Asked {
    auto: bool,
    terminal: bool,
    help: bool,
    locale: String,
}

impl Asked {
    fn from_arguments() -> Result<Self> {
        use lexopt::prelude::*;
        let mut asked = Self { auto: false, terminal: false, help: false, locale: "fr".to_owned() };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("auto") => asked.auto = true,
                Long("terminal") => asked.terminal = true,
                Long("locale") => asked.locale = parser.value()?.string()?,
                Short('h') | Long("help") => asked.help = true,
                other => bail!("{}\n\n{USAGE}", other.unexpected()),
            }
        }
        if asked.auto && asked.terminal {
            bail!("--auto or --terminal, not both\n\n{USAGE}");
        }
        if !["fr", "en"].contains(&asked.locale.as_str()) {
            bail!("--locale takes fr or en\n\n{USAGE}");
        }
        Ok(asked)
    }
}

fn run(asked: &Asked) -> Result<()> {
    if asked.help {
        say(USAGE);
        return Ok(());
    }
    need(DIRECTORY, &mut say)?;
    say("building parvisd, parvis-hook and parvis-pages (the first time takes a few minutes)");
    binaries::binaries(binaries::Profile::Dev)?;
    let begun = Instant::now();
    let port = Port::free()?;
    let scene = match asked.auto || asked.terminal {
        true => Scene::new()?,
        false => browser::scene(&port)?,
    };
    say(&format!("directory  {} and {}", scene.slapd.url(), scene.slapd.ldaps_url()));
    say(&format!("daemon     parvisd, on its embedded store, READY after {:?}", scene.daemon.ready_after()));
    say(&format!("inbox      {}", scene.inbox.folder().display()));
    if asked.auto {
        auto::run(&scene, &asked.locale)?;
        say(&format!("\nall of it held, in {:.1} s", begun.elapsed().as_secs_f64()));
    } else if asked.terminal {
        terminal::run(&scene, &asked.locale)?;
    } else {
        browser::run(&scene, port, &asked.locale)?;
    }
    Ok(())
}
