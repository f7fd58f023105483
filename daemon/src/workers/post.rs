//! From a mail order to the words and bytes that are sent.
//!
//! The link's token is derived here, while the message is built, and is nowhere else.

use crate::config::Security as Wanted;
use crate::config::{MailSettings, Settings};
use crate::engine::Engine;
use crate::engine::keys::{Kind, Token};
use crate::engine::outbox::{Waiting, message_id};
use crate::engine::returned;
use crate::mail::{
    Campus, ComposeError, Composed, Letter, Locale, MailName, Person, Relay, RelayFault, RelaySettings,
    Security, Sender, Templates, Transcript, Values, compose,
};
use crate::service::clock;
use crate::words::{Words, deadline};
use parvis_enrolment::{Enrolment, MailKind};
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

    /// The message, or why there is none.
    pub fn compose(
        &self,
        engine: &Engine,
        waiting: &Waiting,
        enrolment: &Enrolment,
    ) -> Result<Composed, Unwritten> {
        let settings = engine.settings();
        // The person's own language, else the page's, else the campus's.
        let own = enrolment.profile.locale.clone().or_else(|| waiting.locale.clone());
        let locale = own.unwrap_or_else(|| settings.campus.locale.clone());
        let locale = Locale::from_tag(&locale).unwrap_or(Locale::Fr);
        let values = self.values(engine, &settings, waiting, enrolment, locale);
        let ours = |error: &dyn std::fmt::Display| Unwritten::Ours(error.to_string());
        let mut rendered =
            self.templates.render(name(waiting.order.kind), locale, &values).map_err(|e| ours(&e))?;
        if let Some(fault) = &rendered.fault {
            tracing::warn!(%fault, "a template of the campus's own is broken; the shipped one was used");
        }
        let intercept = settings.mail.intercept.as_deref();
        if intercept.is_some() {
            rendered.subject = format!("[{}] {}", waiting.order.to, rendered.subject);
        }
        let sender = sender(&settings).map_err(|error| ours(&error))?;
        let id = format!("{}@{}", message_id(waiting.order.mail), sender.address().domain());
        let return_path = settings
            .mail
            .bounces
            .as_ref()
            .map(|path| path.of(&returned::word(&engine.keys, waiting.person, &waiting.order)));
        let return_path = return_path.transpose().map_err(|error| ours(&error))?;
        let letter = Letter {
            to: intercept.unwrap_or(&waiting.order.to),
            name: enrolment.profile.name.as_deref(),
            rendered: &rendered,
            locale,
            date: waiting.ordered,
            message_id: &id,
            kind: name(waiting.order.kind).as_str(),
            return_path: return_path.as_ref(),
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
        waiting: &Waiting,
        enrolment: &Enrolment,
        locale: Locale,
    ) -> Values {
        let tag = locale.as_str();
        let link = waiting.order.link.map(|id| {
            let token = engine.keys.token(Kind::Link, Token { person: waiting.person, id });
            format!("{}/link/{}", settings.base_url(), *token)
        });
        let until =
            link.as_ref().map(|_| deadline(&self.words, settings, tag, waiting.order.deadline, clock::now()));
        let mailbox = enrolment.population(&settings.policy).is_some_and(|people| people.mailbox);
        let answers = enrolment.answers();
        let forward = answers.and_then(|answers| answers.confirmed_forward()).map(str::to_owned);
        let keep_copy = answers.and_then(|answers| answers.mail.as_ref()).map(|mail| mail.keep_copy);
        Values {
            campus: campus(settings, locale),
            person: Person { name: enrolment.profile.name.clone(), login: enrolment.profile.login.clone() },
            link,
            deadline: until,
            address: Some(waiting.order.to.clone()),
            mailbox: enrolment.profile.mail.clone().filter(|_| mailbox),
            keep_copy: keep_copy.filter(|_| forward.is_some() && mailbox),
            forward,
        }
    }
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
    }
}
