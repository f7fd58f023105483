//! A directory to stand on, with what differs between directories: the way of watching, the state, the settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parvis_stand::{
    DirectoryServer, Ds389, Ds389Options, Person, SambaAd, SambaAdOptions, Slapd, SlapdOptions, small,
};
use parvisd::directory::{Bind, Mapping, Outside, Settings, Timeouts, Watching, Way, WriteRule};

/// Between two questions, and between two comparisons, in these tests.
pub const POLL: Duration = Duration::from_millis(300);
pub const COMPARE: Duration = Duration::from_secs(2);

/// A running directory, and the way in which it is watched.
pub struct Ground {
    pub server: Box<dyn DirectoryServer>,
    pub way: Way,
}

impl Ground {
    pub fn slapd(way: Way) -> Ground {
        Ground { server: Box::new(Slapd::start(SlapdOptions::default()).unwrap()), way }
    }

    pub fn ds389(way: Way) -> Ground {
        // Without its plugin, there is no synchronisation to be chosen.
        let sync = way == Way::Sync;
        let options = Ds389Options { sync, changelog: sync, usn: false, ..Ds389Options::default() };
        Ground { server: Box::new(Ds389::start(&options).unwrap()), way }
    }

    pub fn samba(way: Way) -> Ground {
        Ground { server: Box::new(SambaAd::start(&SambaAdOptions::default()).unwrap()), way }
    }

    pub fn active_directory(&self) -> bool {
        self.server.name() == "Samba AD"
    }

    /// The mapping that is shipped for this directory.
    pub fn mapping(&self) -> Mapping {
        let rules = match self.active_directory() {
            true => shipped("active-directory").directory.writes.unwrap(),
            false => Mapping::supann(),
        };
        Mapping::compile(&rules).unwrap()
    }

    /// Where that mapping keeps the recovery address, the forwarding address and the wish to be hidden.
    pub fn attributes(&self) -> [&'static str; 3] {
        match self.active_directory() {
            true => ["otherMailbox", "msDS-cloudExtensionAttribute1", "msDS-cloudExtensionAttribute2"],
            false => ["supannMailPerso", "mailForwardingAddress", "supannListeRouge"],
        }
    }

    pub fn settings(&self) -> Settings {
        if self.active_directory() {
            let given = shipped("active-directory").directory;
            return Settings {
                login_filter: given.login_filter,
                login_attribute: given.login_attribute,
                provisional: given.provisional,
                active: given.active,
                locked: given.locked,
                attributes: ["cn", "mail", "otherMailbox"].map(str::to_owned).to_vec(),
                ..self.supann()
            };
        }
        self.supann()
    }

    fn supann(&self) -> Settings {
        let (dn, password) = self.server.service();
        Settings {
            uris: vec![self.server.ldaps_url()],
            ca_file: Some(self.server.ca_file()),
            bind: Bind::Simple { dn: dn.to_owned(), password: password.into() },
            base: self.server.base().to_owned(),
            provisional: "(supannRessourceEtat={COMPTE}I:*)".to_owned(),
            active: "(supannRessourceEtat={COMPTE}A:*)".to_owned(),
            locked: "(supannRessourceEtat={COMPTE}S:*)".to_owned(),
            attributes: [
                "cn",
                "displayName",
                "mail",
                "supannMailPerso",
                "supannRessourceEtatDate",
                "pwdReset",
            ]
            .map(str::to_owned)
            .to_vec(),
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                operation: Duration::from_secs(3),
                heartbeat: Duration::from_millis(500),
                backoff: Duration::from_millis(200),
            },
            watch: Watching { way: Some(self.way), poll: POLL, compare: COMPARE },
            ..Settings::default()
        }
    }

    /// What the server's own choice would be.
    pub fn automatic(&self) -> Settings {
        let watch = Watching { way: None, poll: POLL, compare: COMPARE };
        Settings { watch, ..self.settings() }
    }

    /// A person of the campus who is not in the directory yet.
    pub fn stranger(&self, login: &str) -> Person {
        let mut person = small().remove(0);
        person.dn = person.dn.replace(&person.login, login);
        person.login = login.to_owned();
        person.mailbox = Some(format!("{login}@univ.example"));
        self.server.here(&person)
    }

    pub fn add(&self, login: &str) -> Person {
        let person = self.stranger(login);
        self.server.add_person(&person).unwrap();
        person
    }

    /// What the person is from now on: `I`, `A` or `S`.
    pub fn set_state(&self, dn: &str, state: &str) {
        let (attribute, value) = self.state(state);
        self.server.admin().replace(dn, attribute, &[&value]).unwrap();
    }

    /// The state's attribute and value.
    pub fn state(&self, state: &str) -> (&'static str, String) {
        if self.active_directory() {
            let word = match state {
                "I" => "provisional",
                "A" => "active",
                _ => "locked",
            };
            return ("employeeType", word.to_owned());
        }
        ("supannRessourceEtat", format!("{{COMPTE}}{state}:Test"))
    }

    /// The service's account, as an administrator shuts it by mistake, or opens it again.
    pub fn shut(&self, shut: bool) {
        let (service, password) = self.server.service();
        let (attribute, value) = match (self.server.name(), shut) {
            ("Samba AD", true) => ("userAccountControl", Some("66050")),
            ("Samba AD", false) => ("userAccountControl", Some("66048")),
            // Another password, given by somebody else, would have to be changed at once.
            ("389 Directory Server", true) => ("nsAccountLock", Some("TRUE")),
            ("389 Directory Server", false) => ("nsAccountLock", None),
            (_, true) => ("userPassword", Some("another-Password-77")),
            (_, false) => ("userPassword", Some(password)),
        };
        self.server.admin().replace(service, attribute, value.as_slice()).unwrap();
    }

    pub fn rename(&self, dn: &str, login: &str) -> String {
        let (head, rest) = dn.split_once(',').unwrap();
        let name = head.split_once('=').unwrap().0;
        self.server.admin().rename(dn, &format!("{name}={login}"), None).unwrap();
        format!("{name}={login},{rest}")
    }

    /// Puts an entry under another one; its new DN.
    pub fn move_under(&self, dn: &str, parent: &str) -> String {
        let head = dn.split_once(',').unwrap().0;
        self.server.admin().rename(dn, head, Some(parent)).unwrap();
        format!("{head},{parent}")
    }
}

/// A file of `conf/directory`, as far as is needed here.
#[derive(serde::Deserialize)]
struct Shipped {
    directory: Keys,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Keys {
    login_filter: String,
    login_attribute: String,
    provisional: String,
    active: String,
    locked: String,
    writes: Option<Vec<WriteRule>>,
}

fn shipped(name: &str) -> Shipped {
    toml::from_str(&conf(name)).unwrap()
}

/// The text of a file of `conf/directory`.
pub fn conf(name: &str) -> String {
    let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/directory");
    std::fs::read_to_string(home.join(format!("{name}.toml"))).unwrap()
}

/// Our clock, and numbers that do not repeat.
pub fn outside() -> Outside {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    Outside {
        #[expect(clippy::disallowed_methods, reason = "these tests run on the machine's own clock")]
        now: Arc::new(jiff::Timestamp::now),
        random: Arc::new(|| COUNT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)),
    }
}
