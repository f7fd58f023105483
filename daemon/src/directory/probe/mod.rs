//! Looking at the directory before trusting it: what is wrong, what was expected, what to do, what to add to the server.
//!
//! `parvisctl check` and `parvisctl directory doctor` are its two callers. It changes nothing but the password of an entry
//! that the sysadmin names for it: every other write that it sends is one that cannot succeed.

mod active_directory;
mod capable;
mod descriptor;
mod ds389;
mod lookups;
mod mailing;
mod passwords;
mod remedy;
mod rights;
mod server;
mod trial;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;

use super::facts::{self, Learnt};
use super::link::{Answer, Fault, Link, Query, search};
use super::schema::Schema;
use super::settings::{ALWAYS, Bind, PasswordWrite, Prepared};
use super::{Dialect, Entry, ber};
use active_directory::Account;
use remedy::Remedies;

pub use remedy::Addition;

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
    /// What to add to the server's configuration, as it is written there: the ways to say it, of which one is enough
    /// unless they say otherwise.
    pub add: Vec<Addition>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// How this server should be given a new password, from all that is known.
    pub password_write: PasswordWrite,
}

/// At most so many entries are counted.
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

/// Look at every server and, through the first that answers, at everything else. `entry` is an entry made for tests, whose
/// password will be changed; `random` gives random bits.
pub async fn probe(
    prepared: &Prepared,
    asked: &Asked<'_>,
    entry: Option<&str>,
    random: &(dyn Fn() -> u64 + Send + Sync),
) -> Report {
    let limit = prepared.settings.timeouts.operation;
    let mut look = Look {
        prepared,
        dialect: Dialect::default(),
        findings: Vec::new(),
        limit,
        remedies: None,
        account: None,
    };
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

/// What the server is, and where the people probably are: `ou=people` of the first naming context that is no server's own,
/// else that context.
///
/// # Errors
/// No server answers: why not.
pub async fn first_look(prepared: &Prepared) -> Result<(Dialect, Option<String>), String> {
    let link = Link::establish(prepared, 0).await.map_err(|fault| fault.words())?;
    let limit = prepared.settings.timeouts.operation;
    let capabilities = link.capabilities(limit).await.map_err(|fault| fault.words())?;
    let own = ["cn=", "o=netscaperoot", "dc=domaindnszones", "dc=forestdnszones"];
    let people = |context: &&String| {
        let lower = context.to_lowercase();
        !lower.is_empty() && !own.iter().any(|start| lower.starts_with(start))
    };
    let dialect = Dialect::of(&capabilities);
    let Some(context) = capabilities.contexts.iter().find(people) else { return Ok((dialect, None)) };
    for below in ["ou=people", "ou=users", "cn=users", "ou=personnes"] {
        let base = format!("{below},{context}");
        let attributes: Arc<[String]> = ["1.1".to_owned()].into();
        let query =
            Query { base: &base, scope: Scope::Base, filter: "(objectClass=*)", attributes, limit: 1 };
        let answer = search(link.ldap(), &query, limit).await.map_err(|fault| fault.words())?;
        if answer.result.rc == 0 && !answer.entries.is_empty() {
            return Ok((dialect, Some(base)));
        }
    }
    Ok((dialect, Some(context.clone())))
}

struct Look<'a> {
    prepared: &'a Prepared,
    dialect: Dialect,
    findings: Vec<Finding>,
    limit: Duration,
    remedies: Option<Remedies>,
    /// Who the service is in Active Directory.
    account: Option<Account>,
}

impl Look<'_> {
    fn push(&mut self, level: Level, what: String, expected: &str, action: &str) {
        let (expected, action) = (expected.to_owned(), action.to_owned());
        self.findings.push(Finding { level, what, expected, action, add: Vec::new() });
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

    /// The last finding's remedy.
    fn add(&mut self, add: Vec<Addition>) {
        if let Some(last) = self.findings.last_mut() {
            last.add = add;
        }
    }

    fn remedies(&self) -> Remedies {
        self.remedies.clone().unwrap_or_else(|| Remedies::of(self.prepared, self.dialect))
    }

    async fn beyond(
        &mut self,
        link: &Link,
        asked: &Asked<'_>,
        entry: Option<&str>,
        random: &(dyn Fn() -> u64 + Send + Sync),
        write: &mut Option<PasswordWrite>,
    ) -> Result<(), Fault> {
        let learnt = facts::learnt(self.prepared, link, self.limit).await?;
        self.dialect = learnt.dialect;
        let capabilities = &learnt.capabilities;
        let version = match capabilities.vendor.as_str() {
            "" => String::new(),
            vendor => format!(" ({vendor})"),
        };
        self.ok(format!("the server is {}{version}", self.dialect.name()));
        let database = self.configured(link, &learnt, asked.writes).await?;
        if matches!(self.prepared.settings.bind, Bind::Anonymous) {
            self.capable(capabilities);
            let add = self.remedies().account();
            self.fail(
                "nobody is bound".to_owned(),
                "an account of Parvis's own",
                "make one, and name it here",
            );
            self.add(add);
            return Ok(());
        }
        if self.dialect == Dialect::ActiveDirectory {
            let account = self.identified(link, &learnt, asked.writes).await?;
            self.remedies = Some(self.remedies().of_account(&account));
            self.account = Some(account);
        }
        self.base(link).await?;
        self.limits(link).await?;
        self.unplaced(link).await?;
        self.watched(link, &learnt).await?;
        self.capable(capabilities);
        self.known(link, capabilities, asked.writes).await?;
        self.copies(link, asked).await?;
        self.domains(link, asked).await?;
        let mut root = None;
        if let Some(database) = &database {
            root = Some(self.rooted(link, database).await?);
            self.indexed(database, &learnt.schema);
        }
        self.looked_up(link).await?;
        match self.sample(link).await? {
            Some(sample) => {
                self.rights(link, &learnt, &sample, asked.writes, random).await?;
                self.judged(link, &learnt, &sample, root, random).await?;
            }
            None => {
                let action = "check base, the filters, and the service's right to read people; without anybody, the rights \
                              to write cannot be looked at";
                self.fail("nobody can be read under the base".to_owned(), "people", action);
                let add = self.remedies().access();
                self.add(add);
            }
        }
        let proven = match entry {
            Some(entry) => self.tried(link, entry, random).await?,
            None => None,
        };
        match self.dialect {
            Dialect::Ds389 => {
                self.in_one(PasswordWrite::InModify, write);
                return Ok(());
            }
            Dialect::ActiveDirectory => {
                self.in_one(PasswordWrite::UnicodePwd, write);
                return Ok(());
            }
            Dialect::Openldap | Dialect::Standard => {}
        }
        if proven == Some(true) && learnt.hashes.is_none() && write.is_none() {
            let what = "the server hashes a clear password itself, but it is not stated and its configuration is hidden";
            let action = "state password-write = \"modify\": activation becomes one act";
            self.warn(what.to_owned(), "a statement in the configuration", action);
        }
        self.decide(proven.or(learnt.hashes), write);
        Ok(())
    }

    /// Somebody whom the service would activate; else somebody with a login.
    async fn sample(&self, link: &Link) -> Result<Option<Entry>, Fault> {
        let settings = &self.prepared.settings;
        let anybody = format!("({}=*)", settings.login_attribute);
        let names: Vec<&str> = self.prepared.attributes.iter().map(String::as_str).collect();
        for filter in [&settings.provisional, &anybody] {
            let answer = self.search(link, Scope::Subtree, filter, &names, 1).await?;
            let found = answer.entries.into_iter().next().and_then(|found| ber::entry(found, self.dialect));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
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

    /// The database that holds the base, where the server's own configuration can be read.
    async fn configured(
        &mut self,
        link: &Link,
        learnt: &Learnt,
        writes: &[String],
    ) -> Result<Option<facts::Database>, Fault> {
        let base = &self.prepared.settings.base;
        let database = facts::database(link, &learnt.capabilities, base, self.limit).await?;
        let remedies = Remedies::of(self.prepared, self.dialect).writing(writes).within(learnt);
        self.remedies = Some(match &database {
            Some(database) => remedies.stored(database),
            None => remedies,
        });
        if database.is_none() {
            self.ok("the server's own configuration is hidden from the service, as is usual".to_owned());
        }
        Ok(database)
    }
}

fn is_unknown(schema: &Schema, name: &str) -> bool {
    !matches!(name, "*" | "+" | "1.1") && !ALWAYS.contains(&name) && !schema.knows(name)
}
