//! The watch: what happens in the directory is seen, and nothing is concluded that was not said.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parvisd::directory::{EntryUuid, Prepared, Sighting};
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
                Sighting::Refreshed { complete, cookie } => {
                    names.sort();
                    return (names, complete, cookie.expect("a cookie"));
                }
                Sighting::Cookie(_) => {}
            }
        }
    }

    async fn end(self) {
        drop(self.sightings);
        tokio::time::timeout(Duration::from_secs(5), self.task).await.expect("it returns").expect("it does not panic");
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
