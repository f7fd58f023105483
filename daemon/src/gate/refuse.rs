//! From a refusal of the rules to one of the contract, in words that the person can act on.

use crate::config::Settings;
use crate::service::clock;
use crate::words::{Value, Words, ago, civil, wait};
use jiff::Timestamp;
use parvis_enrolment::Refusal;
use parvis_enrolment::address::AddressFault;
use parvis_enrolment::refusal::{Field, PasswordFault};
use parvis_protocol::hook::{self, RefusalCode, Then};

/// How long to wait for something that the person does elsewhere, in seconds.
const POLL: u32 = 5;

/// The contract's refusal.
pub fn refusal(words: &Words, settings: &Settings, locale: &str, refusal: &Refusal) -> hook::Refusal {
    let teller = Teller { words, settings, locale };
    match refusal {
        Refusal::AddressInvalid(field, fault) => {
            teller.at(*field, RefusalCode::AddressInvalid, invalid(*fault))
        }
        Refusal::AddressOwnDomain(field) => {
            teller.at(*field, RefusalCode::AddressOwnDomain, "refusal-address-own-domain")
        }
        Refusal::AddressRefused(field) => {
            teller.at(*field, RefusalCode::AddressRefused, "refusal-address-refused")
        }
        Refusal::LinkUnknown => teller.sign_in(RefusalCode::LinkUnknown, None),
        Refusal::LinkExpired(at) => teller.sign_in(RefusalCode::LinkExpired, Some(*at)),
        Refusal::LinkSuperseded(at) => teller.sign_in(RefusalCode::LinkSuperseded, Some(*at)),
        Refusal::LinkUsed(at) => teller.sign_in(RefusalCode::LinkUsed, Some(*at)),
        Refusal::TicketUnusable => teller.sign_in(RefusalCode::TicketUnusable, None),
        Refusal::SessionUnknown => teller.sign_in(RefusalCode::SessionUnknown, None),
        Refusal::SessionExpired(at) => teller.sign_in(RefusalCode::SessionExpired, Some(*at)),
        Refusal::OutOfOrder(step) => hook::Refusal {
            step: Some(super::view::step(*step)),
            ..teller.plain(RefusalCode::OutOfOrder, Then::Correct)
        },
        Refusal::CharterRequired => teller.field("accepted", RefusalCode::CharterRequired),
        Refusal::CharterVersionStale => teller.field("version", RefusalCode::CharterVersionStale),
        Refusal::ListingRequired => teller.field("listed", RefusalCode::ListingRequired),
        Refusal::ForwardRequired => teller.field("forward", RefusalCode::ForwardRequired),
        Refusal::ForwardLoop => teller.field("forward", RefusalCode::ForwardLoop),
        Refusal::ForwardUnconfirmed => hook::Refusal {
            retry_after: Some(POLL),
            ..teller.plain(RefusalCode::ForwardUnconfirmed, Then::Wait)
        },
        Refusal::Password(fault) => teller.field("password", password(*fault)),
        Refusal::NotProvisional => teller.sign_in(RefusalCode::NotProvisional, None),
        Refusal::NoPopulation => teller.contact(RefusalCode::NotProvisional, "refusal-no-population"),
        Refusal::AccountLocked => teller.contact(RefusalCode::AccountLocked, "refusal-account-locked"),
        Refusal::AccountGone => teller.contact(RefusalCode::AccountGone, "refusal-account-gone"),
        Refusal::TooManyAttempts(time) => {
            let time_words = wait(words, locale, *time);
            let message = words.say(locale, "refusal-too-many-attempts", &[("wait", time_words.into())]);
            teller.later(RefusalCode::TooManyAttempts, message, seconds(*time))
        }
        Refusal::Busy => teller.later(RefusalCode::Unavailable, words.say(locale, "refusal-busy", &[]), 2),
    }
}

/// The directory or the store does not answer.
pub fn unavailable(words: &Words, settings: &Settings, locale: &str) -> hook::Refusal {
    Teller { words, settings, locale }.later(
        RefusalCode::Unavailable,
        words.say(locale, "refusal-unavailable", &[]),
        60,
    )
}

/// The directory will not, today or tomorrow.
pub fn misconfigured(words: &Words, settings: &Settings, locale: &str) -> hook::Refusal {
    Teller { words, settings, locale }.contact(RefusalCode::Unavailable, "refusal-misconfigured")
}

/// Unknown, active, locked or a wrong password: one text.
pub fn sign_in(words: &Words, settings: &Settings, locale: &str) -> hook::Refusal {
    let teller = Teller { words, settings, locale };
    let refusal = teller.plain(RefusalCode::SignInRefused, Then::Correct);
    hook::Refusal { field: Some("password".to_owned()), lost_letter: teller.lost_letter(), ..refusal }
}

/// A password that is longer than the campus's systems take: the contract has no code of its own for it.
pub fn too_long(words: &Words, settings: &Settings, locale: &str) -> hook::Refusal {
    let maximum = i64::try_from(settings.password.maximum).unwrap_or(i64::MAX);
    let message = words.say(locale, "refusal-password-too-long", &[("maximum", maximum.into())]);
    let teller = Teller { words, settings, locale };
    let refusal = hook::Refusal::new(RefusalCode::PasswordRefused, Then::Correct, message);
    hook::Refusal { field: Some("password".to_owned()), help: Some(teller.help()), ..refusal }
}

struct Teller<'a> {
    words: &'a Words,
    settings: &'a Settings,
    locale: &'a str,
}

impl Teller<'_> {
    fn plain(&self, code: RefusalCode, then: Then) -> hook::Refusal {
        self.with(code, then, &format!("refusal-{}", code.as_str()), None)
    }

    fn with(&self, code: RefusalCode, then: Then, name: &str, at: Option<Timestamp>) -> hook::Refusal {
        let letter = self.settings.campus.letter_name.get(self.locale).cloned().unwrap_or_default();
        let minimum = i64::try_from(self.settings.password.minimum).unwrap_or(i64::MAX);
        let mut values =
            vec![("letter", Value::from(letter)), ("help", self.help().into()), ("minimum", minimum.into())];
        if let Some(at) = at {
            values.push(("at", ago(self.words, self.settings, self.locale, at, clock::now()).into()));
        }
        hook::Refusal {
            help: Some(self.help()),
            at: at.map(|at| civil(self.settings, at)),
            ..hook::Refusal::new(code, then, self.words.say(self.locale, name, &values))
        }
    }

    fn at(&self, field: Field, code: RefusalCode, name: &str) -> hook::Refusal {
        let field = match field {
            Field::Address => "address",
            Field::Forward => "forward",
        };
        hook::Refusal { field: Some(field.to_owned()), ..self.with(code, Then::Correct, name, None) }
    }

    fn field(&self, field: &str, code: RefusalCode) -> hook::Refusal {
        hook::Refusal { field: Some(field.to_owned()), ..self.plain(code, Then::Correct) }
    }

    fn sign_in(&self, code: RefusalCode, at: Option<Timestamp>) -> hook::Refusal {
        let refusal = self.with(code, Then::SignIn, &format!("refusal-{}", code.as_str()), at);
        hook::Refusal {
            sign_in_url: Some(self.settings.sign_in_url().to_owned()),
            lost_letter: self.lost_letter(),
            ..refusal
        }
    }

    fn contact(&self, code: RefusalCode, name: &str) -> hook::Refusal {
        hook::Refusal { lost_letter: self.lost_letter(), ..self.with(code, Then::Contact, name, None) }
    }

    fn later(&self, code: RefusalCode, message: String, seconds: u32) -> hook::Refusal {
        let refusal = hook::Refusal::new(code, Then::Wait, message);
        hook::Refusal { retry_after: Some(seconds), help: Some(self.help()), ..refusal }
    }

    fn lost_letter(&self) -> Option<String> {
        self.settings.campus.lost_letter.get(self.locale).cloned()
    }

    fn help(&self) -> String {
        self.settings.campus.help_address.clone()
    }
}

fn invalid(fault: AddressFault) -> &'static str {
    match fault {
        AddressFault::Empty => "refusal-address-empty",
        AddressFault::TooLong => "refusal-address-too-long",
        AddressFault::Invisible => "refusal-address-invisible",
        AddressFault::Malformed => "refusal-address-malformed",
    }
}

fn password(fault: PasswordFault) -> RefusalCode {
    match fault {
        PasswordFault::TooShort => RefusalCode::PasswordTooShort,
        PasswordFault::TooSimple => RefusalCode::PasswordTooSimple,
        PasswordFault::ContainsIdentity => RefusalCode::PasswordContainsIdentity,
        PasswordFault::Breached => RefusalCode::PasswordBreached,
        PasswordFault::Reused => RefusalCode::PasswordReused,
        PasswordFault::Refused => RefusalCode::PasswordRefused,
    }
}

fn seconds(time: jiff::SignedDuration) -> u32 {
    u32::try_from(time.as_secs().max(0)).unwrap_or(u32::MAX).saturating_add(1)
}
