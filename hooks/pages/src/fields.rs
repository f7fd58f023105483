//! A form's fields, strictly: UTF-8 and nothing else, each name once, few and short.
//!
//! What is not there is empty: the daemon has the words for it.

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use percent_encoding::percent_decode;

use crate::house::BODY_MAX;

const MOST: usize = 16;
/// Bytes of a body that are taken from the line, so that whoever sends it comes to read the answer.
const TAKEN: usize = 1 << 20;

/// The fields of one form.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

/// A body that is no form of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoForm(pub StatusCode);

/// Every handler takes the rejection itself, to answer with a page; this is for the one that would forget.
impl IntoResponse for NoForm {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl Fields {
    /// A field as it was typed; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A field that may be missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.get(name) == Some("yes")
    }

    /// Reads a query; what is none has no fields.
    pub fn of_query(query: Option<String>) -> Self {
        Self::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default()
    }

    /// Reads a query or a body.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            let (name, value) = (decoded(name)?, decoded(value.get(1..).unwrap_or_default())?);
            if fields.len() == MOST || fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name, value));
        }
        Some(Self(fields))
    }
}

/// Passwords are among them.
impl Drop for Fields {
    fn drop(&mut self) {
        for (_, value) in self.0.drain(..) {
            drop(parvis_protocol::Secret::new(value));
        }
    }
}

fn decoded(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Some(percent_decode(&spaced).decode_utf8().ok()?.into_owned())
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = NoForm;

    async fn from_request(request: Request, _: &S) -> Result<Self, NoForm> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if kind != Some("application/x-www-form-urlencoded") {
            return Err(NoForm(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let body = axum::body::to_bytes(request.into_body(), BODY_MAX).await;
        let body = body.map_err(|_| NoForm(StatusCode::PAYLOAD_TOO_LARGE))?;
        Self::parse(&body).ok_or(NoForm(StatusCode::BAD_REQUEST))
    }
}

/// Takes a body from the line before anything is answered, and keeps what a form may have and one byte more.
///
/// Where an answer comes before the body was read, and the connection ends, a web server in front of us finds its writing
/// refused and says 502 in our place: Apache did in one of twelve.
pub async fn taken(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > TAKEN as u64 {
        return next.run(Request::from_parts(head, body)).await;
    }
    let (mut kept, mut seen, mut pieces) = (Vec::new(), 0, body.into_data_stream());
    while seen < TAKEN
        && let Some(piece) = pieces.next().await
    {
        // Half a form is none.
        let Ok(piece) = piece else { return NoForm(StatusCode::BAD_REQUEST).into_response() };
        seen += piece.len();
        kept.extend(piece.into_iter().take(BODY_MAX + 1 - kept.len()));
    }
    next.run(Request::from_parts(head, Body::from(kept))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_typed() {
        let fields = Fields::parse("a=1+%2B&name=%C3%A9&box=yes&empty=".as_bytes()).unwrap();
        assert_eq!((fields.text("a"), fields.text("name"), fields.text("empty")), ("1 +", "é", ""));
        assert!(fields.ticked("box") && !fields.ticked("a"));
        assert_eq!((fields.text("none"), fields.get("none")), ("", None));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for wrong in ["a=%ff", "a=%C3", "a=1&a=2", "%ff=1"] {
            assert!(Fields::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
        let many: Vec<String> = (0..40).map(|n| format!("f{n}=1")).collect();
        assert!(Fields::parse(many.join("&").as_bytes()).is_none());
        assert_eq!(Fields::parse(b"a=%00").unwrap().text("a"), "\0");
    }
}
