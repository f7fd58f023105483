//! Each file of `conf/directory` with the daemon, on the directory that it is for: after an activation the entry holds what
//! the file promises and nothing else has changed, whatever was chosen before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parvis_stand::ldif::push;
use parvis_stand::scene::{at, config, daemon_options};
use parvis_stand::slapd::{MISC, PEOPLE, WRITABLE, ZIMBRA};
use parvis_stand::{
    Daemon, DirectoryServer, Ds389, Ds389Options, Inbox, InboxOptions, Layout, SambaAd, SambaAdOptions,
    SceneOptions, Slapd, SlapdOptions, Walk, ds389, small,
};
use serde_json::json;

use crate::ground::conf;

/// An entry's attributes, in lower case, with their values.
type Held = BTreeMap<String, BTreeSet<String>>;

/// What a person chooses: whether to be listed, and where to forward, with a copy or without.
#[derive(Clone, Copy)]
struct Choice {
    listed: bool,
    forward: Option<(&'static str, bool)>,
}

/// With a copy, without, not at all, and back again.
const CHOICES: [Choice; 4] = [
    Choice { listed: true, forward: Some(("un@dehors.example", true)) },
    Choice { listed: false, forward: Some(("deux@dehors.example", false)) },
    Choice { listed: false, forward: None },
    Choice { listed: true, forward: Some(("un@dehors.example", true)) },
];

/// Somebody without a mailbox has to forward.
const HOURLY: [Choice; 2] = [
    Choice { listed: false, forward: Some(("un@dehors.example", true)) },
    Choice { listed: true, forward: Some(("deux@dehors.example", false)) },
];

/// What activation was told: the words that a mapping has for it.
struct Told {
    choice: Choice,
    mailbox: bool,
    recovery: String,
    /// The charter's value as it was written: it has the time of its acceptance.
    charter: String,
    /// That day, in eight digits.
    today: String,
}

impl Told {
    fn address(&self) -> Option<&'static str> {
        self.choice.forward.map(|(address, _)| address)
    }

    /// Does a copy stay where there is a mailbox? `None`: nothing is forwarded.
    fn copy(&self) -> Option<bool> {
        self.choice.forward.map(|(_, copy)| copy && self.mailbox)
    }
}

/// A daemon with a mapping, and its directory.
struct Site {
    daemon: Daemon,
    inbox: Inbox,
    server: Box<dyn DirectoryServer>,
    rounds: usize,
}

impl Site {
    fn with(file: &str, server: Box<dyn DirectoryServer>) -> Site {
        let layout = Layout::new().unwrap();
        let inbox = Inbox::start(InboxOptions::default()).unwrap();
        let options = SceneOptions::default();
        let config = config(&options, &layout, &*server, &inbox);
        std::fs::write(layout.path().join("conf.d/50-directory.toml"), conf(file)).unwrap();
        let quick = "[limits]\naddress = \"1000/1h\"\n";
        std::fs::write(layout.path().join("conf.d/60-quick.toml"), quick).unwrap();
        let mut started = daemon_options(&options, config);
        let password = server.service().1.to_owned();
        started.credentials.retain(|(name, _)| name != "directory-password");
        started.credentials.push(("directory-password".to_owned(), password));
        let daemon = Daemon::start(layout, started).unwrap();
        daemon.wait_status("everything works", Duration::from_secs(60)).unwrap();
        Site { daemon, inbox, server, rounds: 0 }
    }

    fn openldap(file: &str, schema: &str, writable: &[&str], more: String) -> Site {
        let writable = WRITABLE.iter().chain(writable).map(|name| (*name).to_owned()).collect();
        let options = SlapdOptions { schema: schema.to_owned(), writable, more, ..SlapdOptions::default() };
        Site::with(file, Box::new(Slapd::start(options).unwrap()))
    }

    /// Somebody of the campus, or of those who were added to it.
    fn dn(&self, login: &str) -> String {
        let known = small().into_iter().find(|person| person.login == login);
        known.map_or_else(|| format!("uid={login},{PEOPLE}"), |person| self.server.here(&person).dn)
    }

    fn change(&self, dn: &str, changes: &[(&str, &str, &[&str])]) {
        let mut ldif = String::new();
        push(&mut ldif, "dn", dn);
        ldif.push_str("changetype: modify\n");
        for (act, attribute, values) in changes {
            push(&mut ldif, act, attribute);
            values.iter().for_each(|value| push(&mut ldif, attribute, value));
            ldif.push_str("-\n");
        }
        self.server.admin().modify(&ldif).unwrap();
    }

    /// What people keep in an entry: neither the password nor what the server writes by itself.
    fn held(&self, dn: &str) -> Held {
        let entry = self.server.admin().entry_with(dn, &["*"]).unwrap().unwrap();
        const OWN: [&str; 12] = [
            "userpassword",
            "unicodepwd",
            "usnchanged",
            "whenchanged",
            "pwdlastset",
            "lastlogon",
            "lastlogontimestamp",
            "logoncount",
            "badpwdcount",
            "badpasswordtime",
            "lockouttime",
            "dscorepropagationdata",
        ];
        let kept = entry.names().filter(|name| !OWN.contains(&name.to_lowercase().as_str()));
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
        kept.map(|name| (name.to_lowercase(), entry.bytes(name).iter().map(text).collect())).collect()
    }

    /// The whole way, from provisional: before, after, and what was told.
    fn activate(&mut self, login: &str, dn: &str, mailbox: bool, choice: Choice) -> (Held, Held, Told) {
        let before = self.held(dn);
        self.rounds += 1;
        let recovery = format!("{login}{}@secours.example", self.rounds);
        let mut walk = Walk::beside(&self.daemon, &self.inbox, login).unwrap();
        walk.prove(&recovery).unwrap();
        walk.charter().unwrap();
        let listing = json!({ "listed": choice.listed });
        let (code, answer) = walk.call("listing", listing).unwrap();
        match (at(&answer, "/step").as_str(), choice.forward) {
            (Some("mail"), Some((address, copy))) => walk.forward(address, copy).unwrap(),
            (Some("mail"), None) => {
                let none = json!({ "forward": null, "keep_copy": true });
                walk.step("mail", none, "password").unwrap();
            }
            (Some("password"), None) => {}
            _ => panic!("{login} ({code}): {answer}"),
        }
        let password = format!("Zq{}-vtixqubo-{}8", self.rounds, self.rounds);
        walk.password(&password).unwrap();
        let (_, checked) =
            self.daemon.hook("check", &json!({ "login": login, "authenticated": true })).unwrap();
        assert_eq!(checked["status"], "active", "{login}: {checked}");
        assert!(self.server.admin().bind_works(dn, &password).unwrap(), "{login}");
        let after = self.held(dn);
        let dated = ["supannconsentement", "description", "msds-cloudextensionattribute3"];
        let dated = dated.iter().filter_map(|name| after.get(*name)).flatten();
        let (charter, today) = dated
            .filter(|value| value.contains("CGU"))
            .find_map(|value| Some((value.clone(), date(value)?)))
            .expect("the charter has a date");
        (before, after, Told { choice, mailbox, recovery, charter, today })
    }

    /// Provisional once more, as an administrator makes it so.
    fn again(&self, dn: &str) {
        let held = self.held(dn);
        let states = [("supannressourceetat", "{COMPTE}A:SupannActif", "{COMPTE}I:SupannCree")];
        for (attribute, active, provisional) in
            states.into_iter().chain([("employeetype", "active", "provisional")])
        {
            if held.get(attribute).is_some_and(|values| values.contains(active)) {
                self.change(dn, &[("delete", attribute, &[active]), ("add", attribute, &[provisional])]);
            }
        }
    }

    /// Each choice in turn: the entry is what it was, but for what the mapping says.
    fn story(&mut self, login: &str, mailbox: bool, choices: &[Choice], says: fn(&Told, &Held) -> Vec<Said>) {
        let dn = self.dn(login);
        for (round, choice) in choices.iter().enumerate() {
            if round > 0 {
                self.again(&dn);
            }
            let (before, after, told) = self.activate(login, &dn, mailbox, *choice);
            let mut expected = before.clone();
            for Said(attribute, values) in says(&told, &before) {
                match values.is_empty() {
                    true => expected.remove(attribute),
                    false => expected.insert(attribute.to_owned(), values.into_iter().collect()),
                };
            }
            assert_eq!(after, expected, "{login}, round {round}");
        }
    }
}

/// The eight digits of a day in a value.
fn date(value: &str) -> Option<String> {
    let digits =
        value.split(|c: char| !c.is_ascii_digit()).find(|part| part.len() == 8 || part.len() == 14)?;
    digits.get(..8).map(str::to_owned)
}

/// All the values of an attribute afterwards; none: it is not there.
struct Said(&'static str, Vec<String>);

fn said<const N: usize>(attribute: &'static str, values: [&str; N]) -> Said {
    Said(
        attribute,
        values.iter().filter(|value| !value.is_empty()).map(|value| (*value).to_owned()).collect(),
    )
}

/// What everybody's SUPANN is.
fn supann(told: &Told) -> Vec<Said> {
    let today = &told.today;
    let mut dates = vec![format!("{{COMPTE}}A:SupannActif:{today}:")];
    let mut states = vec!["{COMPTE}A:SupannActif".to_owned()];
    if told.mailbox {
        dates.push(format!("{{MAIL}}A:SupannActif:{today}:"));
        states.push("{MAIL}A:SupannActif".to_owned());
    }
    vec![
        Said("supannressourceetatdate", dates),
        Said("supannressourceetat", states),
        said("supannlisterouge", [if told.choice.listed { "FALSE" } else { "TRUE" }]),
        said("supannmailperso", [&told.recovery]),
        said("supannconsentement", [&format!("{{CGU}}2026-09:{today}")]),
    ]
}

/// The values of before with one more.
fn with(before: &Held, attribute: &'static str, value: &str) -> Said {
    let held = before.get(attribute).into_iter().flatten().cloned();
    Said(attribute, held.chain([value.to_owned()]).collect())
}

#[test]
fn qmail() {
    let mut site = Site::openldap("qmail", "", &["accountStatus", "objectClass"], String::new());
    let marie = site.dn("mdurand");
    let foreign: [(&str, &str, &[&str]); 3] = [
        ("add", "objectClass", &["qmailUser"]),
        ("add", "deliveryMode", &["noprogram", "reply", "noforward"]),
        ("add", "accountStatus", &["disabled"]),
    ];
    site.change(&marie, &foreign);
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let copy = told.copy();
        let theirs = |value: &str| before.get("deliverymode").is_some_and(|held| held.contains(value));
        let modes: Vec<String> = [
            ("noprogram", theirs("noprogram")),
            ("reply", theirs("reply")),
            ("noforward", theirs("noforward") && copy.is_none()),
            ("nolocal", copy == Some(false)),
        ]
        .iter()
        .filter(|(_, there)| *there)
        .map(|(mode, _)| (*mode).to_owned())
        .collect();
        let own = [
            Said("deliverymode", modes),
            said("mailforwardingaddress", [told.address().unwrap_or_default()]),
            said("accountstatus", ["active"]),
            with(before, "objectclass", "qmailUser"),
        ];
        supann(told).into_iter().chain(own).collect()
    }
    site.story("mdurand", true, &CHOICES, says);
    site.story("pmoreau", false, &HOURLY, says);
}

#[test]
fn netscape() {
    let mut site = Site::openldap("netscape", "", &["objectClass"], String::new());
    let (marie, paul) = (site.dn("mdurand"), site.dn("pmoreau"));
    site.change(&marie, &[("add", "mailDeliveryOption", &["program", "mailbox"])]);
    site.change(&paul, &[("delete", "objectClass", &["mailRecipient"])]);
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let program = before.get("maildeliveryoption").is_some_and(|held| held.contains("program"));
        let own = [
            said(
                "maildeliveryoption",
                [
                    if program { "program" } else { "" },
                    if told.mailbox && told.copy() != Some(false) { "mailbox" } else { "" },
                    if told.address().is_some() { "forward" } else { "" },
                ],
            ),
            said("mailforwardingaddress", [told.address().unwrap_or_default()]),
            with(before, "objectclass", "mailRecipient"),
        ];
        supann(told).into_iter().chain(own).collect()
    }
    site.story("mdurand", true, &CHOICES, says);
    site.story("pmoreau", false, &HOURLY, says);
}

#[test]
fn inet_local_mail_recipient() {
    let writable = ["mailRoutingAddress", "objectClass"];
    let mut site = Site::openldap("inetlocalmailrecipient", MISC, &writable, String::new());
    let eleonore = site.dn("elefevre");
    let foreign: [(&str, &str, &[&str]); 3] = [
        ("add", "objectClass", &["inetLocalMailRecipient"]),
        ("add", "mailLocalAddress", &["eleonore@univ.example"]),
        ("add", "mailRoutingAddress", &["ancienne@ailleurs.example"]),
    ];
    site.change(&eleonore, &foreign);
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let mut own = supann(told);
        own.push(said("mailroutingaddress", [told.address().unwrap_or_default()]));
        if told.address().is_some() {
            own.push(with(before, "objectclass", "inetLocalMailRecipient"));
        }
        own
    }
    // Whoever has a mailbox is not asked: no copy could be kept.
    let unasked = [Choice { listed: true, forward: None }, Choice { listed: false, forward: None }];
    site.story("mdurand", true, &unasked, says);
    site.story("elefevre", true, &unasked, says);
    site.story("pmoreau", false, &HOURLY, says);
}

#[test]
fn zimbra() {
    let writable = ["zimbraPrefMailForwardingAddress", "zimbraPrefMailLocalDeliveryDisabled"];
    let mut site = Site::openldap("zimbra", ZIMBRA, &writable, String::new());
    let marie = site.dn("mdurand");
    let foreign: [(&str, &str, &[&str]); 3] = [
        ("add", "objectClass", &["zimbraAccount"]),
        ("add", "zimbraMailForwardingAddress", &["archives@univ.example"]),
        ("add", "zimbraPrefMailForwardingAddress", &["a@ailleurs.example,b@ailleurs.example"]),
    ];
    site.change(&marie, &foreign);
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let mut own = supann(told);
        let address = told.address().unwrap_or_default();
        if before["objectclass"].contains("zimbraAccount") {
            let disabled = if told.copy() == Some(false) { "TRUE" } else { "FALSE" };
            own.push(said("zimbraprefmailforwardingaddress", [address]));
            own.push(said("zimbraprefmaillocaldeliverydisabled", [disabled]));
        } else {
            own.push(said("mailforwardingaddress", [address]));
        }
        own
    }
    site.story("mdurand", true, &CHOICES, says);
    site.story("pmoreau", false, &HOURLY, says);
}

/// Somebody of a directory without SUPANN, who has values of others in every attribute that is written.
fn plain(login: &str, population: &str) -> String {
    format!(
        "dn: uid={login},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {login}\ncn: {login}\nsn: Test\n\
         departmentNumber: {population}\nemployeeType: provisional\nemployeeType: CDI\n\
         labeledURI: https://pages.univ.example/{login} forward\nlabeledURI: mailto:{login}@univ.example work\n\
         description: Bureau 12\nuserPassword: Lettre-4713-{login}\n\n"
    )
}

#[test]
fn inet_org_person() {
    let people = plain("jdupont", "permanent") + &plain("khoraire", "vacataire");
    let writable = ["employeeType", "labeledURI", "description"];
    let mut site = Site::openldap("inetorgperson", "", &writable, people);
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let page = before["labeleduri"].iter().find(|uri| uri.starts_with("https:")).unwrap();
        let work = before["labeleduri"].iter().find(|uri| uri.ends_with(" work")).unwrap();
        let forward = told.choice.forward.map(|(address, _)| {
            format!("mailto:{address} forward{}", if told.copy() == Some(true) { " copy" } else { "" })
        });
        vec![
            said(
                "labeleduri",
                [page, work, &format!("mailto:{} recovery", told.recovery), &forward.unwrap_or_default()],
            ),
            said("employeetype", ["active", "CDI", if told.choice.listed { "listed" } else { "hidden" }]),
            said("description", ["Bureau 12", &format!("CGU 2026-09 {}", told.today)]),
        ]
    }
    site.story("jdupont", true, &CHOICES, says);
    site.story("khoraire", false, &HOURLY, says);
}

#[test]
fn ds389() {
    // Times have whole seconds there, and a new round must be later than the activation.
    let options = Ds389Options { usn: true, ..Ds389Options::default() };
    assert!(ds389::WRITABLE.iter().all(|name| *name != "pwdReset"), "it cannot be written there");
    let mut site = Site::with("389ds", Box::new(Ds389::start(&options).unwrap()));
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let mut own = supann(told);
        own.push(said("mailforwardingaddress", [told.address().unwrap_or_default()]));
        assert!(before["objectclass"].contains("mailRecipient"));
        own.push(said(
            "maildeliveryoption",
            [
                if told.mailbox && told.copy() != Some(false) { "mailbox" } else { "" },
                if told.address().is_some() { "forward" } else { "" },
            ],
        ));
        own
    }
    site.story("mdurand", true, &CHOICES, says);
    site.story("pmoreau", false, &HOURLY, says);
    let locked = site.dn("tpetit");
    let status = |site: &Site| {
        let asked = json!({ "login": "tpetit", "authenticated": true });
        site.daemon.hook("check", &asked).unwrap().1["status"].clone()
    };
    assert_eq!(status(&site), "needs-activation");
    site.server.admin().replace(&locked, "nsAccountLock", &["TRUE"]).unwrap();
    assert_eq!(status(&site), "locked");
}

#[test]
fn active_directory() {
    let mut site =
        Site::with("active-directory", Box::new(SambaAd::start(&SambaAdOptions::default()).unwrap()));
    fn says(told: &Told, before: &Held) -> Vec<Said> {
        let forward = told
            .choice
            .forward
            .map(|(address, _)| format!("{address}{}", if told.copy() == Some(true) { " copy" } else { "" }));
        assert!(before["employeetype"].contains("provisional"));
        let charter = &told.charter;
        assert!(charter.starts_with("CGU 2026-09 ") && charter.ends_with('Z'), "{charter}");
        vec![
            said("othermailbox", [&told.recovery]),
            said("msds-cloudextensionattribute1", [&forward.unwrap_or_default()]),
            said("msds-cloudextensionattribute2", [if told.choice.listed { "listed" } else { "hidden" }]),
            said("msds-cloudextensionattribute3", [charter]),
            said("employeetype", ["active"]),
        ]
    }
    site.story("mdurand", true, &CHOICES, says);
    site.story("pmoreau", false, &HOURLY, says);
}
