//! `parvisctl directory`: the directory as Parvis sees it. It asks the directory itself and writes nothing.

pub mod arguments;
mod doctor;
mod plan;
mod who;

pub use doctor::doctor;
pub use plan::plan;
pub use who::who;

use super::failure::Failure;
use crate::config::Settings;
use crate::directory::once::Reached;
use crate::directory::{DirectoryError, Entry, Found};
use std::time::Duration;

/// Everything together takes at most.
const TIME: Duration = Duration::from_secs(60);

/// A conversation with the directory, to its end.
fn conversation<T>(what: &str, talk: impl Future<Output = Result<T, DirectoryError>>) -> Result<T, Failure> {
    let failed = |why: String| Failure::Refused { what: what.to_owned(), why };
    // A second installation in one process is refused, and changes nothing.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let ended = runtime.block_on(async { tokio::time::timeout(TIME, talk).await });
    match ended {
        Ok(ended) => ended.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(format!("the directory did not answer within {} s", TIME.as_secs()))),
    }
}

/// The server that answers first.
async fn reach(settings: &Settings) -> Result<Reached, DirectoryError> {
    let prepared = settings.directory.clone().prepare().map_err(|faults| {
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        DirectoryError::Unavailable(texts.join("; "))
    })?;
    Reached::first(prepared).await
}

/// The one entry, or words that say why there is not one.
fn only(found: Found, login: &str, base: &str) -> Result<Entry, String> {
    match found {
        Found::One(entry) => Ok(*entry),
        Found::Nobody => Err(format!("nobody under {base} has the login {login:?}")),
        Found::Several(names) => Err(format!(
            "several entries have the login {login:?}, and Parvis guesses none of them:\n  {}",
            names.join("\n  ")
        )),
    }
}
