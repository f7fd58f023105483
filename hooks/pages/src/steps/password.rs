//! Step 9: the new password. The page judges as one types; the daemon and the directory decide.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use parvis_protocol::hook::{Call, Password, PasswordView};
use parvis_protocol::{Secret, limits};

use super::{Drawing, Sheet, submit};
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::show::{self, Chrome};
use crate::visit::Visit;

/// What of a password is estimated: the time grows with its length, and no more is needed to call it strong.
const ESTIMATED: usize = 64;

#[derive(Template)]
#[template(path = "password.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: &'a str,
    login: &'a str,
    password: &'a PasswordView,
    identity: String,
    answers: Vec<(String, String, &'static str)>,
    recovery: Option<&'a str>,
}

/// The page, with the answers that can still be changed.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let view = drawing.view;
    let Some(password) = &view.password else { return show::go(drawing.house, "/step") };
    let chrome = drawing.chrome("/step");
    let page = Page {
        lead: &view.lead,
        login: &view.login,
        password,
        identity: password.identity.join(" "),
        answers: answers(&chrome, drawing),
        recovery: view.mail.as_ref().and_then(|mail| mail.offered.as_deref()),
        chrome,
    };
    show::page(drawing.visit, status, &page)
}

fn answers(chrome: &Chrome<'_>, drawing: &Drawing<'_>) -> Vec<(String, String, &'static str)> {
    let listed = drawing.view.listing.as_ref().and_then(|listing| listing.listed);
    let listed = listed.map(|listed| {
        let words = if listed { "directory-listed" } else { "directory-hidden" };
        (chrome.say("directory"), chrome.say(words), "/step/listing")
    });
    let mail = drawing.view.mail.as_ref().map(|mail| {
        let to = mail.forward.clone().unwrap_or_else(|| chrome.say("forwarded-nowhere"));
        (chrome.say("forwarded-to"), to, "/step/mail")
    });
    listed.into_iter().chain(mail).collect()
}

/// POST /password.
pub async fn send(State(house): State<Arc<House>>, visit: Visit, fields: Result<Fields, NoForm>) -> Response {
    submit(&house, &visit, fields, Sheet::Password, |session, fields| {
        Call::Password(Password {
            session,
            password: Secret::new(fields.text("password")),
            locale: visit.locale(),
            client: visit.client(),
        })
    })
    .await
}

/// POST /strength: how hard to guess, 0 to 4, by the daemon's own estimator. For the script; nothing is kept.
pub async fn strength(
    State(house): State<Arc<House>>,
    visit: Visit,
    fields: Result<Fields, NoForm>,
) -> Response {
    let Ok(fields) = fields else { return show::plain(StatusCode::BAD_REQUEST) };
    if !visit.sent(&fields) || visit.session.is_none() || !limits::PASSWORD.admits(fields.text("password")) {
        return show::plain(StatusCode::FORBIDDEN);
    }
    let Ok(_turn) = house.estimates.try_acquire() else {
        return show::plain(StatusCode::SERVICE_UNAVAILABLE);
    };
    let estimated = tokio::task::spawn_blocking(move || {
        let password: String = fields.text("password").chars().take(ESTIMATED).collect();
        let identity: Vec<&str> = fields.text("identity").split(' ').take(16).collect();
        let score = u8::from(zxcvbn::zxcvbn(&password, &identity).score());
        drop(Secret::new(password));
        score
    });
    let Ok(score) = estimated.await else { return show::plain(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = Response::new(Body::from(format!("{{\"score\":{score}}}")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
