//! How far the watch has come, where the server has no cookie of its own: kept in the place of one.

use serde::{Deserialize, Serialize};

/// What our own cookies begin with; no server's does.
const OURS: &[u8] = b"parvis:";

/// Is this a cookie that we made ourselves?
pub(super) fn ours(cookie: &[u8]) -> bool {
    cookie.starts_with(OURS)
}

/// How far the watch has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Which kind of source wrote it, and where the place means something.
    pub(super) of: String,
    /// The place, in the source's own form.
    pub(super) place: String,
    /// When everything was compared last, in seconds since 1970.
    pub(super) compared: i64,
}

impl Mark {
    /// From a cookie that [`Mark::write`] made for the same source.
    pub(super) fn read(cookie: Option<&[u8]>, of: &str) -> Option<Mark> {
        let mark: Mark = serde_json::from_slice(cookie?.strip_prefix(OURS)?).ok()?;
        (mark.of == of).then_some(mark)
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut cookie = OURS.to_vec();
        cookie.extend(serde_json::to_vec(self).unwrap_or_default());
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_by_its_own_source_only() {
        let mark = Mark { of: "poll ldap://a".to_owned(), place: "20261122".to_owned(), compared: 7 };
        let cookie = mark.write();
        assert!(ours(&cookie) && !ours(b"rid=000,csn=1"));
        assert_eq!(Mark::read(Some(&cookie), "poll ldap://a"), Some(mark));
        for (cookie, of) in [(&cookie[..], "dirsync"), (b"rid=000", "poll ldap://a"), (b"parvis:{", "")] {
            assert_eq!(Mark::read(Some(cookie), of), None);
        }
    }
}
