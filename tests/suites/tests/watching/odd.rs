//! Entries that are not as one would make them: odd names, many logins, huge values, aliases, other servers' entries.

use std::fmt::Write as _;
use std::time::Duration;

use ldap3::dn_escape;
use parvis_stand::ldif::push;
use parvis_stand::slapd::PEOPLE;
use parvis_stand::{Ds389, Ds389Options, Person, Scene, SceneOptions, Slapd, SlapdOptions, campus, small};
use parvisd::directory::once::Reached;
use parvisd::directory::{ApplyError, BindOutcome, DirectoryError, Entry, Found, Settings, Standing, Way};
use serde_json::json;

use crate::ground::Ground;
use crate::seen::Seen;
use crate::writes::{Desk, NEW, chosen};

/// Common names that have to be escaped in a DN (RFC 4514, section 2.4), and some that need not.
const NAMES: [&str; 4] =
    ["Dupont, \"Zoé\" + x\\y; <b> = c", "#dièse d’abord", " espaces autour ", "Çelik 李 Éléonore"];

impl Desk {
    async fn one(&self, login: &str) -> Entry {
        match self.found(login).await {
            Found::One(entry) => *entry,
            other => panic!("{login}: {other:?}"),
        }
    }
}

/// Adds a person under a name; on OpenLDAP and 389 DS also one with a second part, their login.
fn add(ground: &Ground, login: &str, name: &str, two: bool) -> Person {
    let mut person = ground.stranger(login);
    let rdn = format!("cn={}", dn_escape(name));
    if ground.active_directory() {
        ground.server.add_person(&person).unwrap();
        ground.server.admin().rename(&person.dn, &rdn, None).unwrap();
    } else {
        let more = if two { format!("+uid={login}") } else { String::new() };
        person.dn = format!("{rdn}{more},{PEOPLE}");
        // OpenLDAP wants the name among the values, and no password hashed by a client.
        let mut ldif = campus::entry(&person, &person.provisional_password);
        push(&mut ldif, "cn", name);
        ground.server.admin().add(&ldif).unwrap();
    }
    person
}

/// Found, read, planned, written and watched, whatever its name is made of.
async fn any_name_will_do(ground: Ground) {
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let desk = Desk::at(ground).await;
    let both = if desk.ground.active_directory() { &[false][..] } else { &[false, true][..] };
    for (at, name) in NAMES.iter().enumerate() {
        for two in both {
            let login = format!("odd{at}{two}");
            let person = add(&desk.ground, &login, name, *two);
            let entry = desk.one(&login).await;
            assert_eq!(desk.directory.read(entry.uuid).await.unwrap().as_ref(), Some(&entry), "{name}");
            assert_eq!(desk.directory.standing(&entry), Standing::Provisional, "{name}");
            seen.until("added", |seen| seen.believed.get(&entry.uuid) == Some(&entry.dn)).await;

            let told = seen.told;
            let admin = desk.ground.server.admin();
            admin.replace(&entry.dn, "mail", &["autre@univ.example"]).unwrap();
            seen.until("changed", |seen| seen.told > told).await;

            let letter = person.provisional_password.as_str().into();
            let proven = desk.directory.authenticate(Some(&entry.dn), &letter).await.unwrap();
            assert!(matches!(proven, BindOutcome::Accepted { .. }), "{name}: {proven:?}");
            let plan = desk.mapping.plan(&desk.one(&login).await, &chosen(&person)).unwrap();
            desk.directory.apply(&plan, &NEW.into()).await.unwrap();
            let active = desk.one(&login).await;
            assert_eq!((&active.dn, active.uuid), (&entry.dn, entry.uuid));
            assert_eq!(desk.directory.standing(&active), Standing::Active, "{name}");
            let written = admin.entry(&entry.dn).unwrap().unwrap();
            let [recovery, ..] = desk.ground.attributes();
            assert_eq!(written.get(recovery), Some(chosen(&person).recovery_address.as_str()), "{name}");
            assert!(admin.bind_works(&entry.dn, NEW).unwrap(), "{name}");
            seen.until("activated", |seen| !seen.believed.contains_key(&entry.uuid)).await;

            desk.ground.set_state(&entry.dn, "I");
            seen.until("provisional again", |seen| seen.believed.contains_key(&entry.uuid)).await;
            let new = format!("cn={}", dn_escape(format!("{name}, bis {two}")));
            admin.rename(&entry.dn, &new, None).unwrap();
            if !desk.ground.active_directory() && *two {
                // The login was a part of the name that went.
                let renamed = desk.directory.read(entry.uuid).await.unwrap().unwrap();
                admin.replace(&renamed.dn, "uid", &[&login]).unwrap();
            }
            let renamed = desk.one(&login).await;
            assert_ne!(renamed.dn, entry.dn);
            let so = |seen: &Seen| seen.believed.get(&entry.uuid) == Some(&renamed.dn);
            seen.until("renamed", so).await;
            admin.delete(&renamed.dn).unwrap();
            seen.until("deleted", |seen| !seen.believed.contains_key(&entry.uuid)).await;
        }
    }
    assert_eq!(seen.downs, Vec::<String>::new());
    seen.end().await;
}

/// Every value of the login's attribute signs in, in any case; the filter has the last word.
async fn of_several_logins_each_is_one(ground: Ground) {
    let desk = Desk::at(ground).await;
    let person = desk.ground.add("premier");
    desk.ground.server.admin().replace(&person.dn, "uid", &["premier", "Second.Nom", "(3)*"]).unwrap();
    let first = desk.one("premier").await;
    for login in ["PREMIER", "second.nom", "Second.Nom", "(3)*"] {
        assert_eq!(desk.one(login).await, first, "{login}");
    }
    assert_eq!(desk.directory.find("(3)").await, Ok(Found::Nobody));
    let plan = desk.mapping.plan(&first, &chosen(&person)).unwrap();
    desk.directory.apply(&plan, &NEW.into()).await.unwrap();
    let logins = desk.one("second.nom").await;
    assert_eq!(logins.values("uid").count(), 3, "they are all there afterwards");
}

/// What nobody asked for is not read, and what was asked for may be long, many or empty.
async fn huge_values_do_no_harm(ground: Ground) {
    let person = ground.stranger("gros");
    let mut settings = ground.settings();
    settings.attributes.extend(["description", "carLicense", "title"].map(str::to_owned));
    let mut seen = Seen::from(settings.clone(), None);
    seen.refreshed().await;
    let desk = Desk::asking(ground, settings).await;
    let mut ldif = campus::entry(&person, &person.provisional_password);
    let photograph = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, vec![0xff; 1 << 20]);
    write!(ldif, "jpegPhoto:: {photograph}\ndescription: {}\n", "long ".repeat(20_000).trim_end()).unwrap();
    ldif.push_str("cn;lang-fr: Le gros\ntitle;lang-de: Herr\n");
    (0..10_000).for_each(|at| writeln!(ldif, "carLicense: AA-{at:05}-ZZ").unwrap());
    desk.ground.server.admin().add(&ldif).unwrap();

    let entry = desk.one("gros").await;
    assert!(!entry.attributes.contains_key("jpegphoto"), "nobody asked for it");
    assert_eq!(entry.first("description").map(str::len), Some(99_999));
    assert_eq!(entry.values("carLicense").count(), 10_000);
    assert_eq!(entry.first("cn;lang-fr"), Some("Le gros"));
    assert_eq!((entry.first("title"), entry.first("title;lang-de")), (None, Some("Herr")));
    seen.until("added", |seen| seen.knows(&person.dn)).await;
    let plan = desk.mapping.plan(&entry, &chosen(&person)).unwrap();
    desk.directory.apply(&plan, &NEW.into()).await.unwrap();
    assert_eq!(desk.directory.standing(&desk.one("gros").await), Standing::Active);
    seen.until("activated", |seen| !seen.knows(&person.dn)).await;
    assert_eq!(seen.downs, Vec::<String>::new());
    let kept = desk.ground.server.admin().entry(&person.dn).unwrap().unwrap();
    assert_eq!((kept.bytes("jpegPhoto")[0].len(), kept.bytes("carLicense").len()), (1 << 20, 10_000));
    seen.end().await;
}

/// A sign that points at somebody, and one that points at another server.
fn signs(pointed_at: &Person) -> String {
    let alias = |login: &str, name: &str| {
        format!(
            "dn: cn={name},{PEOPLE}\nobjectClass: alias\nobjectClass: extensibleObject\ncn: {name}\n\
             uid: {login}\nsupannRessourceEtat: {{COMPTE}}I:SupannCree\naliasedObjectName: {}\n\n",
            pointed_at.dn
        )
    };
    let elsewhere = format!(
        "dn: ou=ailleurs,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: ailleurs\n\
         ref: ldap://annuaire.ailleurs.example/ou=ailleurs,{PEOPLE}\n\n"
    );
    alias("surnom", "surnom") + &alias(&pointed_at.login, "double") + &elsewhere
}

/// An alias that has somebody's login or address is not somebody who holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_holds_nothing() {
    let person = &small()[0];
    let mailbox = person.mailbox.clone().unwrap();
    let named = format!("uid: surnom\nmail: surnom@univ.example\nmail: {mailbox}\n");
    let more = signs(person).replacen("uid: surnom\n", &named, 1);
    let server = Box::new(Slapd::start(SlapdOptions { more, ..SlapdOptions::default() }).unwrap());
    let ground = Ground { server, way: Way::Sync };
    let settings = Settings { address_filter: "(mail={address})".to_owned(), ..ground.settings() };
    let desk = Desk::asking(ground, settings).await;
    let held = async |address: &str| {
        let entries = desk.directory.holders(&[address.to_owned()]).await.unwrap();
        entries.into_iter().map(|entry| entry.dn).collect::<Vec<_>>()
    };
    assert_eq!(held(&mailbox).await, [person.dn.as_str()]);
    assert_eq!(held("surnom@univ.example").await, Vec::<String>::new());
    let reached = Reached::first(desk.ground.settings().prepare().unwrap()).await.unwrap();
    assert_eq!(reached.find("surnom").await, Ok(Found::Nobody));
    match reached.find(&person.login).await {
        Ok(Found::One(entry)) => assert_eq!(entry.dn, person.dn),
        other => panic!("{other:?}"),
    }
}

/// An alias is nobody, and what another server holds is not looked for; neither hides anybody.
async fn signs_are_not_people(ground: Ground) {
    let person = ground.server.here(&small()[0]);
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let there = seen.names();
    assert_eq!(
        there.len(),
        small().iter().filter(|person| person.state == parvis_stand::State::Provisional).count()
    );
    let desk = Desk::at(ground).await;
    assert_eq!(desk.directory.find("surnom").await, Ok(Found::Nobody));
    let entry = desk.one(&person.login).await;
    assert!(entry.dn.eq_ignore_ascii_case(&person.dn), "{}", entry.dn);

    // Nor when it is written while somebody watches.
    let admin = desk.ground.server.admin();
    let changed = format!("dn: cn=surnom,{PEOPLE}\nchangetype: modify\nadd: description\ndescription: x\n");
    admin.tool("ldapmodify", &["-M"], &changed).unwrap();
    let late = desk.ground.add("tardif");
    seen.until("somebody later", |seen| seen.knows(&late.dn)).await;
    let names = seen.names();
    assert!(!names.iter().any(|name| name.contains("surnom") || name.contains("double")), "{names:?}");
    assert_eq!(names.len(), there.len() + 1);
    let plan = desk.mapping.plan(&entry, &chosen(&person)).unwrap();
    desk.directory.apply(&plan, &NEW.into()).await.unwrap();
    assert_eq!(desk.directory.standing(&desk.one(&person.login).await), Standing::Active);
    assert_eq!(seen.downs, Vec::<String>::new());
    seen.end().await;

    // Where all of the base is another server's, OpenLDAP says so. 389 DS gives a reference as for any other entry.
    let base = format!("ou=ailleurs,{PEOPLE}");
    let openldap = desk.ground.server.name() == "OpenLDAP";
    let settings = Settings { base, ..desk.ground.settings() };
    let elsewhere = Desk::asking(desk.ground, settings.clone()).await;
    let found = elsewhere.directory.find("mdurand").await;
    if !openldap {
        assert_eq!(found, Ok(Found::Nobody));
        return;
    }
    let Err(DirectoryError::Refused { code: 10, text }) = found else { panic!("{found:?}") };
    assert!(text.contains("annuaire.ailleurs.example") && text.contains("not followed"), "{text}");
    let mut seen = Seen::from(settings, None);
    seen.until("said", |seen| seen.downs.iter().any(|why| why.contains("not followed"))).await;
    seen.end().await;
}

/// A copy that may not be written sends writers on: that is a refusal in words, and nothing is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_copy_refuses_in_words() {
    let copy = "syncrepl rid=001 provider=ldap://127.0.0.1:9 type=refreshOnly interval=01:00:00:00 retry=\"3600 +\" \
                searchbase=\"dc=univ,dc=example\" bindmethod=simple\nupdateref ldap://maitre.univ.example\n";
    let options = SlapdOptions { extra_config: copy.to_owned(), ..SlapdOptions::default() };
    let server = Box::new(Slapd::start(options).unwrap());
    let desk = Desk::at(Ground { server, way: Way::Poll }).await;
    let person = small().remove(0);
    let before = desk.one(&person.login).await;
    let plan = desk.mapping.plan(&before, &chosen(&person)).unwrap();
    let refused = desk.directory.apply(&plan, &NEW.into()).await;
    let Err(ApplyError::Refused { code: 10, text }) = refused else { panic!("{refused:?}") };
    assert!(text.contains("ldap://maitre.univ.example") && text.contains("directory.uris"), "{text}");
    assert_eq!(desk.one(&person.login).await, before);
}

/// Two entries with one login: nobody comes in by it, and the help desk sees which two.
#[test]
fn of_two_entries_with_one_login_both_are_named() {
    let twin = |name: &str| {
        let person = Person { dn: format!("cn={},{PEOPLE}", dn_escape(name)), ..small().remove(0) };
        let person = Person { login: "jumeau".to_owned(), mailbox: None, ..person };
        let mut ldif = campus::entry(&person, &person.provisional_password);
        push(&mut ldif, "cn", name);
        format!("{ldif}\n")
    };
    let more = twin("Un, Jumeau") + &twin("Deux");
    let slapd = SlapdOptions { more, ..SlapdOptions::default() };
    let scene = Scene::start(SceneOptions { slapd, ..SceneOptions::default() }).unwrap();
    let asked = json!({ "login": "jumeau", "authenticated": true });
    let (_, checked) = scene.daemon.hook("check", &asked).unwrap();
    assert_eq!((&checked["allow"], &checked["status"]), (&json!(false), &json!("unknown")), "{checked}");
    assert!(!checked.to_string().contains("ou=people"), "a person is not told: {checked}");
    let letter = json!({ "login": "jumeau", "password": small()[0].provisional_password, "locale": "fr" });
    let (code, refused) = scene.daemon.hook("authenticate", &letter).unwrap();
    assert!(code != 0 && !refused.to_string().contains("ou=people"), "{refused}");
    let shown = scene.daemon.ctl(&["show", "jumeau"]).unwrap();
    let words = [shown.stdout, shown.stderr].concat();
    let words = String::from_utf8(words).unwrap();
    let log = scene.daemon.wait_log("several entries have this login", Duration::from_secs(30)).unwrap();
    assert!(!shown.status.success());
    for name in ["cn=Deux,ou=people", "Jumeau,ou=people"] {
        assert!(words.contains(name), "parvisctl: {words}");
        assert!(log.contains(name), "the log: {log}");
    }
}

fn with_signs(server: &str, way: Way) -> Ground {
    let more = signs(&small()[0]);
    match server {
        "openldap" => {
            let options = SlapdOptions { more, ..SlapdOptions::default() };
            Ground { server: Box::new(Slapd::start(options).unwrap()), way }
        }
        _ => {
            let sync = way == Way::Sync;
            let options = Ds389Options { more, sync, changelog: sync, ..Ds389Options::default() };
            Ground { server: Box::new(Ds389::start(&options).unwrap()), way }
        }
    }
}

macro_rules! each {
    ($test:ident: $($name:ident: $ground:expr;)*) => {
        mod $test {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$test($ground).await;
                }
            )*
        }
    };
}

each! {
    any_name_will_do:
    openldap_by_synchronisation: Ground::slapd(Way::Sync);
    openldap_by_asking: Ground::slapd(Way::Poll);
    ds389_by_synchronisation: Ground::ds389(Way::Sync);
    ds389_by_asking: Ground::ds389(Way::Poll);
    active_directory_by_dirsync: Ground::samba(Way::Dirsync);
    active_directory_by_asking: Ground::samba(Way::Poll);
}

each! {
    of_several_logins_each_is_one:
    openldap: Ground::slapd(Way::Sync);
    ds389: Ground::ds389(Way::Sync);
}

each! {
    huge_values_do_no_harm:
    openldap_by_synchronisation: Ground::slapd(Way::Sync);
    openldap_by_asking: Ground::slapd(Way::Poll);
    ds389_by_synchronisation: Ground::ds389(Way::Sync);
}

each! {
    signs_are_not_people:
    openldap_by_synchronisation: with_signs("openldap", Way::Sync);
    openldap_by_asking: with_signs("openldap", Way::Poll);
    ds389_by_synchronisation: with_signs("389", Way::Sync);
    ds389_by_persistent_search: with_signs("389", Way::PersistentSearch);
    ds389_by_asking: with_signs("389", Way::Poll);
}
