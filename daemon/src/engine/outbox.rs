//! The outbox: mails that were ordered and not yet settled, in the order in which they are due.

use super::night::Night;
use crate::dossier::key;
use crate::store::{Store, StoreError, Write};
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::{Id, MailOrder, PersonId};
use serde::{Deserialize, Serialize};

/// How many mails are read at once in search of those that are due.
const PAGE: usize = 32;

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
}

impl From<Waiting> for Stored {
    fn from(Waiting { errand, ordered, tries }: Waiting) -> Self {
        let none = Self { person: None, order: None, locale: None, report: None, ordered, tries };
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
        let Stored { person, order, locale, report, ordered, tries } = stored;
        let errand = match (person, order, report) {
            (Some(person), Some(order), None) => Errand::Person { person, order, locale },
            (None, None, Some(report)) => Errand::Report(Box::new(report)),
            _ => return Err("a mail is about a person or a night"),
        };
        Ok(Self { errand, ordered, tries })
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
        Self { errand: Errand::Person { person, order, locale }, ordered: now, tries: 0 }
    }

    /// A report that was just ordered.
    pub fn report(report: ReportOrder, now: Timestamp) -> Self {
        Self { errand: Errand::Report(Box::new(report)), ordered: now, tries: 0 }
    }

    /// The mail's name.
    pub fn mail(&self) -> Id {
        match &self.errand {
            Errand::Person { order, .. } => order.mail,
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

/// Takes a mail out.
pub fn settle(due: &Due) -> Write {
    Write::Delete { key: due.key.clone() }
}

/// The first mails, due or not, at most `limit`.
pub fn first(store: &dyn Store, limit: usize) -> Result<Vec<Due>, StoreError> {
    let found = store.scan(b"o", b"p", limit)?;
    Ok(found.into_iter().filter_map(|(key, held)| read(key, &held.value)).collect())
}

/// The mails to send now, and when the next will be due. Whatever is due later than `farthest` from now was put in
/// under a clock that went ahead, and is due; what cannot be read takes nobody's place, nor does what is `taken`.
pub fn due(
    store: &dyn Store,
    now: Timestamp,
    farthest: SignedDuration,
    limit: usize,
    taken: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<Due>, Option<Timestamp>), StoreError> {
    let bound =
        |after: SignedDuration| key::mail(now.checked_add(after).unwrap_or(Timestamp::MAX), Id([0; 16]));
    // Keys count milliseconds: what is due in this one is due.
    let (later, beyond) = (bound(SignedDuration::from_millis(1)), bound(farthest));
    let mut ready = readable(store, b"o", &later, (limit, PAGE), &taken)?;
    ready.extend(readable(store, &beyond, b"p", (limit, PAGE), &taken)?);
    let next = readable(store, &later, &beyond, (1, 1), |_| false)?;
    Ok((ready, next.first().map(|due| due.at)))
}

fn readable(
    store: &dyn Store,
    from: &[u8],
    until: &[u8],
    (limit, at_once): (usize, usize),
    taken: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Due>, StoreError> {
    let (mut found, mut from) = (Vec::new(), from.to_vec());
    while found.len() < limit {
        let page = store.scan(&from, until, at_once)?;
        let Some((last, _)) = page.last() else { break };
        from = last.iter().copied().chain([0]).collect();
        let whole = page.len() == at_once;
        let free = page.into_iter().filter(|(key, _)| !taken(key));
        found.extend(free.filter_map(|(key, held)| read(key, &held.value)));
        if !whole {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

fn read(key: Vec<u8>, value: &[u8]) -> Option<Due> {
    let millis = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    let at = Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
    let waiting: Waiting = serde_json::from_slice(value).ok()?;
    Some(Due { key, at, waiting })
}

/// The part before the @ of the Message-ID: the same for every try of one mail.
pub fn message_id(mail: Id) -> String {
    format!("parvis.{mail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Chain;
    use crate::engine::keys::Keys;
    use crate::store::{Commit, memory};
    use parvis_enrolment::MailKind;
    use std::sync::Arc;

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

    /// Which of these mails, named by a number and due at these seconds, are due at second 0; and when the next is.
    async fn check(mails: &[(u8, i64)], broken: usize, expected: (&[u8], Option<i64>)) {
        let keys = Keys::derive(&secrecy::SecretString::from("0123456789abcdef0123456789abcdef"));
        let store = memory(Arc::new(Chain::new(keys.audit())));
        let mut writes: Vec<Write> = mails.iter().map(|(name, due)| put(&waiting(*name), at(*due))).collect();
        writes.extend((0..broken).map(|number| Write::Put {
            key: key::mail(at(-9999), Id([u8::try_from(number).unwrap(); 16])),
            value: b"{".to_vec(),
        }));
        store.commit(Commit { writes, ..Commit::default() }).await.unwrap();
        let (found, next) = due(store.as_ref(), at(0), SignedDuration::from_secs(100), 4, |_| false).unwrap();
        let found: Vec<u8> = found.iter().map(|due| due.waiting.mail().0[0]).collect();
        assert_eq!((found.as_slice(), next), (expected.0, expected.1.map(at)));
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

    #[tokio::test]
    async fn what_is_due_is_found_and_what_comes_next() {
        check(&[], 0, (&[], None)).await;
        check(&[(1, -5), (2, 0), (3, 7), (4, 9)], 0, (&[1, 2], Some(7))).await;
    }

    #[tokio::test]
    async fn a_mail_put_in_while_the_clock_was_ahead_does_not_wait_for_that_day() {
        check(&[(1, 50), (2, 86_400)], 0, (&[2], Some(50))).await;
        // However many wait in order before it.
        check(&[(1, 10), (2, 11), (3, 12), (4, 13), (5, 14), (6, 86_400)], 0, (&[6], Some(10))).await;
    }

    #[tokio::test]
    async fn what_cannot_be_read_takes_nobodys_place() {
        check(&[(1, -5), (2, 7)], 9, (&[1], Some(7))).await;
    }
}
