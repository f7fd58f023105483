//! What is wrong with a configuration, so that a person can put it right: what was found, what was expected, what to do.

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amiss {
    /// What was found.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What to do.
    pub action: String,
}

impl Amiss {
    /// In words.
    pub fn new(what: impl Into<String>, expected: impl Into<String>, action: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into(), action: action.into() }
    }
}

/// A value that is not of its kind.
impl From<String> for Amiss {
    fn from(what: String) -> Self {
        Self::new(what, "a value as conf/pages.toml describes it", "correct the key")
    }
}

impl std::fmt::Display for Amiss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  expected: {}\n  to do: {}", self.what, self.expected, self.action)
    }
}

/// All that is found in one file.
#[derive(Debug)]
pub struct Faults {
    name: String,
    found: Vec<Amiss>,
}

impl Faults {
    /// None yet, in a file of this name.
    pub fn of(name: String) -> Self {
        Self { name, found: Vec::new() }
    }

    /// Notes one at a key.
    pub fn say(&mut self, key: &str, amiss: impl Into<Amiss>) {
        let amiss = amiss.into();
        self.whole(Amiss { what: format!("{key}: {}", amiss.what), ..amiss });
    }

    /// Notes one of the file as a whole.
    pub fn whole(&mut self, amiss: Amiss) {
        self.found.push(Amiss { what: format!("{}: {}", self.name, amiss.what), ..amiss });
    }

    /// What is there, or none and a note.
    pub fn take<T>(&mut self, key: &str, result: Result<T, impl Into<Amiss>>) -> Option<T> {
        result.map_err(|amiss| self.say(key, amiss)).ok()
    }

    /// All of them.
    pub fn found(self) -> Vec<Amiss> {
        self.found
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}
