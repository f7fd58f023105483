//! Which path leads where, and what holds for every answer: headers, limits, a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};

use crate::fields;
use crate::house::House;
use crate::refusals;
use crate::show;
use crate::steps::{self, charter, enter, leave, link, listing, mail, password, recovery, sign_in, waiting};
use crate::visit::Visit;

/// Longer than the longest that a page waits for.
const LONGEST: Duration = Duration::from_secs(30);

/// What the browser may do with a page: show it, with our own files. No inline code, no frame, no other host.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// Headers of every answer. A person's pages are in no cache. `same-origin`, not `no-referrer`: with that, browsers
/// send `Origin: null` with our own forms.
const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-frame-options", "DENY"),
];

/// All paths.
pub fn router(house: Arc<House>) -> Router {
    let steps = Router::new()
        .route("/", get(sign_in::begin))
        .route("/sign-in", get(sign_in::show).post(sign_in::send))
        .route("/enter/{ticket}", get(enter::arrive).head(enter::head))
        .route("/link/{token}", get(link::open).head(link::head))
        .route("/link", get(link::look).post(link::redeem))
        .route("/confirmed", get(link::confirmed))
        .route("/step", get(steps::show))
        .route("/step/listing", get(listing::change))
        .route("/step/mail", get(mail::change))
        .route("/address", post(recovery::send))
        .route("/charter", post(charter::send))
        .route("/listing", post(listing::send))
        .route("/mail", post(mail::send))
        .route("/password", post(password::send))
        .route("/strength", post(password::strength))
        .route("/resend", post(waiting::resend))
        .route("/restart", post(waiting::restart))
        .route("/changed", get(waiting::changed))
        .route("/leave", post(leave::leave))
        .route("/left", get(leave::left))
        .route("/timed-out", get(leave::timed_out))
        .route("/language/{tag}", get(leave::language))
        .route("/assets/{name}", get(asset))
        .fallback(nowhere)
        .method_not_allowed_fallback(nowhere);
    let paths = match house.settings.base.as_str() {
        "" => steps,
        base => Router::new().nest(base, steps).fallback(nowhere),
    };
    paths.layer(from_fn(fields::taken)).layer(from_fn_with_state(house.clone(), around)).with_state(house)
}

async fn asset(State(house): State<Arc<House>>, visit: Visit, Path(name): Path<String>) -> Response {
    let Some(asset) = house.assets.find(&name) else { return refusals::nowhere(&house, &visit) };
    let mut response = Response::new(Body::from(asset.bytes.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

async fn nowhere(State(house): State<Arc<House>>, visit: Visit) -> Response {
    refusals::nowhere(&house, &visit)
}

/// Around every request: a time limit, a line in the log that names no path as it was typed, and the headers.
async fn around(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    // A press on a button twice is one act too many; what HEAD asks must not act either: each route sees to that.
    let mut response = match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => show::plain(StatusCode::SERVICE_UNAVAILABLE),
    };
    let path = matched.as_ref().map_or("(no such page)", MatchedPath::as_str);
    let status = response.status().as_u16();
    tracing::debug!(%method, path, status, took = ?begun.elapsed(), "answered");
    dress(response.headers_mut(), &house);
    response
}

fn dress(headers: &mut HeaderMap, house: &House) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if house.settings.origin.starts_with("https://") {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
