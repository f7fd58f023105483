//! Which path leads where, and who is heard: nobody gets past here without having proven who they are.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get, post};
use parvis_protocol::outcome::{Fault, Language, Outcome};

use crate::caller::{Caller, Unheard};
use crate::house::House;
use crate::room::Guest;
use crate::{answer, calls, cas};

/// All paths.
pub fn router(house: Arc<House>) -> Router {
    Router::new()
        .route("/v1/{call}", post(calls::call))
        .route("/cas/interrupt", any(cas::interrupt))
        .route("/cas/aup", post(cas::accepted))
        .route("/cas/aup/status", get(cas::accepted))
        .route("/cas/aup/policy", get(cas::policy))
        .fallback(nowhere)
        .method_not_allowed_fallback(otherwise)
        .layer(from_fn_with_state(house.clone(), heard))
        .with_state(house)
}

/// Only who has proven themselves goes on.
async fn heard(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let keys = house.keys();
    let heard = match &caller {
        Some(caller) => caller.heard(request.headers(), keys.token.as_ref()),
        None => Err(Unheard::Token),
    };
    match heard {
        Ok(()) => {
            if let Some(guest) = request.extensions().get::<Arc<Guest>>() {
                guest.has_proven_itself();
            }
            next.run(request).await
        }
        Err(why) => unheard(why, caller.as_ref(), &request),
    }
}

fn unheard(why: Unheard, caller: Option<&Caller>, request: &Request) -> Response {
    let by = caller.map(Caller::to_string).unwrap_or_default();
    let proof = match why {
        Unheard::Token => "no token, or another",
        Unheard::Name => "a certificate with another name",
    };
    tracing::warn!("{by} is not heard: {proof}");
    let outcome = Outcome::Failed(Fault::NotPermitted);
    // CAS must read a no here as well: with anything else it lets people through.
    if is_for_cas(request) {
        return cas::interrupted(&outcome, cas::words(request.headers()));
    }
    match why {
        Unheard::Name => answer::with(StatusCode::FORBIDDEN, &outcome, Language::Both),
        Unheard::Token => {
            let mut response = answer::with(StatusCode::UNAUTHORIZED, &outcome, Language::Both);
            let realms = HeaderValue::from_static("Bearer realm=\"parvis-sso\", Basic realm=\"parvis-sso\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, realms);
            response
        }
    }
}

/// Where CAS might be asking for an `InterruptResponse`, be it by an address that is mistyped.
fn is_for_cas(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/cas") && !path.starts_with("/cas/aup")
}

async fn nowhere(request: Request) -> Response {
    if is_for_cas(&request) {
        tracing::warn!("CAS asks at an address that is not /cas/interrupt: nobody passes");
        let outcome = Outcome::Failed(Fault::RequestInvalid { field: None });
        return cas::interrupted(&outcome, cas::words(request.headers()));
    }
    calls::nowhere()
}

async fn otherwise() -> Response {
    let outcome = Outcome::Failed(Fault::RequestInvalid { field: None });
    answer::with(StatusCode::METHOD_NOT_ALLOWED, &outcome, Language::Both)
}
