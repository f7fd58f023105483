//! How people are looked up, and whether the server has to read the whole directory for it: by its configuration where that
//! can be read, and by its own time in any case.

use std::time::{Duration, Instant};

use ldap3::Scope;

use super::{Level, Look};
use crate::directory::facts::Database;
use crate::directory::link::{Fault, Link};
use crate::directory::schema::Schema;

/// Looked up so often: the fastest is the server's own time.
const TIMES: usize = 5;
/// A look-up that takes so many times as long as the reading of one entry …
const TIMES_AS_LONG: u32 = 10;
/// … and longer than this reads more than it should.
const LONG: Duration = Duration::from_millis(2);

impl Look<'_> {
    /// What is asked for at each step must be found by an index.
    pub(super) fn indexed(&mut self, database: &Database, schema: &Schema) {
        let mut wanted: Vec<String> = vec!["entryUUID".to_owned(), "entryCSN".to_owned()];
        let mut add = |name: &str| {
            if !wanted.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                wanted.push(name.to_owned());
            }
        };
        add(&self.prepared.settings.login_attribute);
        self.prepared.states.provisional.attributes(&mut add);
        // One that the server does not know is in nobody's entry, and costs nothing.
        self.prepared.holders.looked_at().iter().filter(|name| schema.knows(name)).for_each(|name| add(name));
        let held = |name: &String| {
            database.indices.iter().any(|index| {
                let mut parts = index.split_whitespace();
                let names = parts.next().unwrap_or_default();
                let kinds = parts.next().unwrap_or("eq");
                names.split(',').any(|held| held.eq_ignore_ascii_case(name)) && kinds.contains("eq")
            })
        };
        wanted.retain(|name| !held(name));
        if wanted.is_empty() {
            self.ok("what people are found by is indexed".to_owned());
            return;
        }
        let what = format!("not indexed: {}", wanted.join(", "));
        self.push(
            Level::Warn,
            what,
            "an index for equality on each",
            "add it: a large directory is read whole without",
        );
        let add = self.remedies().index(&wanted);
        self.add(add);
    }

    /// Whoever nobody is, by login and by address: an answer that an index gives at once.
    pub(super) async fn looked_up(&mut self, link: &Link) -> Result<(), Fault> {
        let settings = &self.prepared.settings;
        let login = format!("({}=nobody-of-parvis)", settings.login_attribute);
        let address = self.prepared.holders.asking(&["nobody@parvis.invalid".to_owned()]);
        let one = self.fastest(link, Scope::Base, "(objectClass=*)").await?;
        let mut slow = false;
        let asked = [
            ("login", "directory.login-attribute", Some(login)),
            ("address", "directory.address-filter", address),
        ];
        for (by, key, filter) in asked {
            let Some(filter) = filter else { continue };
            let took = self.fastest(link, Scope::Subtree, &self.dialect.people(&filter)).await?;
            if took < LONG || took < one * TIMES_AS_LONG {
                continue;
            }
            slow = true;
            let what = format!(
                "looking for somebody by {by} takes {:.1} ms, where one entry is read in {:.1}: the server reads everybody",
                took.as_secs_f64() * 1000.0,
                one.as_secs_f64() * 1000.0
            );
            let action =
                format!("index each attribute of {key} for equality; name none there that nobody has");
            self.warn(what, "an answer by an index", &action);
        }
        if !slow {
            self.ok("nobody is read but whom is looked for".to_owned());
        }
        Ok(())
    }

    /// How long the server takes for a search, when nothing else holds it up.
    async fn fastest(&self, link: &Link, scope: Scope, filter: &str) -> Result<Duration, Fault> {
        let mut fastest = self.limit;
        for _ in 0..TIMES {
            let begun = Instant::now();
            self.search(link, scope, filter, &["1.1"], 1).await?;
            fastest = fastest.min(begun.elapsed());
        }
        Ok(fastest)
    }
}
