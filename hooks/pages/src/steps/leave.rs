//! Leaving: by the button, or because the page was left alone. Nothing of the person stays in the browser.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::cookie;
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::refusals::{self, Notice};
use crate::show;
use crate::tongue::Tongue;
use crate::visit::Visit;

/// POST /leave.
pub async fn leave(
    State(house): State<Arc<House>>,
    visit: Visit,
    fields: Result<Fields, NoForm>,
) -> Response {
    if !fields.is_ok_and(|fields| visit.sent(&fields)) {
        return refusals::foreign_form(&house, &visit);
    }
    let mut response = show::go(&house, "/left");
    show::forget(&mut response);
    response
}

/// GET /left.
pub async fn left(State(house): State<Arc<House>>, visit: Visit) -> Response {
    let message = house.words.say(visit.tongue, "left-lead", &[]);
    Notice::new(&house, &visit, "left-title", message).at("/left").minor_sign_in("begin").draw(StatusCode::OK)
}

/// GET /timed-out: a page of ours was left alone. Another site cannot bring it about.
pub async fn timed_out(State(house): State<Arc<House>>, visit: Visit) -> Response {
    let message = house.words.say(visit.tongue, "timed-out-lead", &[]);
    let notice = Notice::new(&house, &visit, "timed-out-title", message).at("/timed-out");
    let mut response = notice.signing_in(None).draw(StatusCode::OK);
    if visit.same_origin {
        response.headers_mut().remove(axum::http::header::SET_COOKIE);
        show::forget(&mut response);
    }
    response
}

/// GET /language/{tag}?to=/step: the language from now on.
pub async fn language(
    State(house): State<Arc<House>>,
    Path(tag): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Fields::of_query(query);
    let ours = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_lowercase() || b"/-".contains(&byte))
    };
    let to = Some(query.text("to")).filter(ours).unwrap_or("/");
    let mut response = show::go(&house, to);
    if let Some(tongue) = Tongue::of_tag(&tag) {
        show::set(&mut response, &cookie::give(cookie::LANGUAGE, tongue.as_str()));
    }
    response
}
