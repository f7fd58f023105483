//! What became of a call, as HTTP says it: a status, `Retry-After`, and always the contract's JSON.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use parvis_protocol::hook::{Answer, RefusalCode};
use parvis_protocol::outcome::{Fault, Language, Outcome};

/// In how many seconds to try again where the daemon or the directory cannot answer.
const AGAIN: u32 = 5;

/// The status of an outcome. `check` with a no is an answer.
pub fn status(outcome: &Outcome) -> StatusCode {
    match outcome {
        Outcome::Answered(_) => StatusCode::OK,
        Outcome::Refused(refusal) => match refusal.code {
            RefusalCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RefusalCode::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        },
        Outcome::Newer(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Failed(Fault::RequestInvalid { .. }) => StatusCode::BAD_REQUEST,
        Outcome::Failed(Fault::Unreachable) => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Failed(Fault::NotPermitted) => StatusCode::FORBIDDEN,
        Outcome::Failed(Fault::Own { .. } | Fault::CommandLine) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An outcome in full.
pub fn of(outcome: &Outcome, language: Language) -> Response {
    with(status(outcome), outcome, language)
}

/// An outcome with another status than its own.
pub fn with(status: StatusCode, outcome: &Outcome, language: Language) -> Response {
    let Ok(text) = outcome.json(language) else {
        return json(StatusCode::INTERNAL_SERVER_ERROR, String::new());
    };
    let mut response = json(status, text);
    if let Some(seconds) = retry_after(status, outcome) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn retry_after(status: StatusCode, outcome: &Outcome) -> Option<u32> {
    match (status, outcome) {
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Outcome::Refused(refusal)) => {
            Some(refusal.retry_after.unwrap_or(AGAIN))
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) => Some(AGAIN),
        _ => None,
    }
}

/// A JSON text. No answer of ours may be kept by anything in between.
pub fn json(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// An outcome in a word or two, for the log.
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(Answer::Check(answer)) if answer.allow => "let through",
        Outcome::Answered(Answer::Check(answer)) => answer.status.as_str(),
        Outcome::Answered(Answer::Step(answer)) => answer.step.as_str(),
        Outcome::Answered(Answer::Look(answer)) => answer.usable.as_str(),
        Outcome::Answered(Answer::Bounce(_)) => "bounce",
        Outcome::Refused(refusal) => refusal.code.as_str(),
        Outcome::Newer(_) => "refused, in a newer daemon's words",
        Outcome::Failed(Fault::CommandLine) => "command-line",
        Outcome::Failed(Fault::RequestInvalid { .. }) => "request-invalid",
        Outcome::Failed(Fault::Unreachable) => "no answer from the daemon in time",
        Outcome::Failed(Fault::Own { .. }) => "fault",
        Outcome::Failed(Fault::NotPermitted) => "the daemon does not let parvis-sso ask: see gate.sso",
    }
}
