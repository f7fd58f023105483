//! Looking at the directory before trusting it, for `parvisctl check`: what is wrong, what was expected, what to do.
//!
//! It changes nothing but the password of an entry that the sysadmin names for it.

mod mailing;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;
use ldap3::controls::{MakeCritical, RefreshMode, SyncRequest};

use super::Dialect;
use super::ber::{self, PASSWORD_POLICY};
use super::facts;
use super::link::{self, Answer, Capabilities, Fault, Link, Query, refusal, search, within};
use super::schema::Schema;
use super::settings::{ALWAYS, PasswordWrite, Prepared, Way};

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could.
    Warn,
    /// It will not work, or not safely.
    Fail,
}

/// One thing that was looked at. Texts are sentences for the sysadmin; none holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What was expected; empty where it was found.
    pub expected: String,
    /// What to do about it; empty where nothing is to be done.
    pub action: String,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// How this server should be given a new password, from all that is known.
    pub password_write: PasswordWrite,
}

/// At most so many provisional entries are counted.
const MAX_COUNT: i32 = 10_000;

/// What the rest of the configuration expects of the directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The attributes that the mapping writes.
    pub writes: &'a [String],
    /// The object classes of which an entry needs one to say that no copy is kept; none: it needs none.
    pub copy_classes: &'a [String],
    /// The populations that may choose it.
    pub forwarding: &'a [String],
    /// The populations with a mailbox, whose address is in `mail_attribute`.
    pub mailboxes: &'a [String],
    /// Where that is.
    pub mail_attribute: &'a str,
    /// The campus's own mail domains.
    pub domains: &'a [String],
}

/// Look at every server and, through the first that answers, at everything else. `entry` is an entry made for tests, whose password will be changed; `random` gives random bits.
pub async fn probe(
    prepared: &Prepared,
    asked: &Asked<'_>,
    entry: Option<&str>,
    random: &(dyn Fn() -> u64 + Send + Sync),
) -> Report {
    let limit = prepared.settings.timeouts.operation;
    let mut look = Look { prepared, dialect: Dialect::default(), findings: Vec::new(), limit };
    let mut chosen = None;
    for index in 0..prepared.servers.len() {
        let link = look.server(index).await;
        chosen = chosen.or(link);
    }
    let mut write = prepared.settings.password_write;
    if let Some(link) = chosen
        && let Err(fault) = look.beyond(&link, asked, entry, random, &mut write).await
    {
        let what = format!("{}: {}", link.place, fault.words());
        look.fail(what, "an answer", "look at the server's log, then check again");
    }
    let password_write = write.unwrap_or(PasswordWrite::Extended);
    Report { findings: look.findings, password_write }
}

struct Look<'a> {
    prepared: &'a Prepared,
    dialect: Dialect,
    findings: Vec<Finding>,
    limit: Duration,
}

impl Look<'_> {
    fn push(&mut self, level: Level, what: String, expected: &str, action: &str) {
        self.findings.push(Finding { level, what, expected: expected.to_owned(), action: action.to_owned() });
    }

    fn ok(&mut self, what: String) {
        self.push(Level::Ok, what, "", "");
    }

    fn warn(&mut self, what: String, expected: &str, action: &str) {
        self.push(Level::Warn, what, expected, action);
    }

    fn fail(&mut self, what: String, expected: &str, action: &str) {
        self.push(Level::Fail, what, expected, action);
    }

    /// Reach one server, protect the connection, bind.
    async fn server(&mut self, index: usize) -> Option<Link> {
        let uri = self.prepared.settings.uris.get(index).cloned().unwrap_or_default();
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

    async fn beyond(
        &mut self,
        link: &Link,
        asked: &Asked<'_>,
        entry: Option<&str>,
        random: &(dyn Fn() -> u64 + Send + Sync),
        write: &mut Option<PasswordWrite>,
    ) -> Result<(), Fault> {
        let capabilities = link.capabilities(self.limit).await?;
        self.dialect = self.prepared.settings.dialect.unwrap_or_else(|| Dialect::of(&capabilities));
        self.ok(format!("the server is {}", self.dialect.name()));
        self.base(link).await?;
        self.unplaced(link).await?;
        self.watched(link, &capabilities).await?;
        self.capable(&capabilities);
        self.known(link, &capabilities, asked.writes).await?;
        self.copies(link, asked).await?;
        self.domains(link, asked).await?;
        let hashes = self.configured(link, &capabilities).await?;
        let proven = match entry {
            Some(entry) => self.tried(link, entry, random).await?,
            None => None,
        };
        match self.dialect {
            Dialect::Ds389 => return Ok(self.in_one(PasswordWrite::InModify, write)),
            Dialect::ActiveDirectory => return Ok(self.in_one(PasswordWrite::UnicodePwd, write)),
            Dialect::Openldap | Dialect::Standard => {}
        }
        if proven == Some(true) && hashes.is_none() && write.is_none() {
            let what = "the server hashes a clear password itself, but it is not stated and its configuration is hidden";
            let action = "state password-write = \"modify\": activation becomes one act";
            self.warn(what.to_owned(), "a statement in the configuration", action);
        }
        self.decide(proven.or(hashes), write);
        Ok(())
    }

    /// Is the base there, are its people readable, how many are provisional?
    async fn base(&mut self, link: &Link) -> Result<(), Fault> {
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
                self.fail(
                    what,
                    "all of them",
                    "raise the limits for the service (olcLimits size=unlimited time=unlimited)",
                );
            }
        }
        let dialect = self.dialect;
        let hidden = |entry: &&_| ber::entry(entry, dialect).is_none_or(|entry| entry.stamp.is_empty());
        let (identity, stamps) = (dialect.identity(), dialect.stamps().join(" or "));
        match answer.entries.iter().filter(hidden).count() {
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
    async fn unplaced(&mut self, link: &Link) -> Result<(), Fault> {
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

    /// By its nature, the server takes a password with everything else.
    fn in_one(&mut self, how: PasswordWrite, write: &mut Option<PasswordWrite>) {
        self.ok("the server judges and hashes a password itself: activation is one Modify".to_owned());
        *write = Some(how);
    }

    /// How will the server be watched, and does that work?
    async fn watched(&mut self, link: &Link, capabilities: &Capabilities) -> Result<(), Fault> {
        let stated = self.prepared.settings.watch.way;
        let way = stated.unwrap_or_else(|| Way::offered(self.dialect, capabilities, &[]));
        if way == Way::Sync {
            return self.synchronised(link).await;
        }
        self.ok(format!("the server is watched {}", way.words()));
        Ok(())
    }

    /// Does the server really synchronise this base? Listing the control is not enough: the overlay is per database.
    async fn synchronised(&mut self, link: &Link) -> Result<(), Fault> {
        let settings = &self.prepared.settings;
        let mut ldap = link.ldap();
        let request = SyncRequest { mode: RefreshMode::RefreshOnly, cookie: None, reload_hint: false };
        ldap.with_controls(request.critical());
        let attributes: Arc<[String]> = ["1.1".to_owned()].into();
        let result = within(self.limit, async {
            let filter = &settings.provisional;
            let mut stream =
                ldap.streaming_search(&settings.base, Scope::Subtree, filter, attributes).await?;
            while stream.next().await?.is_some() {}
            Ok(stream.finish().await)
        })
        .await?;
        let done = result.ctrls.iter().any(|control| control.1.ctype == SYNC_DONE);
        if result.rc == 0 && done {
            self.ok("the server synchronises the base (RFC 4533)".to_owned());
        } else {
            let what = format!("the server does not synchronise the base: {}", refusal(&result));
            self.fail(what, "RFC 4533 on this base", "add the syncprov overlay to its database");
        }
        Ok(())
    }

    fn capable(&mut self, capabilities: &Capabilities) {
        let controls = [
            (
                link::ASSERTION,
                "the assertion control (RFC 4528)",
                "without it, a change in the last instant may go unnoticed",
            ),
            (
                link::POST_READ,
                "the post-read control (RFC 4527)",
                "without it, each activation takes one more search",
            ),
            (
                PASSWORD_POLICY,
                "the password policy control",
                "without it, refusals of a password have no reason",
            ),
        ];
        for (number, name, otherwise) in controls {
            if capabilities.control(number) {
                self.ok(format!("the server has {name}"));
            } else {
                self.warn(format!("the server does not list {name}"), name, otherwise);
            }
        }
        if capabilities.extension(link::PASSWORD_MODIFY) {
            self.ok("the server has the password modify operation (RFC 3062)".to_owned());
        } else {
            let action = "state password-write = \"modify\" if the server hashes clear passwords itself";
            self.warn(
                "the server does not list RFC 3062".to_owned(),
                "the password modify operation",
                action,
            );
        }
    }

    /// Does the schema know everything that is read and written?
    async fn known(
        &mut self,
        link: &Link,
        capabilities: &Capabilities,
        writes: &[String],
    ) -> Result<(), Fault> {
        let Some(schema) = facts::schema(link, capabilities, self.dialect, self.limit).await? else {
            let action = "let the service read cn=Subschema: matching rules are guessed without it";
            self.warn("the schema cannot be read".to_owned(), "cn=Subschema", action);
            return Ok(());
        };
        let unknown = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            let mut unknown: Vec<String> = names.filter(|name| is_unknown(&schema, name)).cloned().collect();
            unknown.dedup();
            unknown
        };
        let written = unknown(&mut writes.iter());
        if written.is_empty() {
            self.ok("the schema has every attribute that is written".to_owned());
        } else {
            let action = "load the schema that defines them, or change the write rules";
            self.fail(
                format!("the schema does not have {}", written.join(", ")),
                "every attribute that is written",
                action,
            );
        }
        let read = unknown(&mut self.prepared.attributes.iter());
        if !read.is_empty() {
            let action = "a filter that names an attribute which the schema does not have never matches";
            self.warn(
                format!("the schema does not have {}", read.join(", ")),
                "every attribute that is read",
                action,
            );
        }
        Ok(())
    }

    /// What cn=config says of the service and of passwords.
    async fn configured(&mut self, link: &Link, capabilities: &Capabilities) -> Result<Option<bool>, Fault> {
        let base = &self.prepared.settings.base;
        let Some(database) = facts::database(link, capabilities, base, self.limit).await? else {
            self.ok("the server's own configuration is hidden from the service, as is usual".to_owned());
            return Ok(None);
        };
        if let Some(root) = &database.root {
            let name = link.who_am_i(self.limit).await?;
            let same = name.strip_prefix("dn:").is_some_and(|dn| facts::same_name(dn, root));
            if same {
                let action =
                    "give the service an identity of its own: for this one, no password rule is applied";
                self.fail(
                    format!("the service is the database's root, {root}"),
                    "an identity under the policy",
                    action,
                );
            }
        }
        facts::hashes(link, capabilities, base, self.limit).await
    }

    fn decide(&mut self, hashes: Option<bool>, write: &mut Option<PasswordWrite>) {
        match (hashes, *write) {
            // Decided already.
            (_, Some(PasswordWrite::UnicodePwd)) => {}
            (Some(true), Some(PasswordWrite::InModify) | None) => {
                self.ok("the server hashes a clear password itself: activation is one Modify".to_owned());
                *write = Some(PasswordWrite::InModify);
            }
            (Some(false), Some(PasswordWrite::InModify)) => {
                let action = "set olcPPolicyHashCleartext to TRUE, or password-write to \"extended\"";
                self.fail("the server would store passwords in clear text".to_owned(), "a hash", action);
                *write = Some(PasswordWrite::Extended);
            }
            (Some(true), Some(PasswordWrite::Extended)) => {
                let action = "password-write = \"modify\" would make activation one act";
                self.warn("activation takes two operations".to_owned(), "one", action);
            }
            (None, Some(PasswordWrite::InModify)) => {
                let action = "name an entry made for tests, so that it can be proven";
                self.warn(
                    "that the server hashes passwords is stated, not proven".to_owned(),
                    "a proof",
                    action,
                );
            }
            (_, Some(PasswordWrite::Extended) | None) => {
                let action = "olcPPolicyHashCleartext: TRUE would make activation one act";
                self.warn(
                    "activation takes two operations: RFC 3062, then a Modify".to_owned(),
                    "one",
                    action,
                );
                *write = Some(PasswordWrite::Extended);
            }
        }
    }

    async fn search(
        &self,
        link: &Link,
        scope: Scope,
        filter: &str,
        names: &[&str],
        most: i32,
    ) -> Result<Answer, Fault> {
        let attributes: Arc<[String]> = names.iter().map(|name| (*name).to_owned()).collect();
        let query = Query { base: &self.prepared.settings.base, scope, filter, attributes, limit: most };
        search(link.ldap(), &query, self.limit).await
    }
}

const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";

fn is_unknown(schema: &Schema, name: &str) -> bool {
    !matches!(name, "*" | "+" | "1.1") && !ALWAYS.contains(&name) && !schema.knows(name)
}
