//! The mapping by examples: what each rule makes of an entry, and what is refused.

use super::*;
use crate::directory::EntryUuid;

fn entry(attributes: &[(&str, &[&str])]) -> Entry {
    let attributes = attributes
        .iter()
        .map(|(name, values)| (name.to_string(), values.iter().map(|v| v.as_bytes().to_vec()).collect()))
        .collect();
    Entry { uuid: EntryUuid([1; 16]), dn: "uid=a,dc=test".into(), stamp: "s1".into(), attributes }
}

fn chosen() -> Chosen {
    Chosen {
        login: "jdupont".into(),
        recovery_address: "jeanne@example.net".into(),
        listed: false,
        mailbox: true,
        forward: None,
        keep_copy: true,
        charter: Charter {
            version: "2026-1".into(),
            sha256: "ab".into(),
            locale: "fr".into(),
            at: "x".into(),
        },
        today: "20260901".into(),
        now: "20260901120000Z".into(),
    }
}

/// Rules as a text.
#[derive(serde::Deserialize)]
struct RuleFile {
    write: Vec<WriteRule>,
}

fn rules(toml: &str) -> Vec<WriteRule> {
    toml::from_str::<RuleFile>(toml).unwrap().write
}

fn ldif(toml: &str, entry: &Entry, chosen: &Chosen) -> String {
    let plan = Mapping::compile(&rules(toml)).unwrap().plan(entry, chosen).unwrap();
    plan.to_ldif().lines().skip(2).collect::<Vec<_>>().join("|")
}

fn faults(toml: &str) -> String {
    let faults = Mapping::compile(&rules(toml)).unwrap_err();
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const STATE: &str = r#"
    [[write]]
    attribute = "supannRessourceEtat"
    delete = ["{compte}*"]
    add = ["{COMPTE}A:SupannActif"]
"#;

#[test]
fn a_state_goes_by_its_exact_old_value() {
    let person = entry(&[("supannressourceetat", &["{COMPTE}I:SupannCree", "{MAIL}I:SupannCree"])]);
    assert_eq!(
        ldif(STATE, &person, &chosen()),
        "delete: supannRessourceEtat|supannRessourceEtat: {COMPTE}I:SupannCree|-|add: supannRessourceEtat|supannRessourceEtat: {COMPTE}A:SupannActif|-"
    );
}

#[test]
fn what_changes_nothing_is_not_written() {
    let person = entry(&[("supannressourceetat", &["{COMPTE}A:SupannActif"])]);
    assert_eq!(ldif(STATE, &person, &chosen()), "");
}

#[test]
fn another_spelling_of_a_held_value_takes_its_place() {
    let person = entry(&[("a", &["One", "two"])]);
    let toml = "[[write]]\nattribute = \"a\"\nadd = [\"ONE\"]";
    assert_eq!(ldif(toml, &person, &chosen()), "delete: a|a: One|-|add: a|a: ONE|-");
}

#[test]
fn rules_on_one_attribute_become_one_change() {
    let toml = r#"
        [[write]]
        attribute = "a"
        delete = ["x*"]
        add = ["1", "2"]
        [[write]]
        attribute = "A"
        when = "mailbox"
        delete = ["*y", "2"]
        add = ["1", "3"]
    "#;
    let person = entry(&[("a", &["x1", "xy", "z"])]);
    assert_eq!(ldif(toml, &person, &chosen()), "delete: a|a: x1|a: xy|-|add: a|a: 1|a: 3|-");
    let toml = r#"
        [[write]]
        attribute = "a"
        replace = ["{{ login }}", "", "{{ forward or '' }}"]
        [[write]]
        attribute = "a"
        add = ["more"]
    "#;
    assert_eq!(ldif(toml, &person, &chosen()), "replace: a|a: jdupont|a: more|-");
}

#[test]
fn an_empty_replacement_removes_the_attribute() {
    let toml = "[[write]]\nattribute = \"a\"\nreplace = [\"{% if forward %}{{ forward }}{% endif %}\"]";
    assert_eq!(ldif(toml, &entry(&[]), &chosen()), "replace: a|-");
}

#[test]
fn templates_see_the_entry_in_any_case_and_absence_is_a_fault() {
    let toml = "[[write]]\nattribute = \"a\"\nreplace = [\"{{ entry.givenName[0] }}\"]";
    assert_eq!(ldif(toml, &entry(&[("givenname", &["Zoé"])]), &chosen()), "replace: a|a:: Wm/DqQ==|-");
    let fault = Mapping::compile(&rules(toml)).unwrap().plan(&entry(&[]), &chosen()).unwrap_err();
    assert_eq!((fault.rule, fault.attribute.as_str()), (1, "a"));
    let toml = "[[write]]\nattribute = \"a\"\nwhen = \"entry.givenName is defined\"\nreplace = [\"x\"]";
    assert_eq!(ldif(toml, &entry(&[]), &chosen()), "");
}

#[test]
fn no_choice_of_a_person_becomes_a_template() {
    let toml = "[[write]]\nattribute = \"a\"\nreplace = [\"{{ recovery_address }}\"]";
    let trick = Chosen { recovery_address: "{{ entry.secret }}{% for".into(), ..chosen() };
    assert_eq!(ldif(toml, &entry(&[]), &trick), "replace: a|a: {{ entry.secret }}{% for|-");
}

#[test]
fn what_a_rule_cannot_be_is_said_when_it_is_read() {
    assert!(
        faults("[[write]]\nattribute = \"a\"\nadd = [\"{{ recovery_adress }}\"]").contains("recovery_adress")
    );
    assert!(faults("[[write]]\nattribute = \"a\"\nadd = [\"{{ login\"]").contains("rule 1"));
    assert!(faults("[[write]]\nattribute = \"a\"\nwhen = \"login ==\"\nadd = [\"x\"]").contains("when"));
    assert!(faults("[[write]]\nattribute = \"userPassword;x\"\nadd = [\"x\"]").contains("password"));
    assert!(faults("[[write]]\nattribute = \"a b\"\nadd = [\"x\"]").contains("name"));
    assert!(faults("[[write]]\nattribute = \"a\"").contains("nothing"));
    assert!(faults("[[write]]\nattribute = \"a\"\nreplace = []\nadd = [\"x\"]").contains("not both"));
    assert!(toml::from_str::<RuleFile>("[[write]]\nattribute = \"a\"\nad = [\"x\"]").is_err());
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let toml = "[[write]]\nattribute = \"a\"\nreplace = [\"{% for a in (login * 9000) | list %}{{ a }}{% endfor %}\"]";
    assert!(Mapping::compile(&rules(toml)).unwrap().plan(&entry(&[]), &chosen()).is_err());
    let toml = "[[write]]\nattribute = \"a\"\nreplace = [\"{{ login * 100000 }}\"]";
    assert!(Mapping::compile(&rules(toml)).unwrap().plan(&entry(&[]), &chosen()).is_err());
}

#[test]
fn the_default_rules_read_well_and_keep_the_end_date() {
    let mapping = Mapping::compile(&Mapping::supann()).unwrap();
    assert!(mapping.reads().any(|name| name == "supannRessourceEtatDate"));
    let person = entry(&[
        ("objectclass", &["inetOrgPerson", "supannPerson", "qmailUser"]),
        ("supannressourceetat", &["{COMPTE}I:SupannCree"]),
        ("supannressourceetatdate", &["{COMPTE}I:SupannCree:20260825:20270831"]),
    ]);
    let forwards = Chosen { forward: Some("jeanne@example.net".into()), keep_copy: false, ..chosen() };
    let text = mapping.plan(&person, &forwards).unwrap().to_ldif();
    for line in [
        "supannRessourceEtatDate: {COMPTE}A:SupannActif:20260901:20270831\n",
        "supannRessourceEtat: {MAIL}A:SupannActif\n",
        "supannListeRouge: TRUE\n",
        "supannMailPerso: jeanne@example.net\n",
        "mailForwardingAddress: jeanne@example.net\n",
        "deliveryMode: nolocal\n",
        "supannConsentement: {CGU}2026-1:20260901\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let keeps = Chosen { forward: None, mailbox: false, ..chosen() };
    let text = mapping.plan(&person, &keeps).unwrap().to_ldif();
    assert!(!text.contains("nolocal") && !text.contains("{MAIL}"), "{text}");
}

#[test]
fn the_classes_that_a_choice_needs_are_those_of_its_rules() {
    let classes = |rules: &[WriteRule]| {
        Mapping::compile(rules).unwrap().classes_for(&["mailDeliveryOption", "deliveryMode"])
    };
    assert_eq!(classes(&Mapping::supann()), ["mailrecipient", "qmailuser"]);
    let given = "[[write]]\nattribute = \"objectClass\"\nadd = [\"mailRecipient\"]\n";
    assert!(classes(&[Mapping::supann(), rules(given)].concat()).is_empty(), "activation gives the class");
    assert!(classes(&rules("[[write]]\nattribute = \"deliveryMode\"\nadd = [\"nolocal\"]\n")).is_empty());
    assert!(classes(&[]).is_empty());
}

/// The files that say forwarding in another way must not fall behind the default in everything else.
#[test]
fn the_ready_made_mappings_for_supann_differ_from_the_default_in_forwarding_only() {
    const FORWARDING: [&str; 9] = [
        "mailForwardingAddress",
        "mailDeliveryOption",
        "deliveryMode",
        "accountStatus",
        "objectClass",
        "mailRoutingAddress",
        "zimbraPrefMailForwardingAddress",
        "zimbraPrefMailLocalDeliveryDisabled",
        // 389 DS computes it.
        "pwdReset",
    ];
    let rest = |rules: Vec<WriteRule>, but: &[&str]| -> Vec<WriteRule> {
        rules.into_iter().filter(|rule| !but.contains(&rule.attribute.as_str())).collect()
    };
    let home = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/directory");
    for name in ["qmail", "netscape", "inetlocalmailrecipient", "zimbra", "389ds"] {
        let text = std::fs::read_to_string(format!("{home}/{name}.toml")).unwrap();
        let file: Shipped = toml::from_str(&text).unwrap();
        let but = if name == "389ds" { &FORWARDING[8..] } else { &FORWARDING[..8] };
        assert_eq!(rest(file.directory.writes, but), rest(Mapping::supann(), but), "{name}");
    }
}
