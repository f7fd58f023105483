//! Active Directory's DirSync (MS-ADTS, section 3.1.1.3.4.1.3): what changed since a cookie, deletions and moves included.
//!
//! It names the object and the attributes that changed, no more: so who was named is read, and whoever is not under our
//! base, or is provisional no more, is told as gone. It never waits, so it is asked at intervals.

use std::sync::Arc;

use ldap3::Scope;
use ldap3::controls::RawControl;

use super::asking::Source;
use super::{End, Session, Sighting};
use crate::directory::link::{self, Link, Query, refusal};
use crate::directory::settings::Way;
use crate::directory::{EntryUuid, ber};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The DirSync control, the same for request and response.
pub(super) const CONTROL: &str = "1.2.840.113556.1.4.841";
/// Objects in one answer, at most so many octets of them.
const OCTETS: i32 = 1 << 20;
/// People read in one search.
const TOGETHER: usize = 50;
/// The search that answers with a cookie and nobody: no object is of no class.
const NOBODY: &str = "(&(objectClass=user)(!(objectClass=*)))";
/// Whom the changes are about.
const PEOPLE: &str = "(objectClass=user)";
/// insufficientAccessRights.
const DENIED: u32 = 50;

/// Changes by cookie.
pub(super) struct Dirsync;

impl Source for Dirsync {
    const WAY: Way = Way::Dirsync;

    fn of(&self, _: &Session<'_>, link: &Link) -> String {
        // Another domain controller may not know the cookie.
        format!("dirsync {}", link.place)
    }

    async fn begin(&mut self, session: &Session<'_>, link: &Link, _: Option<String>) -> Result<String, End> {
        let mut cookie = Vec::new();
        loop {
            let answer = ask(session, link, NOBODY, cookie).await?;
            cookie = answer.cookie;
            if !answer.more {
                return Ok(STANDARD.encode(cookie));
            }
        }
    }

    async fn changes(&mut self, session: &Session<'_>, link: &Link, since: String) -> Result<String, End> {
        let anew =
            || End::Anew(format!("{}: the place where the watch had come to cannot be read", link.place));
        let mut cookie = STANDARD.decode(since).map_err(|_| anew())?;
        loop {
            let answer = ask(session, link, PEOPLE, cookie).await?;
            cookie = answer.cookie;
            for together in answer.changed.chunks(TOGETHER) {
                read(session, link, together).await?;
            }
            if !answer.more {
                return Ok(STANDARD.encode(cookie));
            }
        }
    }
}

struct Answer {
    changed: Vec<EntryUuid>,
    more: bool,
    cookie: Vec<u8>,
}

/// One question: over the whole naming context, as DirSync wants it.
async fn ask(session: &Session<'_>, link: &Link, filter: &str, cookie: Vec<u8>) -> Result<Answer, End> {
    let settings = &session.prepared.settings;
    let base = context(&session.capabilities.contexts, &settings.base);
    let resumed = !cookie.is_empty();
    let mut attributes: Vec<String> = session.prepared.attributes.to_vec();
    attributes.push("isDeleted".to_owned());
    let control = RawControl { ctype: CONTROL.to_owned(), crit: true, val: Some(request(&cookie)) };
    let query = Query { base, scope: Scope::Subtree, filter, attributes: attributes.into(), limit: 0 };
    let link::Answer { entries, result } = session.search(link, vec![control], &query).await?;
    let why = || format!("{}: {}", link.place, refusal(&result));
    match result.rc {
        0 => {}
        // Of the server's own state, not of our cookie or rights.
        code if link::passing(code) => return Err(End::Again(why())),
        DENIED => {
            let needs = "DirSync needs the right \"Replicating Directory Changes\" on the naming context";
            return Err(End::Barred(Way::Dirsync, format!("{}; {needs}", why())));
        }
        _ if resumed => return Err(End::Anew(why())),
        _ => return Err(End::Barred(Way::Dirsync, why())),
    }
    let malformed = || End::Again(format!("{}: the answer to DirSync is malformed", link.place));
    let control = result.ctrls.iter().find(|control| control.1.ctype == CONTROL);
    let (more, cookie) = control.and_then(|c| response(c.1.val.as_deref()?)).ok_or_else(malformed)?;
    let changed = entries.into_iter().map(|entry| session.dialect.uuid(&ber::attributes(entry)?.1));
    Ok(Answer { changed: changed.collect::<Option<_>>().ok_or_else(malformed)?, more, cookie })
}

/// Read who was named, and tell what they are now.
async fn read(session: &Session<'_>, link: &Link, named: &[EntryUuid]) -> Result<(), End> {
    let settings = &session.prepared.settings;
    let each: String = named.iter().map(|uuid| session.dialect.uuid_filter(*uuid)).collect();
    let (filter, attributes) = (format!("(|{each})"), Arc::clone(&session.prepared.attributes));
    let query = Query { base: &settings.base, scope: Scope::Subtree, filter: &filter, attributes, limit: 0 };
    let answer = session.search(link, Vec::new(), &query).await?;
    if answer.result.rc != 0 {
        return Err(End::refused(link, &answer.result));
    }
    let mut here = Vec::new();
    for entry in answer.entries.into_iter().filter_map(|found| ber::entry(found, session.dialect)) {
        here.push(entry.uuid);
        session.changed(entry).await?;
    }
    for gone in named.iter().filter(|uuid| !here.contains(uuid)) {
        session.tell(Sighting::Left(*gone)).await?;
    }
    Ok(())
}

/// The naming context that holds the base: the longest that its DN ends with.
fn context<'a>(contexts: &'a [String], base: &'a str) -> &'a str {
    let lower = base.to_lowercase();
    let holds = |context: &&String| !context.is_empty() && lower.ends_with(&context.to_lowercase());
    contexts.iter().filter(holds).max_by_key(|context| context.len()).map_or(base, String::as_str)
}

/// SEQUENCE { flags INTEGER, octets INTEGER, cookie OCTET STRING }.
fn request(cookie: &[u8]) -> Vec<u8> {
    let octets = OCTETS.to_be_bytes();
    let content = [&[0x02, 1, 0, 0x02, 4][..], &octets, &ber::octets(cookie)].concat();
    ber::sequence(&content)
}

/// SEQUENCE { more INTEGER, unused INTEGER, cookie OCTET STRING }.
fn response(value: &[u8]) -> Option<(bool, Vec<u8>)> {
    let (0x30, content, _) = ber::take(value)? else { return None };
    let parts = ber::inside(content)?;
    let [(0x02, more), (0x02, _), (0x04, cookie)] = parts.as_slice() else { return None };
    (!cookie.is_empty()).then(|| (more.iter().any(|octet| *octet != 0), cookie.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_is_written_and_read() {
        let request = request(&[7; 200]);
        let (tag, content, rest) = ber::take(&request).unwrap();
        let parts = ber::inside(content).unwrap();
        assert_eq!((tag, rest.len(), parts.len(), parts[2].1), (0x30, 0, 3, &[7; 200][..]));
        assert_eq!(response(&[0x30, 9, 2, 1, 1, 2, 1, 0, 4, 1, 9]), Some((true, vec![9])));
        for wrong in [&b""[..], &[0x30, 0], &[0x30, 8, 2, 1, 1, 2, 1, 0, 4, 0], &[0x30, 3, 2, 1, 1]] {
            assert_eq!(response(wrong), None);
        }
    }

    #[test]
    fn the_naming_context_is_the_one_that_holds_the_base() {
        let contexts = ["DC=ad,DC=test", "CN=Configuration,DC=ad,DC=test"].map(str::to_owned);
        assert_eq!(context(&contexts, "ou=people,dc=AD,dc=test"), "DC=ad,DC=test");
        assert_eq!(context(&[], "ou=people,dc=test"), "ou=people,dc=test");
    }
}
