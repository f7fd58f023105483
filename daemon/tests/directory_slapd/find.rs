//! Finding, reading, proving passwords; servers that stop, die and come back.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parvisd::directory::plan::{Act, Change};
use parvisd::directory::{
    BindOutcome, Directory, DirectoryError, DirectoryHealth, Entry, Found, Plan, Standing,
};

use crate::support::{LETTER, Options, Slapd, connected, dn, outside, person, until_up};

async fn one(directory: &Directory, login: &str) -> Entry {
    match directory.find(login).await {
        Ok(Found::One(entry)) => *entry,
        other => panic!("{login}: {other:?}"),
    }
}

#[tokio::test]
async fn a_login_is_found_whatever_it_is_made_of() {
    let odd = "dn: cn=D'Or\\2C \\22Zoé\\22 \\+ x\\5C,ou=people,dc=univ,dc=test\nobjectClass: inetOrgPerson\nobjectClass: supannPerson\ncn: D'Or, \"Zoé\" + x\\\nsn: x\nuid: o(d)d*\nuserPassword: Letter-123\nsupannRessourceEtat: {COMPTE}I:x\n\n";
    let people = [
        person("jdupont", "I:SupannCree", "eduPersonAffiliation: employee"),
        person("twin", "A:SupannActif", ""),
        "dn: uid=twin,ou=gone,ou=people,dc=univ,dc=test\nobjectClass: inetOrgPerson\nuid: twin\ncn: x\nsn: x\n\n".to_owned(),
        odd.to_owned(),
    ];
    let slapd = Slapd::start(Options::default(), &people.concat());
    let directory = slapd.directory().await;

    let person = one(&directory, "JDupont").await;
    assert_eq!(person.dn, dn("jdupont"));
    assert_eq!(directory.standing(&person), Standing::Provisional);
    assert_eq!(directory.population(&person), Some("staff"));
    assert!(!person.stamp.is_empty() && !person.attributes.contains_key("userpassword"));
    assert_eq!(directory.read(person.uuid).await.unwrap().unwrap(), person);
    let twins = match directory.find("twin").await {
        Ok(Found::Several(twins)) => twins,
        other => panic!("{other:?}"),
    };
    assert_eq!(twins, [dn("twin"), "uid=twin,ou=gone,ou=people,dc=univ,dc=test".to_owned()]);

    let odd = one(&directory, "o(d)d*").await;
    assert_eq!(directory.read(odd.uuid).await.unwrap().unwrap(), odd);
    let proven = directory.authenticate(Some(&odd.dn), &LETTER.into()).await;
    assert_eq!(proven, Ok(BindOutcome::Accepted { must_change: false }));
    let state = Change {
        attribute: "supannRessourceEtat".into(),
        act: Act::Replace { held: vec![], only: vec![b"{COMPTE}A:x".to_vec()] },
    };
    let plan = Plan { uuid: odd.uuid, dn: odd.dn.clone(), stamp: odd.stamp.clone(), changes: vec![state] };
    let applied = directory.apply(&plan, &"Nouveau-Mot-2026".into()).await.unwrap();
    let odd = one(&directory, "o(d)d*").await;
    assert_eq!((applied.stamp.as_ref(), directory.standing(&odd)), (Some(&odd.stamp), Standing::Active));

    let long = "a".repeat(10_000);
    let hostile = [
        "*",
        "a)(uid=*",
        "uid=x,ou=y",
        "jdupont\0",
        "jdu\npont",
        "",
        "j*",
        "\\2a",
        "jdupont)(|(uid=*",
        &long,
        "ｊdupont\u{202e}",
    ];
    for login in hostile {
        assert_eq!(directory.find(login).await, Ok(Found::Nobody), "{login:?}");
    }
    let nobody = parvisd::directory::EntryUuid([9; 16]);
    assert_eq!(directory.read(nobody).await, Ok(None));
}

#[tokio::test]
async fn passwords_are_proven_without_telling_who_exists() {
    let reset = person("reset", "I:SupannCree", "");
    let slapd = Slapd::start(Options::default(), &(person("jdupont", "I:SupannCree", "") + &reset));
    slapd.modify(&format!("dn: {}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n", dn("reset")));
    let directory = slapd.directory().await;
    let bind = async |name: Option<&str>, password: &str| {
        let name = name.map(dn);
        directory.authenticate(name.as_deref(), &password.into()).await
    };
    assert_eq!(bind(Some("jdupont"), LETTER).await, Ok(BindOutcome::Accepted { must_change: false }));
    assert_eq!(bind(Some("reset"), LETTER).await, Ok(BindOutcome::Accepted { must_change: true }));
    assert_eq!(bind(Some("jdupont"), "wrong").await, Ok(BindOutcome::Refused));
    assert_eq!(bind(Some("jdupont"), "").await, Ok(BindOutcome::Refused));
    assert_eq!(bind(Some("nobody"), LETTER).await, Ok(BindOutcome::Refused));
    assert_eq!(bind(None, LETTER).await, Ok(BindOutcome::Refused));
    let timed = async |name| {
        let began = Instant::now();
        bind(name, "wrong").await.unwrap();
        began.elapsed()
    };
    let real = [timed(Some("jdupont")).await, timed(Some("jdupont")).await, timed(Some("jdupont")).await];
    let decoy = [timed(None).await, timed(None).await, timed(None).await];
    // Half of the usual, for a machine that is busy: without the wait it is a small fraction where hashes are slow.
    assert!(decoy.iter().max() >= real.iter().min().map(|least| *least / 2).as_ref(), "{real:?} {decoy:?}");
    let locked = bind(Some("jdupont"), LETTER).await.unwrap();
    assert!(matches!(locked, BindOutcome::Locked | BindOutcome::Refused), "{locked:?}");
    assert_eq!(directory.standing(&one(&directory, "jdupont").await), Standing::Locked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_dies_or_comes_back_is_noticed() {
    let mut slapd = Slapd::start(Options::default(), &person("jdupont", "I:SupannCree", ""));
    let directory = slapd.directory().await;
    one(&directory, "jdupont").await;

    slapd.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let stopped = directory.find("jdupont").await;
    assert!(matches!(stopped, Err(DirectoryError::Unavailable(_))), "{stopped:?}");
    let bound = directory.authenticate(Some(&dn("jdupont")), &LETTER.into()).await;
    assert!(matches!(bound, Err(DirectoryError::Unavailable(_))), "{bound:?}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let mut health = directory.health();
    let down = health.wait_for(|health| matches!(health, DirectoryHealth::Down { .. }));
    tokio::time::timeout(Duration::from_secs(10), down).await.unwrap().unwrap();
    slapd.signal(Signal::SIGCONT);
    until_up(&directory).await;
    one(&directory, "jdupont").await;

    slapd.end(Signal::SIGKILL);
    let killed = directory.find("jdupont").await;
    assert!(matches!(killed, Err(DirectoryError::Unavailable(_))), "{killed:?}");
    slapd.launch();
    until_up(&directory).await;
    one(&directory, "jdupont").await;

    slapd.end(Signal::SIGTERM);
    slapd.launch();
    // The old connections are known to be closed, or the question finds out and goes on to a new one.
    let until = Instant::now() + Duration::from_secs(10);
    while directory.find("jdupont").await.is_err() {
        assert!(Instant::now() < until);
    }
}

#[tokio::test]
async fn protected_connections_trust_only_who_they_should() {
    let slapd =
        Slapd::start(Options { tls: true, ..Options::default() }, &person("jdupont", "I:SupannCree", ""));
    let with = |uri: String, starttls, ca: &str| parvisd::directory::Settings {
        uris: vec![uri],
        starttls,
        ca_file: Some(slapd.path(ca)),
        ..slapd.settings()
    };
    for settings in [with(slapd.tls_uri(), false, "ca.pem"), with(slapd.named_uri(), true, "ca.pem")] {
        let directory = connected(settings).await;
        one(&directory, "jdupont").await;
        let outcome = directory.authenticate(Some(&dn("jdupont")), &LETTER.into()).await;
        assert_eq!(outcome, Ok(BindOutcome::Accepted { must_change: false }));
    }
    let unnamed = slapd.tls_uri().replace("localhost", "127.0.0.1");
    for settings in [
        with(slapd.tls_uri(), false, "other.pem"),
        with(slapd.named_uri(), true, "other.pem"),
        with(unnamed, false, "ca.pem"),
    ] {
        let directory = Directory::connect(settings.prepare().unwrap(), outside());
        let refused = directory.find("jdupont").await;
        assert!(
            matches!(&refused, Err(DirectoryError::Unavailable(why)) if why.contains("certificate")),
            "{refused:?}"
        );
    }
    let missing = with(slapd.tls_uri(), false, "nothing.pem").prepare();
    assert!(missing.is_err_and(|faults| faults[0].key == "ca-file"));
}

#[tokio::test]
async fn who_we_are_to_the_kernel_is_enough_over_ldapi() {
    let slapd = Slapd::start(Options::default(), &person("jdupont", "I:SupannCree", ""));
    let settings = parvisd::directory::Settings {
        uris: vec![slapd.local_uri()],
        bind: parvisd::directory::Bind::External,
        ..slapd.settings()
    };
    one(&connected(settings).await, "jdupont").await;
}

#[tokio::test]
async fn a_wrong_password_of_our_own_is_said_in_words() {
    let slapd = Slapd::start(Options::default(), "");
    let bind =
        parvisd::directory::Bind::Simple { dn: crate::support::SERVICE.to_owned(), password: "wrong".into() };
    let settings = parvisd::directory::Settings { bind, ..slapd.settings() };
    let directory = Directory::connect(settings.prepare().unwrap(), outside());
    let refused = directory.find("jdupont").await;
    assert!(
        matches!(&refused, Err(DirectoryError::Unavailable(why)) if why.contains("invalidCredentials")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_takes_over_and_questions_survive_it() {
    let people = person("jdupont", "I:SupannCree", "");
    let mut first = Slapd::start(Options::default(), &people);
    let second = Slapd::start(Options::default(), &people);
    let uris = vec![first.uri(), second.uri()];
    let directory = connected(parvisd::directory::Settings { uris, ..first.settings() }).await;
    one(&directory, "jdupont").await;
    first.end(Signal::SIGKILL);
    one(&directory, "jdupont").await;
    let health = directory.health().borrow().clone();
    assert_eq!(health, DirectoryHealth::Up { server: second.uri() });

    // And while many ask, a restart costs them time, not answers that are wrong.
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let directory = directory.clone();
        asked.spawn(async move { directory.find("jdupont").await });
    }
    drop(second);
    while let Some(answer) = asked.join_next().await {
        match answer.unwrap() {
            Ok(Found::One(_)) | Err(DirectoryError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}
