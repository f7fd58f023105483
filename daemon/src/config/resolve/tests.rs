//! The whole configuration, from a file with faults to all that is said of them.

use super::super::{Credentials, Sources};
use std::os::unix::fs::PermissionsExt;

/// The settings of this file over the defaults, or what is wrong, by key.
fn trial(text: &str) -> Result<super::Settings, Vec<String>> {
    settings(text, KEY)
}

/// The same, with this key.
fn settings(text: &str, key: &str) -> Result<super::Settings, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parvis.toml");
    let charters = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/charters");
    let base = format!(
        "[charter]\nfile = {{ fr = \"{charters}/charter.fr.md\", en = \"{charters}/charter.en.md\" }}\n{text}"
    );
    std::fs::write(&file, base).unwrap();
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    for (name, content) in [("key", key), ("directory-password", "secret")] {
        std::fs::write(credentials.join(name), content).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(credentials.join(name), mode).unwrap();
    }
    let sources = Sources { environment: Vec::new(), credentials: Credentials::at(&credentials), file };
    sources.settings().map_err(|faults| faults.into_iter().map(|fault| fault.key).collect())
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn the_defaults_with_secrets_and_charters_are_complete() {
    let settings = settings("", KEY).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(settings.policy.populations.len(), 3);
    assert_eq!(settings.policy.charter.texts.len(), 2);
    assert_eq!(settings.base_url(), settings.sign_in_url());
}

#[test]
fn every_fault_is_told_at_once() {
    let text = "url = { fr = \"ftp://x\", en = \"https://univ.example/charter\" }\n\
        [campus]\nzone = \"Paris\"\nhelp-address = \"nowhere\"\nlocale = \"de\"\n\
        [pages]\nreturn-to = [\"https://ent.univ.example\"]\n\
        [links]\nrecovery = \"tomorrow\"\n\
        [limits]\naddress = \"many\"\nexempt-networks = [\"10.0.0.0\"]\n\
        [gate]\nsso = [\"@\"]\nconnections = 1\n\
        [sweep]\nschedule = \"30 3 * * 1\"\n\
        [password]\nminimum = 4\n\
        [mail]\nhost = \"mail.univ.example\"\nfrom = \"x\"\n\
        [directory]\nprovisional = \"(a=b\"\n";
    let Err(mut found) = settings(text, "short") else { panic!("it was accepted") };
    found.sort();
    found.dedup();
    let expected = [
        "campus.help-address",
        "campus.locale",
        "campus.zone",
        "charter.url.fr",
        "directory.provisional",
        "gate.connections",
        "gate.sso",
        "limits.address",
        "limits.exempt-networks",
        "links.key-credential",
        "links.recovery",
        "mail.from",
        "mail.security",
        "pages.return-to",
        "password.minimum",
        "sweep.schedule",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_address_to_go_back_to_must_be_under_a_prefix() {
    let settings = settings("[pages]\nreturn-to = [\"https://ent.univ.example/\"]\n", KEY);
    let settings = settings.unwrap_or_else(|faults| panic!("{faults:?}"));
    let back = |url: &str| settings.return_to(Some(url.to_owned())).is_some();
    assert!(back("https://ent.univ.example/accueil?a=b"));
    for bad in [
        "https://ent.univ.example.attacker.example/",
        "https://ent.univ.example",
        "http://ent.univ.example/",
        "javascript:alert(1)",
        "https://ent.univ.example/\\attacker.example",
        "https://ent.univ.example/\r\nSet-Cookie: a=b",
        "",
    ] {
        assert!(!back(bad), "{bad:?}");
    }
}

#[test]
fn what_is_written_wrong_does_not_hide_what_is_meant_wrong() {
    let text = "[campus]\nzon = \"Europe/Paris\"\ndomains = \"univ.example\"\nhelp-address = \"nowhere\"\n\
        [mail]\nport = \"25\"\nfrom = \"x\"\n\
        [[populations]]\nname = \"staff\"\nfilter = \"(a=b)\"\nmailbx = true\n";
    let Err(mut found) = settings(text, "short") else { panic!("it was accepted") };
    found.sort();
    let first = found.iter().find(|key| key.starts_with("populations")).cloned();
    assert!(first.is_some(), "{found:?}");
    found.retain(|key| !key.starts_with("populations"));
    let expected = [
        "campus.domains",
        "campus.help-address",
        "campus.zon",
        "links.key-credential",
        "mail.from",
        "mail.port",
    ];
    assert_eq!(found, expected, "each once");
}

#[test]
fn each_of_these_is_a_fault_by_itself() {
    for (text, key) in [
        ("[pages]\nsign-in-url = \"cas.univ.example/login\"\n", "pages.sign-in-url"),
        ("[campus]\ndomains = [\"@univ.example\"]\n", "campus.domains"),
        ("[campus]\ndomains = [\"univ.example\", \" etu.univ.example\"]\n", "campus.domains"),
        ("[campus]\ndomains = [\".univ.example\"]\n", "campus.domains"),
        ("[mail]\nhelo = \"a b\"\n", "mail.helo"),
        ("[mail]\nhost = \"not a host\"\nsecurity = \"tls\"\n", "mail.host"),
        ("[mail]\nsecurity = \"starttls\"\nca-file = \"/nonexistent/ca.pem\"\n", "mail.ca-file"),
        ("[gate]\nsso = [\"@www\", \"1000\"]\npages = [\"1000\"]\n", "gate.pages"),
        ("[limits]\nticket = \"1s\"\n", "limits.ticket"),
        ("[limits]\nmails-a-link = 0\n", "limits.mails-a-link"),
        ("[limits]\nsession-longest = \"1m\"\n", "limits.session-longest"),
        ("[directory]\ntimeout = \"5s\"\n", "directory.timeout"),
        ("[reminders]\nafter = \"soon\"\n", "reminders.after"),
        ("[reminders]\nschedule = \"10:00\"\n", "reminders.schedule"),
        ("[reports]\nto = [\"root@univ.example\", \"root\"]\n", "reports.to"),
        ("[log]\nfilter = \"ldap3=trace\"\n", "log.filter"),
        ("[log]\nfilter = \"loud\"\n", "log.filter"),
    ] {
        assert_eq!(trial(text).map(|_| ()), Err(vec![key.to_owned()]), "{text}");
    }
}

#[test]
fn what_is_hardly_meant_is_a_caution() {
    for (text, key) in [
        ("", ""),
        ("[sweep]\nkeep-done = \"3 hours\"\n", "sweep.keep-done"),
        ("[sweep]\nkeep-closed = \"2 days\"\n[limits]\nnotice = \"48h\"\n", "sweep.keep-closed"),
        (
            "[limits]\nenrolment-idle = \"24h\"\n[links]\ninvitation = \"1h\"\nforward = \"1h\"\n",
            "limits.enrolment-idle,reminders.after",
        ),
        ("[reminders]\nafter = \"720h\"\n", "reminders.after"),
    ] {
        let settings = trial(text).unwrap_or_else(|faults| panic!("{faults:?}"));
        let keys: Vec<&str> = settings.cautions.iter().map(|caution| caution.key.as_str()).collect();
        assert_eq!(keys.join(","), key, "{text}");
    }
}

#[test]
fn what_a_template_names_is_read() {
    let settings = trial(
        "[[directory.writes]]\nattribute = \"description\"\nwhen = \"entry.employeeType is defined\"\n\
         replace = [\"{{ entry.carLicense | default([]) | first }}\"]\n",
    )
    .unwrap_or_else(|faults| panic!("{faults:?}"));
    for name in ["description", "employeeType", "carLicense"] {
        assert!(settings.directory.attributes.iter().any(|read| read == name), "{name}");
    }
}

#[test]
fn what_takes_a_restart_is_named() {
    let of = |text: &str| trial(text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let before = of("");
    for (text, expected) in [
        ("[log]\nfilter = \"warn\"\n", vec!["log.filter"]),
        ("[log]\ntarget = \"terminal\"\n", vec!["log.target"]),
        ("[mail]\nhost = \"127.0.0.1\"\n", vec![]),
        ("[gate]\nconnections = 64\n", vec![]),
    ] {
        assert_eq!(before.fixed(&of(text)), expected, "{text}");
    }
}

#[test]
fn every_ready_made_mapping_is_read_without_a_fault_and_named_in_the_book() {
    let home = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/directory");
    let book = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/directory.md")).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // It panics with all the faults that there are.
        let settings = super::super::trial::settings(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(settings.cautions, [], "{name}");
        assert!(book.contains(&format!("conf/directory/{name}")), "docs/directory.md does not name {name}");
        files += 1;
    }
    assert!(files >= 7, "{files} files");
}
