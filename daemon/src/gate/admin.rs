//! The calls of `org.parvis.Admin`: what the sysadmin and the help desk see and do.

use super::Gate;
use super::connection::{Caller, Reply, error_reply, reply, write};
use super::view;
use crate::audit::{self, Chain};
use crate::directory::Found;
use crate::dossier::{Actor, Dossier, Kept, key};
use crate::engine::{Ask, Engine, Failure as EngineFailure, outbox};
use crate::service::health::State;
use crate::store::StoreError;
use crate::words::civil;
use parvis_enrolment::link::Usable;
use parvis_enrolment::{Closure, Enrolment, Event, Id, PersonId, Refusal, Stage};
use parvis_protocol::Role;
use parvis_protocol::admin::{
    AuditExport, AuditExportAnswer, AuditVerifyAnswer, BackupAnswer, Call, Cancel, CancelAnswer, Count,
    Failure, List, ListAnswer, Moment, Part, PartState, Person, Resend, ResendAnswer, ShowAnswer,
    StatusAnswer, Sweep, SweepAnswer, Swept, roles,
};
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
        Call::Status => reply(&status(gate)?),
        Call::List(call) => reply(&list(gate, &call)?),
        Call::Show(call) => reply(&show(gate, &call.person).await?),
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
    let parts: Vec<Part> = gate
        .board
        .parts()
        .into_iter()
        .map(|(name, part)| Part {
            name: name.to_owned(),
            state: match part.state {
                State::Working => PartState::Working,
                State::Degraded => PartState::Degraded,
                State::Down => PartState::Down,
                State::Idle => PartState::Idle,
            },
            since: civil(&settings, part.since),
            detail: part.detail,
        })
        .collect();
    let store = gate.engine.store.as_ref();
    let open = store.scan(b"i", b"j", COUNTED).map_err(unavailable)?.len();
    let mails = outbox::first(store, COUNTED, |_| false).map_err(unavailable)?.len();
    let count = |name: &str, count: usize| Count { name: name.to_owned(), count: count as u64 };
    Ok(StatusAnswer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        since: civil(&settings, gate.since),
        ok: parts.iter().all(|part| matches!(part.state, PartState::Working | PartState::Idle)),
        parts,
        counts: vec![
            count("open enrolments", open),
            count("mails waiting", mails),
            Count { name: "audit records".to_owned(), count: store.head().length },
        ],
        next_sweep: gate.sweeper.next().map(|at| civil(&settings, at)),
    })
}

/// A page of people, in the order of their uuid. Without a state: everybody whose enrolment is open.
fn list(gate: &Gate, call: &List) -> Result<ListAnswer, Failure> {
    let after = call.after.as_deref().map(uuid).transpose()?;
    let limit = usize::try_from(call.limit).unwrap_or(100).clamp(1, 500);
    let only_open = call.state.is_none();
    let (kind, end): (&[u8], &[u8]) = if only_open { (b"i", b"j") } else { (b"p", b"q") };
    let first = |person: PersonId| kind.iter().copied().chain(person.0).chain([0]).collect::<Vec<u8>>();
    let mut from = after.map_or_else(|| kind.to_vec(), first);
    let mut people = Vec::new();
    loop {
        let page = gate.engine.store.scan(&from, end, 256).map_err(unavailable)?;
        let Some((last, _)) = page.last() else { return Ok(ListAnswer { people, more: false }) };
        from = last.iter().copied().chain([0]).collect();
        for person in page.iter().filter_map(|(key, _)| key::person(key)) {
            let Some(dossier) = gate.engine.dossier(person).map_err(failed)? else { continue };
            let row = row(gate, &dossier.enrolment);
            if call.state.as_ref().is_none_or(|state| state == "all" || row.state.starts_with(state.as_str()))
            {
                if people.len() == limit {
                    return Ok(ListAnswer { people, more: true });
                }
                people.push(row);
            }
        }
    }
}

async fn show(gate: &Gate, person: &str) -> Result<ShowAnswer, Failure> {
    let dossier = find(gate, person).await?;
    let settings = gate.engine.settings();
    let now = crate::service::clock::now();
    let timeline = dossier.facts.iter().map(|kept| Moment {
        at: civil(&settings, kept.at),
        what: kept.fact.what.clone(),
        detail: detail(kept),
    });
    let links = dossier.enrolment.links.iter().map(|link| Moment {
        at: civil(&settings, link.made),
        what: view::purpose(link.purpose).as_str().to_owned(),
        detail: format!(
            "{}, {}, {} mails, {}",
            link.address,
            match link.usable(now) {
                Usable::Yes => format!("can be used until {}", civil(&settings, link.deadline)),
                Usable::Expired(at) => format!("expired {}", civil(&settings, at)),
                Usable::Superseded(at) => format!("replaced {}", civil(&settings, at)),
                Usable::Used(at) => format!("used {}", civil(&settings, at)),
            },
            link.mails,
            delivery(&settings, &link.delivery),
        ),
    });
    Ok(ShowAnswer {
        person: row(gate, &dossier.enrolment),
        timeline: timeline.collect(),
        links: links.collect(),
    })
}

fn delivery(settings: &crate::config::Settings, delivery: &parvis_enrolment::Delivery) -> String {
    use parvis_enrolment::Delivery;
    match delivery {
        Delivery::Queued => "the mail waits".to_owned(),
        Delivery::Sent(at) => format!("accepted by the mail server {}", civil(settings, *at)),
        Delivery::Deferred(at, why) => format!("deferred {}: {why}", civil(settings, *at)),
        Delivery::Refused(at, why) => format!("refused {}: {why}", civil(settings, *at)),
    }
}

fn detail(kept: &Kept) -> String {
    let by = match &kept.by {
        Actor::Person(Some(ip)) => format!("by the person, from {ip}"),
        Actor::Person(None) => "by the person".to_owned(),
        Actor::Directory => "by the directory".to_owned(),
        Actor::Mail => "by the mail system".to_owned(),
        Actor::Sweep => "by the sweep".to_owned(),
        Actor::Staff(name) => format!("by {name}"),
    };
    let details: Vec<String> =
        kept.fact.details.iter().map(|(name, text)| format!("{name} {text}")).collect();
    if details.is_empty() { by } else { format!("{}; {by}", details.join(", ")) }
}

async fn resend(gate: &Gate, call: Resend) -> Result<ResendAnswer, Failure> {
    let dossier = find(gate, &call.person).await?;
    let acted = by_staff(gate, dossier.enrolment.person, call.by, Event::AdminResend).await?;
    let live = acted.links.iter().rev().find(|link| link.live(crate::service::clock::now()));
    Ok(ResendAnswer { address: live.map(|link| link.address.clone()).unwrap_or_default() })
}

async fn cancel(gate: &Gate, call: Cancel) -> Result<CancelAnswer, Failure> {
    let dossier = find(gate, &call.person).await?;
    tracing::info!(login = %dossier.enrolment.profile.login, by = %call.by, reason = %call.reason, "an enrolment is cancelled");
    let by = format!("{} ({})", call.by, call.reason);
    by_staff(gate, dossier.enrolment.person, by, Event::AdminCancel).await.map(|_| CancelAnswer {})
}

async fn by_staff(gate: &Gate, person: PersonId, by: String, event: Event) -> Result<Enrolment, Failure> {
    let ask = Ask::new(person, Actor::Staff(by), event);
    gate.engine.act(ask).await.map(|acted| acted.enrolment).map_err(failed)
}

async fn sweep(gate: &Gate, call: Sweep) -> Result<SweepAnswer, Failure> {
    let swept = gate.sweeper.sweep(call.dry).await.map_err(failed)?;
    let swept = swept.into_iter().map(|one| Swept {
        login: one.login,
        uuid: audit::uuid(one.person),
        action: one.action.to_owned(),
        reason: one.reason,
    });
    // A message is at most 64 KiB: what does not fit is counted by the log.
    Ok(SweepAnswer { swept: swept.take(200).collect() })
}

async fn verify(gate: &Gate, anchor: Option<String>) -> Result<AuditVerifyAnswer, Failure> {
    let engine = gate.engine.clone();
    let verdict =
        blocking(move || audit::verify(engine.store.as_ref(), &chain(&engine), anchor.as_deref())).await?;
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
    let exported = blocking(move || audit::export(engine.store.as_ref(), call.after, limit)).await?;
    let head = audit::anchor(&gate.engine.store.head());
    if !exported.more {
        tracing::info!(anchor = %head, "audit anchor, at an export");
    }
    Ok(AuditExportAnswer { lines: exported.lines, next: exported.next, more: exported.more, head })
}

fn chain(engine: &Engine) -> Chain {
    Chain::new(engine.keys.audit())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(unavailable),
        Err(error) => Err(fault(&error.to_string())),
    }
}

/// The backup, piece by piece, as fast as the caller takes it.
async fn backup(gate: &Arc<Gate>, stream: &mut UnixStream) -> Reply {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
    let store = gate.engine.store.clone();
    let writing = tokio::task::spawn_blocking(move || store.backup(&mut Pieces { sender, held: Vec::new() }));
    while let Some(piece) = pieces.recv().await {
        let piece = String::from_utf8_lossy(&piece).into_owned();
        let Ok(bytes) = encode_reply(&BackupAnswer { piece }, true) else { return Reply::Written };
        if !write(stream, &bytes).await {
            return Reply::Written;
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

/// A person, by uuid or by the login that the directory has now; else by the login that we last saw.
async fn find(gate: &Gate, person: &str) -> Result<Dossier, Failure> {
    let nobody = || refused("unknown", format!("nobody is known here as {person:?}"));
    if let Ok(id) = uuid(person) {
        return gate.engine.dossier(id).map_err(failed)?.ok_or_else(nobody);
    }
    match gate.engine.directory().find(person).await {
        Ok(Found::One(entry)) => {
            let id = crate::engine::person(&entry);
            gate.engine.dossier(id).map_err(failed)?.ok_or_else(|| {
                refused("unknown", format!("{person} is in the directory, and has no enrolment here"))
            })
        }
        Ok(Found::Several) => Err(refused("several", format!("several entries have the login {person:?}"))),
        Ok(Found::Nobody) | Err(_) => by_login(gate, person)?.ok_or_else(nobody),
    }
}

fn by_login(gate: &Gate, login: &str) -> Result<Option<Dossier>, Failure> {
    let mut from = b"p".to_vec();
    loop {
        let page = gate.engine.store.scan(&from, b"q", 256).map_err(unavailable)?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        from = last.iter().copied().chain([0]).collect();
        for (key, held) in &page {
            let Some(Ok(dossier)) = key::person(key).map(|id| Dossier::decode(id, &held.value)) else {
                continue;
            };
            if dossier.enrolment.profile.login.eq_ignore_ascii_case(login) {
                return Ok(Some(dossier));
            }
        }
    }
}

fn row(gate: &Gate, enrolment: &Enrolment) -> Person {
    let settings = gate.engine.settings();
    let now = crate::service::clock::now();
    let live = enrolment.links.iter().rev().find(|link| link.live(now));
    let address = enrolment
        .answers()
        .map(|answers| answers.recovery.clone())
        .or_else(|| live.map(|l| l.address.clone()));
    Person {
        login: enrolment.profile.login.clone(),
        uuid: audit::uuid(enrolment.person),
        round: enrolment.round,
        state: state(&settings, enrolment),
        population: enrolment.profile.population.clone(),
        changed: civil(&settings, enrolment.changed),
        deadline: live.map(|link| civil(&settings, link.deadline)),
        address,
    }
}

fn state(settings: &crate::config::Settings, enrolment: &Enrolment) -> String {
    match &enrolment.stage {
        Stage::Unseen => "unseen".to_owned(),
        Stage::Closed { why, .. } => match why {
            Closure::Withdrawn => "closed-withdrawn",
            Closure::Locked => "closed-locked",
            Closure::Gone => "closed-gone",
            Closure::Expired => "closed-expired",
            Closure::Cancelled => "closed-cancelled",
        }
        .to_owned(),
        Stage::Activating { .. } => "activating".to_owned(),
        Stage::Done { drift: Some(_), .. } => "done-drift".to_owned(),
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) | Stage::Done { .. } => {
            let step = enrolment.step(&settings.policy);
            step.map_or_else(|| "no-population".to_owned(), |step| view::step(step).as_str().to_owned())
        }
    }
}

fn uuid(text: &str) -> Result<PersonId, Failure> {
    let id = crate::directory::EntryUuid::parse(text).map(|uuid| Id(uuid.0));
    id.ok_or_else(|| refused("not-a-uuid", format!("{text:?} is no entryUUID")))
}

fn refused(code: &str, message: String) -> Failure {
    Failure::Refused { code: code.to_owned(), message }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: StoreError) -> Failure {
    refused("unavailable", error.to_string())
}

fn fault(why: &str) -> Failure {
    tracing::error!(%why, "a fault");
    Failure::Fault { reference: "in the journal".to_owned() }
}

fn failed(failure: EngineFailure) -> Failure {
    match failure {
        EngineFailure::Refused(refusal) => refused("refused", sentence(&refusal)),
        EngineFailure::Store(error) => unavailable(error),
        EngineFailure::Contended => refused("unavailable", EngineFailure::Contended.to_string()),
        EngineFailure::Unreadable(error) => fault(&error.to_string()),
    }
}

/// Why the rules refuse the staff, in a sysadmin's words.
fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::OutOfOrder(step) => {
            format!("the person is at {}: there is no mail to send", view::step(*step).as_str())
        }
        Refusal::LinkUnknown => "there is no link yet: the person has not given an address".to_owned(),
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
