//! Whose a mail address is, as far as the directory knows: the person's own aliases, and what others forward.
//!
//! It finds the entries; what follows from them is not its affair.

use std::sync::Arc;

use ldap3::Scope;

use super::filter::Filter;
use super::link::Query;
use super::read::refused;
use super::settings::{ALWAYS, Settings, SettingsFault};
use super::{Directory, DirectoryError, Entry, ber};

/// An address is held by one entry, and perhaps by a list or two; more is an odd directory, and these are enough.
const MOST: i32 = 8;

/// The filter for addresses, and what is read of an entry that it finds.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    /// Empty: the directory is not asked.
    filter: String,
    /// The attributes in which the filter looks for an address, in lower case.
    looked_at: Vec<String>,
    attributes: Arc<[String]>,
}

impl Holders {
    /// From the settings, or what is wrong with them.
    pub(super) fn of(settings: &Settings) -> Result<Self, SettingsFault> {
        let filter = settings.address_filter.trim();
        if filter.is_empty() {
            return Ok(Self::default());
        }
        let fault = |fault: String| SettingsFault { key: "address-filter", fault };
        if !filter.contains("{address}") {
            return Err(fault("it must contain {address}; empty, the directory is not asked".to_owned()));
        }
        let parsed =
            Filter::parse(&filter.replace("{address}", "x")).map_err(|words| fault(words.to_string()))?;
        let mut looked_at: Vec<String> = Vec::new();
        parsed.attributes(&mut |name| looked_at.push(name.to_ascii_lowercase()));
        looked_at.sort();
        looked_at.dedup();
        let attributes = ALWAYS.iter().map(|name| (*name).to_owned());
        let attributes = attributes.chain(looked_at.iter().cloned()).chain(settings.address_targets.clone());
        Ok(Self { filter: filter.to_owned(), attributes: attributes.collect(), looked_at })
    }

    /// The filter for whoever holds one of these spellings of an address; none where the directory is not asked.
    pub(super) fn asking(&self, spellings: &[String]) -> Option<String> {
        if self.filter.is_empty() || spellings.is_empty() {
            return None;
        }
        let one =
            |spelling: &String| self.filter.replace("{address}", &ldap3::ldap_escape(spelling.as_str()));
        Some(format!("(|{})", spellings.iter().map(one).collect::<String>()))
    }

    /// The attributes that it looks into, in lower case.
    pub(super) fn looked_at(&self) -> &[String] {
        &self.looked_at
    }
}

impl Directory {
    /// The entries that hold one of these spellings of an address, with the attributes that are named for it. None where
    /// the directory is not to be asked. An alias is nobody, whatever address it has.
    ///
    /// # Errors
    /// As [`Directory::find`].
    pub async fn holders(&self, spellings: &[String]) -> Result<Vec<Entry>, DirectoryError> {
        let (prepared, held) = (&self.inner.prepared, &self.inner.prepared.holders);
        let Some(each) = held.asking(spellings) else { return Ok(Vec::new()) };
        let filter = self.dialect().people(&each);
        let query = Query {
            base: &prepared.settings.base,
            scope: Scope::Subtree,
            filter: &filter,
            attributes: Arc::clone(&held.attributes),
            limit: MOST,
        };
        let answer = self.ask(&query).await?;
        match answer.result.rc {
            // More than asked for is an answer as well.
            0 | 4 => {
                Ok(answer.entries.into_iter().filter_map(|found| ber::entry(found, self.dialect())).collect())
            }
            _ => Err(refused(&answer)),
        }
    }

    /// In which attributes [`Directory::holders`] looks, in lower case. A server finds an address in their subtypes too
    /// (`supannAutreMail` is one of `mail`), and those are the person's other addresses.
    pub fn holding_attributes(&self) -> &[String] {
        self.inner.prepared.holders.looked_at()
    }
}
