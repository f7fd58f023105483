//! Activation's one write: all of it or nothing, never over somebody else's, and a refused password has its reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parvis_stand::{Person, State, small};
use parvisd::directory::{
    ApplyError, BindOutcome, Charter, Chosen, Dialect, Directory, DirectoryError, Entry, Found, Mapping,
    PasswordFault, Plan, Settings, Standing, Way,
};

use crate::ground::{Ground, outside};

/// 389 DS refuses what has three letters of a name in it.
pub const NEW: &str = "Zq7-vtixqubo-58";

pub fn chosen(person: &Person) -> Chosen {
    Chosen {
        login: person.login.clone(),
        recovery_address: format!("{}@ailleurs.example", person.login),
        listed: false,
        mailbox: person.mailbox.is_some(),
        forward: Some(format!("{}@dehors.example", person.login)),
        keep_copy: true,
        charter: Charter {
            version: "2026".to_owned(),
            sha256: "ab".repeat(32),
            locale: "fr".to_owned(),
            at: "20261122101112Z".to_owned(),
        },
        today: "20261122".to_owned(),
        now: "20261122101112Z".to_owned(),
    }
}

/// A directory with Parvis's own handle on it, and the mapping for it.
pub struct Desk {
    pub ground: Ground,
    pub directory: Directory,
    pub mapping: Mapping,
}

impl Desk {
    pub async fn at(ground: Ground) -> Desk {
        let settings = ground.settings();
        Desk::asking(ground, settings).await
    }

    /// With settings of its own.
    pub async fn asking(ground: Ground, settings: Settings) -> Desk {
        let mapping = ground.mapping();
        let attributes = [settings.attributes.clone(), mapping.reads().map(str::to_owned).collect()].concat();
        let settings = Settings { attributes, ..settings };
        let directory = Directory::connect(settings.prepare().unwrap(), outside());
        let mut health = directory.health();
        let up = health.wait_for(|health| matches!(health, parvisd::directory::DirectoryHealth::Up { .. }));
        tokio::time::timeout(crate::seen::SOON, up).await.unwrap().unwrap();
        Desk { ground, directory, mapping }
    }

    fn person(&self, at: usize) -> Person {
        let people: Vec<_> = small().into_iter().filter(|p| p.state == State::Provisional).collect();
        self.ground.server.here(&people[at])
    }

    /// Asked again while the directory cannot answer: Samba may not find the time on a machine under load.
    pub async fn found(&self, login: &str) -> Found {
        let end = tokio::time::Instant::now() + crate::seen::SOON;
        loop {
            match self.directory.find(login).await {
                Err(DirectoryError::Unavailable(_)) if tokio::time::Instant::now() < end => {}
                found => return found.unwrap(),
            }
        }
    }

    async fn read(&self, person: &Person) -> Entry {
        match self.found(&person.login).await {
            Found::One(entry) => *entry,
            other => panic!("{other:?}"),
        }
    }

    async fn plan(&self, person: &Person) -> Plan {
        self.mapping.plan(&self.read(person).await, &chosen(person)).unwrap()
    }

    async fn apply(&self, plan: &Plan, password: &str) -> Result<(), ApplyError> {
        self.directory.apply(plan, &password.into()).await.map(drop)
    }

    async fn bind(&self, person: &Person, password: &str) -> BindOutcome {
        self.directory.authenticate(Some(&person.dn), &password.into()).await.unwrap()
    }
}

async fn an_activation_is_one_write(ground: Ground) {
    let desk = Desk::at(ground).await;
    let person = desk.person(0);
    let letter = person.provisional_password.clone();
    // slapd's policy in the stand wants no change; its pwdReset has a test in the daemon's own.
    let must_change = desk.directory.dialect() != Dialect::Openldap;
    assert_eq!(desk.bind(&person, &letter).await, BindOutcome::Accepted { must_change });
    assert_eq!(desk.bind(&person, "wrong").await, BindOutcome::Refused);
    let before = desk.read(&person).await;
    assert_eq!(desk.directory.standing(&before), Standing::Provisional);
    let plan = desk.plan(&person).await;

    let refused = |fault| Err(ApplyError::Password(fault));
    assert_eq!(desk.apply(&plan, "court1").await, refused(PasswordFault::TooShort));
    if !desk.ground.active_directory() {
        // A reset by somebody else is checked against the history only with a control that Samba has not.
        assert_eq!(desk.apply(&plan, &letter).await, refused(PasswordFault::Reused));
    }
    assert_eq!(desk.plan(&person).await.changes, plan.changes, "a refusal changes nothing");
    assert_eq!(desk.bind(&person, &letter).await, BindOutcome::Accepted { must_change });

    let applied = desk.directory.apply(&plan, &NEW.into()).await.unwrap();
    assert!(!applied.must_change);
    let after = desk.read(&person).await;
    assert_eq!(applied.stamp.as_deref(), Some(after.stamp.as_str()));
    assert!(after.stamp >= before.stamp && after.uuid == before.uuid);
    assert_eq!(desk.directory.standing(&after), Standing::Active);
    // 389 DS answers a modify first, and then notes that the password is the person's own.
    let end = tokio::time::Instant::now() + crate::seen::SOON;
    let mut free = desk.bind(&person, NEW).await;
    while free == (BindOutcome::Accepted { must_change: true }) && tokio::time::Instant::now() < end {
        free = desk.bind(&person, NEW).await;
    }
    assert_eq!(free, BindOutcome::Accepted { must_change: false });
    if !desk.ground.active_directory() {
        // For an hour, it lets the password of before in as well (OldPasswordAllowedPeriod).
        assert_eq!(desk.bind(&person, &letter).await, BindOutcome::Refused);
    }
    let again = desk.mapping.plan(&after, &chosen(&person)).unwrap().lowered(|_| true);
    assert!(again.is_empty(), "what is written already is not written again: {again:?}");
    // The same write once more finds the state gone that it was to replace.
    assert_eq!(desk.apply(&plan, "Zq8-vtixqubo-59").await, Err(ApplyError::Moved));
    assert_eq!(desk.bind(&person, NEW).await, BindOutcome::Accepted { must_change: false });
}

/// Whatever was read and is written is compared; and who is locked meanwhile is not activated.
async fn somebody_else_s_change_in_between_is_noticed(ground: Ground) {
    let desk = Desk::at(ground).await;
    let admin = desk.ground.server.admin();
    let [recovery, forward, _] = desk.ground.attributes();
    let (state, locked) = desk.ground.state("S");
    for (at, (attribute, value)) in
        [(state, locked.as_str()), (recovery, "quelquun@autre.example"), (forward, "quelquun@autre.example")]
            .into_iter()
            .enumerate()
    {
        let person = desk.person(at);
        admin.replace(&person.dn, recovery, &["avant@autre.example"]).unwrap();
        admin.replace(&person.dn, forward, &["avant@autre.example"]).unwrap();
        let plan = desk.plan(&person).await;
        admin.replace(&person.dn, attribute, &[value]).unwrap();
        let held = desk.read(&person).await;
        assert_eq!(desk.apply(&plan, NEW).await, Err(ApplyError::Moved), "{attribute}");
        assert_eq!(desk.read(&person).await.attributes, held.attributes, "{attribute}: nothing is written");
        assert_eq!(desk.bind(&person, NEW).await, BindOutcome::Refused);
    }
    let person = desk.person(3);
    let plan = desk.plan(&person).await;
    desk.ground.rename(&person.dn, "ailleurs");
    assert_eq!(desk.apply(&plan, NEW).await, Err(ApplyError::Moved));
    let person = desk.person(4);
    let plan = desk.plan(&person).await;
    admin.delete(&person.dn).unwrap();
    assert_eq!(desk.apply(&plan, NEW).await, Err(ApplyError::Gone));
}

/// Somebody who reads all the time sees the entry as it was, or as it will be.
async fn a_reader_sees_all_or_nothing(ground: Ground) {
    let desk = Desk::at(ground).await;
    let over = Arc::new(AtomicBool::new(false));
    for at in 0..5 {
        let person = desk.person(at);
        let plan = desk.plan(&person).await;
        let wanted = plan.clone();
        let (reader, watched) = (desk.directory.clone(), over.clone());
        let uuid = plan.uuid;
        let [_, forward, hidden] = desk.ground.attributes();
        let (state, active) = desk.ground.state("A");
        let active = active.trim_end_matches("Test").to_owned();
        let reading = tokio::spawn(async move {
            let (mut before, mut after) = (0, 0);
            while !watched.load(Ordering::Relaxed) || after == 0 {
                let entry = match reader.read(uuid).await {
                    Ok(entry) => entry.unwrap(),
                    // Samba may not answer in time while it writes.
                    Err(DirectoryError::Unavailable(_)) => continue,
                    Err(error) => panic!("{error}"),
                };
                let state = entry.values(state).any(|value| value.starts_with(&active));
                let address = entry.first(forward).is_some_and(|value| value.contains("@dehors.example"));
                let hidden = matches!(entry.first(hidden), Some("TRUE" | "hidden"));
                assert!(state == address && state == hidden, "{entry:?}");
                if state { after += 1 } else { before += 1 }
            }
            (before, after)
        });
        while desk.directory.read(uuid).await.unwrap().is_none() {}
        desk.apply(&wanted, NEW).await.unwrap();
        over.store(true, Ordering::Relaxed);
        let (_, after) = reading.await.unwrap();
        assert!(after > 0);
        over.store(false, Ordering::Relaxed);
    }
}

on_each! {
    [an_activation_is_one_write, somebody_else_s_change_in_between_is_noticed, a_reader_sees_all_or_nothing]
    openldap: Ground::slapd(Way::Sync);
    ds389: Ground::ds389(Way::Sync);
    active_directory: Ground::samba(Way::Dirsync);
}
