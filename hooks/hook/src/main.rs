//! `parvis-hook`: one call to the daemon for a login page that would rather run a program than speak Varlink.
//!
//! It reads one JSON object, writes one, and ends within its timeout whatever the daemon, its input or its output
//! do. It decides nothing: where there is no clear yes, it says no.

mod arguments;
mod streams;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use parvis_protocol::Client;
use parvis_protocol::client::ClientError;
use parvis_protocol::hook::{Bounce, Call, Method};
use parvis_protocol::limits::{BOUNCE_MAX, MESSAGE_MAX};
use parvis_protocol::outcome::{Fault, Language, Outcome};

use arguments::{Command, Format, Options};
use serde_json::value::RawValue;
use streams::InputError;

fn main() -> ExitCode {
    let started = Instant::now();
    match arguments::parse(lexopt::Parser::from_env(), std::env::var_os("PARVIS_SOCKET")) {
        Command::Print(text) => written(streams::write_output(&text, None), 0),
        Command::Wrong { format, problem } => {
            let none = NoRequest { fault: Fault::CommandLine, language: Language::Both, problem };
            Finished::from(none).print(format, Instant::now() + Duration::from_secs(1))
        }
        Command::Run(options) => {
            let last = started + options.timeout;
            run(&options, last - reserve(options.timeout)).print(options.format, last)
        }
    }
}

/// What is kept of the timeout for saying how it went.
fn reserve(timeout: Duration) -> Duration {
    (timeout / 20).min(Duration::from_millis(50))
}

/// A call that has come to its end.
struct Finished {
    outcome: Outcome,
    language: Language,
    /// What the administrator wants to know of a fault; never anything that was read.
    problem: Option<String>,
}

/// A request that cannot be made.
struct NoRequest {
    fault: Fault,
    language: Language,
    problem: String,
}

fn run(options: &Options, deadline: Instant) -> Finished {
    let (call, language) = match request(options.method, deadline) {
        Ok(read) => read,
        Err(none) => return none.into(),
    };
    let result = Client::connect(&options.socket, deadline).and_then(|mut client| client.ask(&call));
    let problem = result.as_ref().err().map(problem);
    let outcome = Outcome::of(result);
    // A refusal has its own words.
    let problem = problem.filter(|_| matches!(outcome, Outcome::Failed(_)));
    Finished { outcome, language, problem }
}

/// Reads the request on standard input.
fn request(method: Method, deadline: Instant) -> Result<(Call, Language), NoRequest> {
    if method == Method::Bounce {
        let message = streams::read_beginning(BOUNCE_MAX, deadline)?;
        return Ok((Call::Bounce(Bounce { message }), Language::Both));
    }
    let bytes = streams::read_whole(MESSAGE_MAX, deadline)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| InputError::NotUtf8)?;
    let text = if text.trim_ascii().is_empty() { "{}" } else { text };
    let language = Language::of_request(text);
    let raw = serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get().starts_with('{'));
    let raw = raw.ok_or_else(|| NoRequest { language, ..InputError::NotAnObject.into() })?;
    let call = Call::read(method, Some(raw));
    let call = call.map_err(|error| {
        let problem = error.to_string();
        NoRequest { fault: error.into(), language, problem }
    })?;
    Ok((call, language))
}

impl From<InputError> for NoRequest {
    fn from(error: InputError) -> Self {
        let fault = Fault::RequestInvalid { field: None };
        Self { fault, language: Language::Both, problem: error.to_string() }
    }
}

/// An error with what caused it.
fn problem(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

impl From<NoRequest> for Finished {
    fn from(NoRequest { fault, language, problem }: NoRequest) -> Self {
        Self { outcome: Outcome::Failed(fault), language, problem: Some(problem) }
    }
}

impl Finished {
    /// The answer first: whoever reads the errors may be slow, and must not keep it from whoever asked.
    fn print(&self, format: Format, deadline: Instant) -> ExitCode {
        let exit = self.print_answer(format, deadline);
        if let Some(problem) = &self.problem {
            let one_line = problem.replace(char::is_control, "?");
            streams::write_error(&format!("parvis-hook: failed to {one_line}\n"), deadline);
        }
        exit
    }

    fn print_answer(&self, format: Format, deadline: Instant) -> ExitCode {
        let text = match format {
            Format::Json => self.outcome.json(self.language).map(Some),
            Format::CasInterrupt => Ok(Some(self.outcome.cas_interrupt(self.language).to_string())),
            Format::CasAup => Ok(Some(self.outcome.cas_aup(self.language).to_string())),
            Format::ExitCode | Format::Pipe => Ok(None),
        };
        let exit = match format {
            // To a mail system every other code is final, and the report would be lost.
            Format::Pipe if self.outcome.exit_code() != 0 => 75,
            _ => self.outcome.exit_code(),
        };
        match text {
            Ok(Some(text)) => written(streams::write_output(&format!("{text}\n"), Some(deadline)), exit),
            Ok(None) => ExitCode::from(exit),
            Err(_) => ExitCode::from(70),
        }
    }
}

/// An answer that did not get out is no answer: whoever asked must not take it for a yes.
fn written(result: nix::Result<()>, exit: u8) -> ExitCode {
    match (result, exit) {
        (Err(_), 0) => ExitCode::from(70),
        (_, exit) => ExitCode::from(exit),
    }
}
