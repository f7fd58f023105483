//! Texts that must not be seen: passwords, sessions, tickets, links.
//!
//! It hides them from `Debug` and wipes them when dropped; it does not encrypt them, and what serde or the kernel
//! copied on the way is theirs.

use std::fmt;
use std::hint::black_box;

use serde::{Deserialize, Serialize};

/// A text that `Debug` does not show and that is overwritten when dropped. Serialising shows it: it has to
/// travel.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text itself, for a type with a guard of its own; it is no longer wiped here.
    pub fn into_exposed(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// In a time that does not depend on where the two differ, only on their lengths.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.bytes().zip(other.0.bytes());
        let difference = pairs.fold(0, |so_far, (mine, theirs)| black_box(so_far | (mine ^ theirs)));
        self.0.len() == other.0.len() && difference == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0).into_bytes());
    }
}

/// Overwrites bytes before they are freed. `black_box` keeps the compiler from leaving the writes out; a
/// volatile write would promise it, and needs `unsafe`.
pub(crate) fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    black_box(&mut bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_it() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(…))");
    }

    #[test]
    fn the_wire_shows_it() {
        let text = serde_json::to_string(&Secret::new("hunter2")).expect("a string serialises");
        assert_eq!(text, "\"hunter2\"");
    }

    #[test]
    fn equal_only_to_itself() {
        assert_eq!(Secret::new("abc"), Secret::new("abc"));
        assert_ne!(Secret::new("abc"), Secret::new("abd"));
        assert_ne!(Secret::new("abc"), Secret::new("ab"));
        assert_ne!(Secret::new(""), Secret::new("a"));
    }
}
