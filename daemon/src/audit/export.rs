//! Exporting the audit: each record with its details, where they are still kept.

use super::record::{Record, subject};
use crate::config::hex;
use crate::dossier::{Dossier, Kept, key};
use crate::store::{Linked, Store, StoreError};
use parvis_enrolment::{Id, PersonId};
use std::collections::HashMap;

/// A piece of the audit, for people and programs outside.
pub struct Exported {
    /// One JSON object a record.
    pub lines: Vec<String>,
    /// From where to go on.
    pub next: u64,
    /// Whether there is more.
    pub more: bool,
}

/// What is still known of a record: whose it is, and the fact.
type Detail = (PersonId, String, Kept);

/// At most `limit` records from `after` on, each with the details where they are still kept.
///
/// A record names its person under a salt that only their dossier has. So the store keeps, beside each dossier, which
/// person has which subject, and forgets it with the dossier: two reads a person here, instead of all dossiers for each
/// page. It is one small key a person; a map built for each export would have to be kept between the calls of a
/// caller who may never come back. Where the key is missing, the record is exported without its details.
pub fn export(store: &dyn Store, after: u64, limit: usize) -> Result<Exported, StoreError> {
    let records = store.records(after, limit)?;
    let mut dossiers = HashMap::new();
    let mut lines = Vec::with_capacity(records.len());
    for linked in &records {
        let record = Record::decode(&linked.body);
        let detail = match &record {
            Some(record) => detail(store, &mut dossiers, record)?,
            None => None,
        };
        lines.push(line(linked, record.as_ref(), detail.as_ref()));
    }
    let next = records.last().map_or(after, |linked| linked.number + 1);
    Ok(Exported { lines, next, more: next < store.head().length })
}

fn detail(
    store: &dyn Store,
    dossiers: &mut HashMap<[u8; 16], Option<Dossier>>,
    record: &Record,
) -> Result<Option<Detail>, StoreError> {
    if !dossiers.contains_key(&record.subject) {
        dossiers.insert(record.subject, of_subject(store, record.subject)?);
    }
    let Some(Some(dossier)) = dossiers.get(&record.subject) else { return Ok(None) };
    let kept = dossier.facts.iter().find(|kept| kept.n == record.n).cloned();
    let enrolment = &dossier.enrolment;
    Ok(kept.map(|kept| (enrolment.person, enrolment.profile.login.clone(), kept)))
}

/// The dossier that has this subject, where it is still kept.
fn of_subject(store: &dyn Store, wanted: [u8; 16]) -> Result<Option<Dossier>, StoreError> {
    let Some(named) = store.get(&key::subject(wanted))? else { return Ok(None) };
    let Ok(person) = named.value.try_into().map(Id) else { return Ok(None) };
    let Some(held) = store.get(&key::dossier(person))? else { return Ok(None) };
    let dossier = Dossier::decode(person, &held.value).ok();
    Ok(dossier.filter(|dossier| subject(dossier.salt, person) == wanted))
}

fn line(linked: &Linked, record: Option<&Record>, detail: Option<&Detail>) -> String {
    serde_json::json!({
        "number": linked.number,
        "link": hex(&linked.link),
        "at": record.map(|record| record.at.to_string()),
        "what": record.map(|record| record.what.clone()),
        "person": detail.map(|(person, ..)| uuid(*person)),
        "login": detail.map(|(_, login, _)| login.clone()),
        "by": detail.map(|(.., kept)| serde_json::to_value(&kept.by).unwrap_or_default()),
        "details": detail.map(|(.., kept)| {
            kept.fact.details.iter().cloned().collect::<std::collections::BTreeMap<_, _>>()
        }),
    })
    .to_string()
}

/// entryUUID in its usual form (RFC 4122).
pub fn uuid(person: PersonId) -> String {
    let text = person.to_string();
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}
