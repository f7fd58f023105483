//! One look at one person, for the command line: which filters match and why, and what would be sent.
//!
//! One connection, no supervisor, nothing kept. It only reads.

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;
use serde::Serialize;

use super::facts::{self, Learnt};
use super::filter::{Explained, Filter};
use super::link::{Answer, Link, Query, search};
use super::read::{can_be_login, found, refused};
use super::settings::Prepared;
use super::{Dialect, DirectoryError, Entry, Found, PasswordWrite, Plan, Standing};

/// The server of a directory that answered first.
#[derive(Debug)]
pub struct Reached {
    prepared: Arc<Prepared>,
    link: Link,
    learnt: Learnt,
}

/// A filter of the configuration, held against one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// `locked`, `provisional`, `active`, or a population's name.
    pub name: String,
    /// The filter as it is configured.
    pub filter: String,
    /// What Parvis says.
    pub matches: bool,
    /// What the server says of the same filter on the same entry.
    pub server: bool,
    /// Why Parvis says so.
    pub why: Explained,
}

/// What an entry is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What follows from the states.
    pub standing: Standing,
    /// The three states, in the order in which they are looked at.
    pub states: Vec<Judgement>,
    /// The populations in their order, up to the first that matches.
    pub populations: Vec<Judgement>,
}

impl Judged {
    /// The population that matches.
    pub fn population(&self) -> Option<&str> {
        self.populations.last().filter(|last| last.matches).map(|last| last.name.as_str())
    }

    /// What the server says otherwise than Parvis: the names of the filters.
    pub fn disputed(&self) -> Vec<&str> {
        let all = self.states.iter().chain(&self.populations);
        all.filter(|one| one.matches != one.server).map(|one| one.name.as_str()).collect()
    }
}

/// So many DNs of one login are named.
const NAMED: i32 = 10;

impl Reached {
    /// The first server that answers, bound as the service.
    ///
    /// # Errors
    /// None answers, or none takes the service: each with its reason.
    pub async fn first(prepared: Arc<Prepared>) -> Result<Reached, DirectoryError> {
        let limit = prepared.settings.timeouts.connect;
        let mut whys = Vec::new();
        for (index, uri) in prepared.settings.uris.iter().enumerate() {
            let reached = async {
                let link = Link::establish(&prepared, index).await?;
                let learnt = facts::learnt(&prepared, &link, limit).await?;
                Ok((link, learnt))
            };
            match reached.await {
                Ok((link, learnt)) => return Ok(Reached { prepared: Arc::clone(&prepared), link, learnt }),
                Err(fault) => {
                    let fault: super::link::Fault = fault;
                    whys.push(format!("{uri}: {}", fault.words()));
                }
            }
        }
        Err(DirectoryError::Unavailable(whys.join("; ")))
    }

    /// Its URI.
    pub fn server(&self) -> &str {
        &self.link.place
    }

    /// Which product it is.
    pub fn dialect(&self) -> Dialect {
        self.learnt.dialect
    }

    /// How it is given a new password.
    pub fn password_write(&self) -> PasswordWrite {
        self.learnt.password_write(self.prepared.settings.password_write)
    }

    /// The plan as it is sent to this server: what was read and goes is deleted by its value.
    pub fn sent(&self, plan: &Plan) -> Plan {
        Plan { changes: self.learnt.sent(plan), ..plan.clone() }
    }

    /// Who has this login.
    ///
    /// # Errors
    /// As the server says.
    pub async fn find(&self, login: &str) -> Result<Found, DirectoryError> {
        if !can_be_login(login) {
            return Ok(Found::Nobody);
        }
        let filter = self.learnt.dialect.people(&self.prepared.login_filter(login));
        let base = &self.prepared.settings.base;
        let attributes = Arc::clone(&self.prepared.attributes);
        let query = Query { base, scope: Scope::Subtree, filter: &filter, attributes, limit: NAMED };
        found(self.ask(&query).await?, self.learnt.dialect)
    }

    /// Which filters match this entry, here and at the server.
    ///
    /// # Errors
    /// As the server says.
    pub async fn judge(&self, entry: &Entry) -> Result<Judged, DirectoryError> {
        let (settings, states) = (&self.prepared.settings, &self.prepared.states);
        let mut judged = Judged {
            standing: states.standing(entry, &self.learnt.schema),
            states: Vec::new(),
            populations: Vec::new(),
        };
        let three = [
            ("locked", &settings.locked, &states.locked),
            ("provisional", &settings.provisional, &states.provisional),
            ("active", &settings.active, &states.active),
        ];
        for (name, text, filter) in three.into_iter().filter(|(_, text, _)| !text.trim().is_empty()) {
            judged.states.push(self.held(entry, name, text, filter).await?);
        }
        for ((name, text), (_, filter)) in settings.populations.iter().zip(&states.populations) {
            let held = self.held(entry, name, text, filter).await?;
            let matches = held.matches;
            judged.populations.push(held);
            if matches {
                break;
            }
        }
        Ok(judged)
    }

    async fn held(
        &self,
        entry: &Entry,
        name: &str,
        text: &str,
        filter: &Filter,
    ) -> Result<Judgement, DirectoryError> {
        let why = filter.explain(entry, &self.learnt.schema);
        let attributes: Arc<[String]> = ["1.1".to_owned()].into();
        let query = Query { base: &entry.dn, scope: Scope::Base, filter: text, attributes, limit: 1 };
        let answer = self.ask(&query).await?;
        if answer.result.rc != 0 {
            return Err(refused(&answer));
        }
        Ok(Judgement {
            name: name.to_owned(),
            filter: text.to_owned(),
            matches: why.holds == Some(true),
            server: !answer.entries.is_empty(),
            why,
        })
    }

    async fn ask(&self, query: &Query<'_>) -> Result<Answer, DirectoryError> {
        let limit: Duration = self.prepared.settings.timeouts.operation;
        let answer = search(self.link.ldap(), query, limit).await;
        answer.map_err(|fault| DirectoryError::Unavailable(format!("{}: {}", self.link.place, fault.words())))
    }
}
