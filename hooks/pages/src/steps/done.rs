//! Step 10: the account works.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::DoneView;

use super::Drawing;
use crate::show::{self, Chrome};

#[derive(Template)]
#[template(path = "done.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: &'a str,
    done: &'a DoneView,
}

/// The page.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let Some(done) = &drawing.view.done else { return show::go(drawing.house, "/") };
    let page = Page { chrome: drawing.chrome("/step"), lead: &drawing.view.lead, done };
    show::page(drawing.visit, status, &page)
}
