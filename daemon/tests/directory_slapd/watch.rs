//! The watch: what happens in the directory is seen, and nothing is concluded that was not said.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use parvisd::directory::{EntryUuid, Prepared, Settings, Sighting};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::{Options, Slapd, dn, outside, person};

struct Seen {
    sightings: mpsc::Receiver<Sighting>,
    task: JoinHandle<()>,
}

impl Seen {
    fn from(prepared: Arc<Prepared>, cookie: Option<Vec<u8>>) -> Seen {
        let (sink, sightings) = mpsc::channel(8);
        let task = tokio::spawn(parvisd::directory::watch(prepared, outside(), cookie, sink));
        Seen { sightings, task }
    }

    /// The next sighting that is not a mere cookie.
    async fn next(&mut self, within: Duration) -> Sighting {
        loop {
            let next = tokio::time::timeout(within, self.sightings.recv()).await;
            match next.expect("a sighting in time").expect("the watch goes on") {
                Sighting::Cookie(cookie) => assert!(!cookie.is_empty()),
                other => return other,
            }
        }
    }

    /// Everything up to the end of a refresh: the names seen, who is complete, the cookie.
    async fn refreshed(&mut self) -> (Vec<String>, Option<HashSet<EntryUuid>>, Vec<u8>) {
        let mut names = Vec::new();
        loop {
            match self.next(Duration::from_secs(10)).await {
                Sighting::Entry(entry) => names.push(entry.dn.clone()),
                Sighting::Left(uuid) => names.push(format!("left {uuid}")),
                Sighting::Down { why } => names.push(format!("down: {why}")),
                Sighting::Refreshed { complete, cookie, .. } => {
                    names.sort();
                    return (names, complete, cookie.expect("a cookie"));
                }
                Sighting::Cookie(_) => {}
            }
        }
    }

    async fn end(self) {
        drop(self.sightings);
        tokio::time::timeout(Duration::from_secs(5), self.task)
            .await
            .expect("it returns")
            .expect("it does not panic");
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn state(uid: &str, from: &str, to: &str) -> String {
    let name = dn(uid);
    format!(
        "dn: {name}\nchangetype: modify\ndelete: supannRessourceEtat\nsupannRessourceEtat: {from}\n-\nadd: supannRessourceEtat\nsupannRessourceEtat: {to}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_seen_within_a_second() {
    let slapd = Slapd::start(Options::default(), &(person("one", "I:x", "") + &person("works", "A:x", "")));
    let mut seen = Seen::from(slapd.prepared(), None);
    let (names, complete, _) = seen.refreshed().await;
    assert_eq!(names, [dn("one")]);
    assert_eq!(complete.unwrap().len(), 1);

    slapd.tool("ldapadd", &[], &person("two", "I:x", ""));
    let Sighting::Entry(two) = seen.next(SECOND).await else { panic!("an entry") };
    assert_eq!(two.dn, dn("two"));

    slapd.modify(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: a@b.test\n", dn("two")));
    let Sighting::Entry(changed) = seen.next(SECOND).await else { panic!("an entry") };
    assert_eq!((changed.uuid, changed.first("mail")), (two.uuid, Some("a@b.test")));
    assert!(changed.stamp > two.stamp);

    slapd.modify(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=zwei\ndeleteoldrdn: 1\n", dn("two")));
    let Sighting::Entry(renamed) = seen.next(SECOND).await else { panic!("an entry") };
    assert_eq!((renamed.uuid, &renamed.dn), (two.uuid, &dn("zwei")));

    slapd.modify(&state("zwei", "{COMPTE}I:x", "{COMPTE}A:x"));
    assert_eq!(seen.next(SECOND).await, Sighting::Left(two.uuid));
    slapd.modify(&state("works", "{COMPTE}A:x", "{COMPTE}I:x"));
    let Sighting::Entry(back) = seen.next(SECOND).await else { panic!("an entry") };
    assert_eq!(back.dn, dn("works"));
    slapd.tool("ldapdelete", &[&dn("works")], "");
    assert_eq!(seen.next(SECOND).await, Sighting::Left(back.uuid));
    seen.end().await;
}

/// Everybody named, in order, and nothing said of interruptions.
fn without_interruptions(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| !name.starts_with("down: ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_goes_on_where_the_watch_was() {
    let people = person("one", "I:x", "") + &person("two", "I:x", "") + &person("works", "A:x", "");
    let slapd = Slapd::start(Options::default(), &people);
    let mut seen = Seen::from(slapd.prepared(), None);
    let (names, _, cookie) = seen.refreshed().await;
    assert_eq!(names, [dn("one"), dn("two")]);
    seen.end().await;

    let mut seen = Seen::from(slapd.prepared(), Some(cookie.clone()));
    let (names, complete, cookie) = seen.refreshed().await;
    assert_eq!((names, complete), (Vec::new(), None));
    slapd.tool("ldapadd", &[], &person("three", "I:x", ""));
    assert!(matches!(seen.next(SECOND).await, Sighting::Entry(_)));
    seen.end().await;

    // While nobody watches: one is activated, two is deleted, works is changed and stays what it was.
    slapd.modify(&state("one", "{COMPTE}I:x", "{COMPTE}A:x"));
    slapd.tool("ldapdelete", &[&dn("two")], "");
    slapd.modify(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: a@b.test\n", dn("works")));
    let mut seen = Seen::from(slapd.prepared(), Some(cookie));
    let (names, complete, _) = seen.refreshed().await;
    assert_eq!(complete, None);
    assert!(names.contains(&dn("three")), "{names:?}");
    assert_eq!(
        names.iter().filter(|name| name.starts_with("left ")).count(),
        3,
        "two left, works never was: {names:?}"
    );
    seen.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_older_than_the_log_names_everybody() {
    let people = person("one", "I:x", "") + &person("two", "I:x", "");
    let slapd = Slapd::start(Options { session_log: 1, ..Options::default() }, &people);
    let mut seen = Seen::from(slapd.prepared(), None);
    let (_, all, cookie) = seen.refreshed().await;
    seen.end().await;
    let all = all.unwrap();
    slapd.tool("ldapdelete", &[&dn("two")], "");
    for mail in ["a", "b", "c", "d"] {
        slapd.modify(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: {mail}@b.test\n", dn("one")));
    }
    let mut seen = Seen::from(slapd.prepared(), Some(cookie));
    let (names, complete, _) = seen.refreshed().await;
    let left = names.iter().any(|name| name.starts_with("left "));
    match complete {
        Some(complete) => assert!(complete.len() == 1 && complete.is_subset(&all), "{names:?}"),
        None => assert!(left, "whoever went is either named or missing from the whole: {names:?}"),
    }
    seen.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_means_nothing_begins_anew() {
    let slapd = Slapd::start(Options::default(), &person("one", "I:x", ""));
    let future = b"rid=000,csn=20991231235959.000000Z#000000#000#000000".to_vec();
    for cookie in [b"garbage".to_vec(), vec![0xff; 300], future, Vec::new()] {
        let mut seen = Seen::from(slapd.prepared(), Some(cookie.clone()));
        let (names, complete, next) = seen.refreshed().await;
        let mut names = without_interruptions(names);
        names.dedup();
        assert_eq!(names, [dn("one")], "{cookie:?}");
        assert_eq!(complete.map(|complete| complete.len()), Some(1), "{cookie:?}");
        assert!(next != cookie && next.starts_with(b"rid="), "{next:?}");
        seen.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_or_restarts_is_said_and_gone_on_with() {
    let mut slapd = Slapd::start(Options::default(), &person("one", "I:x", ""));
    let mut seen = Seen::from(slapd.prepared(), None);
    seen.refreshed().await;

    slapd.signal(Signal::SIGSTOP);
    assert!(matches!(seen.next(Duration::from_secs(6)).await, Sighting::Down { .. }));
    slapd.signal(Signal::SIGCONT);
    let (names, complete, _) = seen.refreshed().await;
    assert_eq!((without_interruptions(names), complete), (Vec::new(), None));

    slapd.end(Signal::SIGKILL);
    assert!(matches!(seen.next(SECOND).await, Sighting::Down { .. }));
    slapd.launch();
    let (names, _, _) = seen.refreshed().await;
    assert!(without_interruptions(names).iter().all(|name| *name == dn("one")));
    slapd.tool("ldapadd", &[], &person("two", "I:x", ""));
    let Sighting::Entry(two) = seen.next(SECOND).await else { panic!("an entry") };
    assert_eq!(two.dn, dn("two"));

    slapd.end(Signal::SIGTERM);
    assert!(matches!(seen.next(SECOND).await, Sighting::Down { .. }));
    slapd.launch();
    seen.refreshed().await;
    seen.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watch_is_protected_like_everything_else() {
    let slapd = Slapd::start(Options { tls: true, ..Options::default() }, &person("one", "I:x", ""));
    let with = |uri: String, starttls, ca: &str| {
        let ca_file = Some(slapd.path(ca));
        Settings { uris: vec![uri], starttls, ca_file, ..slapd.settings() }.prepare().unwrap()
    };
    for prepared in [
        with(slapd.tls_uri(), false, "ca.pem"),
        with(slapd.named_uri(), true, "ca.pem"),
        with(slapd.local_uri(), false, "ca.pem"),
    ] {
        let mut seen = Seen::from(prepared, None);
        assert_eq!(seen.refreshed().await.0, [dn("one")]);
        seen.end().await;
    }
    for prepared in [with(slapd.tls_uri(), false, "other.pem"), with(slapd.named_uri(), true, "other.pem")] {
        let mut seen = Seen::from(prepared, None);
        let down = seen.next(Duration::from_secs(30)).await;
        assert!(matches!(&down, Sighting::Down { why } if why.contains("certificate")), "{down:?}");
        seen.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_listener_slows_the_server_and_loses_nothing() {
    let many: String = (0..600).map(|n| person(&format!("p{n}"), "I:x", "")).collect();
    let slapd = Slapd::start(Options::default(), &many);
    let mut seen = Seen::from(slapd.prepared(), None);
    let Sighting::Entry(_) = seen.next(Duration::from_secs(30)).await else { panic!("an entry") };
    // Longer than the heartbeat and the operation's deadline together: being slow is not being gone.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (names, complete, _) = seen.refreshed().await;
    assert_eq!((names.len(), complete.map(|all| all.len())), (599, Some(600)));
    seen.end().await;
}
