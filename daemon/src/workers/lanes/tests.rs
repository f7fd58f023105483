//! The lanes, and a mail server played by arithmetic: when each line is free again is computed, and nobody waits.

use super::*;
use std::collections::BTreeMap;

const LINES: usize = 8;
const RULES: Rules = Rules {
    lines: LINES,
    ahead: 2,
    slow: Duration::from_secs(3),
    rest_first: Duration::from_secs(30),
    rest_longest: Duration::from_secs(300),
};

/// A mail that nobody waits for.
fn to(domain: &str) -> Bound {
    Bound { domain: domain.into(), awaited: false }
}

/// How a domain's mails go: how long each takes, and what is said.
type Ways = fn(&str) -> (Duration, Heard);

/// Mails of these domains, so many of each and in that order, all due at once: when each domain's last was off its line,
/// and how many lines were busy together at most.
fn play(mails: &[(&str, usize)], until: Duration, ways: Ways) -> BTreeMap<String, (usize, Duration)> {
    let begin = Instant::now();
    let (mut lanes, mut now) = (Lanes::new(RULES), begin);
    let mut waiting = BTreeMap::new();
    let mut number = 0_u32;
    for (domain, count) in mails {
        let left = waiting.entry(Arc::<str>::from(*domain)).or_insert(VecDeque::new());
        for _ in 0..*count {
            number += 1;
            left.push_back(number.to_be_bytes().to_vec());
        }
    }
    // Those that have a line, and those that wait for one.
    let mut busy: Vec<(Instant, u64, Arc<str>)> = Vec::new();
    let mut written: VecDeque<Next> = VecDeque::new();
    let mut done: BTreeMap<String, (usize, Duration)> = BTreeMap::new();
    while now < begin + until {
        // The caller's part: what was passed over is offered again, in order.
        for (domain, left) in &mut waiting {
            while let Some(key) = left.front() {
                lanes.lanes.get_mut(domain).into_iter().for_each(|lane| lane.more = None);
                if !lanes.offer(&to(domain), key, now) {
                    break;
                }
                left.pop_front();
            }
        }
        written.extend(std::iter::from_fn(|| lanes.next(now)));
        while busy.len() < LINES
            && let Some(next) = written.pop_front()
        {
            lanes.begins(next.ticket, now);
            busy.push((now + ways(&next.bound.domain).0, next.ticket, next.bound.domain));
        }
        assert!(written.len() <= RULES.ahead, "more mails under way than there may be");
        busy.sort_by_key(|(at, ..)| *at);
        let rest = lanes.wakes(now).map(|wait| now + wait);
        let first = busy.first().map(|(at, ..)| *at);
        let Some(at) = [first, rest].into_iter().flatten().min() else { break };
        now = at;
        while busy.first().is_some_and(|(at, ..)| *at <= now) {
            let (at, ticket, domain) = busy.remove(0);
            for key in lanes.done(ticket, ways(&domain).1, now).into_iter().rev() {
                waiting.get_mut(&domain).unwrap().push_front(key);
            }
            let entry = done.entry(domain.to_string()).or_default();
            *entry = (entry.0 + 1, at - begin);
        }
    }
    done
}

fn quick(_: &str) -> (Duration, Heard) {
    (Duration::from_millis(100), Heard::Settled)
}

/// One domain is a tarpit.
fn tarpit(domain: &str) -> (Duration, Heard) {
    if domain.starts_with("slow") { (Duration::from_secs(10), Heard::Settled) } else { quick(domain) }
}

#[tokio::test]
async fn whoever_has_all_the_mail_has_all_the_lines() {
    let all = play(&[("big", 8000)], Duration::from_secs(1000), quick);
    let (count, took) = all["big"];
    // 8,000 mails of 100 ms on 8 lines are 100 s.
    assert_eq!(count, 8000);
    assert!(took < Duration::from_millis(100_500), "{took:?}");
}

#[tokio::test]
async fn one_slow_domain_does_not_delay_the_others() {
    let hour = Duration::from_secs(3600);
    let alone = play(&[("a", 2000), ("b", 2000)], hour, tarpit);
    // However many of it are due before them.
    let beside = play(&[("slow", 20_000), ("a", 2000), ("b", 2000)], hour, tarpit);
    for domain in ["a", "b"] {
        assert_eq!(beside[domain].0, 2000);
        let share = alone[domain].1.as_secs_f64() / beside[domain].1.as_secs_f64();
        assert!(share > 0.75, "{domain} goes at {share:.2} of its rate");
    }
    // When nobody else waits, it has all but what is left to others: 6 lines, 10 s each, for most of an hour.
    assert!(beside["slow"].0 >= 1900, "it goes on: {}", beside["slow"].0);
    // Many such domains leave a quarter of the lines.
    let many: Vec<String> = (0..30).map(|n| format!("slow{n}")).collect();
    let mut mails = vec![("a", 2000)];
    mails.extend(many.iter().map(|name| (name.as_str(), 500)));
    let crowd = play(&mails, hour, tarpit);
    let (alone, beside) = (play(&[("a", 2000)], hour, tarpit)["a"].1, crowd["a"].1);
    assert_eq!(crowd["a"].0, 2000);
    // Two of eight lines, and as many as find none the wiser at first.
    assert!(
        beside.as_secs_f64() < alone.as_secs_f64() * 4.0 + 20.0,
        "{beside:?} beside them, {alone:?} alone"
    );
}

#[tokio::test]
async fn a_few_mails_do_not_wait_behind_many() {
    let all = play(&[("big", 8000), ("few", 10)], Duration::from_secs(1000), quick);
    assert_eq!(all["few"].0, 10);
    assert!(all["few"].1 < Duration::from_secs(1), "{:?}", all["few"]);
}

#[tokio::test]
async fn a_domain_that_says_later_rests_and_is_asked_by_one_mail_at_a_time() {
    fn later(domain: &str) -> (Duration, Heard) {
        if domain == "busy" { (Duration::from_millis(100), Heard::Later) } else { quick(domain) }
    }
    let (hour, mails) = (Duration::from_secs(3600), [("busy", 10_000), ("a", 1000)]);
    let all = play(&mails, hour, later);
    assert_eq!(all["a"].0, 1000);
    // 30, 60, 120, 240 and then every 300 s: some dozen in an hour, after the first handful.
    assert!((10..=STRIKES as usize + LINES + 15).contains(&all["busy"].0), "{:?}", all["busy"]);
}

#[tokio::test]
async fn success_ends_a_rest_and_lanes_are_forgotten() {
    let (mut lanes, mut now) = (Lanes::new(RULES), Instant::now());
    let send = |lanes: &mut Lanes, heard, now| {
        let next = lanes.next(now).expect("a mail may go");
        lanes.done(next.ticket, heard, now)
    };
    for number in 0..100_u8 {
        lanes.offer(&to("a"), &[number], now);
    }
    for _ in 0..STRIKES {
        send(&mut lanes, Heard::Later, now);
    }
    assert!(lanes.next(now).is_none() && lanes.wakes(now) == Some(RULES.rest_first));
    now += RULES.rest_first;
    let probe = lanes.next(now).unwrap();
    assert!(lanes.next(now).is_none(), "one mail to see");
    lanes.done(probe.ticket, Heard::Settled, now);
    assert!(lanes.next(now).is_some() && lanes.next(now).is_some() && lanes.wakes(now).is_none());
    let mut lanes = Lanes::new(RULES);
    for number in 0..10_000_u32 {
        lanes.offer(&to(&format!("{number}.example")), b"k", now);
        send(&mut lanes, Heard::Later, now);
    }
    assert!(lanes.lanes.len() <= REMEMBERED + 256, "{}", lanes.lanes.len());
}

#[tokio::test]
async fn a_lane_takes_so_many_and_says_from_where_to_read_on() {
    let (mut lanes, now) = (Lanes::new(RULES), Instant::now());
    let key = |number: usize| u32::try_from(number).unwrap().to_be_bytes().to_vec();
    let taken = (0..LANE + 50).filter(|number| lanes.offer(&to("a"), &key(*number), now)).count();
    assert_eq!(taken, LANE);
    assert!(lanes.hungry(now).is_none(), "it has enough");
    for _ in 0..LANE / 2 + 1 {
        let next = lanes.next(now).unwrap();
        lanes.done(next.ticket, Heard::Settled, now);
    }
    let (domain, from) = lanes.hungry(now).expect("it has few left");
    assert_eq!((&*domain, from), ("a", key(LANE)));
}

#[tokio::test]
async fn what_somebody_waits_for_goes_before_what_comes_of_itself() {
    let (mut lanes, now) = (Lanes::new(RULES), Instant::now());
    let key = |number: usize| u32::try_from(number).unwrap().to_be_bytes().to_vec();
    let link = Bound { awaited: true, ..to("a") };
    // Thousands before them, and more of these than are kept in mind.
    for number in 0..2 * LANE {
        lanes.offer(&to("a"), &key(number), now);
    }
    let links: Vec<_> = (3 * LANE..4 * LANE + 9).map(key).collect();
    let taken = links.iter().filter(|key| lanes.offer(&link, key, now)).count();
    assert_eq!(taken, LANE);
    for expected in links.iter().take(LANE) {
        let next = lanes.next(now).unwrap();
        assert_eq!((&next.key, &next.bound), (expected, &link));
        lanes.done(next.ticket, Heard::Settled, now);
    }
    // Those that had no room are read again with the others, from where these begin.
    let next = lanes.next(now).unwrap();
    assert_eq!((next.key, next.bound), (key(0), to("a")));
    lanes.done(next.ticket, Heard::Settled, now);
    while let Some(next) = lanes.next(now) {
        lanes.done(next.ticket, Heard::Settled, now);
    }
    assert_eq!(lanes.hungry(now), Some((Arc::from("a"), key(LANE))));
}

#[tokio::test]
async fn a_slow_lane_lets_go_of_nothing_that_somebody_waits_for() {
    let (mut lanes, now) = (Lanes::new(RULES), Instant::now());
    for number in 0..100_u8 {
        lanes.offer(&Bound { awaited: number % 2 == 0, ..to("a") }, &[number], now);
    }
    let next = lanes.next(now).unwrap();
    lanes.begins(next.ticket, now);
    let gone = lanes.done(next.ticket, Heard::Settled, now + RULES.slow);
    assert_eq!(gone.len(), 50 - IDLE_LANE);
    // The first of the others that went.
    assert_eq!(lanes.lanes["a"].more, Some(vec![33]));
    let rest = std::iter::from_fn(|| {
        let next = lanes.next(now)?;
        lanes.done(next.ticket, Heard::Settled, now);
        Some(next.bound.awaited)
    });
    let rest: Vec<bool> = rest.collect();
    assert!(rest.iter().take(49).all(|awaited| *awaited) && rest.len() == 49 + IDLE_LANE, "{rest:?}");
}
