//! What each server answers to what Parvis does or might do, measured, and held against the table in docs/directory.md:
//! a row there that is not so fails here.

use std::sync::atomic::{AtomicBool, Ordering};

use parvis_stand::{
    DirectoryServer, Ds389, Ds389Options, Person, SambaAd, SambaAdOptions, Slapd, SlapdOptions, small,
};

use crate::asking::{Answer, Asker, Change, add, control, delete, replace};

/// A server, and how one speaks of a password and a state there.
struct Subject {
    server: Box<dyn DirectoryServer>,
    people: Vec<Person>,
    service: Asker,
    password: &'static str,
    state: (&'static str, &'static [u8], &'static [u8]),
    /// A free attribute that the service may write, several values.
    address: &'static str,
    active_directory: bool,
}

type Rows = Vec<(&'static str, String)>;

impl Subject {
    fn of(server: Box<dyn DirectoryServer>) -> Self {
        let service = Asker::bound(&server.ldaps_url(), server.service());
        let people = small().iter().map(|person| server.here(person)).collect();
        let active_directory = server.name() == "Samba AD";
        let supann: (&str, &[u8], &[u8]) =
            ("supannRessourceEtat", b"{COMPTE}I:SupannCree", b"{COMPTE}A:SupannActif");
        let (password, state, address): (_, (_, &[u8], &[u8]), _) = if active_directory {
            ("unicodePwd", ("employeeType", b"provisional", b"active"), "otherMailbox")
        } else {
            ("userPassword", supann, "mailForwardingAddress")
        };
        Self { server, people, service, password, state, address, active_directory }
    }

    /// A password as the attribute takes it.
    fn coded(&self, password: &str) -> Vec<u8> {
        if self.active_directory {
            format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else {
            password.as_bytes().to_vec()
        }
    }

    fn bind(&self, dn: &str, password: &str) -> Answer {
        Asker::at(&self.server.ldaps_url()).bind(dn, password)
    }

    fn reset(&self, password: &str) -> Change {
        replace(self.password, &[&self.coded(password)])
    }

    fn set(&mut self, dn: &str, password: &str) -> Answer {
        let change = self.reset(password);
        self.service.modify(dn, vec![change])
    }

    fn exchanged(&self, from: &str, to: &str) -> Vec<Change> {
        let (from, to) = (self.coded(from), self.coded(to));
        vec![delete(self.password, &[&from]), add(self.password, &[&to])]
    }

    fn activated(&self) -> [Change; 2] {
        let (name, provisional, active) = self.state;
        [delete(name, &[provisional]), add(name, &[active])]
    }

    /// An entry's state as text.
    fn states(&mut self, dn: &str) -> Vec<String> {
        let entry = self.service.read(dn, &[self.state.0]).unwrap();
        entry.attrs.into_values().flatten().collect()
    }
}

/// Signing in. Nothing is known of a policy but what the answer says.
fn binds(subject: &mut Subject, rows: &mut Rows) {
    let (first, second) = (subject.people[0].clone(), subject.people[1].clone());
    rows.push(("Bind: a wrong password", subject.bind(&second.dn, "wrong").to_string()));
    let nobody = second.dn.replace(&second.login, "nobody");
    rows.push(("Bind: a name that is not there", subject.bind(&nobody, "wrong").to_string()));
    if subject.server.name() == "OpenLDAP" {
        let policy = "cn=default,ou=policies,dc=univ,dc=example";
        subject.server.admin().replace(policy, "pwdMustChange", &["TRUE"]).unwrap();
        subject.server.admin().replace(&first.dn, "pwdReset", &["TRUE"]).unwrap();
    }
    let letter = first.provisional_password.as_str();
    let answer = subject.bind(&first.dn, letter);
    rows.push(("Bind: a password that is to be changed first", answer.to_string()));
    let repeated: Vec<Answer> = (0..6).map(|_| subject.bind(&first.dn, letter)).collect();
    let same = repeated.iter().all(|one| *one == answer);
    rows.push(("The same, six times more", if same { "the same".into() } else { repeated[5].to_string() }));
    let mut person = Asker::at(&subject.server.ldaps_url());
    person.bind(&first.dn, letter);
    let read = person.read(&first.dn, &["cn"]).map_or_else(|code| code.to_string(), |_| "0".into());
    rows.push(("That person reads their own entry", read));
    let (locked, barred) = (subject.people[9].clone(), subject.people[8].clone());
    for _ in 0..5 {
        subject.bind(&locked.dn, "wrong");
    }
    let right = locked.provisional_password.as_str();
    rows.push((
        "Bind: locked after five failures, the right password",
        subject.bind(&locked.dn, right).to_string(),
    ));
    let answer = subject.set(&locked.dn, "Un-Deverrouillage-2026");
    rows.push(("Then the service sets a password", answer.to_string()));
    rows.push(("Then the person binds", subject.bind(&locked.dn, "Un-Deverrouillage-2026").to_string()));
    let (attribute, value) = match subject.server.name() {
        "OpenLDAP" => ("pwdAccountLockedTime", "000001010000Z"),
        "Samba AD" => ("userAccountControl", "514"),
        _ => ("nsAccountLock", "TRUE"),
    };
    subject.server.admin().replace(&barred.dn, attribute, &[value]).unwrap();
    let right = barred.provisional_password.as_str();
    rows.push((
        "Bind: locked by an administrator, the right password",
        subject.bind(&barred.dn, right).to_string(),
    ));
    rows.push(("The same with a wrong password", subject.bind(&barred.dn, "wrong").to_string()));
}

/// The service sets a password by a modify that replaces it.
fn resets(subject: &mut Subject, rows: &mut Rows) {
    let person = subject.people[2].clone();
    let letter = person.provisional_password.as_str();
    rows.push(("The service replaces the password: too short", subject.set(&person.dn, "Ab-1").to_string()));
    let hashed = "{SSHA}5NLV5Ky1LBWAF2XXtwvFBuUUGRPdpGXl";
    let change = vec![replace(subject.password, &[hashed.as_bytes()])];
    rows.push(("… hashed already", subject.service.modify(&person.dn, change).to_string()));
    rows.push(("… a good one", subject.set(&person.dn, "Un-Nouveau-2026").to_string()));
    rows.push(("… the person's next bind", subject.bind(&person.dn, "Un-Nouveau-2026").to_string()));
    rows.push(("… the one that they have", subject.set(&person.dn, "Un-Nouveau-2026").to_string()));
    rows.push(("… one that they had", subject.set(&person.dn, letter).to_string()));
    for (row, number) in [
        ("… with policy hints (…4.2239), critical", "1.2.840.113556.1.4.2239"),
        ("… with the older policy hints (…4.2066), critical", "1.2.840.113556.1.4.2066"),
    ] {
        let mut hints = control(number, true);
        hints.val = Some(b"\x30\x03\x02\x01\x01".to_vec());
        let change = vec![subject.reset("Un-Indice-2026")];
        rows.push((row, subject.service.modify_with(&person.dn, change, hints).to_string()));
    }
    let mut clear = Asker::bound(&subject.server.url(), subject.server.service());
    let change = vec![subject.reset("En-Clair-2026")];
    rows.push(("… over ldap:// in clear", clear.modify(&person.dn, change).to_string()));
    rows.push((
        "RFC 3062 over ldap:// in clear",
        clear.set_password(&person.dn, "En-Clair-2027").to_string(),
    ));
}

/// RFC 3062 by the service, and a change that proves the old password.
fn other_ways(subject: &mut Subject, rows: &mut Rows) {
    let person = subject.people[3].clone();
    let letter = person.provisional_password.as_str();
    rows.push(("RFC 3062: too short", subject.service.set_password(&person.dn, "Ab-1").to_string()));
    rows.push(("… a good one", subject.service.set_password(&person.dn, "Un-Etendu-2026").to_string()));
    rows.push(("… the person's next bind", subject.bind(&person.dn, "Un-Etendu-2026").to_string()));
    rows.push(("… one that they had", subject.service.set_password(&person.dn, letter).to_string()));
    let person = subject.people[4].clone();
    let letter = person.provisional_password.as_str();
    let mut exchange = |subject: &mut Subject, row, from: &str, to: &str| {
        let changes = subject.exchanged(from, to);
        rows.push((row, subject.service.modify(&person.dn, changes).to_string()));
    };
    exchange(
        subject,
        "Delete the old password, add a new one: a wrong old one",
        "Faux-2026-xy",
        "Un-Echange-2026",
    );
    exchange(subject, "… too short", letter, "Ab-1");
    exchange(subject, "… a good one", letter, "Un-Echange-2026");
    exchange(subject, "… the one that they have", "Un-Echange-2026", "Un-Echange-2026");
    exchange(subject, "… one that they had", "Un-Echange-2026", letter);
}

/// A modify that fails in one part, and one that does not.
fn one_act(subject: &mut Subject, rows: &mut Rows) {
    let person = subject.people[5].clone();
    let before = subject.states(&person.dn);
    let new = "Un-Seul-Acte-2026";
    let (name, _, active) = subject.state;
    let absent = vec![subject.reset(new), delete(name, &[b"absent"]), add(name, &[active])];
    let forbidden = {
        let [gone, come] = subject.activated();
        vec![subject.reset(new), gone, come, replace("telephoneNumber", &[b"+33 1"])]
    };
    let short = {
        let [gone, come] = subject.activated();
        vec![gone, come, subject.reset("Ab-1")]
    };
    for (row, changes) in [
        ("One modify: a value to delete is not there", absent),
        ("… an attribute without the right", forbidden),
        ("… the password is too short", short),
    ] {
        let answer = subject.service.modify(&person.dn, changes);
        let same = subject.states(&person.dn) == before && subject.bind(&person.dn, new).code == 49;
        rows.push((row, format!("{answer}; {}", if same { "nothing changed" } else { "changed in part" })));
    }
    let [gone, come] = subject.activated();
    let changes = vec![subject.reset(new), gone, come, replace(subject.address, &[b"a@b.example"])];
    let answer = subject.service.modify(&person.dn, changes);
    let done = subject.bind(&person.dn, new).code == 0 && subject.states(&person.dn) != before;
    rows.push((
        "… everything right",
        format!("{answer}; {}", if done { "all changed" } else { "not all changed" }),
    ));
    let again = add(subject.address, &[b"a@b.example"]);
    rows.push(("Add a value that is there", subject.service.modify(&person.dn, vec![again]).to_string()));
}

/// Somebody reads all the while: they see what was before, or what is after.
fn seen(subject: &mut Subject, rows: &mut Rows) {
    let dn = subject.people[6].dn.clone();
    let (name, provisional, active) = subject.state;
    let address = subject.address;
    subject.service.modify(&dn, vec![replace(address, &[provisional])]);
    let mut reader = Asker::bound(&subject.server.ldaps_url(), subject.server.service());
    let over = AtomicBool::new(false);
    let (reads, between) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let (mut reads, mut between) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let entry = reader.read(&dn, &[name, address]).unwrap();
                let value = |name: &str| entry.attrs.get(name).and_then(|values| values.first()).cloned();
                reads += 1;
                between += u32::from(value(name).is_none() || value(name) != value(address));
            }
            (reads, between)
        });
        for turn in 0..200 {
            let (from, to) = if turn % 2 == 0 { (provisional, active) } else { (active, provisional) };
            let changes = vec![delete(name, &[from]), add(name, &[to]), replace(address, &[to])];
            assert_eq!(subject.service.modify(&dn, changes).code, 0);
        }
        over.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    assert!(reads > 50, "{reads} reads are too few to say anything");
    let word = if between == 0 { "before or after" } else { "in between" };
    rows.push(("Seen by a reader meanwhile", word.into()));
}

/// What the server says of itself, and what an entry is known by.
fn itself(subject: &mut Subject, rows: &mut Rows) {
    let person = subject.people[7].clone();
    let unknown = control("1.3.6.1.4.1.99999.1", true);
    let change = vec![replace(subject.address, &[b"a@b.example"])];
    rows.push((
        "An unknown critical control",
        subject.service.modify_with(&person.dn, change, unknown).to_string(),
    ));
    let root = subject.service.read("", &["*", "+"]).unwrap();
    let supported = root.attrs.get("supportedControl").cloned().unwrap_or_default();
    for (row, numbers) in [
        ("Assertion (RFC 4528)", &["1.3.6.1.1.12"][..]),
        ("Pre-read and post-read (RFC 4527)", &["1.3.6.1.1.13.1", "1.3.6.1.1.13.2"]),
        ("Password policy", &["1.3.6.1.4.1.42.2.27.8.5.1"]),
        ("Content synchronization (RFC 4533)", &["1.3.6.1.4.1.4203.1.9.1.1"]),
        ("DirSync", &["1.2.840.113556.1.4.841"]),
        ("Change notification", &["1.2.840.113556.1.4.528"]),
        ("Persistent search", &["2.16.840.1.113730.3.4.3"]),
        ("Paged results (RFC 2696)", &["1.2.840.113556.1.4.319"]),
    ] {
        let all = numbers.iter().all(|number| supported.iter().any(|held| held == number));
        rows.push((row, if all { "yes" } else { "no" }.into()));
    }
    let vendor = root.attrs.get("vendorName").and_then(|values| values.first()).cloned();
    rows.push(("`vendorName`", vendor.unwrap_or_else(|| "—".into())));
    let contexts = root.attrs.get("namingContexts").cloned().unwrap_or_default();
    rows.push((
        "`namingContexts`",
        contexts.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" "),
    ));
    let entry = subject.service.read(&person.dn, &["*", "+"]).unwrap();
    let has = |name: &&&str| entry.attrs.contains_key(**name) || entry.bin_attrs.contains_key(**name);
    let list = |names: &[&str]| {
        let there: Vec<String> = names.iter().filter(has).map(|name| format!("`{name}`")).collect();
        there.join(" ")
    };
    rows.push(("An entry is known by", list(&["entryUUID", "nsUniqueId", "objectGUID"])));
    rows.push((
        "… and when it was written, by",
        list(&["entryCSN", "entryusn", "uSNChanged", "modifyTimestamp", "whenChanged"]),
    ));
}

fn measure(server: Box<dyn DirectoryServer>) -> Rows {
    let mut subject = Subject::of(server);
    let mut rows = Vec::new();
    for part in [binds, resets, other_ways, one_act, seen, itself] {
        part(&mut subject, &mut rows);
    }
    rows
}

/// The rows of the page's table, each as its label and the cell of one column.
fn written(column: usize) -> Vec<(String, String)> {
    let page =
        std::fs::read_to_string(parvis_stand::binaries::workspace().join("docs/directory.md")).unwrap();
    let section = page.split("\n## What each server does\n").nth(1).expect("the page has the section");
    let table = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    table
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            (cells[0].to_owned(), cells[column].to_owned())
        })
        .collect()
}

fn holds(column: usize, server: Box<dyn DirectoryServer>) {
    let rows: Vec<(String, String)> =
        measure(server).into_iter().map(|(label, cell)| (label.to_owned(), cell)).collect();
    let measured: Vec<String> = rows.iter().map(|(label, cell)| format!("{label} => {cell}")).collect();
    assert_eq!(
        written(column),
        rows,
        "docs/directory.md says otherwise than what was measured:\n{}",
        measured.join("\n")
    );
}

#[test]
fn the_page_says_what_openldap_does() {
    holds(1, Box::new(Slapd::start(SlapdOptions::default()).unwrap()));
}

#[test]
fn the_page_says_what_389_directory_server_does() {
    holds(2, Box::new(Ds389::start(&Ds389Options::default()).unwrap()));
}

#[test]
fn the_page_says_what_samba_does() {
    holds(3, Box::new(SambaAd::start(&SambaAdOptions::default()).unwrap()));
}
