//! What an entry's attributes mean: its standing, and which population it belongs to. The filters are configuration.

use super::filter::Filter;
use super::schema::Schema;
use super::{Entry, Standing};

/// The three state filters, and the populations in order.
#[derive(Clone, Debug)]
pub struct States {
    pub(super) provisional: Filter,
    pub(super) active: Filter,
    pub(super) locked: Filter,
    pub(super) populations: Vec<(String, Filter)>,
}

impl States {
    /// Locked wins over provisional, and provisional over active: in doubt, the door stays shut.
    pub fn standing(&self, entry: &Entry, schema: &Schema) -> Standing {
        if entry.is_alias() {
            Standing::Unknown
        } else if self.locked.holds(entry, schema) {
            Standing::Locked
        } else if self.provisional.holds(entry, schema) {
            Standing::Provisional
        } else if self.active.holds(entry, schema) {
            Standing::Active
        } else {
            Standing::Unknown
        }
    }

    /// The first population whose filter matches.
    pub fn population(&self, entry: &Entry, schema: &Schema) -> Option<&str> {
        self.populations.iter().find(|(_, filter)| filter.holds(entry, schema)).map(|(name, _)| name.as_str())
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &Filter> {
        [&self.provisional, &self.active, &self.locked]
            .into_iter()
            .chain(self.populations.iter().map(|(_, f)| f))
    }
}
