//! The connection, who the service is, the base, and how many people can be read of it.

use ldap3::Scope;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};

use super::{Look, MAX_COUNT};
use crate::directory::ber;
use crate::directory::link::{Fault, Link, refusal, within};
use crate::directory::settings::ALWAYS;

/// Entries in one page.
const PAGE: i32 = 500;

impl Look<'_> {
    /// Reach one server, protect the connection, bind.
    pub(super) async fn server(&mut self, index: usize) -> Option<Link> {
        let uri = self.prepared.settings.place(index).to_owned();
        match Link::dial(self.prepared, index).await {
            Err(fault) => {
                let action = "check the URI, the firewall, and ca-file for a certificate that is not trusted";
                self.fail(format!("{uri} cannot be reached: {}", fault.words()), "a connection", action);
                return None;
            }
            Ok(link) if !link.protected => {
                let action = "use ldaps:// or starttls: passwords are not written over this connection";
                self.warn(format!("{uri} is reached in clear text"), "a protected connection", action);
            }
            Ok(_) => self.ok(format!("{uri} is reached")),
        }
        match Link::establish(self.prepared, index).await {
            Err(fault) => {
                let action = "check the bind DN and its password";
                self.fail(format!("{uri} refuses the service: {}", fault.words()), "a bind", action);
                None
            }
            Ok(link) => {
                match link.who_am_i(self.limit).await {
                    Ok(name) => self.ok(format!("{uri} knows the service as {name:?}")),
                    Err(fault) => {
                        let what = format!("{uri} does not say who the service is: {}", fault.words());
                        self.warn(what, "an answer to Who am I (RFC 4532)", "allow the extended operation");
                    }
                }
                Some(link)
            }
        }
    }

    /// Is the base there, are its people readable, how many are provisional?
    pub(super) async fn base(&mut self, link: &Link) -> Result<(), Fault> {
        let base = self.prepared.settings.base.clone();
        let answer = self.search(link, Scope::Base, "(objectClass=*)", &["1.1"], 1).await?;
        if answer.result.rc != 0 || answer.entries.is_empty() {
            let what = format!("the base {base} cannot be read: {}", refusal(&answer.result));
            self.fail(what, "the entry under which the people are", "check base, and the service's rights");
            return Ok(());
        }
        self.ok(format!("the base {base} is there"));
        let filter = self.prepared.settings.provisional.clone();
        let answer = self.search(link, Scope::Subtree, &filter, &ALWAYS, MAX_COUNT).await?;
        let count = answer.entries.len();
        match answer.result.rc {
            0 => self.ok(format!("{count} entries are provisional")),
            4 if i32::try_from(count) == Ok(MAX_COUNT) => {
                self.ok(format!("more than {count} entries are provisional"))
            }
            _ => {
                let what = format!("after {count} provisional entries: {}", refusal(&answer.result));
                self.limited(what, "all of them");
            }
        }
        let dialect = self.dialect;
        let hidden = |found| ber::entry(found, dialect).is_none_or(|entry| entry.stamp.is_empty());
        let (identity, stamps) = (dialect.identity(), dialect.stamps().join(" or "));
        match answer.entries.into_iter().map(hidden).filter(|hidden| *hidden).count() {
            0 if count > 0 => self.ok(format!("{identity} and {stamps} can be read")),
            0 => {}
            hidden => {
                let what = format!("{identity} or {stamps} cannot be read on {hidden} of {count} entries");
                self.fail(what, "both, on every entry", "let the service read them");
            }
        }
        Ok(())
    }

    /// How many provisional people are in no population, and so could choose nothing?
    pub(super) async fn unplaced(&mut self, link: &Link) -> Result<(), Fault> {
        let settings = &self.prepared.settings;
        let populations: String = settings.populations.iter().map(|(_, filter)| filter.as_str()).collect();
        if populations.is_empty() {
            return Ok(());
        }
        let filter = format!("(&{}(!(|{populations})))", settings.provisional);
        let login = settings.login_attribute.clone();
        let answer = self.search(link, Scope::Subtree, &filter, &[&login], MAX_COUNT).await?;
        let count = answer.entries.len();
        if answer.result.rc != 0 && count == 0 {
            let what =
                format!("provisional people in no population cannot be counted: {}", refusal(&answer.result));
            self.warn(what, "a count", "check the filters of the populations");
        } else if count == 0 {
            self.ok("every provisional person is in a population".to_owned());
        } else {
            let what = format!("{count} provisional people are in no population");
            let action = "they are sent to the help desk: add a population whose filter matches them";
            self.warn(what, "a population for each", action);
        }
        Ok(())
    }

    /// Does a limit of the server's end a search before everybody is read, at once or in pages?
    pub(super) async fn limits(&mut self, link: &Link) -> Result<(), Fault> {
        let answer = self.search(link, Scope::Subtree, "(objectClass=*)", &["1.1"], MAX_COUNT).await?;
        let count = answer.entries.len();
        let ours = i32::try_from(count) == Ok(MAX_COUNT);
        match answer.result.rc {
            0 => self.ok(format!("{count} entries can be read in one search")),
            4 if ours => self.ok(format!("more than {count} entries can be read in one search")),
            _ => {
                let what = format!("one search ends after {count} entries: {}", refusal(&answer.result));
                self.limited(what, "everybody, however many they are");
            }
        }
        let settings = &self.prepared.settings;
        let adapters: Vec<Box<dyn Adapter<'_, &str, Vec<&str>>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
        let mut ldap = link.ldap();
        let (count, result) = within(self.limit * 4, async {
            let search = ldap.streaming_search_with(
                adapters,
                &settings.base,
                Scope::Subtree,
                "(objectClass=*)",
                vec!["1.1"],
            );
            let mut stream = search.await?;
            let mut count = 0;
            while count < MAX_COUNT && stream.next().await?.is_some() {
                count += 1;
            }
            Ok((count, stream.finish().await))
        })
        .await?;
        match result.rc {
            0 => self.ok(format!("{count} entries can be read in pages")),
            // Enough were read; the rest was not asked for.
            88 if count == MAX_COUNT => self.ok(format!("more than {count} entries can be read in pages")),
            _ if count == MAX_COUNT => self.ok(format!("more than {count} entries can be read in pages")),
            _ => {
                let what = format!("reading in pages ends after {count} entries: {}", refusal(&result));
                self.limited(what, "everybody, however many they are");
            }
        }
        Ok(())
    }

    fn limited(&mut self, what: String, expected: &str) {
        let action = "raise the limits for the service";
        let add = self.remedies().limits();
        self.fail(what, expected, action);
        self.add(add);
    }
}
