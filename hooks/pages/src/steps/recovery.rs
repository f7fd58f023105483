//! Step 3: the recovery address.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, RecoveryAddress};

use super::{Drawing, Sheet, submit};
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::show::{self, Chrome};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "recovery.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: &'a str,
    address: String,
}

/// The page.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let offered = drawing.view.recovery.as_ref().and_then(|recovery| recovery.offered.as_deref());
    let page = Page {
        chrome: drawing.chrome("/step"),
        lead: &drawing.view.lead,
        address: drawing.typed("address", offered),
    };
    show::page(drawing.visit, status, &page)
}

/// POST /address.
pub async fn send(State(house): State<Arc<House>>, visit: Visit, fields: Result<Fields, NoForm>) -> Response {
    submit(&house, &visit, fields, Sheet::Address, |session, fields| {
        Call::RecoveryAddress(RecoveryAddress {
            session,
            address: fields.text("address").trim().to_owned(),
            locale: visit.locale(),
            client: visit.client(),
        })
    })
    .await
}
