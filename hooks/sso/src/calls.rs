//! `POST /v1/CALL`: the same JSON as `parvis-hook` reads and prints, for every call that the role `sso` may make.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use parvis_protocol::Role;
use parvis_protocol::hook::{Call, Method, roles};
use parvis_protocol::limits::MESSAGE_MAX;
use parvis_protocol::outcome::{Fault, Language, Outcome};
use serde_json::value::RawValue;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use crate::answer;
use crate::caller::Caller;
use crate::daemon::patience;
use crate::house::House;

/// Why a body is no request, by its status.
type Unread = (StatusCode, Fault);

/// One call.
pub async fn call(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let name = request.uri().path().strip_prefix("/v1/").unwrap_or_default();
    let method = Method::from_word(name).filter(|method| roles(*method).contains(&Role::Sso));
    let Some(method) = method else {
        return nowhere();
    };
    let deadline = begun + patience(method);
    let body = match body(request, deadline).await {
        Ok(body) => body,
        Err((status, fault)) => {
            tracing::info!("{}, asked by {caller}: not taken ({})", method.as_str(), status.as_u16());
            let mut response = answer::with(status, &Outcome::Failed(fault), Language::Both);
            // What was not read of it must not be taken for the next request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    let (read, language) = read(method, &body);
    drop(body);
    let outcome = match read {
        Ok(call) => ask(&house, call, &caller, deadline).await,
        Err(fault) => {
            tracing::info!(
                "{}, asked by {caller}: {}",
                method.as_str(),
                answer::word(&Outcome::Failed(fault.clone()))
            );
            Outcome::Failed(fault)
        }
    };
    answer::of(&outcome, language)
}

/// Makes the call and writes down what came of it.
pub async fn ask(house: &House, call: Call, caller: &Caller, deadline: Instant) -> Outcome {
    let begun = Instant::now();
    let method = call.method();
    let login = match &call {
        Call::Check(check) => Some(check.login.clone()),
        Call::Open(open) => Some(open.login.clone()),
        _ => None,
    };
    let outcome = house.daemon.ask(call, deadline).await;
    // All of it in the words themselves: the journal shows those, and the fields only to whoever asks for them.
    let who = login.map(|login| format!(" of {}", login.escape_debug())).unwrap_or_default();
    let line = format!("{}{who}, asked by {caller}: {}", method.as_str(), answer::word(&outcome));
    let took = begun.elapsed();
    match (&outcome, method) {
        (Outcome::Failed(_), _) => tracing::warn!(?took, "{line}"),
        (_, Method::State) => tracing::debug!(?took, "{line}"),
        _ => tracing::info!(?took, "{line}"),
    }
    outcome
}

/// No such call.
pub fn nowhere() -> Response {
    let fault = Fault::RequestInvalid { field: None };
    answer::with(StatusCode::NOT_FOUND, &Outcome::Failed(fault), Language::Both)
}

async fn body(request: Request, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let invalid = || Fault::RequestInvalid { field: None };
    if !is_json(request.headers()) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, invalid()));
    }
    if announced(request.headers()).is_some_and(|length| length > MESSAGE_MAX as u64) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, invalid()));
    }
    let read = timeout_at(deadline.into(), whole(request.into_body())).await;
    read.unwrap_or_else(|_| Err((StatusCode::REQUEST_TIMEOUT, invalid())))
}

/// Whoever may vouch for people says that it sends JSON: a form of some page in a browser cannot.
fn is_json(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (kinds.next(), kinds.next()) else { return false };
    let kind = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn whole(body: Body) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let invalid = || Fault::RequestInvalid { field: None };
    let mut whole = Zeroizing::new(Vec::with_capacity(4096));
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| (StatusCode::BAD_REQUEST, invalid()))?;
        if whole.len() + part.len() > MESSAGE_MAX {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, invalid()));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

/// As `parvis-hook` reads its standard input.
fn read(method: Method, body: &[u8]) -> (Result<Call, Fault>, Language) {
    let invalid = Fault::RequestInvalid { field: None };
    let Ok(text) = std::str::from_utf8(body) else { return (Err(invalid), Language::Both) };
    let text = if text.trim_ascii().is_empty() { "{}" } else { text };
    let language = Language::of_request(text);
    let raw = serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get().starts_with('{'));
    let Some(raw) = raw else { return (Err(invalid), language) };
    (Call::read(method, Some(raw)).map_err(Fault::from), language)
}
