//! The outbox: mails that were ordered and not yet settled, in the order in which they are due.

use super::night::Night;
use crate::dossier::key;
use crate::store::{Store, StoreError, Write};
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::{Id, MailKind, MailOrder, PersonId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// One mail that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Waiting {
    /// What it is.
    pub errand: Errand,
    /// When it was ordered: the message's Date.
    pub ordered: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// How often it left whole, without a word whether it was taken: each time it may have arrived.
    pub unanswered: u32,
}

/// What a mail is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To somebody who is being activated: the rules ordered it, and are told what became of it.
    Person {
        /// Whom it is about.
        person: PersonId,
        /// What to send.
        order: MailOrder,
        /// The language of the page on which it was ordered, for people whose own is not known.
        locale: Option<String>,
    },
    /// To a sysadmin, about the night: nobody's enrolment knows of it.
    Report(Box<ReportOrder>),
}

/// A report to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOrder {
    /// Names the mail; its Message-ID comes from here.
    pub mail: Id,
    /// To whom.
    pub to: String,
    /// Not worth sending after this.
    pub deadline: Timestamp,
    /// What it says.
    pub night: Night,
}

/// How a mail is written down. One about a person has the form that it had when there were no others.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<PersonId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<MailOrder>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<ReportOrder>,
    ordered: Timestamp,
    tries: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    unanswered: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way to ask")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl From<Waiting> for Stored {
    fn from(Waiting { errand, ordered, tries, unanswered }: Waiting) -> Self {
        let none = Self { person: None, order: None, locale: None, report: None, ordered, tries, unanswered };
        match errand {
            Errand::Person { person, order, locale } => {
                Self { person: Some(person), order: Some(order), locale, ..none }
            }
            Errand::Report(report) => Self { report: Some(*report), ..none },
        }
    }
}

impl TryFrom<Stored> for Waiting {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { person, order, locale, report, ordered, tries, unanswered } = stored;
        let errand = match (person, order, report) {
            (Some(person), Some(order), None) => Errand::Person { person, order, locale },
            (None, None, Some(report)) => Errand::Report(Box::new(report)),
            _ => return Err("a mail is about a person or a night"),
        };
        Ok(Self { errand, ordered, tries, unanswered })
    }
}

/// One mail with its place in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its key, to settle it by.
    pub key: Vec<u8>,
    /// When it is due.
    pub at: Timestamp,
    /// The mail.
    pub waiting: Waiting,
}

impl Waiting {
    /// A mail that was just ordered.
    pub fn new(person: PersonId, order: MailOrder, locale: Option<String>, now: Timestamp) -> Self {
        Self::of(Errand::Person { person, order, locale }, now)
    }

    /// A report that was just ordered.
    pub fn report(report: ReportOrder, now: Timestamp) -> Self {
        Self::of(Errand::Report(Box::new(report)), now)
    }

    fn of(errand: Errand, now: Timestamp) -> Self {
        Self { errand, ordered: now, tries: 0, unanswered: 0 }
    }

    /// The mail's name.
    pub fn mail(&self) -> Id {
        match &self.errand {
            Errand::Person { order, .. } => order.mail,
            Errand::Report(report) => report.mail,
        }
    }

    /// Whom it is about; a report, itself.
    pub fn about(&self) -> Id {
        match &self.errand {
            Errand::Person { person, .. } => *person,
            Errand::Report(report) => report.mail,
        }
    }

    /// It is not worth sending after this.
    pub fn deadline(&self) -> Timestamp {
        match &self.errand {
            Errand::Person { order, .. } => order.deadline,
            Errand::Report(report) => report.deadline,
        }
    }
}

/// Puts a mail into the outbox, due at that instant.
pub fn put(waiting: &Waiting, due: Timestamp) -> Write {
    let value = serde_json::to_vec(waiting)
        .expect("a mail order has only texts and numbers, which JSON always takes");
    Write::Put { key: key::mail(due, waiting.mail()), value }
}

/// An instant to try a mail at, but not long after its deadline: what is due then is dropped, and that is told.
pub fn not_after_its_end(at: Timestamp, deadline: Timestamp, now: Timestamp) -> Timestamp {
    // Not before: in the deadline's last second it could be tried again and again.
    let too_late = deadline.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    at.min(too_late.max(now))
}

/// Takes a mail out.
pub fn settle(due: &Due) -> Write {
    Write::Delete { key: due.key.clone() }
}

/// The first mails, due or not, at most `limit`.
pub fn first(store: &dyn Store, limit: usize) -> Result<Vec<Due>, StoreError> {
    let found = store.scan(b"o", b"p", limit)?;
    Ok(found.into_iter().filter_map(|(key, held)| read(key, &held.value)).collect())
}

/// Where the mails that are due end, and where those begin that were put in under a clock that went ahead, which are
/// due as well: whatever is due later than `farthest` from now.
pub fn bounds(now: Timestamp, farthest: SignedDuration) -> (Vec<u8>, Vec<u8>) {
    let bound =
        |after: SignedDuration| key::mail(now.checked_add(after).unwrap_or(Timestamp::MAX), Id([0; 16]));
    // Keys count milliseconds: what is due in this one is due.
    (bound(SignedDuration::from_millis(1)), bound(farthest))
}

/// A key with where its mail goes; nothing where the mail cannot be read.
pub type Listed = (Vec<u8>, Option<Bound>);

/// What is known of a mail without reading all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The domain that it goes to.
    pub domain: Arc<str>,
    /// Somebody sits before a page and waits for it.
    pub awaited: bool,
}

/// At most `limit` mails in order, from `from` (included) to `until` (excluded).
pub fn list(store: &dyn Store, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Listed>, StoreError> {
    let found = store.scan(from, until, limit)?;
    Ok(found.into_iter().map(|(key, held)| (key, bound(&held.value))).collect())
}

/// The first key after this one.
pub fn after(key: &[u8]) -> Vec<u8> {
    key.iter().copied().chain([0]).collect()
}

/// When the first mail from this key on is due.
pub fn next(store: &dyn Store, from: &[u8]) -> Result<Option<Timestamp>, StoreError> {
    Ok(store.scan(from, b"p", 1)?.first().and_then(|(key, _)| due_at(key)))
}

/// The mail under a key; none where it is settled, or cannot be read.
pub fn get(store: &dyn Store, key: &[u8]) -> Result<Option<Due>, StoreError> {
    Ok(store.get(key)?.and_then(|held| read(key.to_vec(), &held.value)))
}

fn bound(value: &[u8]) -> Option<Bound> {
    #[derive(Deserialize)]
    struct Stored<'v> {
        #[serde(borrow)]
        order: Option<To<'v>>,
        #[serde(borrow)]
        report: Option<To<'v>>,
    }
    #[derive(Deserialize)]
    struct To<'v> {
        #[serde(borrow)]
        to: Cow<'v, str>,
        /// Of a report: none.
        #[serde(default)]
        kind: serde_json::Value,
    }
    let stored: Stored<'_> = serde_json::from_slice(value).ok()?;
    let To { to, kind } = stored.order.or(stored.report)?;
    let awaited = serde_json::from_value(kind).is_ok_and(is_awaited);
    Some(Bound { domain: domain_of(&to).into(), awaited })
}

/// Whether it brings a link without which its person cannot go on. Nobody waits for the others: they come of themselves, and
/// many at once.
fn is_awaited(kind: MailKind) -> bool {
    match kind {
        MailKind::Link | MailKind::Forward => true,
        MailKind::Invitation | MailKind::Activated | MailKind::Reminder | MailKind::PasswordChanged => false,
    }
}

/// The domain of an address, as mails are counted by.
pub fn domain_of(address: &str) -> String {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain).to_lowercase()
}

fn due_at(key: &[u8]) -> Option<Timestamp> {
    let millis = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()
}

fn read(key: Vec<u8>, value: &[u8]) -> Option<Due> {
    let (at, waiting) = (due_at(&key)?, serde_json::from_slice(value).ok()?);
    Some(Due { key, at, waiting })
}

/// The part before the @ of the Message-ID: the same for every try of one mail.
pub fn message_id(mail: Id) -> String {
    format!("parvis.{mail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use parvis_enrolment::MailKind;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn waiting(number: u8) -> Waiting {
        let order = MailOrder {
            mail: Id([number; 16]),
            kind: MailKind::Link,
            to: "a@b.example".to_owned(),
            link: None,
            deadline: at(3600),
        };
        Waiting::new(Id([0; 16]), order, None, at(0))
    }

    #[test]
    fn a_mail_of_the_former_form_is_read_and_a_report_comes_back_as_it_was() {
        let former = serde_json::json!({
            "person": Id([0; 16]), "order": { "mail": Id([3; 16]), "kind": "link", "to": "a@b.example",
                "deadline": at(3600) }, "ordered": at(0), "tries": 0,
        });
        assert_eq!(serde_json::from_value::<Waiting>(former.clone()).unwrap(), waiting(3));
        assert_eq!(serde_json::to_value(waiting(3)).unwrap(), former);
        let night = Night { open: 12, ..Night::of(at(-9), at(0)) };
        let order = ReportOrder { mail: Id([4; 16]), to: "a@b.example".to_owned(), deadline: at(9), night };
        let report = Waiting::report(order, at(0));
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Waiting>(&text).unwrap(), report);
        assert!(serde_json::from_str::<Waiting>(r#"{"ordered":"2027-01-01T00:00:00Z","tries":0}"#).is_err());
    }

    #[test]
    fn a_link_is_awaited_and_an_invitation_is_not() {
        for (kind, awaited) in
            [(MailKind::Link, true), (MailKind::Forward, true), (MailKind::Invitation, false)]
        {
            let mut mail = waiting(1);
            if let Errand::Person { order, .. } = &mut mail.errand {
                order.kind = kind;
            }
            let expected = Bound { domain: "b.example".into(), awaited };
            assert_eq!(bound(&serde_json::to_vec(&mail).unwrap()), Some(expected));
        }
    }

    #[test]
    fn the_domain_is_read_whatever_stands_before_it() {
        for (to, expected) in [
            ("a@B.example", "b.example"),
            ("\"odd@one\"@c.example", "c.example"),
            ("é@é.example", "é.example"),
            ("nothing", "nothing"),
        ] {
            let expected = Some(Bound { domain: expected.into(), awaited: false });
            let value = serde_json::json!({ "person": "x", "order": { "to": to, "kind": 1 }, "tries": 0 });
            assert_eq!(bound(value.to_string().as_bytes()), expected);
            let value = serde_json::json!({ "report": { "to": to, "night": {} }, "tries": 0 });
            assert_eq!(bound(value.to_string().as_bytes()), expected);
        }
        assert_eq!(bound(b"{"), None);
    }
}
