//! The queue on a store in memory: what is found, and what is kept in mind of it.

use super::*;
use crate::audit::Chain;
use crate::dossier::key;
use crate::engine::keys::Keys;
use crate::engine::outbox::{Waiting, put};
use crate::store::{Commit, Write, memory};
use parvis_enrolment::{Id, MailKind, MailOrder};

const FARTHEST: SignedDuration = SignedDuration::from_secs(100);
const RULES: Rules = Rules {
    lines: 1,
    ahead: 1,
    slow: Duration::from_secs(3),
    rest_first: Duration::from_secs(30),
    rest_longest: Duration::from_secs(300),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A mail that nobody waits for, in its place in the outbox.
fn mail(number: u32, domain: &str, due: i64) -> Write {
    of_kind(MailKind::Invitation, number, domain, due)
}

fn of_kind(kind: MailKind, number: u32, domain: &str, due: i64) -> Write {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let order = MailOrder { mail: Id(id), kind, to: format!("a@{domain}"), link: None, deadline: at(3600) };
    put(&Waiting::new(Id([0; 16]), order, None, at(0)), at(due))
}

fn number(claim: &Claim) -> u32 {
    u32::from_be_bytes(claim.key[9..13].try_into().unwrap())
}

async fn stored(writes: Vec<Write>) -> Arc<dyn Store> {
    let keys = Keys::derive(&secrecy::SecretString::from("0123456789abcdef0123456789abcdef"));
    let store = memory(Arc::new(Chain::new(keys.audit())));
    for writes in writes.chunks(64) {
        store.commit(Commit { writes: writes.to_vec(), ..Commit::default() }).await.unwrap();
    }
    store
}

fn feed(queue: &Queue, store: &dyn Store, now: i64) -> Fed {
    loop {
        let fed = queue.feed(store, Told::default(), at(now), FARTHEST).unwrap();
        if !fed.more {
            return fed;
        }
    }
}

/// Claims and settles all that may go now.
async fn drain(queue: &Arc<Queue>, store: &Arc<dyn Store>, now: i64) -> Vec<u32> {
    let mut numbers = Vec::new();
    loop {
        feed(queue, store.as_ref(), now);
        let Some(mut claim) = queue.claim() else { return numbers };
        numbers.push(number(&claim));
        claim.off_the_line(Heard::Settled);
        let gone = Write::Delete { key: claim.key.clone() };
        store.commit(Commit { writes: vec![gone], ..Commit::default() }).await.unwrap();
    }
}

/// Which of these mails, named by a number and due at these seconds, are due at second 0; and when the next is.
async fn check(mails: &[(u32, i64)], broken: u8, expected: (&[u32], Option<i64>)) {
    let mut writes: Vec<Write> = mails.iter().map(|(name, due)| mail(*name, "b.example", *due)).collect();
    writes.extend(
        (0..broken).map(|n| Write::Put { key: key::mail(at(-9999), Id([n; 16])), value: b"{".to_vec() }),
    );
    let store = stored(writes).await;
    let queue = Arc::new(Queue::new(RULES));
    let found = drain(&queue, &store, 0).await;
    let wait = feed(&queue, store.as_ref(), 0).wait;
    assert_eq!(found, expected.0);
    let next = expected.1.map_or(AGAIN, |next| Duration::from_secs(next.unsigned_abs()));
    assert!(wait <= next && wait + Duration::from_secs(5) > next, "{wait:?}, not {next:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_found_and_what_comes_next() {
    check(&[], 0, (&[], None)).await;
    check(&[(1, -5), (2, 0), (3, 7), (4, 9)], 0, (&[1, 2], Some(7))).await;
}

#[tokio::test(start_paused = true)]
async fn a_mail_put_in_while_the_clock_was_ahead_does_not_wait_for_that_day() {
    check(&[(1, 50), (2, 86_400)], 0, (&[2], Some(50))).await;
    // However many wait in order before it.
    check(&[(1, 10), (2, 11), (3, 12), (4, 13), (5, 14), (6, 86_400)], 0, (&[6], Some(10))).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_takes_nobodys_place() {
    check(&[(1, -5), (2, 7)], 9, (&[1], Some(7))).await;
}

#[tokio::test(start_paused = true)]
async fn the_mails_of_a_domain_that_goes_nowhere_keep_no_other_from_being_found() {
    const BAD: u32 = 20_000;
    let mut writes: Vec<Write> = (0..BAD).map(|n| mail(n, "bad.example", -100)).collect();
    writes.extend((BAD..BAD + 50).map(|n| mail(n, "good.example", -50)));
    let store = stored(writes).await;
    let queue = Arc::new(Queue::new(Rules { lines: 2, ..RULES }));
    // Its line never comes back.
    feed(&queue, store.as_ref(), 0);
    let stuck = queue.claim().unwrap();
    assert!(number(&stuck) < BAD);
    stuck.on_the_line();
    tokio::time::advance(RULES.slow).await;
    let good = drain(&queue, &store, 0).await;
    assert_eq!(good.len(), 50, "{} others", good.iter().filter(|n| **n >= BAD).count());
    assert!(good.iter().all(|number| *number >= BAD));
    let held = queue.state().held.len();
    assert!(held <= super::super::lanes::LANE, "{held} kept in mind");
    // Once it goes again, all of them do, once.
    drop(stuck);
    let mut all = drain(&queue, &store, 0).await;
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "one of them came twice");
    assert!(all.len() + 1 >= BAD as usize, "{}", all.len());
}

#[tokio::test(start_paused = true)]
async fn a_link_goes_before_thousands_of_invitations_that_were_there_first() {
    // To one domain; and to so many that reading stops before it comes to the link.
    for (domains, invitations) in [(1, 20_000), (64, 40_000)] {
        let domain = |n: u32| format!("d{}.example", n % domains);
        let store = stored((0..invitations).map(|n| mail(n, &domain(n), -100)).collect()).await;
        let queue = Arc::new(Queue::new(RULES));
        feed(&queue, store.as_ref(), 0);
        let link = of_kind(MailKind::Link, invitations, "d0.example", -1);
        let Write::Put { key, .. } = &link else { panic!() };
        let told = Told { keys: vec![key.clone()], missed: false };
        store.commit(Commit { writes: vec![link], ..Commit::default() }).await.unwrap();
        queue.feed(store.as_ref(), told, at(0), FARTHEST).unwrap();
        // Each lane has one turn at most before it.
        let turns = (0..=domains).map(|_| {
            let mut claim = queue.claim().unwrap();
            claim.off_the_line(Heard::Settled);
            number(&claim)
        });
        assert!(turns.collect::<Vec<_>>().contains(&invitations), "{domains} domains");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_in_behind_the_place_of_reading_is_heard_of_or_found_within_a_minute() {
    let store = stored(vec![]).await;
    let queue = Arc::new(Queue::new(RULES));
    feed(&queue, store.as_ref(), 0);
    let (told, untold) = (mail(1, "b.example", -1), mail(2, "b.example", -1));
    let Write::Put { key, .. } = &told else { panic!() };
    let key = key.clone();
    store.commit(Commit { writes: vec![told, untold], ..Commit::default() }).await.unwrap();
    queue.feed(store.as_ref(), Told { keys: vec![key], missed: false }, at(0), FARTHEST).unwrap();
    let claim = queue.claim().unwrap();
    assert!(number(&claim) == 1 && queue.claim().is_none());
    drop(claim);
    let again = || Told { keys: Vec::new(), missed: true };
    assert!(queue.claim().is_none());
    queue.feed(store.as_ref(), again(), at(0), FARTHEST).unwrap();
    assert!(queue.claim().is_some(), "all is read again when something was missed");
    tokio::time::advance(AGAIN).await;
    feed(&queue, store.as_ref(), 0);
    assert!(queue.claim().is_some(), "and after a while anyway");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_nothing_due_that_is_not() {
    let store = stored(vec![]).await;
    let queue = Arc::new(Queue::new(RULES));
    feed(&queue, store.as_ref(), 50);
    let write = mail(1, "b.example", 20);
    let Write::Put { key, .. } = &write else { panic!() };
    let told = Told { keys: vec![key.clone()], missed: false };
    store.commit(Commit { writes: vec![write], ..Commit::default() }).await.unwrap();
    queue.feed(store.as_ref(), told, at(0), FARTHEST).unwrap();
    assert!(queue.claim().is_none());
    feed(&queue, store.as_ref(), 20);
    assert!(queue.claim().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_mail_has_one_claim_at_a_time_and_what_is_put_off_waits_twice_as_long_each_time() {
    let store = stored(vec![mail(1, "b.example", -1)]).await;
    let queue = Arc::new(Queue::new(RULES));
    for seconds in [1, 2, 4, 8] {
        feed(&queue, store.as_ref(), 0);
        let mut claim = queue.claim().expect("its time has come");
        queue.state().again.next = Instant::now();
        feed(&queue, store.as_ref(), 0);
        assert!(queue.claim().is_none(), "one at a time, also when all is read again");
        claim.put_off();
        drop(claim);
        assert!(feed(&queue, store.as_ref(), 0).wait <= Duration::from_secs(seconds));
        tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
        feed(&queue, store.as_ref(), 0);
        assert!(queue.claim().is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    feed(&queue, store.as_ref(), 0);
    let mut claim = queue.claim().unwrap();
    let rung = || tokio::time::timeout(Duration::ZERO, queue.rung.notified());
    let _ = rung().await;
    claim.give_back();
    drop(claim);
    assert!(rung().await.is_ok(), "why it was given back may be over");
    assert!(queue.state().put_off.is_empty(), "forgotten when it is done");
    assert!(queue.claim().is_some(), "what was given back goes again");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_panics_ends_and_its_mail_is_not_begun_again_at_once() {
    let store = stored(vec![mail(1, "b.example", -1)]).await;
    let queue = Arc::new(Queue::new(RULES));
    feed(&queue, store.as_ref(), 0);
    let claim = queue.claim().unwrap();
    let task = tokio::spawn(async move {
        let _claim = claim;
        assert_eq!(1, 2, "on purpose");
    });
    assert!(task.await.unwrap_err().is_panic());
    queue.rung.notified().await;
    feed(&queue, store.as_ref(), 0);
    assert!(queue.claim().is_none());
    tokio::time::advance(FIRST).await;
    feed(&queue, store.as_ref(), 0);
    assert!(queue.claim().is_some());
}
