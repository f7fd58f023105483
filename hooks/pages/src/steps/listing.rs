//! Step 6: in the public directory, or not. Nothing is ticked beforehand.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, Listing, Step};

use super::{Drawing, Sheet, again, submit};
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::show::{self, Chrome};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "listing.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: String,
    listed: Option<bool>,
}

/// The page; from a later step, to change the answer.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let given = drawing.view.listing.as_ref().and_then(|listing| listing.listed);
    let (chrome, lead) = drawing.of_answer(Step::Listing, "listing-title", "/step/listing");
    let listed = if drawing.problem.is_some() || drawing.restored { chosen(drawing.fields) } else { given };
    show::page(drawing.visit, status, &Page { chrome, lead, listed })
}

fn chosen(fields: &Fields) -> Option<bool> {
    match fields.text("listed") {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// GET /step/listing.
pub async fn change(State(house): State<Arc<House>>, visit: Visit) -> Response {
    again(&house, &visit, Sheet::Listing).await
}

/// POST /listing.
pub async fn send(State(house): State<Arc<House>>, visit: Visit, fields: Result<Fields, NoForm>) -> Response {
    submit(&house, &visit, fields, Sheet::Listing, |session, fields| {
        Call::Listing(Listing {
            session,
            listed: chosen(fields),
            locale: visit.locale(),
            client: visit.client(),
        })
    })
    .await
}
