//! Only the LDAP operations that one enrolment needs, as quickly as a client can put them: what the daemon's rate is
//! measured against.
//!
//! One search for the login; one at each step at which an address is given, for whether mail to it would come back; one
//! read by entryUUID before the password; one modify with everything: the same attributes, filters, controls and values
//! as the daemon's. It knows no rules and keeps nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ldap3::controls::{Assertion, MakeCritical, PostRead, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Mod, Scope, SearchEntry, SearchOptions};
use parvis_stand::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD};
use parvis_stand::{Person, Slapd};
use tokio::runtime::Runtime;

/// The daemon's default.
pub const CONNECTIONS: usize = 4;

/// What the daemon reads of an entry.
const ATTRIBUTES: &[&str] = &[
    "uid",
    "displayName",
    "mail",
    "supannMailPerso",
    "preferredLanguage",
    "supannRessourceEtat",
    "supannRessourceEtatDate",
    "supannConsentement",
    "supannListeRouge",
    "mailForwardingAddress",
    "mailDeliveryOption",
    "deliveryMode",
    "objectClass",
    "entryUUID",
    "entryCSN",
    "modifyTimestamp",
    "pwdReset",
    "pwdChangedTime",
    "pwdAccountLockedTime",
    "supannEmpCorps",
];

/// What the daemon reads of whoever holds an address.
const HOLDERS: &[&str] = &[
    "objectClass",
    "entryUUID",
    "entryCSN",
    "modifyTimestamp",
    "mail",
    "mailAlternateAddress",
    "mailLocalAddress",
    "proxyAddresses",
    "mailForwardingAddress",
    "mailRoutingAddress",
    "maildrop",
];

/// Warm connections, as many as the daemon's.
pub struct Bare {
    runtime: Runtime,
    links: Vec<Ldap>,
}

impl Bare {
    /// Connects and binds as the service.
    pub fn new(slapd: &Slapd) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let url = slapd.ldaps_url();
        let links = (0..CONNECTIONS)
            .map(|_| {
                runtime.block_on(async {
                    // Only loopback is spoken to; the certificate is the stand's own.
                    let settings = LdapConnSettings::new().set_no_tls_verify(true);
                    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, &url).await?;
                    tokio::spawn(connection.drive());
                    ldap.simple_bind(SERVICE_DN, SERVICE_PASSWORD).await?.success()?;
                    Ok(ldap)
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { runtime, links })
    }

    /// The operations for every person, as many people at once as the daemon has.
    pub fn enrol(&self, people: &[Person], at_once: usize) -> Result<Duration> {
        let people: Arc<[Person]> = people.into();
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        self.runtime.block_on(async {
            let tasks: Vec<_> = (0..at_once)
                .zip(self.links.iter().cycle())
                .map(|(_, link)| {
                    let (people, next, mut ldap) = (people.clone(), next.clone(), link.clone());
                    tokio::spawn(async move {
                        while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
                            one(&mut ldap, person).await.with_context(|| person.login.clone())?;
                        }
                        Ok(())
                    })
                })
                .collect();
            for task in tasks {
                let ended: Result<()> = task.await?;
                ended?;
            }
            Ok(begun.elapsed())
        })
    }
}

async fn one(ldap: &mut Ldap, person: &Person) -> Result<()> {
    let found = entry(ldap, &people(&format!("(uid={})", person.login))).await?;
    let uuid = found.attrs.get("entryUUID").and_then(|values| values.first()).context("no entryUUID")?;
    // The recovery address, and the same one to forward to.
    for _ in 0..2 {
        if search(ldap, &people(&holders(&address(person))), HOLDERS).await?.is_some() {
            bail!("somebody holds {}", address(person));
        }
    }
    let entry = entry(ldap, &format!("(entryUUID={uuid})")).await?;
    let changes = changes(person, &entry);
    ldap.with_controls(controls());
    ldap.modify(&entry.dn, changes).await?.success()?;
    Ok(())
}

/// What each of them gives as recovery and as forwarding address.
fn address(person: &Person) -> String {
    format!("{}@outside.example", person.login)
}

/// The shipped `directory.address-filter`.
fn holders(address: &str) -> String {
    let each = ["mail=", "mailAlternateAddress=", "mailLocalAddress=", "proxyAddresses=smtp:"];
    format!("(|(|{}))", each.map(|each| format!("({each}{address})")).concat())
}

/// What is asked of people: an alias is nobody.
fn people(filter: &str) -> String {
    format!("(&(objectClass=*)(!(objectClass=alias)){filter})")
}

async fn entry(ldap: &mut Ldap, filter: &str) -> Result<SearchEntry> {
    search(ldap, filter, ATTRIBUTES).await?.with_context(|| format!("{filter} finds nobody"))
}

async fn search(ldap: &mut Ldap, filter: &str, attributes: &[&str]) -> Result<Option<SearchEntry>> {
    ldap.with_search_options(SearchOptions::new().sizelimit(2).timelimit(5));
    let mut stream = ldap.streaming_search(PEOPLE, Scope::Subtree, filter, attributes).await?;
    let mut found = None;
    while let Some(entry) = stream.next().await? {
        found = Some(SearchEntry::construct(entry));
    }
    stream.finish().await.success()?;
    Ok(found)
}

fn controls() -> Vec<RawControl> {
    let filter = "(&(supannRessourceEtat={COMPTE}I:SupannCree)(!(|(supannRessourceEtat={COMPTE}S*)\
                  (pwdAccountLockedTime=000001010000Z))))";
    let policy = RawControl { ctype: "1.3.6.1.4.1.42.2.27.8.5.1".to_owned(), crit: false, val: None };
    let assertion: RawControl = Assertion { filter }.critical().into();
    let after = PostRead::new(vec!["entryCSN", "modifyTimestamp", "pwdReset"]);
    vec![policy, assertion, after]
}

/// What the daemon writes for somebody who is listed, forwards to the recovery address and keeps a copy.
fn changes(person: &Person, entry: &SearchEntry) -> Vec<Mod<String>> {
    let address = address(person);
    let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<HashSet<_>>();
    let replace = |name: &str, values: &[&str]| Mod::Replace(name.to_owned(), set(values));
    let delete = |name: &str| {
        let held = entry.attrs.get(name).into_iter().flatten();
        Mod::Delete(name.to_owned(), held.filter(|value| value.starts_with("{COMPTE}")).cloned().collect())
    };
    let add = |name: &str, value: &str| Mod::Add(name.to_owned(), set(&[value]));
    let mut changes = vec![
        replace("userPassword", &["Violet-mandarine-77"]),
        delete("supannRessourceEtatDate"),
        add("supannRessourceEtatDate", "{COMPTE}A:SupannActif:20260901:"),
    ];
    if person.mailbox.is_some() {
        changes.push(add("supannRessourceEtatDate", "{MAIL}A:SupannActif:20260901:"));
        changes.push(add("supannRessourceEtat", "{MAIL}A:SupannActif"));
    }
    let options: &[&str] = if person.mailbox.is_some() { &["mailbox", "forward"] } else { &["forward"] };
    changes.extend([
        replace("supannListeRouge", &["FALSE"]),
        replace("supannMailPerso", &[&address]),
        add("supannConsentement", "{CGU}2026-09:20260901"),
        replace("mailForwardingAddress", &[&address]),
        replace("mailDeliveryOption", options),
        delete("supannRessourceEtat"),
        add("supannRessourceEtat", "{COMPTE}A:SupannActif"),
    ]);
    changes
}
