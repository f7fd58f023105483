//! What a server's own schema and configuration say of it. Read when a connection is made, and by `probe`.
//!
//! It only reads. What cannot be read is `None`, never guessed.

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;

use super::link::{Capabilities, Fault, Link, Query, search};
use super::matching::{Kind, Normal, normal};
use super::schema::Schema;
use super::{Dialect, ber};

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
    let Some((_, read)) = answer.entries.first().and_then(ber::attributes) else { return Ok(None) };
    let of =
        |name: &str| read.get(name).into_iter().flatten().filter_map(|value| std::str::from_utf8(value).ok());
    let schema = Schema::read(of("attributetypes"), of("objectclasses"));
    Ok(Some(if dialect.matches_by_syntax() { schema.by_syntax() } else { schema }))
}

/// The database that holds a base, in OpenLDAP's cn=config.
pub(super) struct Database {
    dn: String,
    /// Who skips every rule.
    pub(super) root: Option<String>,
}

/// Find the database in cn=config; `None` where that cannot be read.
pub(super) async fn database(
    link: &Link,
    capabilities: &Capabilities,
    base: &str,
    limit: Duration,
) -> Result<Option<Database>, Fault> {
    let Some(config) = &capabilities.config else { return Ok(None) };
    let attributes: Arc<[String]> = ["olcSuffix", "olcRootDN"].map(str::to_owned).into();
    let query = Query { base: config, scope: Scope::Subtree, filter: "(olcSuffix=*)", attributes, limit: 0 };
    let answer = search(link.ldap(), &query, limit).await?;
    let base = comparable(base.as_bytes());
    let mut best: Option<(usize, Database)> = None;
    for (dn, read) in answer.entries.iter().filter_map(ber::attributes) {
        for suffix in read.get("olcsuffix").into_iter().flatten().map(|suffix| comparable(suffix)) {
            let holds = base == suffix || base.ends_with(&format!(",{suffix}"));
            if holds && best.as_ref().is_none_or(|(length, _)| suffix.len() > *length) {
                let root =
                    read.get("olcrootdn").and_then(|values| String::from_utf8(values.first()?.clone()).ok());
                best = Some((suffix.len(), Database { dn: dn.clone(), root }));
            }
        }
    }
    Ok(best.map(|(_, database)| database))
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
