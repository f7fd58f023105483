//! The calls of `org.parvis.Hook`: who may make them, and which part answers.

use super::connection::{Caller, Reply, error_reply, reply, write};
use super::{Gate, bounce, check, refuse, steps};
use crate::config::Settings;
use crate::dossier::Actor;
use crate::engine::Failure as EngineFailure;
use parvis_protocol::Role;
use parvis_protocol::hook::{Answer, Call, Failure, Method, OfSession, StepAnswer, roles};
use parvis_protocol::wire::{CallEnvelope, encode_reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// A waiting page is answered at each change for so long; then it asks again.
const WATCHED: Duration = Duration::from_secs(1800);
/// One person's pages that wait at once; all of them together have half of the connections.
const FOLLOWERS: usize = 4;
/// One too many is told to ask again after so long.
const FOLLOWER_WAIT: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// A page that waits uses its session: noted this often.
const STILL_HERE: Duration = Duration::from_secs(300);

/// One request: what was asked, by whom, in which language.
pub struct Desk {
    pub gate: Arc<Gate>,
    pub settings: Arc<Settings>,
    /// The language asked for, where it is one of ours.
    pub asked: Option<String>,
    /// The client's address, as the login page says.
    pub ip: Option<String>,
    /// The user of pages that may vouch for nobody.
    pub pages: Option<u32>,
}

/// Why a request is not done.
pub enum Trouble {
    /// The rules, or what stands before them, say no. The person's language, where the person is known.
    Refused(parvis_enrolment::Refusal, Option<String>),
    /// The proof of a person was not accepted.
    SignIn,
    /// The new password is longer than the campus's systems take.
    TooLong,
    /// The directory or the store does not answer; the reason is for the log.
    Unavailable(String),
    /// The directory refuses, and will until somebody mends the configuration; the reason is for the log, the language
    /// the person's.
    Misconfigured(String, Option<String>),
    /// A fault of our own; the reason is for the log.
    Fault(String),
}

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
    let settings = gate.engine.settings();
    let allowed = roles(method).iter().any(|role| caller.roles.contains(role));
    if !allowed || (method == Method::Authenticate && !settings.gate.authenticate) {
        tracing::warn!(uid = caller.uid, call = method.as_str(), "a caller without the role was refused");
        let role = roles(method).iter().map(|role| Role::as_str(*role)).collect::<Vec<_>>().join(" or ");
        return Reply::Message(error_reply(&Failure::NotPermitted {
            call: method.as_str().to_owned(),
            role,
        }));
    }
    let (locale, client) = call.asked_by();
    let desk = Desk {
        gate: gate.clone(),
        asked: locale.and_then(crate::engine::locale),
        ip: client.and_then(|client| client.ip.clone()),
        pages: (!caller.roles.contains(&Role::Sso)).then_some(caller.uid),
        settings,
    };
    match call {
        Call::State(state) if envelope.more && !envelope.oneway => follow(&desk, stream, state).await,
        call => Reply::Message(match answer(&desk, call).await {
            Ok(answer) => reply(&answer),
            Err(trouble) => error_reply(&desk.failure(method, trouble)),
        }),
    }
}

async fn answer(desk: &Desk, call: Call) -> Result<Answer, Trouble> {
    Ok(match call {
        Call::Check(call) => Answer::Check(check::check(desk, call).await?),
        Call::Open(call) => Answer::Step(Box::new(check::open(desk, call).await?)),
        Call::Authenticate(call) => Answer::Step(Box::new(check::authenticate(desk, call).await?)),
        Call::Enter(call) => Answer::Step(Box::new(steps::enter(desk, call).await?)),
        Call::Look(call) => Answer::Look(steps::look(desk, call).await?),
        Call::Redeem(call) => Answer::Step(Box::new(steps::redeem(desk, call).await?)),
        Call::RecoveryAddress(call) => Answer::Step(Box::new(steps::recovery_address(desk, call).await?)),
        Call::Charter(call) => Answer::Step(Box::new(steps::charter(desk, call).await?)),
        Call::Listing(call) => Answer::Step(Box::new(steps::listing(desk, call).await?)),
        Call::Mail(call) => Answer::Step(Box::new(steps::mail(desk, call).await?)),
        Call::Password(call) => Answer::Step(Box::new(super::password::password(desk, call).await?)),
        Call::State(call) => Answer::Step(Box::new(steps::state(desk, &call.session).await?)),
        Call::Resend(call) => Answer::Step(Box::new(steps::resend(desk, &call.session).await?)),
        Call::Restart(call) => Answer::Step(Box::new(steps::restart(desk, &call.session).await?)),
        Call::Bounce(call) => Answer::Bounce(bounce::bounce(desk, &call).await?),
    })
}

/// `state` with `more`: an answer now and at each change, until the caller leaves or the session ends.
async fn follow(desk: &Desk, stream: &mut UnixStream, call: OfSession) -> Reply {
    let failed = |trouble| Reply::Message(error_reply(&desk.failure(Method::State, trouble)));
    let Some(token) = desk.session(&call.session) else {
        return failed(Trouble::Refused(parvis_enrolment::Refusal::SessionUnknown, None));
    };
    let most = desk.settings.gate.connections.div_ceil(2);
    let Some(_turn) = desk.gate.followers.take(token.person, FOLLOWERS, most) else {
        let refusal = parvis_enrolment::Refusal::TooManyAttempts(FOLLOWER_WAIT);
        return failed(Trouble::Refused(refusal, desk.person_locale(token)));
    };
    let mut changes = desk.gate.engine.changes(token.person);
    let end = tokio::time::Instant::now() + WATCHED;
    let mut told: Option<StepAnswer> = None;
    let mut probe = [0; 1];
    loop {
        let now = match steps::state(desk, &call.session).await {
            Ok(now) => now,
            Err(trouble) => return failed(trouble),
        };
        if told.as_ref() != Some(&now) {
            let Ok(bytes) = encode_reply(&Answer::Step(Box::new(now.clone())), true) else {
                return Reply::Broken;
            };
            if !write(stream, &bytes).await {
                return Reply::Broken;
            }
            told = Some(now);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(STILL_HERE) => {}
            () = tokio::time::sleep_until(end) => break,
            // The caller left, or speaks before the answer is complete, which Varlink does not allow.
            _ = stream.read(&mut probe) => return Reply::Broken,
        }
    }
    match told {
        Some(last) => Reply::Message(reply(&Answer::Step(Box::new(last)))),
        None => Reply::Broken,
    }
}

/// What a caller is told who is one too many.
pub fn overloaded(gate: &Gate) -> Vec<u8> {
    let settings = gate.engine.settings();
    error_reply(&Failure::Refused(Box::new(refuse::unavailable(
        &gate.words,
        &settings,
        &settings.campus.locale,
    ))))
}

impl Desk {
    /// Through whom: the person, through a login page.
    pub fn actor(&self) -> Actor {
        Actor::Person(self.ip.clone())
    }

    /// The language to answer in: the one asked for, else the person's, else the campus's.
    pub fn tongue(&self, person: Option<&str>) -> String {
        self.asked
            .clone()
            .or_else(|| person.map(str::to_owned))
            .unwrap_or_else(|| self.settings.campus.locale.clone())
    }

    fn failure(&self, method: Method, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Refused(refusal, person) => {
                let locale = self.tongue(person.as_deref());
                Failure::Refused(Box::new(refuse::refusal(
                    &self.gate.words,
                    &self.settings,
                    &locale,
                    &refusal,
                )))
            }
            Trouble::SignIn => {
                let locale = self.tongue(None);
                Failure::Refused(Box::new(refuse::sign_in(&self.gate.words, &self.settings, &locale)))
            }
            Trouble::TooLong => {
                let locale = self.tongue(None);
                Failure::Refused(Box::new(refuse::too_long(&self.gate.words, &self.settings, &locale)))
            }
            Trouble::Unavailable(why) => {
                tracing::warn!(call = method.as_str(), %why, "a call could not be carried out now");
                let locale = self.tongue(None);
                Failure::Refused(Box::new(refuse::unavailable(&self.gate.words, &self.settings, &locale)))
            }
            Trouble::Misconfigured(why, person) => {
                tracing::error!(call = method.as_str(), %why, "a call cannot be carried out before this is mended");
                let locale = self.tongue(person.as_deref());
                let (words, settings) = (&self.gate.words, &self.settings);
                Failure::Refused(Box::new(refuse::misconfigured(words, settings, &locale)))
            }
            Trouble::Fault(why) => {
                let reference = crate::service::chance::id().to_string();
                let reference = reference.get(..8).unwrap_or_default().to_owned();
                tracing::error!(call = method.as_str(), %reference, %why, "a fault");
                Failure::Fault { reference }
            }
        }
    }
}

/// What the engine could not do, for the caller.
pub fn trouble(failure: EngineFailure, person: Option<String>) -> Trouble {
    match failure {
        EngineFailure::Refused(refusal) => Trouble::Refused(refusal, person),
        EngineFailure::Store(error) => Trouble::Unavailable(error.to_string()),
        EngineFailure::Contended | EngineFailure::Over => Trouble::Unavailable(failure.to_string()),
        EngineFailure::Unreadable(error) => Trouble::Fault(error.to_string()),
    }
}

impl From<crate::directory::DirectoryError> for Trouble {
    fn from(error: crate::directory::DirectoryError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
