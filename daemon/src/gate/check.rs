//! Before the steps: whether a login may pass, and how a person who must be activated comes in.
//!
//! `check` reads the directory, never a cache: the directory is the gate. For an active person it is one search and
//! nothing else.

use super::hook::{Desk, Trouble, trouble};
use super::view;
use crate::config::Unknown;
use crate::directory::{BindOutcome, Entry, Found, Standing};
use crate::engine::keys::{Kind, Token};
use crate::engine::limits::{self, Class, Counted};
use crate::engine::{Acted, Ask, Failure, person, sighting};
use crate::words::civil;
use parvis_enrolment::{Answer, Event, Refusal, Request};
use parvis_protocol::Secret;
use parvis_protocol::hook::{Authenticate, Check, CheckAnswer, Open, Status, StepAnswer};
use secrecy::SecretString;

/// Whether this login may pass.
pub async fn check(desk: &Desk, call: Check) -> Result<CheckAnswer, Trouble> {
    if !call.authenticated {
        return Ok(no(desk, Status::Unknown, "check-unproven", None));
    }
    let directory = desk.gate.engine.directory();
    let entry = match directory.find(&call.login).await? {
        Found::One(entry) => entry,
        Found::Nobody => return Ok(unknown(desk, &call.login)),
        Found::Several(entries) => {
            tracing::error!(login = %call.login, ?entries, "several entries have this login; it is refused");
            return Ok(no(desk, Status::Unknown, "check-several", None));
        }
    };
    match directory.standing(&entry) {
        Standing::Active => Ok(pass(Status::Active)),
        Standing::Locked => {
            Ok(no(desk, Status::Locked, "check-locked", entry_locale(desk, &entry).as_deref()))
        }
        Standing::Unknown => {
            Ok(no(desk, Status::Unknown, "check-several", entry_locale(desk, &entry).as_deref()))
        }
        Standing::Provisional => admit(desk, &entry, call.return_to).await,
    }
}

/// A provisional person: never through, but with a way in.
async fn admit(desk: &Desk, entry: &Entry, return_to: Option<String>) -> Result<CheckAnswer, Trouble> {
    let return_to = desk.settings.return_to(return_to);
    match arrive(desk, entry, Request::Admit { return_to }).await {
        Ok(acted) => {
            let Answer::Ticket(id) = acted.answer else {
                return Err(Trouble::Fault("the rules gave no ticket".to_owned()));
            };
            let token = Token { person: person(entry), id };
            let ticket = desk.gate.engine.keys.token(Kind::Ticket, token);
            let url = format!("{}/enter/{}", desk.settings.base_url(), *ticket);
            let locale = desk.tongue(acted.enrolment().profile.locale.as_deref());
            let deadline = acted.enrolment().newest(parvis_enrolment::Purpose::Recovery);
            let live = deadline.filter(|link| link.live(crate::service::clock::now()));
            Ok(CheckAnswer {
                allow: false,
                status: Status::NeedsActivation,
                url: Some(Secret::new(url)),
                message: Some(desk.gate.words.say(&locale, "check-activate", &[])),
                deadline: live.map(|link| civil(&desk.settings, link.deadline)),
            })
        }
        Err(Failure::Refused(Refusal::NoPopulation)) => {
            let login = entry.first(&desk.settings.attributes.login).unwrap_or_default();
            tracing::warn!(%login, "a provisional person is in no population of the configuration");
            Ok(no(desk, Status::NeedsActivation, "check-no-population", entry_locale(desk, entry).as_deref()))
        }
        Err(Failure::Refused(Refusal::TooManyAttempts(time))) => {
            let locale = desk.tongue(entry_locale(desk, entry).as_deref());
            let wait = crate::words::wait(&desk.gate.words, &locale, time);
            let message = desk.gate.words.say(&locale, "check-wait", &[("wait", wait.into())]);
            Ok(CheckAnswer {
                message: Some(message),
                ..no(desk, Status::NeedsActivation, "check-activate", None)
            })
        }
        Err(failure) => Err(trouble(failure, None)),
    }
}

/// `open`: the SSO has proven the person and draws the steps itself.
pub async fn open(desk: &Desk, call: Open) -> Result<StepAnswer, Trouble> {
    let entry = match desk.gate.engine.directory().find(&call.login).await? {
        Found::One(entry) => entry,
        Found::Nobody => return Err(Trouble::Refused(Refusal::AccountGone, None)),
        Found::Several(entries) => {
            tracing::error!(login = %call.login, ?entries, "several entries have this login; it is refused");
            return Err(Trouble::Refused(Refusal::NoPopulation, None));
        }
    };
    sign_in(desk, &entry, call.return_to).await
}

/// `authenticate`: the daemon proves the person by a bind. Whatever is wrong, one text and one timing.
pub async fn authenticate(desk: &Desk, call: Authenticate) -> Result<StepAnswer, Trouble> {
    let (engine, rates) = (&desk.gate.engine, &desk.settings.rates);
    let directory = engine.directory();
    let found = match directory.find(&call.login).await? {
        Found::One(entry) => Some(entry),
        Found::Nobody => None,
        Found::Several(entries) => {
            tracing::error!(login = %call.login, ?entries, "several entries have this login; it is refused");
            None
        }
    };
    // By login and by entry: a directory takes many spellings for one, and the limit must not tell which entries there
    // are. Apart from the sign-ins that succeed, so that whoever guesses here keeps nobody from the login page.
    let entry = found.as_ref().map(|entry| entry.uuid.to_string());
    let counted: Vec<Counted> = std::iter::once(call.login.clone())
        .chain(entry)
        .map(|whose| limits::of_login(&engine.keys, rates, &whose))
        .chain(desk.client())
        .collect();
    let waiting = engine.count(&counted).await.map_err(|failure| trouble(failure, None))?;
    if let Some(time) = waiting {
        return Err(Trouble::Refused(Refusal::TooManyAttempts(time), None));
    }
    let provisional = found.filter(|entry| directory.standing(entry) == Standing::Provisional);
    let password = SecretString::from(call.password.into_exposed());
    let dn = provisional.as_ref().map(|entry| entry.dn.as_str());
    match (directory.authenticate(dn, &password).await?, provisional) {
        (BindOutcome::Accepted { .. }, Some(entry)) => sign_in(desk, &entry, call.return_to).await,
        (BindOutcome::Accepted { .. }, None)
        | (BindOutcome::Refused | BindOutcome::Locked | BindOutcome::Expired, _) => Err(Trouble::SignIn),
    }
}

async fn sign_in(desk: &Desk, entry: &Entry, return_to: Option<String>) -> Result<StepAnswer, Trouble> {
    match desk.gate.engine.directory().standing(entry) {
        Standing::Provisional => {}
        Standing::Locked => return Err(Trouble::Refused(Refusal::AccountLocked, entry_locale(desk, entry))),
        Standing::Active => return Err(Trouble::Refused(Refusal::NotProvisional, entry_locale(desk, entry))),
        Standing::Unknown => return Err(Trouble::Refused(Refusal::NoPopulation, entry_locale(desk, entry))),
    }
    let return_to = desk.settings.return_to(return_to);
    let locale = entry_locale(desk, entry);
    let acted = arrive(desk, entry, Request::Open { return_to }).await.map_err(|f| trouble(f, locale))?;
    view::step_answer(desk, acted.enrolment(), acted.answer, None)
}

/// The sighting of the entry and the request on it, in one commit.
async fn arrive(desk: &Desk, entry: &Entry, request: Request) -> Result<Acted, Failure> {
    let engine = &desk.gate.engine;
    let id = person(entry);
    let seen = sighting(&desk.settings, &engine.directory(), entry, true);
    let counted = vec![limits::of_account(&engine.keys, &desk.settings.rates, Class::SignIn, id)];
    let events = vec![Event::Sighted(seen), Event::Asked(request)];
    engine.act(Ask { locale: desk.asked.clone(), counted, ..Ask::of(id, desk.actor(), events) }).await
}

/// A login that the directory does not have.
fn unknown(desk: &Desk, login: &str) -> CheckAnswer {
    let settings = &desk.settings;
    let listed = settings.pass.iter().any(|pattern| matches(pattern, login));
    if settings.unknown == Unknown::Pass || listed {
        return pass(Status::Unknown);
    }
    no(desk, Status::Unknown, "check-unknown", None)
}

fn pass(status: Status) -> CheckAnswer {
    CheckAnswer { allow: true, status, url: None, message: None, deadline: None }
}

fn no(desk: &Desk, status: Status, name: &str, person: Option<&str>) -> CheckAnswer {
    let help = desk.settings.campus.help_address.clone();
    let message = desk.gate.words.say(&desk.tongue(person), name, &[("help", help.into())]);
    CheckAnswer { allow: false, status, url: None, message: Some(message), deadline: None }
}

fn entry_locale(desk: &Desk, entry: &Entry) -> Option<String> {
    entry.first(&desk.settings.attributes.locale).and_then(crate::engine::locale)
}

/// Whether a login is like a pattern with `*` for any characters; case does not matter.
fn matches(pattern: &str, login: &str) -> bool {
    let (pattern, login) = (pattern.to_lowercase(), login.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = login.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, login) in [
            ("root", "root"),
            ("adm-*", "ADM-jeanne"),
            ("*@autre.example", "a@autre.example"),
            ("a*b*c", "a1b2b3c"),
            ("*", ""),
        ] {
            assert!(matches(pattern, login), "{pattern} {login}");
        }
        for (pattern, login) in
            [("root", "toor"), ("root", "rootx"), ("adm-*", "jeanne"), ("a*b*c", "acb"), ("a*a", "a")]
        {
            assert!(!matches(pattern, login), "{pattern} {login}");
        }
    }
}
