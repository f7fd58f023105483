//! What a server's own schema and configuration say of it. Read when a connection is made, and by `probe`.
//!
//! It only reads. What cannot be read is `None`, never guessed.

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;

use super::habits::Habits;
use super::link::{Capabilities, Fault, Link, Query, search};
use super::matching::{Kind, Normal, normal};
use super::plan::{Change, Plan};
use super::schema::Schema;
use super::settings::{PasswordWrite, Prepared};
use super::{Dialect, ber};

/// What was learnt of the server when it was last reached.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    pub(super) capabilities: Capabilities,
    pub(super) schema: Schema,
    /// Does it hash a clear password in a Modify? `None`: it does not say.
    pub(super) hashes: Option<bool>,
    pub(super) dialect: Dialect,
}

impl Learnt {
    /// How this server is given a new password: as stated, else as its configuration says, else by RFC 3062. Never in a
    /// Modify to a server that says that it does not hash.
    pub(super) fn password_write(&self, stated: Option<PasswordWrite>) -> PasswordWrite {
        match (self.hashes, stated) {
            // The one way that it knows.
            _ if self.dialect == Dialect::ActiveDirectory => PasswordWrite::UnicodePwd,
            // It always hashes, and takes RFC 3062 by somebody else for a password that is handed out.
            _ if self.dialect == Dialect::Ds389 => PasswordWrite::InModify,
            // Whatever is stated: it would be stored in clear text.
            (Some(false), _) => PasswordWrite::Extended,
            (_, Some(stated)) => stated,
            (Some(true), None) => PasswordWrite::InModify,
            (None, None) => PasswordWrite::Extended,
        }
    }

    /// Can this attribute be written at all? 389 DS computes pwdReset, and clears it with the password.
    pub(super) fn writes(&self, name: &str) -> bool {
        !(self.dialect == Dialect::Ds389 && name.eq_ignore_ascii_case("pwdReset"))
    }

    /// A plan as it is sent to this server.
    pub(super) fn sent(&self, plan: &Plan) -> Vec<Change> {
        let lowered = plan.lowered(|name| self.compares(name)).into_iter();
        lowered.filter(|change| self.writes(&change.attribute)).collect()
    }

    /// Can the server find a value of this attribute, so that a deletion of it is a comparison?
    pub(super) fn compares(&self, name: &str) -> bool {
        // Written as a command, and read as something else.
        let command = self.dialect == Dialect::ActiveDirectory && name.eq_ignore_ascii_case("pwdLastSet");
        // The server may write pwdReset itself, in the same Modify.
        let served = command || self.schema.operational(name);
        !served && self.schema.knows(name) && self.schema.equality(name).is_some()
    }
}

/// Everything that is learnt of a server once it is reached.
pub(super) async fn learnt(prepared: &Prepared, link: &Link, limit: Duration) -> Result<Learnt, Fault> {
    let capabilities = link.capabilities(limit).await?;
    let dialect = prepared.settings.dialect(&capabilities);
    let schema = schema(link, &capabilities, dialect, limit).await?.unwrap_or_else(Schema::builtin);
    let hashes = hashes(link, &capabilities, &prepared.settings.base, limit).await?;
    Ok(Learnt { capabilities, schema, hashes, dialect })
}

/// The server's schema (RFC 4512, section 4.2); `None` where it cannot be read.
pub(super) async fn schema(
    link: &Link,
    capabilities: &Capabilities,
    dialect: Dialect,
    limit: Duration,
) -> Result<Option<Schema>, Fault> {
    let Some(base) = &capabilities.subschema else { return Ok(None) };
    let attributes: Arc<[String]> = ["attributeTypes", "objectClasses"].map(str::to_owned).into();
    let query = Query { base, scope: Scope::Base, filter: "(objectClass=subschema)", attributes, limit: 1 };
    let answer = search(link.ldap(), &query, limit).await?;
    let Some((_, read)) = ber::first(answer.entries) else { return Ok(None) };
    let of =
        |name: &str| read.get(name).into_iter().flatten().filter_map(|value| std::str::from_utf8(value).ok());
    let schema = Schema::read(of("attributetypes"), of("objectclasses"));
    Ok(Some(schema.by(Habits::of(dialect, &capabilities.vendor))))
}

/// The database that holds a base, in OpenLDAP's cn=config.
pub(super) struct Database {
    pub(super) dn: String,
    pub(super) suffix: String,
    /// Who skips every rule.
    pub(super) root: Option<String>,
    /// What is indexed, as it is configured: `uid,mail eq,sub`.
    pub(super) indices: Vec<String>,
    /// Its limits, in their order, as they are configured: `users size=500`.
    pub(super) limits: Vec<String>,
    /// The overlay that judges passwords.
    pub(super) policy: Option<String>,
}

/// Find the database in cn=config; `None` where that cannot be read.
pub(super) async fn database(
    link: &Link,
    capabilities: &Capabilities,
    base: &str,
    limit: Duration,
) -> Result<Option<Database>, Fault> {
    let Some(config) = &capabilities.config else { return Ok(None) };
    let attributes: Arc<[String]> =
        ["olcSuffix", "olcRootDN", "olcDbIndex", "olcLimits"].map(str::to_owned).into();
    let query = Query { base: config, scope: Scope::Subtree, filter: "(olcSuffix=*)", attributes, limit: 0 };
    let answer = search(link.ldap(), &query, limit).await?;
    let base = comparable(base.as_bytes());
    let mut best: Option<(usize, Database)> = None;
    for (dn, read) in answer.entries.into_iter().filter_map(ber::attributes) {
        let texts = |name: &str| -> Vec<String> {
            let values = read.get(name).into_iter().flatten();
            values.filter_map(|value| String::from_utf8(value.clone()).ok()).collect()
        };
        for written in texts("olcsuffix") {
            let suffix = comparable(written.as_bytes());
            let holds = base == suffix || base.ends_with(&format!(",{suffix}"));
            if holds && best.as_ref().is_none_or(|(length, _)| suffix.len() > *length) {
                let (root, indices) = (texts("olcrootdn").into_iter().next(), texts("olcdbindex"));
                let unnumbered =
                    |text: String| text.split_once('}').map_or(text.clone(), |(_, rest)| rest.to_owned());
                let limits = texts("olclimits").into_iter().map(unnumbered).collect();
                let found = Database { dn: dn.clone(), suffix: written, root, indices, limits, policy: None };
                best = Some((suffix.len(), found));
            }
        }
    }
    let Some((_, mut database)) = best else { return Ok(None) };
    let attributes: Arc<[String]> = ["1.1".to_owned()].into();
    let filter = "(objectClass=olcPPolicyConfig)";
    let query = Query { base: &database.dn, scope: Scope::Subtree, filter, attributes, limit: 0 };
    let answer = search(link.ldap(), &query, limit).await?;
    database.policy = ber::first(answer.entries).map(|(dn, _)| dn);
    Ok(Some(database))
}

/// Does the server hash a clear password in a Modify (`olcPPolicyHashCleartext`)? `None`: it does not say.
pub(super) async fn hashes(
    link: &Link,
    capabilities: &Capabilities,
    base: &str,
    limit: Duration,
) -> Result<Option<bool>, Fault> {
    let Some(database) = database(link, capabilities, base, limit).await? else { return Ok(None) };
    let attributes: Arc<[String]> = ["1.1".to_owned()].into();
    let filter = "(olcPPolicyHashCleartext=TRUE)";
    let query = Query { base: &database.dn, scope: Scope::Subtree, filter, attributes, limit: 0 };
    let answer = search(link.ldap(), &query, limit).await?;
    Ok((answer.result.rc == 0).then_some(!answer.entries.is_empty()))
}

/// Are these two texts the same DN, as far as case and spaces go?
pub(super) fn same_name(one: &str, other: &str) -> bool {
    comparable(one.as_bytes()) == comparable(other.as_bytes())
}

fn comparable(dn: &[u8]) -> String {
    match normal(Kind::Name, dn, &Schema::builtin()) {
        Some(Normal::Bytes(bytes)) => String::from_utf8(bytes).unwrap_or_default(),
        _ => String::new(),
    }
}
