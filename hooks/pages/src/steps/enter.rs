//! Arriving from the SSO: the ticket is used by the GET on which the person arrives, once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, Enter};
use parvis_protocol::{Secret, limits};
use sha2::{Digest, Sha256};

use super::sign_in::begin_as;
use crate::assets::hex;
use crate::house::House;
use crate::refusals;
use crate::show;
use crate::visit::Visit;

/// GET /enter/{ticket}. A reload by the browser that holds the session made from it goes on.
pub async fn arrive(State(house): State<Arc<House>>, visit: Visit, Path(ticket): Path<String>) -> Response {
    let digest = hex(&Sha256::digest(&ticket));
    if visit.session.is_some() && visit.ticket.as_deref() == Some(digest.as_str()) {
        return show::go(&house, "/step");
    }
    // A browser that guesses where the person will go must not use up what works once.
    if visit.ahead || !limits::TOKEN.admits(&ticket) {
        return show::plain(if visit.ahead {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::BAD_REQUEST
        });
    }
    let call =
        Call::Enter(Enter { ticket: Secret::new(ticket), locale: visit.locale(), client: visit.client() });
    match house.daemon.step(call).await {
        Ok(answer) => {
            let mut response = show::go(&house, "/step");
            begin_as(&mut response, answer.session.as_ref(), Some(&digest));
            response
        }
        Err(trouble) => refusals::of_form(&house, &visit, &trouble, None),
    }
}

/// HEAD /enter/{ticket}: nothing.
pub async fn head() -> Response {
    show::plain(StatusCode::OK)
}
