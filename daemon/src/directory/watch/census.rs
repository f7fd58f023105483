//! Reading many entries, page by page (RFC 2696): as much memory as one page needs, however many there are.

use std::collections::HashSet;
use std::sync::Arc;

use ldap3::Scope;
use ldap3::asn1::StructureTag;
use ldap3::controls::{Control, ControlType, PagedResults};

use super::{End, Session, Sighting};
use crate::directory::link::{Answer, Link, Query};
use crate::directory::{EntryUuid, ber};

/// Entries in one page: as many as Active Directory gives, and a few megabytes at most.
const PAGE: i32 = 500;
/// The simple paged results control.
const CONTROL: &str = "1.2.840.113556.1.4.319";

impl Session<'_> {
    /// Tell everybody who is provisional, and say who they are.
    pub(super) async fn census(&self, link: &Link) -> Result<HashSet<EntryUuid>, End> {
        let filter = self.dialect.people(&self.prepared.settings.provisional);
        let mut named = HashSet::new();
        let mut pages = Pages::new(filter);
        while let Some(page) = pages.next(self, link).await? {
            for found in page {
                let Some(entry) = ber::entry(found, self.dialect) else {
                    let name = self.dialect.identity();
                    return Err(End::Again(format!("{}: {name} of an entry cannot be read", link.place)));
                };
                named.insert(entry.uuid);
                self.tell(Sighting::Entry(Box::new(entry))).await?;
            }
        }
        Ok(named)
    }
}

/// A search under the base, a page at a time.
pub(super) struct Pages {
    filter: String,
    /// Where the next page begins; `None`: there is none.
    cookie: Option<Vec<u8>>,
}

impl Pages {
    pub(super) fn new(filter: String) -> Pages {
        Pages { filter, cookie: Some(Vec::new()) }
    }

    /// The next page, as it came; `None`: that was all.
    pub(super) async fn next(
        &mut self,
        session: &Session<'_>,
        link: &Link,
    ) -> Result<Option<Vec<StructureTag>>, End> {
        let Some(cookie) = self.cookie.take() else { return Ok(None) };
        let (settings, attributes) = (&session.prepared.settings, Arc::clone(&session.prepared.attributes));
        let paged = session.capabilities.control(CONTROL).then(|| PagedResults { size: PAGE, cookie }.into());
        let (base, filter) = (&settings.base, &self.filter);
        let query = Query { base, scope: Scope::Subtree, filter, attributes, limit: 0 };
        let Answer { entries, result } = session.search(link, paged.into_iter().collect(), &query).await?;
        if result.rc != 0 {
            return Err(End::refused(link, &result));
        }
        self.cookie = result.ctrls.iter().find_map(next_page).filter(|cookie| !cookie.is_empty());
        Ok(Some(entries))
    }
}

/// The cookie in a response control: SEQUENCE { size INTEGER, cookie OCTET STRING }.
fn next_page(control: &Control) -> Option<Vec<u8>> {
    let Control(known, raw) = control;
    if !matches!(known, Some(ControlType::PagedResults)) && raw.ctype != CONTROL {
        return None;
    }
    let (0x30, content, _) = ber::take(raw.val.as_deref()?)? else { return None };
    let mut parts = ber::inside(content)?.into_iter();
    parts.next().filter(|(tag, _)| *tag == 0x02)?;
    parts.next().filter(|(tag, _)| *tag == 0x04).map(|(_, cookie)| cookie.to_vec())
}
