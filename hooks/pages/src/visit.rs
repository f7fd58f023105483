//! What a browser brings along: its language, its cookies, its address; and the call that follows from them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use axum::http::request::Parts;
use parvis_protocol::hook::{Client, OfSession};
use parvis_protocol::{Secret, limits};

use crate::client::Peer;
use crate::fields::Fields;
use crate::house::House;
use crate::tongue::Tongue;
use crate::{chance, cookie, csrf};

/// One request's browser.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The language to speak.
    pub tongue: Tongue,
    /// The daemon's session.
    pub session: Option<Secret>,
    /// The secret that forms are bound to.
    pub form: Secret,
    /// Whether the browser brought none, and has to be given this one.
    pub form_is_new: bool,
    /// The link that was opened.
    pub link: Option<Secret>,
    /// The digest of the ticket that was used here.
    pub ticket: Option<String>,
    /// What was typed when the session had ended.
    pub kept: Option<String>,
    /// For limits and the audit.
    pub client: Client,
    /// Whether the browser says that one of our pages asks.
    pub same_origin: bool,
    /// Whether the browser fetches ahead, before the person wants to go there.
    pub ahead: bool,
}

impl FromRequestParts<Arc<House>> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, StatusCode> {
        let headers = &parts.headers;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let chosen = cookie::read(headers, cookie::LANGUAGE).and_then(|tag| Tongue::of_tag(&tag));
        let accepted = || Tongue::accepted(text(ACCEPT_LANGUAGE.as_str())?);
        let peer = parts.extensions.get::<Peer>().copied();
        let ip = peer.and_then(|peer| house.settings.proxies.client(peer, headers));
        let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let token = |name: &str| {
            let value = cookie::read(headers, name).filter(|value| limits::TOKEN.admits(value));
            value.map(Secret::new)
        };
        let brought = token(cookie::FORM);
        let form_is_new = brought.is_none();
        let made = || chance::text().map(Secret::new).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR);
        Ok(Self {
            tongue: chosen.or_else(accepted).unwrap_or(house.settings.tongue),
            session: token(cookie::SESSION),
            form: brought.map_or_else(made, Ok)?,
            form_is_new,
            link: token(cookie::LINK),
            ticket: cookie::read(headers, cookie::TICKET),
            kept: cookie::read(headers, cookie::KEPT),
            client: Client {
                ip: ip.map(|ip| ip.to_string()),
                user_agent: user_agent
                    .map(|text| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
                    .filter(|text| !text.is_empty()),
            },
            same_origin: csrf::same_origin(headers, &house.settings.origin),
            ahead: ["sec-purpose", "purpose", "x-moz"]
                .iter()
                .filter_map(|name| text(name))
                .any(|purpose| purpose.contains("prefetch") || purpose.contains("prerender")),
        })
    }
}

impl Visit {
    /// The language as the contract has it.
    pub fn locale(&self) -> Option<String> {
        Some(self.tongue.as_str().to_owned())
    }

    /// For the calls.
    pub fn client(&self) -> Option<Client> {
        Some(self.client.clone())
    }

    /// The parameters of the calls that have nothing but a session.
    pub fn of_session(&self, session: &Secret) -> OfSession {
        OfSession { session: session.clone(), locale: self.locale(), client: self.client() }
    }
}

impl Visit {
    /// Whether a form was sent from a page of ours, in this browser.
    pub fn sent(&self, fields: &Fields) -> bool {
        let secret = (!self.form_is_new).then(|| self.form.expose());
        self.same_origin && csrf::holds(secret, fields.get(csrf::FIELD))
    }
}
