//! The calls of `org.parvis.Admin`: what the sysadmin and the help desk see and do.

use super::connection::{Caller, Reply, error_reply, reply, write_piece};
use super::{Gate, people, view};
use crate::audit::{self, Chain};
use crate::dossier::Actor;
use crate::engine::{Acted, Ask, Engine, Failure as EngineFailure, look_again, outbox};
use crate::service::health::State;
use crate::store::StoreError;
use crate::words::civil;
use parvis_enrolment::{Enrolment, Event, PersonId, Refusal};
use parvis_protocol::Role;
use parvis_protocol::admin::{
    AuditExport, AuditExportAnswer, AuditVerifyAnswer, BackupAnswer, Call, Cancel, CancelAnswer, Count,
    Failure, Part, PartState, Resend, ResendAnswer, StatusAnswer, Sweep, SweepAnswer, Swept, roles,
};
use parvis_protocol::limits::MESSAGE_MAX;
use parvis_protocol::wire::{CallEnvelope, encode_reply};
use std::sync::Arc;
use tokio::net::UnixStream;

/// The most open enrolments that are counted one by one.
const COUNTED: usize = 100_000;

/// Carries out a call, or says who may.
pub async fn call(
    gate: &Arc<Gate>,
    stream: &mut UnixStream,
    caller: &Caller,
    envelope: &CallEnvelope<'_>,
) -> Reply {
    let call = match Call::parse(&envelope.method, envelope.parameters) {
        Ok(call) => call,
        Err(error) => return Reply::Message(error_reply(&parvis_protocol::service::Failure::from(error))),
    };
    let method = call.method();
    if !roles(method).iter().any(|role| caller.roles.contains(role)) {
        tracing::warn!(uid = caller.uid, call = method.as_str(), "a caller without the role was refused");
        let role = Role::Admin.as_str().to_owned();
        return Reply::Message(error_reply(&Failure::NotPermitted {
            call: method.as_str().to_owned(),
            role,
        }));
    }
    match call {
        Call::Backup if envelope.more => backup(gate, stream).await,
        call => Reply::Message(match answer(gate, call).await {
            Ok(bytes) => bytes,
            Err(failure) => error_reply(&failure),
        }),
    }
}

async fn answer(gate: &Arc<Gate>, call: Call) -> Result<Vec<u8>, Failure> {
    Ok(match call {
        Call::Status => {
            let gate = gate.clone();
            reply(&blocking(move || status(&gate)).await?)
        }
        Call::List(call) => {
            let engine = gate.engine.clone();
            reply(&blocking(move || people::list(&engine, &call)).await?)
        }
        Call::Show(call) => reply(&people::show(&gate.engine, &call.person).await?),
        Call::Answers(call) => reply(&people::answers(&gate.engine, &call.person).await?),
        Call::Resend(call) => reply(&resend(gate, call).await?),
        Call::Cancel(call) => reply(&cancel(gate, call).await?),
        Call::Sweep(call) => reply(&sweep(gate, call).await?),
        Call::AuditVerify(call) => reply(&verify(gate, call.anchor).await?),
        Call::AuditExport(call) => reply(&export(gate, call).await?),
        Call::Backup => error_reply(&parvis_protocol::service::Failure::ExpectedMore {}),
    })
}

fn status(gate: &Gate) -> Result<StatusAnswer, Failure> {
    let settings = gate.engine.settings();
    let store = gate.engine.store.as_ref();
    // As it is now: it is looked at by itself every other second only.
    gate.board.set_store(&store.health());
    let parts = gate.board.parts();
    // While it was never reached, nobody can say that it works.
    let reached = !parts.iter().any(|(name, part)| *name == "directory" && part.state == State::Beginning);
    let parts: Vec<Part> = parts
        .into_iter()
        .map(|(name, part)| Part {
            name: name.to_owned(),
            state: match part.state {
                State::Working => PartState::Working,
                State::Degraded => PartState::Degraded,
                State::Down => PartState::Down,
                State::Idle | State::Beginning => PartState::Idle,
            },
            since: civil(&settings, part.since),
            detail: part.detail,
        })
        .collect();
    let open = store.scan(b"i", b"j", COUNTED).map_err(unavailable)?.len();
    let mails = outbox::first(store, COUNTED).map_err(unavailable)?.len();
    let count = |name: &str, count: usize| Count { name: name.to_owned(), count: count as u64 };
    Ok(StatusAnswer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        since: civil(&settings, gate.since),
        ok: reached && parts.iter().all(|part| matches!(part.state, PartState::Working | PartState::Idle)),
        parts,
        counts: vec![
            count("open enrolments", open),
            count("mails waiting", mails),
            Count { name: "audit records".to_owned(), count: store.head().length },
        ],
        next_sweep: gate.sweeper.next().map(|at| civil(&settings, at)),
    })
}

async fn resend(gate: &Arc<Gate>, call: Resend) -> Result<ResendAnswer, Failure> {
    let before = people::find(&gate.engine, &call.person).await?;
    let person = before.enrolment.person;
    // The address may have been corrected a moment ago, and the watch be slow.
    look_again(&gate.engine, person).await;
    let seen = gate.engine.dossier(person).map_err(failed)?;
    let invited = seen.filter(|seen| mails(&seen.enrolment) > mails(&before.enrolment));
    let answer = |enrolment: &Enrolment| {
        let live = enrolment.links.iter().rev().find(|link| link.live(crate::service::clock::now()));
        ResendAnswer { address: live.map(|link| link.address.clone()).unwrap_or_default() }
    };
    if let Some(invited) = invited {
        // What the directory says by now has sent one already.
        return Ok(answer(&invited.enrolment));
    }
    let acted = by_staff(gate, person, call.by, Event::AdminResend).await?;
    Ok(answer(acted.enrolment()))
}

/// How many mails its links had.
fn mails(enrolment: &Enrolment) -> u32 {
    enrolment.links.iter().map(|link| link.mails).sum()
}

async fn cancel(gate: &Arc<Gate>, call: Cancel) -> Result<CancelAnswer, Failure> {
    let dossier = people::find(&gate.engine, &call.person).await?;
    tracing::info!(login = %dossier.enrolment.profile.login, by = %call.by, reason = %call.reason, "an enrolment is cancelled");
    let by = format!("{} ({})", call.by, call.reason);
    by_staff(gate, dossier.enrolment.person, by, Event::AdminCancel).await.map(|_| CancelAnswer {})
}

async fn by_staff(gate: &Gate, person: PersonId, by: String, event: Event) -> Result<Acted, Failure> {
    let ask = Ask::new(person, Actor::Staff(by), event);
    gate.engine.act(ask).await.map_err(failed)
}

async fn sweep(gate: &Gate, call: Sweep) -> Result<SweepAnswer, Failure> {
    let swept = gate.sweeper.sweep(call.dry).await.map_err(failed)?;
    let all = swept.len();
    let swept = swept.into_iter().map(|one| Swept {
        login: one.login,
        uuid: audit::uuid(one.person),
        action: one.action.to_owned(),
        reason: one.reason,
    });
    let mut room = ROOM;
    let swept: Vec<Swept> = swept.take_while(|one| fits(one, &mut room)).collect();
    let left_out = (all - swept.len()) as u64;
    Ok(SweepAnswer { swept, left_out })
}

/// Whether an item still goes into an answer, and if so, what room is left after it.
pub fn fits<T: serde::Serialize>(item: &T, room: &mut usize) -> bool {
    let size = serde_json::to_vec(item).map_or(usize::MAX, |text| text.len() + 1);
    let left = room.checked_sub(size);
    *room = left.unwrap_or(*room);
    left.is_some()
}

async fn verify(gate: &Gate, anchor: Option<String>) -> Result<AuditVerifyAnswer, Failure> {
    let engine = gate.engine.clone();
    let verdict = blocking(move || {
        audit::verify(engine.store.as_ref(), &chain(&engine), anchor.as_deref()).map_err(unavailable)
    })
    .await?;
    Ok(AuditVerifyAnswer {
        ok: verdict.faults.is_empty(),
        length: verdict.length,
        head: verdict.head,
        faults: verdict.faults,
    })
}

async fn export(gate: &Gate, call: AuditExport) -> Result<AuditExportAnswer, Failure> {
    let engine = gate.engine.clone();
    let limit = usize::try_from(call.limit).unwrap_or(64).clamp(1, 64);
    let exported =
        blocking(move || audit::export(engine.store.as_ref(), call.after, limit).map_err(unavailable))
            .await?;
    let head = audit::anchor(&gate.engine.store.head());
    if !exported.more {
        tracing::info!(anchor = %head, "audit anchor, at an export");
    }
    Ok(AuditExportAnswer { lines: exported.lines, next: exported.next, more: exported.more, head })
}

fn chain(engine: &Engine) -> Chain {
    Chain::new(engine.keys.audit())
}

/// Work that reads much of the store, in a thread of its own.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(fault(&error.to_string())))
}

/// The backup, piece by piece, as fast as the caller takes it.
async fn backup(gate: &Arc<Gate>, stream: &mut UnixStream) -> Reply {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
    let store = gate.engine.store.clone();
    let writing = tokio::task::spawn_blocking(move || store.backup(&mut Pieces { sender, held: Vec::new() }));
    while let Some(piece) = pieces.recv().await {
        let piece = String::from_utf8_lossy(&piece).into_owned();
        let Ok(bytes) = encode_reply(&BackupAnswer { piece }, true) else { return Reply::Broken };
        if !write_piece(stream, &bytes).await {
            tracing::warn!(
                "a backup was not taken to its end: whoever asked for it is gone, or stopped reading"
            );
            return Reply::Broken;
        }
    }
    match writing.await {
        Ok(Ok(())) => Reply::Message(reply(&BackupAnswer { piece: String::new() })),
        Ok(Err(error)) => Reply::Message(error_reply(&fault(&error.to_string()))),
        Err(error) => Reply::Message(error_reply(&fault(&error.to_string()))),
    }
}

/// Cuts what is written into pieces that fit a message; ASCII, as a backup is JSON with base64.
struct Pieces {
    sender: tokio::sync::mpsc::Sender<Vec<u8>>,
    held: Vec<u8>,
}

/// What the lists of an answer may take together: a message without its envelope and the other fields.
pub const ROOM: usize = MESSAGE_MAX - 4 * 1024;
/// Half a message, so that escapes have room.
const PIECE: usize = 24 * 1024;

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.held.extend_from_slice(bytes);
        while self.held.len() >= PIECE {
            let rest = self.held.split_off(PIECE);
            let piece = std::mem::replace(&mut self.held, rest);
            self.sender.blocking_send(piece).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let last = std::mem::take(&mut self.held);
        if !last.is_empty() {
            let _ = self.sender.blocking_send(last);
        }
    }
}

pub fn refused(code: &str, message: String) -> Failure {
    Failure::Refused { code: code.to_owned(), message }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn unavailable(error: StoreError) -> Failure {
    refused("unavailable", error.to_string())
}

fn fault(why: &str) -> Failure {
    tracing::error!(%why, "a fault");
    Failure::Fault { reference: "in the journal".to_owned() }
}

pub fn failed(failure: EngineFailure) -> Failure {
    match failure {
        EngineFailure::Refused(refusal) => refused("refused", sentence(&refusal)),
        EngineFailure::Store(error) => unavailable(error),
        EngineFailure::Contended | EngineFailure::Over => refused("unavailable", failure.to_string()),
        EngineFailure::Unreadable(error) => fault(&error.to_string()),
    }
}

/// Why the rules refuse the staff, in a sysadmin's words.
fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::OutOfOrder(step) => {
            format!("the person is at {}: there is no mail to send", view::step(*step).as_str())
        }
        Refusal::LinkUnknown => {
            "there is no mail to send: the person gives an address on the page, and the directory has none, \
             or their population is not invited"
                .to_owned()
        }
        Refusal::LinkUsed(at) => format!("the link was used at {at}"),
        Refusal::SessionExpired(_) | Refusal::SessionUnknown => "the enrolment is closed".to_owned(),
        Refusal::NotProvisional => "the account is not provisional".to_owned(),
        Refusal::AccountLocked => "the account is locked".to_owned(),
        Refusal::AccountGone => "the account is gone".to_owned(),
        Refusal::NoPopulation => "the person is in no population of the configuration".to_owned(),
        Refusal::Busy => "the directory is being written at this moment".to_owned(),
        other => format!("refused: {other:?}"),
    }
}
