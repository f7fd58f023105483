//! From a mail order to the words and bytes that are sent.
//!
//! The link's token is derived here, while the message is built, and is nowhere else.

use super::night;
use crate::config::Security as Wanted;
use crate::config::{MailSettings, Settings};
use crate::engine::Engine;
use crate::engine::keys::{Kind, Token};
use crate::engine::outbox::{ReportOrder, message_id};
use crate::engine::returned;
use crate::mail::{
    Address, Campus, ComposeError, Composed, Letter, Locale, MailName, Person, Relay, RelayFault,
    RelaySettings, Security, Sender, Templates, Transcript, Values, compose,
};
use crate::service::clock;
use crate::words::{Words, deadline};
use jiff::Timestamp;
use parvis_enrolment::{Enrolment, Id, MailKind, MailOrder, Step};
use std::time::Duration;

/// Everything that a message is made of.
pub struct Post {
    templates: Templates,
    words: Words,
}

/// Why there is no message. The words are for the log, and hold no link.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The person's address cannot stand in one.
    #[error(transparent)]
    Address(ComposeError),
    /// Nothing that the person could mend: a template, the sender.
    #[error("a mail cannot be written: {0}")]
    Ours(String),
}

impl Post {
    /// The templates in force; a broken override is not used, and is reported when it would be.
    pub fn new(templates: Templates) -> Self {
        Self { templates, words: Words::shipped() }
    }

    /// The message to a person, or why there is none; `page` is the language of the page on which it was ordered.
    pub fn compose(
        &self,
        engine: &Engine,
        (enrolment, order, page): (&Enrolment, &MailOrder, Option<&str>),
        ordered: Timestamp,
    ) -> Result<Composed, Unwritten> {
        let settings = engine.settings();
        // The person's own language, else the page's, else the campus's.
        let locale = spoken(&settings, enrolment.profile.locale.as_deref().or(page));
        let values = self.values(engine, &settings, (enrolment, order), locale);
        let path = settings.mail.bounces.as_ref();
        let return_path =
            path.map(|path| path.of(&returned::word(&engine.keys, enrolment.person, order))).transpose();
        let name = name(order.kind);
        let draft = Draft {
            name,
            locale,
            to: &order.to,
            // Whoever reads the address of a former round now need not learn what its person is called.
            called: enrolment.profile.name.as_deref().filter(|_| name != MailName::PasswordChanged),
            mail: order.mail,
            return_path: return_path.map_err(|error| Unwritten::Ours(error.to_string()))?,
        };
        self.letter(&settings, &draft, &values, ordered)
    }

    /// The report to a sysadmin, or why there is none.
    pub fn report(
        &self,
        engine: &Engine,
        order: &ReportOrder,
        ordered: Timestamp,
    ) -> Result<Composed, Unwritten> {
        let settings = engine.settings();
        let locale = spoken(&settings, None);
        let values = Values {
            report: Some(night::worded(&self.words, &settings, locale, &order.night)),
            ..Values::of(campus(&settings, locale))
        };
        let draft = Draft {
            name: MailName::Report,
            locale,
            to: &order.to,
            called: None,
            mail: order.mail,
            return_path: None,
        };
        self.letter(&settings, &draft, &values, ordered)
    }

    fn letter(
        &self,
        settings: &Settings,
        draft: &Draft<'_>,
        values: &Values,
        ordered: Timestamp,
    ) -> Result<Composed, Unwritten> {
        let ours = |error: &dyn std::fmt::Display| Unwritten::Ours(error.to_string());
        let mut rendered =
            self.templates.render(draft.name, draft.locale, values).map_err(|error| ours(&error))?;
        if let Some(fault) = &rendered.fault {
            tracing::warn!(%fault, "a template of the campus's own is broken; the shipped one was used");
        }
        let intercept = settings.mail.intercept.as_deref();
        if intercept.is_some() {
            rendered.subject = format!("[{}] {}", draft.to, rendered.subject);
        }
        let sender = sender(settings).map_err(|error| ours(&error))?;
        let id = format!("{}@{}", message_id(draft.mail), sender.address().domain());
        let letter = Letter {
            to: intercept.unwrap_or(draft.to),
            name: draft.called,
            rendered: &rendered,
            locale: draft.locale,
            date: ordered,
            message_id: &id,
            kind: draft.name.as_str(),
            return_path: draft.return_path.as_ref(),
        };
        compose(&sender, &letter).map_err(|error| match error {
            ComposeError::Recipient(_) => Unwritten::Address(error),
            _ => ours(&error),
        })
    }

    fn values(
        &self,
        engine: &Engine,
        settings: &Settings,
        (enrolment, order): (&Enrolment, &MailOrder),
        locale: Locale,
    ) -> Values {
        let tag = locale.as_str();
        let link = order.link.map(|id| {
            let token = engine.keys.token(Kind::Link, Token { person: enrolment.person, id });
            format!("{}/link/{}", settings.base_url(), *token)
        });
        let ends = order.link.and_then(|id| enrolment.link(id)).map_or(order.deadline, |link| link.deadline);
        let until = link.as_ref().map(|_| deadline(&self.words, settings, tag, ends, clock::now()));
        let mailbox = enrolment.population(&settings.policy).is_some_and(|people| people.mailbox);
        let answers = enrolment.answers();
        let forward = answers.and_then(|answers| answers.confirmed_forward()).map(str::to_owned);
        let keep_copy = answers.and_then(|answers| answers.mail.as_ref()).map(|mail| mail.keep_copy);
        let profile = &enrolment.profile;
        Values {
            person: Some(Person { name: profile.name.clone(), login: profile.login.clone() }),
            link,
            deadline: until,
            address: Some(order.to.clone()),
            mailbox: profile.mail.clone().filter(|_| mailbox),
            keep_copy: keep_copy.filter(|_| forward.is_some() && mailbox),
            forward,
            left: Some(left(settings, enrolment)),
            start_url: Some(settings.sign_in_url().to_owned()),
            ..Values::of(campus(settings, locale))
        }
    }
}

/// What a message needs beside its words.
struct Draft<'a> {
    name: MailName,
    locale: Locale,
    to: &'a str,
    called: Option<&'a str>,
    mail: Id,
    return_path: Option<Address>,
}

/// The language of this tag, else the campus's.
fn spoken(settings: &Settings, tag: Option<&str>) -> Locale {
    Locale::from_tag(tag.unwrap_or(&settings.campus.locale)).unwrap_or(Locale::Fr)
}

/// The steps that a person still has to do, by their names in the protocol. A link that is waited for is none of them.
fn left(settings: &Settings, enrolment: &Enrolment) -> Vec<String> {
    let path = enrolment.path(&settings.policy);
    let at = enrolment.step(&settings.policy).and_then(|step| path.iter().position(|one| *one == step));
    let steps = path.into_iter().skip(at.unwrap_or(0)).filter_map(|step| match step {
        Step::RecoveryAddress => Some("recovery-address"),
        Step::Charter => Some("charter"),
        Step::Listing => Some("listing"),
        Step::Mail => Some("mail"),
        Step::ForwardLink => Some("forward-link"),
        Step::Password => Some("password"),
        Step::RecoveryLink | Step::Done => None,
    });
    steps.map(str::to_owned).collect()
}

/// The campus, as a mail in that language names it.
pub fn campus(settings: &Settings, locale: Locale) -> Campus {
    let campus = &settings.campus;
    let text = |texts: &crate::config::Texts| texts.get(locale.as_str()).cloned().unwrap_or_default();
    Campus {
        name: text(&campus.name),
        help_address: campus.help_address.clone(),
        help_url: campus.help_url.clone(),
        lost_letter: text(&campus.lost_letter),
        logo_url: campus.logo_url.clone(),
        letter_name: text(&campus.letter_name),
    }
}

/// Whom mails come from.
pub fn sender(settings: &Settings) -> Result<Sender, crate::mail::ComposeError> {
    let campus = &settings.campus;
    let name = campus.name.get(&campus.locale).cloned().unwrap_or_default();
    let sender = Sender::new(&name, &settings.mail.from, Some(&campus.help_address))?;
    Ok(sender.signed_by(settings.mail.dkim.clone()))
}

/// What stands as the sender on the envelope of every mail, for one that is only tried: a return path about as long as the others, and
/// nobody's.
pub fn trial_path(mail: &MailSettings) -> Option<Address> {
    mail.bounces.as_ref().and_then(|path| path.of(&"trial".repeat(9)).ok())
}

/// The mail server's handle.
pub fn relay(mail: &MailSettings) -> Result<Relay, RelayFault> {
    Relay::new(reached(mail))
}

/// The same, with each reply written down.
pub fn relay_heard(mail: &MailSettings, transcript: Transcript) -> Result<Relay, RelayFault> {
    Relay::new(RelaySettings { transcript: Some(transcript), ..reached(mail) })
}

/// How the mail server is reached.
fn reached(mail: &MailSettings) -> RelaySettings {
    let helo = mail.helo.clone().unwrap_or_else(|| {
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_else(|| "localhost".to_owned())
    });
    let timeout = Duration::from_millis(mail.timeout.as_millis().try_into().unwrap_or(30_000));
    RelaySettings {
        way: mail.way.clone(),
        port: mail.port,
        security: match mail.security {
            Wanted::None => Security::None,
            Wanted::Starttls => Security::StartTls,
            Wanted::Tls => Security::Tls,
        },
        ca_file: mail.ca_file.clone(),
        login: mail.login.clone(),
        step_deadline: timeout,
        message_deadline: timeout * 4,
        ..RelaySettings::new(mail.host.clone(), helo)
    }
}

fn name(kind: MailKind) -> MailName {
    match kind {
        MailKind::Link => MailName::Link,
        MailKind::Forward => MailName::Forward,
        MailKind::Invitation => MailName::Invitation,
        MailKind::Activated => MailName::Activated,
        MailKind::Reminder => MailName::Reminder,
        MailKind::PasswordChanged => MailName::PasswordChanged,
    }
}
