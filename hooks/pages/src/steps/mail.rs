//! Steps 7 and 7 bis: the mailbox, and forwarding.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, Forwarding, Mail, MailView, Step};

use super::{Drawing, Sheet, again, submit};
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::show::{self, Chrome};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "mail.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: String,
    mail: &'a MailView,
    optional: bool,
    required: bool,
    forwards: bool,
    address: String,
    keep_copy: bool,
}

/// The page; from a later step, to change the answer.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let Some(mail) = &drawing.view.mail else { return show::go(drawing.house, "/step") };
    let (chrome, lead) = drawing.of_answer(Step::Mail, "mail-title", "/step/mail");
    let sent = drawing.problem.is_some() || drawing.restored;
    let address = mail.forward.as_deref().or(mail.offered.as_deref());
    let page = Page {
        lead,
        mail,
        optional: mail.forwarding == Forwarding::Optional,
        required: mail.forwarding == Forwarding::Required,
        forwards: if sent { drawing.fields.text("choice") == "forward" } else { mail.forward.is_some() },
        address: drawing.typed("forward", address),
        keep_copy: if sent { drawing.fields.ticked("keep_copy") } else { mail.keep_copy },
        chrome,
    };
    show::page(drawing.visit, status, &page)
}

/// GET /step/mail.
pub async fn change(State(house): State<Arc<House>>, visit: Visit) -> Response {
    again(&house, &visit, Sheet::Mail).await
}

/// POST /mail.
pub async fn send(State(house): State<Arc<House>>, visit: Visit, fields: Result<Fields, NoForm>) -> Response {
    submit(&house, &visit, fields, Sheet::Mail, |session, fields| {
        // A wish to forward without an address is the daemon's to refuse, in words.
        let forward = (fields.text("choice") == "forward").then(|| fields.text("forward").trim().to_owned());
        Call::Mail(Mail {
            session,
            keep_copy: forward.is_none() || fields.ticked("keep_copy"),
            forward,
            locale: visit.locale(),
            client: visit.client(),
        })
    })
    .await
}
