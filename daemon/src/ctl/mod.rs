//! `parvisctl`: the sysadmin's and the help desk's command line.
//!
//! Most of it asks the daemon on the admin socket and lays the answer out; `check` and `restore` work without one.
//! It decides nothing about a person, and never opens a store that a daemon may have open.

mod arguments;
mod ask;
mod audit;
mod backup;
mod check;
mod daemon;
mod directory;
mod failure;
mod mail;
mod man;
mod people;
mod screen;
mod table;

use crate::config::Sources;
use arguments::{Arguments, Audit, Command, Mail};
use ask::Desk;
use clap::Parser;
use directory::arguments::Directory;
use failure::{EXIT_USAGE, Failure};
use screen::Screen;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command line.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _shown = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let screen = Screen::of_process(arguments.json);
    match carry_out(&arguments, &screen) {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Wrong(code)) => ExitCode::from(code),
        // Whoever reads our output has read enough.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            screen.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// How a command that could be carried out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// As one wishes.
    Fine,
    /// Something is wrong, and was said; the exit code.
    Wrong(u8),
}

impl Verdict {
    fn of(ok: bool) -> Self {
        if ok { Self::Fine } else { Self::Wrong(1) }
    }
}

fn carry_out(arguments: &Arguments, screen: &Screen) -> Result<Verdict, Failure> {
    let sources = Sources::of_process(&arguments.config);
    let desk = || Desk::new(socket(arguments, &sources));
    match &arguments.command {
        Command::Status => daemon::status(&desk(), screen),
        Command::Sweep { dry_run } => daemon::sweep(&desk(), screen, *dry_run),
        Command::List { state, all } => people::list(&desk(), screen, state.as_deref(), *all),
        Command::Show { person } => people::show(&desk(), screen, person),
        Command::Resend { person } => people::resend(&desk(), screen, person),
        Command::Cancel { person, reason } => people::cancel(&desk(), screen, person, reason),
        Command::Audit(Audit::Verify { anchor }) => audit::verify(&desk(), screen, anchor.clone()),
        Command::Audit(Audit::Export { after }) => audit::export(&desk(), screen, *after),
        Command::Backup { file } => backup::backup(&desk(), screen, file),
        Command::Restore { file } => backup::restore(&sources, screen, file),
        Command::Mail(Mail::Preview { name, locale, html }) => {
            mail::preview(&sources, screen, (*name, *locale), *html)
        }
        Command::Mail(Mail::Test { address, name, locale }) => {
            mail::test(&sources, screen, address, (*name, *locale))
        }
        Command::Directory(Directory::Who { login }) => directory::who(&sources, screen, login),
        Command::Directory(Directory::Plan(options)) => directory::plan(&sources, &desk(), screen, options),
        Command::Directory(Directory::Doctor(options)) => directory::doctor(&sources, screen, options),
        Command::Check { probe } => check::check(&sources, &desk(), screen, *probe),
        Command::Completions { shell } => man::completions(*shell),
        Command::Man { dir } => man::pages(dir),
    }
}

/// `--socket`, else what the configuration says, else the shipped place.
fn socket(arguments: &Arguments, sources: &Sources) -> PathBuf {
    let configured = || sources.places().ok().map(|places| places.admin_socket);
    arguments.socket.clone().or_else(configured).unwrap_or_else(|| PathBuf::from(arguments::ADMIN_SOCKET))
}
