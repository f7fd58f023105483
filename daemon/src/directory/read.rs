//! Finding one person by login, and reading one entry by its identity.

use std::sync::Arc;

use ldap3::Scope;

use super::link::{Answer, Query, passing, refusal};
use super::{Dialect, Directory, DirectoryError, Entry, EntryUuid, Found, ber};

/// No login is longer; what is, is nobody's, and the server is not asked.
const MAX_LOGIN: usize = 256;

/// Anything else is nobody's.
pub(super) fn can_be_login(login: &str) -> bool {
    !login.is_empty() && login.len() <= MAX_LOGIN && !login.chars().any(char::is_control)
}

impl Directory {
    /// Who has this login: one search, with a size limit of two.
    ///
    /// # Errors
    /// [`DirectoryError::Unavailable`] within the operation's deadline; `Refused` where the base or the rights are wrong.
    pub async fn find(&self, login: &str) -> Result<Found, DirectoryError> {
        if !can_be_login(login) {
            return Ok(Found::Nobody);
        }
        let prepared = &self.inner.prepared;
        let filter = self.dialect().people(&prepared.login_filter(login));
        found(self.ask(&self.people(&filter, 2)).await?, self.dialect())
    }

    /// The entry with this identity, wherever it stands now; `None`: there is none.
    ///
    /// # Errors
    /// As [`Directory::find`].
    pub async fn read(&self, uuid: EntryUuid) -> Result<Option<Entry>, DirectoryError> {
        let filter = self.dialect().uuid_filter(uuid);
        let mut answer = self.ask(&self.people(&filter, 2)).await?;
        match (answer.entries.pop(), answer.entries.is_empty(), answer.result.rc) {
            (None, _, 0) => Ok(None),
            (Some(one), true, 0) => entry(one, self.dialect()).map(Some),
            _ => Err(refused(&answer)),
        }
    }

    fn people<'a>(&'a self, filter: &'a str, limit: i32) -> Query<'a> {
        let prepared = &self.inner.prepared;
        let attributes = Arc::clone(&prepared.attributes);
        Query { base: &prepared.settings.base, scope: Scope::Subtree, filter, attributes, limit }
    }
}

/// What a search by login has come to.
pub(super) fn found(mut answer: Answer, dialect: Dialect) -> Result<Found, DirectoryError> {
    let last = answer.entries.pop();
    match (last, answer.entries.is_empty(), answer.result.rc) {
        (None, _, 0) => Ok(Found::Nobody),
        (Some(one), true, 0) => Ok(Found::One(Box::new(entry(one, dialect)?))),
        (last, _, 0 | 4) => {
            let all = answer.entries.into_iter().chain(last);
            Ok(Found::Several(all.filter_map(ber::attributes).map(|(dn, _)| dn).collect()))
        }
        _ => Err(refused(&answer)),
    }
}

/// An entry that was found, if it says who it is.
fn entry(found: ldap3::asn1::StructureTag, dialect: Dialect) -> Result<Entry, DirectoryError> {
    ber::entry(found, dialect).ok_or_else(|| DirectoryError::Refused {
        code: 0,
        text: format!(
            "an entry was found, but its {} cannot be read: let the service read it",
            dialect.identity()
        ),
    })
}

pub(super) fn refused(answer: &Answer) -> DirectoryError {
    let result = &answer.result;
    match result.rc {
        code if passing(code) => DirectoryError::Unavailable(refusal(result)),
        code => DirectoryError::Refused { code, text: refusal(result) },
    }
}
