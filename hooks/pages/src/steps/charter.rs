//! Step 5: the charter.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, Charter, CharterView};
use pulldown_cmark::{Event, Parser, Tag, html};

use super::{Drawing, Sheet, submit};
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::show::{self, Chrome};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "charter.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    lead: &'a str,
    charter: &'a CharterView,
    text: Option<String>,
}

/// The page; with the text itself only where it is, to the letter, the one whose acceptance is recorded.
pub fn draw(drawing: &Drawing<'_>, status: StatusCode) -> Response {
    let Some(charter) = &drawing.view.charter else { return show::go(drawing.house, "/") };
    let texts = &drawing.house.settings.charters;
    let text = texts.iter().find(|(digest, _)| *digest == charter.sha256).map(|(_, text)| drawn(text));
    let page = Page { chrome: drawing.chrome("/step"), lead: &drawing.view.lead, charter, text };
    show::page(drawing.visit, status, &page)
}

/// Markdown to HTML. Its own HTML becomes text; pictures go, because the page may load none from elsewhere; headings
/// go two levels down, under the page's own.
fn drawn(text: &str) -> String {
    let events = Parser::new(text).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::Image { .. }) | Event::End(pulldown_cmark::TagEnd::Image) => None,
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Some(Event::Start(Tag::Heading { level: lower(level), id, classes, attrs }))
        }
        Event::End(pulldown_cmark::TagEnd::Heading(level)) => {
            Some(Event::End(pulldown_cmark::TagEnd::Heading(lower(level))))
        }
        Event::Start(Tag::Link { ref dest_url, .. }) if !safe(dest_url) => None,
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn safe(url: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme))
}

fn lower(level: pulldown_cmark::HeadingLevel) -> pulldown_cmark::HeadingLevel {
    use pulldown_cmark::HeadingLevel::{H2, H3, H4, H5, H6};
    match level {
        pulldown_cmark::HeadingLevel::H1 => H2,
        H2 => H3,
        H3 => H4,
        H4 => H5,
        H5 | H6 => H6,
    }
}

/// POST /charter.
pub async fn send(State(house): State<Arc<House>>, visit: Visit, fields: Result<Fields, NoForm>) -> Response {
    submit(&house, &visit, fields, Sheet::Charter, |session, fields| {
        Call::Charter(Charter {
            session,
            version: fields.text("version").to_owned(),
            sha256: fields.get("sha256").map(str::to_owned),
            accepted: fields.ticked("accepted"),
            locale: visit.locale(),
            client: visit.client(),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charter_is_text_and_nothing_else() {
        let html = drawn(
            "# Title\n\nA *word*.<script>x</script>\n\n![p](http://a/b.png) [go](javascript:x) [ok](https://a)",
        );
        assert!(html.contains("<h2>Title</h2>") && html.contains("<em>word</em>"), "{html}");
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        assert!(
            !html.contains("<img") && !html.contains("javascript") && html.contains("href=\"https://a\""),
            "{html}"
        );
    }
}
