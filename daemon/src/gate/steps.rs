//! The steps' calls: tokens are opened, attempts counted, the rules asked, the next step shown.

use super::hook::{Desk, Trouble, trouble};
use super::view;
use crate::engine::keys::{Kind, Token};
use crate::engine::limits::{self, Class, Counted};
use crate::engine::{Acted, Ask, Failure};
use crate::service::clock;
use crate::words::{Value, ago, civil, deadline};
use parvis_enrolment::address::Address;
use parvis_enrolment::link::Usable as Found;
use parvis_enrolment::{Event, Refusal, Request, policy};
use parvis_protocol::Secret;
use parvis_protocol::hook::{
    Charter, Deadline, Enter, Listing, Look, LookAnswer, Mail, RecoveryAddress, Redeem, StepAnswer, Usable,
};

pub async fn enter(desk: &Desk, call: Enter) -> Result<StepAnswer, Trouble> {
    let Some(token) = desk.gate.engine.keys.open(Kind::Ticket, call.ticket.expose()) else {
        return Err(desk.forged(Refusal::TicketUnusable).await);
    };
    go(desk, token, &[], Request::Enter { ticket: token.id }).await
}

pub async fn recovery_address(desk: &Desk, call: RecoveryAddress) -> Result<StepAnswer, Trouble> {
    let token = desk.session(&call.session).ok_or_else(no_session)?;
    let counted = desk.counted_address(token, Some(&call.address));
    let inward = desk.inward(token, Some(&call.address), &counted).await;
    let request = Request::RecoveryAddress { session: token.id, address: call.address, inward };
    go(desk, token, &counted, request).await
}

pub async fn redeem(desk: &Desk, call: Redeem) -> Result<StepAnswer, Trouble> {
    let Some(token) = desk.gate.engine.keys.open(Kind::Link, call.link.expose()) else {
        return Err(desk.forged(Refusal::LinkUnknown).await);
    };
    // A session of another enrolment is as good as none.
    let session = call.session.and_then(|session| desk.session(&session));
    let session = session.filter(|session| session.person == token.person).map(|session| session.id);
    let counted = desk.counted(token, Class::Request);
    go(desk, token, &counted, Request::Redeem { link: token.id, session }).await
}

pub async fn charter(desk: &Desk, call: Charter) -> Result<StepAnswer, Trouble> {
    let token = desk.session(&call.session).ok_or_else(no_session)?;
    let spoken = desk.tongue(desk.person_locale(token).as_deref());
    let locale = shown_in(&desk.settings.policy.charter, call.sha256.as_deref(), spoken);
    let request =
        Request::Charter { session: token.id, version: call.version, accepted: call.accepted, locale };
    go(desk, token, &desk.counted(token, Class::Request), request).await
}

/// The language of the text that was shown: the digest says it, else the call does. Empty where no text in force has
/// that digest: the rules then call the version stale.
fn shown_in(charter: &policy::Charter, digest: Option<&str>, spoken: String) -> String {
    match digest {
        None => spoken,
        Some(digest) if charter.digest(&spoken) == Some(digest) => spoken,
        Some(digest) => {
            let text = charter.texts.iter().find(|(_, known)| known == digest);
            text.map(|(locale, _)| locale.clone()).unwrap_or_default()
        }
    }
}

pub async fn listing(desk: &Desk, call: Listing) -> Result<StepAnswer, Trouble> {
    let token = desk.session(&call.session).ok_or_else(no_session)?;
    let request = Request::Listing { session: token.id, listed: call.listed };
    go(desk, token, &desk.counted(token, Class::Request), request).await
}

pub async fn mail(desk: &Desk, call: Mail) -> Result<StepAnswer, Trouble> {
    let token = desk.session(&call.session).ok_or_else(no_session)?;
    let counted = desk.counted_address(token, call.forward.as_deref());
    let inward = desk.inward(token, call.forward.as_deref(), &counted).await;
    let request =
        Request::Mail { session: token.id, forward: call.forward, inward, keep_copy: call.keep_copy };
    go(desk, token, &counted, request).await
}

pub async fn state(desk: &Desk, session: &Secret) -> Result<StepAnswer, Trouble> {
    let token = desk.session(session).ok_or_else(no_session)?;
    go(desk, token, &[], Request::State { session: token.id }).await
}

pub async fn resend(desk: &Desk, session: &Secret) -> Result<StepAnswer, Trouble> {
    let token = desk.session(session).ok_or_else(no_session)?;
    let address = desk.mailed(token);
    let counted = desk.counted_address(token, address.as_deref());
    go(desk, token, &counted, Request::Resend { session: token.id }).await
}

pub async fn restart(desk: &Desk, session: &Secret) -> Result<StepAnswer, Trouble> {
    let token = desk.session(session).ok_or_else(no_session)?;
    go(desk, token, &desk.counted(token, Class::Request), Request::Restart { session: token.id }).await
}

/// What a link is for and whether it can be used; nothing is written.
pub async fn look(desk: &Desk, call: Look) -> Result<LookAnswer, Trouble> {
    let Some(token) = desk.gate.engine.keys.open(Kind::Link, call.link.expose()) else {
        return match desk.forged(Refusal::LinkUnknown).await {
            Trouble::Refused(Refusal::LinkUnknown, _) => Ok(unknown_link(desk)),
            other => Err(other),
        };
    };
    let dossier = desk.gate.engine.dossier(token.person).map_err(|failure| trouble(failure, None))?;
    let now = clock::now();
    let Some((link, found)) =
        dossier.as_ref().and_then(|d| parvis_enrolment::look(&d.enrolment, token.id, now))
    else {
        return Ok(unknown_link(desk));
    };
    let locale =
        desk.tongue(dossier.as_ref().and_then(|dossier| dossier.enrolment.profile.locale.as_deref()));
    let (words, settings) = (&desk.gate.words, &desk.settings);
    let address = parvis_enrolment::address::masked(&link.address);
    let until = deadline(words, settings, &locale, link.deadline, now);
    let letter = settings.campus.letter_name.get(&locale).cloned().unwrap_or_default();
    let purpose = view::purpose(link.purpose);
    let (usable, name, at) = match found {
        Found::Yes => (Usable::Yes, format!("look-yes-{}", purpose.as_str()), None),
        Found::Expired(at) => (Usable::Expired, "look-expired".to_owned(), Some(at)),
        Found::Superseded(at) => (Usable::Superseded, "look-superseded".to_owned(), Some(at)),
        Found::Used(at) => (Usable::Used, "look-used".to_owned(), Some(at)),
    };
    let at_words = at.map(|at| ago(words, settings, &locale, at, now)).unwrap_or_default();
    let values = [
        ("address", Value::from(address.clone())),
        ("deadline", until.clone().into()),
        ("letter", letter.into()),
        ("at", at_words.into()),
    ];
    Ok(LookAnswer {
        purpose: Some(purpose),
        usable,
        address: Some(address),
        deadline: Some(Deadline { at: civil(settings, link.deadline), words: until }),
        at: at.map(|at| civil(settings, at)),
        message: words.say(&locale, &name, &values),
    })
}

fn unknown_link(desk: &Desk) -> LookAnswer {
    let locale = desk.tongue(None);
    let letter = desk.settings.campus.letter_name.get(&locale).cloned().unwrap_or_default();
    LookAnswer {
        purpose: None,
        usable: Usable::Unknown,
        address: None,
        deadline: None,
        at: None,
        message: desk.gate.words.say(&locale, "look-unknown", &[("letter", letter.into())]),
    }
}

fn no_session() -> Trouble {
    Trouble::Refused(Refusal::SessionUnknown, None)
}

async fn go(desk: &Desk, token: Token, counted: &[Counted], request: Request) -> Result<StepAnswer, Trouble> {
    let acted = desk.ask(token, counted, request).await?;
    // A ticket's or a link's token names no session; a session's names itself.
    let held = acted.enrolment().session(token.id).map(|session| session.id);
    view::step_answer(desk, acted.enrolment(), acted.answer, held)
}

impl Desk {
    /// Puts a request to the rules.
    pub async fn ask(&self, token: Token, counted: &[Counted], request: Request) -> Result<Acted, Trouble> {
        let ask = Ask {
            locale: self.asked.clone(),
            counted: counted.to_vec(),
            ..Ask::new(token.person, self.actor(), Event::Asked(request))
        };
        match self.gate.engine.act(ask).await {
            Ok(acted) => Ok(acted),
            // An address refused by the mail system looks like any other to whoever has no session.
            Err(failure @ Failure::Refused(_)) => Err(trouble(failure, self.person_locale(token))),
            Err(failure) => Err(trouble(failure, None)),
        }
    }

    /// What a session's token opens.
    pub fn session(&self, session: &Secret) -> Option<Token> {
        self.gate.engine.keys.open(Kind::Session, session.expose())
    }

    /// The person's own language, as the directory has it.
    pub fn person_locale(&self, token: Token) -> Option<String> {
        let dossier = self.gate.engine.dossier(token.person).ok().flatten();
        dossier.and_then(|dossier| dossier.enrolment.profile.locale.clone())
    }

    /// Where a mail goes again, where one would go: whoever is told to wait uses up nobody's address.
    fn mailed(&self, token: Token) -> Option<String> {
        let dossier = self.gate.engine.dossier(token.person).ok().flatten()?;
        let enrolment = &dossier.enrolment;
        let purpose = view::waits_for(enrolment.step(&self.settings.policy)?)?;
        let (link, limits, now) = (enrolment.newest(purpose)?, &self.settings.policy.limits, clock::now());
        let ready = link.mailed.checked_add(limits.resend_cooldown).unwrap_or(link.mailed);
        let goes = !link.live(now) || (ready <= now && link.mails < limits.mails_a_link);
        goes.then(|| link.address.clone())
    }

    /// What an attempt by this account counts towards.
    pub fn counted(&self, token: Token, class: Class) -> Vec<Counted> {
        let (keys, rates) = (&self.gate.engine.keys, &self.settings.rates);
        let mut counted = vec![limits::of_account(keys, rates, class, token.person)];
        counted.extend(self.client());
        counted
    }

    /// What counts the client; for pages that name none, the pages themselves. An SSO vouches for people anyway.
    pub fn client(&self) -> Option<Counted> {
        let (keys, rates) = (&self.gate.engine.keys, &self.settings.rates);
        let named = self.ip.as_deref().and_then(limits::client).is_some();
        match self.pages {
            Some(uid) if !named => Some(limits::of_caller(keys, rates, uid)),
            Some(_) | None => limits::of_client(keys, rates, self.ip.as_deref()),
        }
    }

    /// What one by this account counts towards that makes us write to an address.
    fn counted_address(&self, token: Token, address: Option<&str>) -> Vec<Counted> {
        let mut counted = self.counted(token, Class::AddressChange);
        if let Some(Ok(address)) = address.map(Address::parse) {
            let (keys, rates) = (&self.gate.engine.keys, &self.settings.rates);
            counted.extend(limits::of_mail(keys, rates, &address.to_string()));
        }
        counted
    }

    /// A token that is not ours: counted against the client, and refused.
    async fn forged(&self, refusal: Refusal) -> Trouble {
        match self.gate.engine.count(&Vec::from_iter(self.client())).await {
            Ok(None) => Trouble::Refused(refusal, None),
            Ok(Some(wait)) => Trouble::Refused(Refusal::TooManyAttempts(wait), None),
            Err(failure) => trouble(failure, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_says_in_which_language_the_charter_was_read() {
        let texts = [("fr", "aa"), ("en", "bb"), ("oc", "bb")].map(|(l, d)| (l.to_owned(), d.to_owned()));
        let charter = policy::Charter { version: "1".to_owned(), texts: texts.to_vec() };
        for (digest, spoken, shown) in [
            (None, "fr", "fr"),
            (Some("bb"), "fr", "en"),
            (Some("bb"), "oc", "oc"),
            (Some("aa"), "en", "fr"),
            (Some("cc"), "fr", ""),
            (Some(""), "fr", ""),
        ] {
            assert_eq!(shown_in(&charter, digest, spoken.to_owned()), shown, "{digest:?} {spoken}");
        }
        assert_eq!(charter.digest(""), None);
    }
}
