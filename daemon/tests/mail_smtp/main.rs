//! The conversation with a mail server, with one that behaves and with ones that do not.
#![cfg(test)]

mod faults;
#[path = "../mail_support/peer.rs"]
mod peer;
mod pipelining;
mod talk;
mod tls;

use std::time::Duration;

use parvisd::mail::{
    Composed, Connection, Letter, Locale, MailName, Relay, RelaySettings, SendError, Sender, Templates,
    Values, compose,
};
use peer::{Act, Peer, Setup};

const TOKEN: &str = "kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM";
/// Long enough for a busy machine, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(700);

fn mail_to(to: &str) -> Composed {
    let values = Values {
        link: Some(format!("https://activation.univ.example/l/{TOKEN}")),
        ..Values::sample(Locale::Fr, true)
    };
    let rendered = Templates::load(None).unwrap().render(MailName::Link, Locale::Fr, &values).unwrap();
    let sender = Sender::new("Université", "ne-pas-repondre@univ.example", None).unwrap();
    let date = "2026-09-01T12:30:00Z".parse().unwrap();
    let letter = Letter {
        return_path: None,
        kind: "link",
        to,
        name: None,
        rendered: &rendered,
        locale: Locale::Fr,
        date,
        message_id: "42@univ.example",
    };
    compose(&sender, &letter).unwrap()
}

fn mail() -> Composed {
    mail_to("jeanne@example.org")
}

fn settings(peer: &Peer) -> RelaySettings {
    RelaySettings { port: peer.port, ..RelaySettings::new("localhost", "parvis.univ.example") }
}

fn impatient(peer: &Peer) -> RelaySettings {
    RelaySettings { step_deadline: SHORT, message_deadline: SHORT, ..settings(peer) }
}

async fn peer(rules: Vec<(&'static str, Act)>) -> Peer {
    Peer::start(Setup::default(), rules).await
}

/// The same, one command after the other and several at once.
async fn peers(rules: Vec<(&'static str, Act)>) -> [Peer; 2] {
    [peer(rules.clone()).await, Peer::start(pipelining::announced(), rules).await]
}

async fn connect(settings: RelaySettings) -> Result<Connection, SendError> {
    Relay::new(settings).unwrap().connect().await
}

/// Connects and sends one mail, wherever that ends.
async fn attempt(settings: RelaySettings) -> Result<String, SendError> {
    Ok(connect(settings).await?.send(&mail()).await?.reply)
}

fn kind(error: &SendError) -> &'static str {
    match error {
        SendError::Permanent { address_fault: true, .. } => "address",
        SendError::Permanent { .. } => "content",
        SendError::Transient { .. } => "later",
        SendError::Configuration { .. } => "us",
        SendError::MaybeSent { .. } => "maybe",
        SendError::Unable { .. } => "unable",
    }
}

const STAGES: [&str; 6] = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."];
