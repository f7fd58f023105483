//! `mail preview`, `mail test`: the mails as people get them, and the conversation with the mail server.
//!
//! Both work from the configuration, without a daemon. The mail that is sent is written with believable data; its link
//! leads to the campus's pages and opens nothing.

use super::Verdict;
use super::failure::Failure;
use super::screen::Screen;
use crate::config::{Settings, Sources};
use crate::mail::{Letter, Locale, MailName, Rendered, Templates, Transcript, Values, compose};
use crate::service::{chance, clock};
use crate::workers;
use std::time::Duration;

/// The whole conversation, however slow each reply is.
const TIME: Duration = Duration::from_secs(120);

/// Prints a mail.
pub fn preview(
    sources: &Sources,
    screen: &Screen,
    (name, locale): (MailName, Option<Locale>),
    html: bool,
) -> Result<Verdict, Failure> {
    let settings = sources.settings().map_err(Failure::Configuration)?;
    let rendered = render(&settings, name, spoken(&settings, locale))?;
    let value = serde_json::json!({
        "subject": rendered.subject, "text": rendered.text, "html": rendered.html, "fault": rendered.fault,
    });
    screen.answer(&value, || {
        if html {
            return screen.raw(&rendered.html);
        }
        screen.line(&format!("Subject: {}", rendered.subject))?;
        screen.line("")?;
        rendered.text.lines().try_for_each(|line| screen.line(line))
    })?;
    Ok(told(screen, &rendered))
}

/// Sends a mail, and prints what the mail server says at each step.
pub fn test(
    sources: &Sources,
    screen: &Screen,
    to: &str,
    (name, locale): (MailName, Option<Locale>),
) -> Result<Verdict, Failure> {
    let settings = sources.settings().map_err(Failure::Configuration)?;
    let locale = spoken(&settings, locale);
    let mut rendered = render(&settings, name, locale)?;
    rendered.subject = format!("[test] {}", rendered.subject);
    let sender = workers::sender(&settings).map_err(unwritten)?;
    let id = format!("parvis.test.{}@{}", chance::id(), sender.address().domain());
    let return_path = workers::trial_path(&settings.mail);
    let letter = Letter {
        to,
        name: None,
        rendered: &rendered,
        locale,
        date: clock::now(),
        message_id: &id,
        kind: name.as_str(),
        return_path: return_path.as_ref(),
    };
    let composed = compose(&sender, &letter).map_err(unwritten)?;
    let transcript = Transcript::default();
    let relay = workers::relay_heard(&settings.mail, transcript.clone()).map_err(unwritten)?;
    // A second installation in one process is refused, and changes nothing.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(unwritten)?;
    let outcome = runtime.block_on(async {
        let conversation = async {
            let mut connection = relay.connect().await?;
            let accepted = connection.send(&composed).await;
            connection.quit().await;
            accepted
        };
        match tokio::time::timeout(TIME, conversation).await {
            Ok(outcome) => outcome.map(|accepted| accepted.reply).map_err(|error| error.to_string()),
            Err(_) => Err(format!("the mail server was not done within {} s", TIME.as_secs())),
        }
    });
    let replies = transcript.lines();
    let value = serde_json::json!({ "ok": outcome.is_ok(), "to": to, "message_id": id, "replies": replies,
        "outcome": outcome.clone().unwrap_or_else(|error| error) });
    screen.answer(&value, || {
        replies.iter().try_for_each(|line| screen.line(line))?;
        match &outcome {
            Ok(_) => screen.line(&format!("the mail server has taken a mail to {to} ({id})")),
            Err(error) => screen.line(&format!("failed to send: {error}")),
        }
    })?;
    Ok(match (told(screen, &rendered), outcome.is_ok()) {
        (verdict, true) => verdict,
        (_, false) => Verdict::of(false),
    })
}

fn spoken(settings: &Settings, locale: Option<Locale>) -> Locale {
    locale.or_else(|| Locale::from_tag(&settings.campus.locale)).unwrap_or(Locale::Fr)
}

fn render(settings: &Settings, name: MailName, locale: Locale) -> Result<Rendered, Failure> {
    let templates = Templates::load(settings.mail.overrides.as_deref()).map_err(unwritten)?;
    let mut values = Values::sample(locale, true);
    values.campus = workers::campus(settings, locale);
    values.link = Some(format!("{}/", settings.base_url())).filter(|_| name.has_link());
    values.start_url = Some(settings.sign_in_url().to_owned());
    templates.render(name, locale, &values).map_err(unwritten)
}

fn unwritten(why: impl std::fmt::Display) -> Failure {
    Failure::Refused { what: "write the mail".to_owned(), why: why.to_string() }
}

/// A broken file of the campus's own is said beside the shipped text that stands in.
fn told(screen: &Screen, rendered: &Rendered) -> Verdict {
    if let Some(fault) = &rendered.fault {
        screen.remark(&format!("the shipped text, because of {fault}"));
    }
    Verdict::of(rendered.fault.is_none())
}
