//! The outbox when the daemon is killed in the middle of it, and when one domain goes nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use parvis_stand::{Behaviour, InboxOptions, Scene, SceneOptions};
use parvis_suites::outbox::{CONFIG, Cast, Mould, store_of, waiting};
use parvis_suites::{Dice, LONG};

/// A scene whose daemon is stopped, and what to fill its outbox with.
fn stopped(more: &str) -> Result<(Scene, Mould)> {
    let config = format!("{CONFIG}[mail]\nretry-first = \"300ms\"\nretry-longest = \"1s\"\n{more}");
    let inbox = InboxOptions { quick: true, folder: None };
    let mut scene = Scene::start(SceneOptions { config, inbox, ..SceneOptions::default() })?;
    let mould = Mould::take(&mut scene, "mdurand")?;
    Ok((scene, mould))
}

fn due(range: std::ops::Range<usize>, domain: &str, due_seconds: i64) -> impl Iterator<Item = Cast> {
    let domain = domain.to_owned();
    range.map(move |number| Cast { number, domain: domain.clone(), due_seconds })
}

/// Waits until nothing waits in the outbox any more.
fn emptied(scene: &Scene) -> Result<()> {
    let empty = parvis_stand::run::until(LONG, || {
        let status = parvis_suites::admin(&scene.daemon, "Status", &serde_json::json!({}))?;
        let counts = status["counts"].as_array().cloned().unwrap_or_default();
        Ok(counts.iter().any(|one| one["name"] == "mails waiting" && one["count"] == 0).then_some(()))
    })?;
    ensure!(empty.is_some(), "the outbox was never empty");
    Ok(())
}

#[test]
fn a_kill_repeats_only_what_was_taken_and_not_yet_kept_and_then_it_is_the_same_mail() -> Result<()> {
    const MAILS: usize = 600;
    let (mut scene, mould) = stopped("")?;
    let store = store_of(&scene);
    mould.fill(
        &store,
        (0..MAILS).map(|number| Cast {
            number,
            domain: format!("d{}.example", number % 7),
            due_seconds: -60,
        }),
    )?;
    let mut dice = Dice::new(20_261_122);
    let (mut doubtful, mut kills, mut within) = (BTreeMap::<String, u32>::new(), 0_u32, 0_u32);
    loop {
        let before = scene.inbox.last_number();
        scene.daemon.restart()?;
        // A few mails further, at whatever moment of a mail or a commit that is.
        let few = scene.inbox.wait_count(before + 1 + dice.below(40), Duration::from_secs(2));
        std::thread::sleep(dice.between(Duration::ZERO, Duration::from_millis(6)));
        scene.daemon.kill9();
        kills += 1;
        let left = waiting(&store)?;
        let came: BTreeSet<String> = scene.inbox.messages().iter().flat_map(|mail| mail.to.clone()).collect();
        let lost: Vec<usize> = (0..MAILS)
            .filter(|number| {
                let to = Cast { number: *number, domain: format!("d{}.example", number % 7), due_seconds: 0 }
                    .address();
                !left.contains(&to) && !came.contains(&to)
            })
            .collect();
        assert!(lost.is_empty(), "neither sent nor waiting after {kills} kills: {lost:?}");
        let both = left.intersection(&came).cloned().collect::<Vec<_>>();
        within += u32::from(!both.is_empty());
        for to in both {
            *doubtful.entry(to).or_default() += 1;
        }
        if few.is_err() || left.is_empty() {
            break;
        }
    }
    scene.daemon.restart()?;
    emptied(&scene)?;
    scene.daemon.terminate()?;
    let mut copies = BTreeMap::<String, Vec<_>>::new();
    for mail in scene.inbox.messages() {
        copies.entry(mail.to.concat()).or_default().push(mail);
    }
    assert_eq!(copies.len(), MAILS, "each arrives");
    let mut ids = BTreeSet::new();
    let mut repeats = 0;
    for (to, mails) in &copies {
        let allowed = doubtful.get(to).copied().unwrap_or_default() as usize;
        assert!(mails.len() <= 1 + allowed, "{to} came {} times, {allowed} of them in doubt", mails.len());
        repeats += mails.len() - 1;
        let (id, raw) = (mails[0].header("Message-ID"), &mails[0].raw);
        assert!(mails.iter().all(|mail| mail.header("Message-ID") == id), "{to}: another Message-ID");
        assert!(mails.iter().all(|mail| mail.raw == *raw), "{to}: other bytes");
        assert!(ids.insert(id), "{to} has the Message-ID of another");
    }
    println!("{MAILS} mails, {kills} kills, {within} of them with mails in doubt: {repeats} repeats");
    assert!(kills >= 10 && within > 0, "the kills were nowhere near a mail: {kills}, {within}");
    Ok(())
}

#[test]
fn a_domain_that_takes_ten_seconds_a_mail_leaves_the_others_their_rate() -> Result<()> {
    const OTHERS: usize = 600;
    let (mut scene, mould) = stopped("timeout = \"10s\"\n")?;
    scene.inbox.script("@slow.example", Behaviour::Slow(Duration::from_secs(5)));
    scene.inbox.script("@good.example", Behaviour::Slow(Duration::from_millis(25)));
    let mut time = |range: std::ops::Range<usize>, bad: std::ops::Range<usize>| -> Result<Duration> {
        mould
            .fill(&store_of(&scene), due(bad, "slow.example", -120).chain(due(range, "good.example", -60)))?;
        scene.inbox.forget();
        scene.daemon.restart()?;
        let begun = Instant::now();
        let all = parvis_stand::run::until(LONG, || {
            let come = scene.inbox.messages();
            let good = come.iter().filter(|mail| mail.to.concat().ends_with("@good.example")).count();
            Ok((good >= OTHERS).then_some(()))
        })?;
        ensure!(all.is_some(), "the others did not come");
        let took = begun.elapsed();
        scene.daemon.kill9();
        Ok(took)
    };
    let alone = time(0..OTHERS, 0..0)?;
    let beside = time(OTHERS..2 * OTHERS, 10_000..13_000)?;
    let share = alone.as_secs_f64() / beside.as_secs_f64();
    println!(
        "{OTHERS} mails in {alone:?} alone, in {beside:?} behind 3,000 of a tarpit: {share:.2} of their rate"
    );
    // Eight lines, of which the tarpit has two at first, then one.
    assert!(share > 0.6, "{share:.2}: {alone:?} alone, {beside:?} behind the tarpit");
    Ok(())
}

#[test]
fn whatever_hangs_a_mail_lets_go_of_its_line_in_bounded_time() -> Result<()> {
    use parvis_stand::Stage::{Connect, Data, Dot, Hello, Mail, Recipient};
    let (mut scene, mould) = stopped("timeout = \"250ms\"\nconnections = 1\n")?;
    let mut number = 0;
    for stage in [Connect, Hello, Mail, Recipient, Data, Dot] {
        for hangs in [Behaviour::Silence(stage), Behaviour::Drip(stage, Duration::from_millis(100))] {
            mould.fill(&store_of(&scene), due(number..number + 2, "a.example", -60))?;
            number += 2;
            scene.inbox.script_connections(Some(2), hangs.clone());
            let before = scene.inbox.last_number();
            scene.daemon.restart()?;
            // Twice the one line hangs; whoever comes third goes.
            let begun = Instant::now();
            scene.inbox.wait_count(before + 2, Duration::from_secs(20))?;
            // Two claims of sixteen steps would be eight seconds.
            assert!(begun.elapsed() < Duration::from_secs(12), "{hangs:?}: {:?}", begun.elapsed());
            emptied(&scene)?;
            scene.daemon.terminate()?;
        }
    }
    Ok(())
}
