//! The outbox: mails that were ordered and not yet settled, in the order in which they are due.

use crate::dossier::key;
use crate::store::{Store, StoreError, Write};
use jiff::Timestamp;
use parvis_enrolment::{Id, MailOrder, PersonId};
use serde::{Deserialize, Serialize};

/// One mail that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// To whom it is about.
    pub person: PersonId,
    /// What to send.
    pub order: MailOrder,
    /// The language of the page on which it was ordered, for people whose own is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When it was ordered: the message's Date.
    pub ordered: Timestamp,
    /// How often it was tried.
    pub tries: u32,
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
        Self { person, order, locale, ordered: now, tries: 0 }
    }
}

/// Puts a mail into the outbox, due at that instant.
pub fn put(waiting: &Waiting, due: Timestamp) -> Write {
    let value = serde_json::to_vec(waiting)
        .expect("a mail order has only texts and numbers, which JSON always takes");
    Write::Put { key: key::mail(due, waiting.order.mail), value }
}

/// Takes a mail out.
pub fn settle(due: &Due) -> Write {
    Write::Delete { key: due.key.clone() }
}

/// The first mails, due or not, at most `limit`, but for those whose key is passed over.
pub fn first(
    store: &dyn Store,
    limit: usize,
    passed: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Due>, StoreError> {
    let found = store.scan(b"o", b"p", limit)?.into_iter().filter(|(key, _)| !passed(key));
    Ok(found.filter_map(|(key, held)| read(key, &held.value)).collect())
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
