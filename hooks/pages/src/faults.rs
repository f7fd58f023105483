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

    /// Notes one at a key; at the file as a whole where the key is empty.
    pub fn say(&mut self, key: &str, amiss: impl Into<Amiss>) {
        let mut amiss = amiss.into();
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        amiss.what = format!("{}: {key}{}", self.name, amiss.what);
        self.found.push(amiss);
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
