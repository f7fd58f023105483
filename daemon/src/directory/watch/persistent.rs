//! Persistent search (draft-ietf-ldapext-psearch-03): the server tells what changes from now on, and no more.
//!
//! It keeps no history, so everybody is read whenever the watch begins; and what left a filter is not told as such, so
//! it is asked about everybody who has a login, and who is provisional is seen here. Whoever was not is not told of:
//! 389 DS changes an entry several times at one password, and each hint costs whoever hears it a reading.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use ldap3::controls::RawControl;
use ldap3::{ResultEntry, Scope};
use tokio::time::{Instant, sleep_until};

use super::live::Live;
use super::{End, Session, Sighting};
use crate::directory::link::{Link, refusal, within};
use crate::directory::settings::Way;
use crate::directory::{EntryUuid, ber};

/// The persistent search control.
pub(super) const CONTROL: &str = "2.16.840.1.113730.3.4.3";
/// The entry change notification that comes with each entry.
const NOTIFICATION: &str = "2.16.840.1.113730.3.4.7";
/// SEQUENCE { changeTypes 15 (all), changesOnly TRUE, returnECs TRUE }.
const REQUEST: [u8; 11] = [0x30, 9, 0x02, 1, 15, 0x01, 1, 0xff, 0x01, 1, 0xff];
/// The change type of a deletion.
const DELETE: u32 = 2;

/// The request control.
pub(super) fn request() -> RawControl {
    RawControl { ctype: CONTROL.to_owned(), crit: true, val: Some(REQUEST.to_vec()) }
}

/// Begin to listen, read everybody, then tell what comes.
pub(super) async fn session(mut session: Session<'_>, asking: Link) -> Result<Infallible, End> {
    let settings = &session.prepared.settings;
    let waits = settings.timeouts;
    let made = Link::establish_relayed(session.prepared, session.server).await;
    let (link, credits) = made.map_err(|fault| End::fault(&asking, &fault))?;
    let filter = format!("(|({}=*){})", settings.login_attribute, settings.provisional);
    let mut ldap = link.ldap();
    ldap.with_controls(vec![request()]);
    let attributes = Arc::clone(&session.prepared.attributes);
    let search = ldap.streaming_search(&settings.base, Scope::Subtree, &filter, attributes);
    let stream = within(waits.operation, search).await.map_err(|fault| End::fault(&link, &fault))?;
    // Its answer comes after the search has begun: whatever is written from here on is told.
    link.who_am_i(waits.operation).await.map_err(|fault| End::fault(&link, &fault))?;
    credits.give_back();
    let mut live = Live::new(&link, waits, &credits, stream);
    let mut compare = Instant::now() + settings.watch.compare;
    let mut known = everybody(&mut session, &asking).await?;
    let mut asking = Some(asking);
    loop {
        // Kept for the first reading only: between two, nobody would notice that it is gone.
        drop(asking.take());
        tokio::select! {
            item = live.next(session.sink) => match item? {
                Some(item) => told(&session, &link, item, &mut known).await?,
                None => {
                    let result = live.result().await;
                    let why = format!("{}: {}", link.place, refusal(&result));
                    return Err(match result.rc {
                        12 | 50 => End::Barred(Way::PersistentSearch, why),
                        _ => End::Again(why),
                    });
                }
            },
            () = sleep_until(compare) => {
                compare = Instant::now() + session.prepared.settings.watch.compare;
                let again = Link::establish(session.prepared, session.server).await;
                let again = again.map_err(|fault| End::fault(&link, &fault))?;
                known = everybody(&mut session, &again).await?;
            }
        }
    }
}

/// Tell everybody who is provisional, and who they are.
async fn everybody(session: &mut Session<'_>, asking: &Link) -> Result<HashSet<EntryUuid>, End> {
    let named = session.census(asking).await?;
    session.refreshed(Some(named.clone()), None, Way::PersistentSearch).await?;
    Ok(named)
}

/// One change; `known` are those who were told as provisional.
async fn told(
    session: &Session<'_>,
    link: &Link,
    item: ResultEntry,
    known: &mut HashSet<EntryUuid>,
) -> Result<(), End> {
    if item.is_ref() || item.is_intermediate() {
        return Ok(());
    }
    let notification = item.1.iter().find(|control| control.1.ctype == NOTIFICATION);
    let change = notification.and_then(|control| change_type(control.1.val.as_deref()?));
    let entry = ber::entry(item.0, session.dialect);
    let (Some(change), Some(entry)) = (change, entry) else {
        return Err(End::Again(format!("{}: a change notification is malformed", link.place)));
    };
    if change != DELETE && session.provisional(&entry) {
        known.insert(entry.uuid);
        return session.tell(Sighting::Entry(Box::new(entry))).await;
    }
    if known.remove(&entry.uuid) { session.tell(Sighting::Left(entry.uuid)).await } else { Ok(()) }
}

/// SEQUENCE { changeType ENUMERATED, … }.
fn change_type(value: &[u8]) -> Option<u32> {
    let (0x30, content, _) = ber::take(value)? else { return None };
    let (tag, content, _) = ber::take(content)?;
    if tag == 0x0a { ber::small(content) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_says_what_happened() {
        assert_eq!(change_type(&[0x30, 3, 0x0a, 1, 2]), Some(DELETE));
        assert_eq!(change_type(&[0x30, 6, 0x0a, 1, 8, 0x04, 1, 7]), Some(8));
        for wrong in [&b""[..], &[0x30, 0], &[0x30, 3, 0x02, 1, 2], &[0x0a, 1, 2]] {
            assert_eq!(change_type(wrong), None);
        }
    }
}
