//! A filter means the same here and at the server: each is asked of both about the same odd entries, on each product.

use parvis_stand::{Client, Slapd, SlapdOptions};
use parvisd::directory::filter::Filter;
use parvisd::directory::{Entry, Found, Settings, Way};

use crate::ground::Ground;
use crate::writes::Desk;

/// The filters, one a line; what begins with # says what they are about.
const COMMON: &str = include_str!("common.txt");
const ACTIVE_DIRECTORY: &str = include_str!("active-directory.txt");

/// The entries of both, and those whom the campus has.
const PEOPLE: &str = include_str!("people.ldif");
const USERS: &str = include_str!("users.ldif");

fn logins(ldif: &str, attribute: &str) -> Vec<String> {
    let entries = parvis_stand::ldif::parse(ldif);
    entries.iter().filter_map(|entry| entry.get(attribute).map(str::to_owned)).collect()
}

/// What a server means by itself, and Parvis does not follow: the pages on the directories say so.
fn peculiar(server: &str) -> &'static [&'static str] {
    match server {
        // A letter and its accent, written as two.
        "OpenLDAP" => &["(cn=Eleonore Éléonore)"],
        // A number is ordered by its index, which needs a rule for that; and one space is enough on both sides of a *.
        "389 Directory Server" => &[
            "(cn=jeanne * dupont)",
            "(cn=zoé * île)",
            "(uidNumber>=999)",
            "(uidNumber<=-1)",
            "(!(uidNumber>=abc))",
        ],
        // What is no number and no time is the first of them.
        _ => &[
            "(uidNumber>=abc)",
            "(!(uidNumber>=abc))",
            "(whenCreated>=tomorrow)",
            "(!(whenCreated>=tomorrow))",
        ],
    }
}

/// What a server refuses to be asked: RFC 4526's filters without parts.
fn refuses(server: &str) -> &'static [&'static str] {
    match server {
        "389 Directory Server" => &["(&)", "(|)", "(!(&))", "(&(&)(uid=bare))", "(|(|)(uid=bare))"],
        _ => &[],
    }
}

/// Whoever differs is named with the filter.
async fn both_say_the_same(ground: Ground) {
    let (ldif, filters, login) = match ground.active_directory() {
        true => (USERS, ACTIVE_DIRECTORY, "sAMAccountName"),
        false => (PEOPLE, COMMON, "uid"),
    };
    ground.server.admin().add(ldif).unwrap();
    let everything = vec!["*".to_owned(), "+".to_owned()];
    let settings = Settings { attributes: everything, ..ground.settings() };
    let desk = Desk::asking(ground, settings).await;
    let mut entries: Vec<Entry> = Vec::new();
    let mut names = logins(ldif, login);
    names.extend(["mdurand", "ybenali", "cbernard", "rlemoine"].map(str::to_owned));
    for name in names {
        match desk.found(&name).await {
            Found::One(entry) => entries.push(*entry),
            other => panic!("{name}: {other:?}"),
        }
    }
    let server = &desk.ground.server;
    let (dn, password) = server.service();
    let service =
        Client::new(&std::env::temp_dir(), &server.ldaps_url(), dn, password, Some(&server.ca_file()))
            .unwrap();
    let (mut wrong, mut peculiar_now, mut refused, mut both) = (Vec::new(), Vec::new(), Vec::new(), [0, 0]);
    for text in filters.lines().filter(|line| line.starts_with('(')) {
        let filter = Filter::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let found = match service.search(server.base(), text, &["1.1"]) {
            Ok(found) => found,
            Err(error) => {
                assert!(error.to_string().contains("Bad search filter"), "{text}: {error}");
                refused.push(text);
                continue;
            }
        };
        let mut differs = Vec::new();
        for entry in &entries {
            let theirs = found.iter().any(|one| one.dn.eq_ignore_ascii_case(&entry.dn));
            let ours = desk.directory.matches(&filter, entry);
            both[usize::from(theirs)] += 1;
            if ours != theirs {
                differs.push(format!("{text}: of {} we say {ours}, the server {theirs}", entry.dn));
            }
        }
        match peculiar(server.name()).contains(&text) {
            true if !differs.is_empty() => peculiar_now.push(text),
            _ => wrong.extend(differs),
        }
    }
    assert!(both.iter().all(|count| *count > 200), "who always says the same is no judge: {both:?}");
    assert!(wrong.is_empty(), "{} of {both:?}:\n{}", wrong.len(), wrong.join("\n"));
    peculiar_now.sort_unstable();
    let mut expected = peculiar(server.name()).to_vec();
    expected.sort_unstable();
    assert_eq!(peculiar_now, expected, "what is said of the server is still so");
    assert_eq!(refused, refuses(server.name()));
}

fn slapd() -> Ground {
    let schema = "include /etc/ldap/schema/nis.schema\n".to_owned();
    let options = SlapdOptions { schema, ..SlapdOptions::default() };
    Ground { server: Box::new(Slapd::start(options).unwrap()), way: Way::Sync }
}

crate::on_each! {
    [both_say_the_same]
    openldap: slapd();
    ds389: Ground::ds389(Way::Sync);
    active_directory: Ground::samba(Way::Dirsync);
}
