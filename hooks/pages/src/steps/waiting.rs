//! Steps 4 and 8: a link was mailed. The page says to where, and until when; and moves on when it was used elsewhere.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, Delivery, Forwarding, Sent, Step, StepAnswer};

use super::{Drawing, Sheet, submit};
use crate::assets::mark;
use crate::daemon::Trouble;
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::serve::told;
use crate::show::{self, Chrome};
use crate::visit::Visit;

/// How long one question of the script waits for its answer: less than proxies let a connection be silent.
const HELD: Duration = Duration::from_secs(25);

#[derive(Template)]
#[template(path = "waiting.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: &'a str,
    sent: &'a Sent,
    delivery: String,
    stamp: String,
    not_yet: bool,
    forward: bool,
    optional: bool,
    keep_copy: bool,
    unreachable: bool,
    wrong: bool,
    typed: String,
}

/// The page.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let Some(sent) = &drawing.view.sent else { return show::go(drawing.house, "/") };
    let chrome = drawing.chrome("/step");
    let mail = drawing.view.mail.as_ref();
    let forward = drawing.answer.step == Step::ForwardLink;
    let page = Page {
        lead: &drawing.view.lead,
        sent,
        delivery: chrome.say(match sent.delivery {
            Delivery::Queued => "delivery-queued",
            Delivery::Sent => "delivery-sent",
            Delivery::Deferred => "delivery-deferred",
            Delivery::Refused => "delivery-refused",
        }),
        stamp: stamp(drawing.answer),
        not_yet: drawing.clicked,
        forward,
        optional: mail.is_some_and(|mail| mail.forwarding == Forwarding::Optional),
        keep_copy: mail.is_none_or(|mail| mail.keep_copy),
        unreachable: sent.unreachable == Some(true),
        wrong: sent.meant.is_some()
            || sent.unreachable == Some(true)
            || drawing.restored
            || drawing.problem.as_ref().is_some_and(|problem| problem.field != "resend"),
        typed: drawing.typed(if forward { "forward" } else { "address" }, None),
        chrome,
    };
    show::page(drawing.visit, status, &page)
}

/// What of an answer the page shows: another stamp is another page.
fn stamp(answer: &StepAnswer) -> String {
    let sent = answer.view.as_ref().and_then(|view| view.sent.as_ref());
    let sent = sent
        .map(|sent| (sent.address.as_str(), sent.delivery.as_str(), &sent.detail, sent.deadline.at.as_str()));
    mark(format!("{}\0{sent:?}", answer.step.as_str()))
}

/// GET /changed?seen=…: 205 where the page is to be loaded anew, 204 where nothing changed for a while, 503 where too
/// many wait already.
pub async fn changed(State(house): State<Arc<House>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let query = Fields::of_query(query);
    let Some(session) = &visit.session else { return show::plain(StatusCode::RESET_CONTENT) };
    let changes = async {
        let Some(mut following) = house.daemon.follow(&visit.of_session(session)).await? else {
            return Ok(StatusCode::SERVICE_UNAVAILABLE);
        };
        loop {
            if stamp(&following.next().await?) != query.text("seen") {
                return Ok(StatusCode::RESET_CONTENT);
            }
        }
    };
    let mut stopping = house.stopping.clone();
    let changes = async {
        tokio::select! {
            status = changes => status,
            // Who only waits must not hold up the end.
            () = told(&mut stopping) => Ok(StatusCode::NO_CONTENT),
        }
    };
    let status = match tokio::time::timeout(HELD, changes).await {
        Err(_) => StatusCode::NO_CONTENT,
        Ok(Ok(status)) => status,
        // The session has ended, or the address was refused: the page says it.
        Ok(Err(Trouble::Refused(refusal))) if refusal.retry_after.is_none() => StatusCode::RESET_CONTENT,
        Ok(Err(_)) => StatusCode::SERVICE_UNAVAILABLE,
    };
    show::plain(status)
}

/// POST /resend.
pub async fn resend(
    State(house): State<Arc<House>>,
    visit: Visit,
    fields: Result<Fields, NoForm>,
) -> Response {
    submit(&house, &visit, fields, Sheet::Resend, |session, _| Call::Resend(visit.of_session(&session))).await
}

/// POST /restart.
pub async fn restart(
    State(house): State<Arc<House>>,
    visit: Visit,
    fields: Result<Fields, NoForm>,
) -> Response {
    submit(&house, &visit, fields, Sheet::Restart, |session, _| Call::Restart(visit.of_session(&session)))
        .await
}
