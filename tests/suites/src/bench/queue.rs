//! A long outbox: what a mail costs, when sending begins and what stays in memory, with a thousand mails that wait for later
//! and with very many.

use anyhow::Result;
use parvis_stand::Scene;

use super::Length;
use super::mail::{Drained, due, stopped, watched};
use super::measure::{Limit, Line, median, number};
use crate::outbox::{Cast, Mould, store_of};

/// A mail's cost with very many beside it, in times of what it is with a thousand.
const MOST: f64 = 1.1;
/// Resident memory, the same.
const MOST_MEMORY: f64 = 1.2;
/// The few.
const FEW: usize = 1_000;

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let many = length.of(3_000, 100_000, 1_000_000);
    let (each, times) = (length.of(200, 2_000, 5_000), length.of(1, 5, 9));
    let (mut scene, mould) = stopped(length, None)?;
    let mut next = 1;
    let mut measure = |scene: &mut Scene, wait: std::ops::Range<usize>| -> Result<Vec<Drained>> {
        // Due after all of this, and not so late that a clock that went ahead is thought of.
        mould.fill(&store_of(scene), wait.map(later))?;
        // The first start after filling is another: sled writes its snapshot.
        scene.daemon.restart()?;
        (0..times)
            .map(|_| {
                scene.daemon.terminate()?;
                let range = next..next + each;
                next += each;
                let drained = filled(scene, &mould, range)?;
                scene.inbox.forget();
                Ok(drained)
            })
            .collect()
    };
    let few = measure(&mut scene, 10_000_000..10_000_000 + FEW)?;
    scene.daemon.terminate()?;
    let lots = measure(&mut scene, 20_000_000..20_000_000 + many)?;
    let of = |seen: &[Drained], what: fn(&Drained) -> f64| median(&seen.iter().map(what).collect::<Vec<_>>());
    let cost: fn(&Drained) -> f64 = |seen| seen.cpu.as_secs_f64();
    let first: fn(&Drained) -> f64 = |seen| seen.first.as_secs_f64() * 1000.0;
    let memory: fn(&Drained) -> f64 = |seen| seen.memory;
    let ratio = |what| of(&lots, what) / of(&few, what);
    let costs = lots.iter().map(|seen| cost(seen) / of(&few, cost)).collect();
    let note = format!(
        "{} µs of processor time beside {}",
        number(of(&lots, cost) * 1e6 / each as f64),
        number(of(&few, cost) * 1e6 / each as f64)
    );
    let begins = lots.iter().map(first).collect();
    let beside = format!("{} ms with {FEW}", number(of(&few, first)));
    let resident = format!("{} MB beside {} MB", number(of(&lots, memory)), number(of(&few, memory)));
    Ok(vec![
        Line::new(
            &format!("a mail with {many} waiting, in times of one with {FEW}"),
            costs,
            "",
            Limit::Most(MOST),
        )
        .noted(note),
        Line::new("from the start to the first mail with so many", begins, "ms", Limit::None).noted(beside),
        Line::new("resident memory, the same", vec![ratio(memory)], "", Limit::Most(MOST_MEMORY))
            .noted(resident),
    ])
}

fn filled(scene: &mut Scene, mould: &Mould, range: std::ops::Range<usize>) -> Result<Drained> {
    let each = range.len() as u64;
    mould.fill(&store_of(scene), due(range))?;
    watched(scene, each)
}

fn later(number: usize) -> Cast {
    Cast { number, domain: format!("d{}.example", number % 40), due_seconds: 2_000 }
}
