//! One connection: messages in, answers out, a limit for each.
//!
//! A caller may be slow, silent, endless or gone; none of them costs more than its own connection, and one user's
//! callers cannot take all of them.

use super::{Gate, Turns, admin, hook};
use parvis_protocol::wire::{CallEnvelope, Message, Splitter, WireError, encode};
use parvis_protocol::{INTERFACE_ADMIN, INTERFACE_HOOK, INTERFACE_SERVICE, Role, service};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// A message that was begun must be complete by then.
const MESSAGE_TIME: Duration = Duration::from_secs(10);
/// A connection that says nothing between two messages is closed then.
const SILENCE: Duration = Duration::from_secs(300);
/// An answer must be taken by then.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// A user without any role has so many connections at most.
const STRANGERS: usize = 8;

/// Which of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// For login pages.
    Hook,
    /// For `parvisctl`.
    Admin,
}

/// How a call ended, whatever was written on the way.
pub enum Reply {
    /// With these bytes, a whole message.
    Message(Vec<u8>),
    /// In the middle: the caller is gone, does not take its answers, or speaks where it may not. Nothing that could
    /// follow would be understood, so that the connection ends.
    Broken,
}

/// Accepts connections until the daemon stops.
pub async fn serve(gate: Arc<Gate>, listener: UnixListener, socket: Socket) {
    let places = Arc::new(Turns::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (gate, places) = (gate.clone(), places.clone());
                tokio::spawn(async move { welcome(gate, places, stream, socket).await });
            }
            Err(error) => {
                // Out of descriptors, say: go on when some are free.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn welcome(gate: Arc<Gate>, places: Arc<Turns<u32>>, mut stream: UnixStream, socket: Socket) {
    let Ok(peer) = stream.peer_cred() else { return };
    let settings = gate.engine.settings();
    let all = settings.gate.connections;
    // No user's callers have more than three quarters.
    let Some(_place) = places.take(peer.uid(), (all * 3 / 4).max(1), all) else {
        return turn_away(&gate, &mut stream, peer.uid()).await;
    };
    let roles = gate.peers.roles(peer.uid(), peer.gid(), &settings.roles).await;
    if roles.is_empty() && places.of(peer.uid()) > STRANGERS {
        return turn_away(&gate, &mut stream, peer.uid()).await;
    }
    let caller = Caller { uid: peer.uid(), roles, socket };
    converse(&gate, &mut stream, &caller).await;
}

async fn turn_away(gate: &Gate, stream: &mut UnixStream, uid: u32) {
    tracing::warn!(uid, "too many connections: one is turned away");
    let _ = write(stream, &hook::overloaded(gate)).await;
}

/// Who asks, and through which socket.
pub struct Caller {
    pub uid: u32,
    pub roles: Vec<Role>,
    pub socket: Socket,
}

async fn converse(gate: &Arc<Gate>, stream: &mut UnixStream, caller: &Caller) {
    let mut splitter = Splitter::new();
    let mut buffer = vec![0; 8192];
    loop {
        let patience = if splitter.is_within_message() { MESSAGE_TIME } else { SILENCE };
        let whole = async {
            loop {
                let count = stream.read(&mut buffer).await.ok()?;
                let mut input = buffer.get(..count).filter(|input| !input.is_empty())?;
                let mut messages = Vec::new();
                while !input.is_empty() {
                    match splitter.take(&mut input) {
                        Ok(Some(message)) => messages.push(Ok(message)),
                        Ok(None) => {}
                        Err(error) => {
                            messages.push(Err(error));
                            return Some(messages);
                        }
                    }
                }
                // A message that was begun has one deadline, however slowly its bytes come.
                if !messages.is_empty() || patience == SILENCE {
                    return Some(messages);
                }
            }
        };
        let Ok(Some(messages)) = tokio::time::timeout(patience, whole).await else { return };
        for message in messages {
            if !answer(gate, stream, caller, message).await {
                return;
            }
        }
    }
}

/// Answers one message; false ends the connection.
async fn answer(
    gate: &Arc<Gate>,
    stream: &mut UnixStream,
    caller: &Caller,
    message: Result<Message, WireError>,
) -> bool {
    let message = match message {
        Ok(message) => message,
        Err(error) => {
            tracing::warn!(uid = caller.uid, %error, "a caller's message is refused");
            let _ = write(stream, &malformed()).await;
            return false;
        }
    };
    let Ok(envelope) = CallEnvelope::parse(message.as_bytes()) else {
        let _ = write(stream, &malformed()).await;
        return false;
    };
    let oneway = envelope.oneway;
    let _under_way = if lasts(&envelope) { None } else { gate.under_way.acquire().await.ok() };
    match dispatch(gate, stream, caller, &envelope).await {
        Reply::Message(bytes) => oneway || write(stream, &bytes).await,
        Reply::Broken => false,
    }
}

/// A page that waits for a change, and a backup, are not under way: they must not hold up a stop. Whatever else says
/// `more` is a call like any other.
fn lasts(envelope: &CallEnvelope<'_>) -> bool {
    let waits = envelope.method == "org.parvis.Hook.State" && !envelope.oneway;
    envelope.more && (waits || envelope.method == "org.parvis.Admin.Backup")
}

async fn dispatch(
    gate: &Arc<Gate>,
    stream: &mut UnixStream,
    caller: &Caller,
    envelope: &CallEnvelope<'_>,
) -> Reply {
    let own = match caller.socket {
        Socket::Hook => parvis_protocol::hook::NAME,
        Socket::Admin => parvis_protocol::admin::NAME,
    };
    match envelope.interface() {
        service::NAME => Reply::Message(introspect(caller.socket, envelope)),
        interface if interface == own => match caller.socket {
            Socket::Hook => hook::call(gate, stream, caller, envelope).await,
            Socket::Admin => admin::call(gate, stream, caller, envelope).await,
        },
        other => {
            // What is said back of a caller's own words is short, so that it always fits a message.
            let interface = other.chars().take(128).collect();
            Reply::Message(error_reply(&service::Failure::InterfaceNotFound { interface }))
        }
    }
}

/// `org.varlink.service`: what this socket speaks.
fn introspect(socket: Socket, envelope: &CallEnvelope<'_>) -> Vec<u8> {
    let (own, text) = match socket {
        Socket::Hook => (parvis_protocol::hook::NAME, INTERFACE_HOOK),
        Socket::Admin => (parvis_protocol::admin::NAME, INTERFACE_ADMIN),
    };
    let call = match service::Call::parse(&envelope.method, envelope.parameters) {
        Ok(call) => call,
        Err(error) => return error_reply(&service::Failure::from(error)),
    };
    match call {
        service::Call::GetInfo => reply(&service::Info {
            vendor: "Parvis".to_owned(),
            product: "parvisd".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            url: "https://parvis.example/".to_owned(),
            interfaces: vec![service::NAME.to_owned(), own.to_owned()],
        }),
        service::Call::GetInterfaceDescription { interface } => match interface.as_str() {
            service::NAME => reply(&service::Description { description: INTERFACE_SERVICE.to_owned() }),
            name if name == own => reply(&service::Description { description: text.to_owned() }),
            _ => error_reply(&service::Failure::InterfaceNotFound { interface }),
        },
    }
}

/// A whole answer.
pub fn reply<T: serde::Serialize>(parameters: &T) -> Vec<u8> {
    parvis_protocol::wire::encode_reply(parameters, false).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to write an answer");
        error_reply(&service::Failure::MethodNotImplemented { method: String::new() })
    })
}

/// What was sent is no call: too long, not JSON, not UTF-8.
fn malformed() -> Vec<u8> {
    error_reply(&service::Failure::InvalidParameter { parameter: "message".to_owned() })
}

/// An error as a whole answer.
pub fn error_reply<T: serde::Serialize>(failure: &T) -> Vec<u8> {
    encode(failure).unwrap_or_default()
}

/// Writes a message; false where the caller does not take it in time.
pub async fn write(stream: &mut UnixStream, bytes: &[u8]) -> bool {
    write_within(ANSWER_TIME, stream, bytes).await
}

/// The same of a piece of a backup: whoever writes it somewhere may have to wait for their disk or their network.
pub async fn write_piece(stream: &mut UnixStream, bytes: &[u8]) -> bool {
    write_within(SILENCE, stream, bytes).await
}

async fn write_within(time: Duration, stream: &mut UnixStream, bytes: &[u8]) -> bool {
    matches!(tokio::time::timeout(time, stream.write_all(bytes)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_piece_of_a_backup_may_be_taken_late_and_an_answer_not() {
        for (patience, piece) in [(ANSWER_TIME, false), (SILENCE, true)] {
            let (mut ours, _theirs) = UnixStream::pair().unwrap();
            let (began, bytes) = (tokio::time::Instant::now(), vec![b'x'; 4 << 20]);
            let taken =
                if piece { write_piece(&mut ours, &bytes).await } else { write(&mut ours, &bytes).await };
            assert!(!taken, "nobody takes it");
            assert_eq!(began.elapsed().as_secs(), patience.as_secs());
        }
    }

    #[test]
    fn only_a_waiting_page_and_a_backup_do_not_hold_up_a_stop() {
        for (call, expected) in [
            (r#"{"method": "org.parvis.Hook.State", "more": true}"#, true),
            (r#"{"method": "org.parvis.Admin.Backup", "more": true}"#, true),
            (r#"{"method": "org.parvis.Hook.State", "more": true, "oneway": true}"#, false),
            (r#"{"method": "org.parvis.Hook.State"}"#, false),
            (r#"{"method": "org.parvis.Hook.Password", "more": true}"#, false),
            (r#"{"method": "org.parvis.Admin.Sweep", "more": true}"#, false),
        ] {
            assert_eq!(lasts(&CallEnvelope::parse(call.as_bytes()).unwrap()), expected, "{call}");
        }
    }
}
