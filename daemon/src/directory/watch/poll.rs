//! Asking for what was written since: by the entries' own times, or by Active Directory's counter.
//!
//! The times are the server's, never ours. They come from several masters, and a change may arrive after later ones: so
//! each question reaches back a little, and what was told already is not told again. What arrives later yet, and
//! whatever was deleted, is found when everything is compared.

use std::collections::HashMap;

use jiff::civil::DateTime;
use jiff::{SignedDuration, fmt::strtime};

use super::asking::Source;
use super::census::Pages;
use super::{End, Session};
use crate::directory::link::{Link, Query};
use crate::directory::settings::Way;
use crate::directory::{Dialect, Entry, EntryUuid, ber};

/// Each question reaches back so far.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);

/// Changes by the entries' own times.
#[derive(Default)]
pub(super) struct Poll {
    /// What the last question told, by its stamp.
    told: HashMap<EntryUuid, String>,
}

impl Source for Poll {
    const WAY: Way = Way::Poll;

    fn of(&self, session: &Session<'_>, link: &Link) -> String {
        match session.dialect {
            // The counter is one server's own.
            Dialect::ActiveDirectory => format!("poll usn {}", link.place),
            _ => "poll time".to_owned(),
        }
    }

    async fn begin(
        &mut self,
        session: &Session<'_>,
        link: &Link,
        held: Option<String>,
    ) -> Result<String, End> {
        self.told.clear();
        if session.dialect == Dialect::ActiveDirectory {
            return committed(session, link).await;
        }
        // A place from the server's future is one of before it was restored from a backup.
        match held.filter(|held| !held.is_empty()) {
            Some(held) if reached(session, link, &held).await? => Ok(held),
            _ => Ok(String::new()),
        }
    }

    async fn changes(&mut self, session: &Session<'_>, link: &Link, since: String) -> Result<String, End> {
        let counted = match session.dialect {
            // Before the question: what is written meanwhile comes again with the next.
            Dialect::ActiveDirectory => Some(committed(session, link).await?),
            _ => None,
        };
        let mut newest = since.clone();
        let mut told = HashMap::new();
        let mut pages = Pages::new(written_since(session.dialect, &since));
        while let Some(page) = pages.next(session, link).await? {
            for found in page {
                let Some(entry) = ber::entry(found, session.dialect) else { continue };
                let time = second(session.dialect, &entry).unwrap_or_default();
                if time > newest {
                    newest.clone_from(&time);
                }
                told.insert(entry.uuid, (time, entry.stamp.clone()));
                if self.told.get(&entry.uuid) != Some(&entry.stamp) {
                    session.changed(entry).await?;
                }
            }
        }
        let back = reach_back(&newest);
        self.told = told
            .into_iter()
            .filter(|(_, (time, _))| counted.is_none() && *time >= back)
            .map(|(uuid, (_, stamp))| (uuid, stamp))
            .collect();
        Ok(counted.unwrap_or(newest))
    }
}

/// The filter for what was written since a place; everything where there is none.
fn written_since(dialect: Dialect, since: &str) -> String {
    match dialect {
        Dialect::ActiveDirectory => {
            let next = since.parse::<u64>().unwrap_or(0).saturating_add(1);
            format!("(&(objectClass=*)(uSNChanged>={next}))")
        }
        _ if since.is_empty() => "(objectClass=*)".to_owned(),
        Dialect::Openldap => {
            format!("(&(objectClass=*)(entryCSN>={}.000000Z#000000#000#000000))", reach_back(since))
        }
        Dialect::Standard | Dialect::Ds389 => {
            format!("(&(objectClass=*)(modifyTimestamp>={}Z))", reach_back(since))
        }
    }
}

/// The second in which an entry was written, as the fourteen digits of a GeneralizedTime (RFC 4517, section 3.3.13).
fn second(dialect: Dialect, entry: &Entry) -> Option<String> {
    let value = match dialect {
        Dialect::Openldap => entry.first("entryCSN").or_else(|| entry.first("modifyTimestamp")),
        _ => entry.first("modifyTimestamp"),
    };
    let digits = value?.get(..14)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.to_owned())
}

fn reach_back(since: &str) -> String {
    let at = strtime::parse("%Y%m%d%H%M%S", since).and_then(|parsed| parsed.to_datetime());
    let back = at.and_then(|at: DateTime| at.checked_sub(OVERLAP));
    back.map_or_else(|_| since.to_owned(), |back| back.strftime("%Y%m%d%H%M%S").to_string())
}

/// What Active Directory has written up to now.
async fn committed(session: &Session<'_>, link: &Link) -> Result<String, End> {
    let limit = session.prepared.settings.timeouts.operation;
    let capabilities = link.capabilities(limit).await.map_err(|fault| End::fault(link, &fault))?;
    let committed = capabilities.committed.map(|number| number.to_string());
    committed.ok_or_else(|| End::Again(format!("{}: highestCommittedUSN cannot be read", link.place)))
}

/// Is anything there that was written at that time or later?
async fn reached(session: &Session<'_>, link: &Link, time: &str) -> Result<bool, End> {
    let settings = &session.prepared.settings;
    let filter = match session.dialect {
        Dialect::Openldap => format!("(entryCSN>={time}.000000Z#000000#000#000000)"),
        _ => format!("(modifyTimestamp>={time}Z)"),
    };
    let query = Query {
        base: &settings.base,
        scope: ldap3::Scope::Subtree,
        filter: &filter,
        attributes: ["1.1".to_owned()].into(),
        limit: 1,
    };
    let answer = session.search(link, Vec::new(), &query).await?;
    match answer.result.rc {
        0 | 4 => Ok(!answer.entries.is_empty()),
        _ => Err(End::refused(link, &answer.result)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reaches_back_and_a_counter_does_not() {
        let since = "20261101000030";
        assert_eq!(reach_back(since), "20261031235930");
        assert_eq!(
            written_since(Dialect::Ds389, since),
            "(&(objectClass=*)(modifyTimestamp>=20261031235930Z))"
        );
        assert_eq!(written_since(Dialect::ActiveDirectory, "41"), "(&(objectClass=*)(uSNChanged>=42))");
        assert_eq!(written_since(Dialect::Standard, ""), "(objectClass=*)");
        assert_eq!(reach_back("nonsense"), "nonsense");
    }
}
