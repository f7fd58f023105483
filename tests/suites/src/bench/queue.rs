//! A long outbox: what a mail costs, when sending begins and what stays in memory, with a thousand mails that wait for later
//! and with very many. The people are the same, and all of them known from the beginning.

use std::cell::RefCell;

use anyhow::Result;
use parvis_stand::Scene;

use super::Length;
use super::mail::{Drained, due, stopped, watched};
use super::measure::{Limit, Line, median, number, pairs};
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
    let each = length.of(200, 2_000, 5_000);
    let (least, most) = (length.of(1, 10, 10), length.of(1, 20, 20));
    let (mut few, mut lots) = (Outbox::new(length, many, FEW)?, Outbox::new(length, many, many)?);
    let seen = RefCell::new(Seen::default());
    pairs(
        least,
        most,
        |index| {
            let range = 1 + index * each..1 + (index + 1) * each;
            // The one that goes first may find the machine in another state: by turns.
            let (few, lots) = if index % 2 == 0 {
                let few = few.drained(range.clone())?;
                (few, lots.drained(range)?)
            } else {
                let lots = lots.drained(range.clone())?;
                (few.drained(range)?, lots)
            };
            seen.borrow_mut().0.push([few, lots]);
            Ok(())
        },
        || seen.borrow().cost(many, each).certain(),
    )?;
    let seen = seen.into_inner();
    Ok(vec![seen.cost(many, each), seen.first(), seen.memory()])
}

/// A daemon that is stopped, with mails that wait for later.
struct Outbox {
    scene: Scene,
    mould: Mould,
}

impl Outbox {
    /// So many people, to so many of whom a mail waits.
    fn new(length: Length, people: usize, waiting: usize) -> Result<Self> {
        let (mut scene, mould) = stopped(length)?;
        // Due after all of this, and not so late that a clock that went ahead is thought of.
        mould.fill_people(&store_of(&scene), (0..people).map(later))?;
        mould.fill_mails(&store_of(&scene), (0..waiting).map(later))?;
        // The first start after filling is another: sled writes its snapshot.
        scene.daemon.restart()?;
        scene.daemon.terminate()?;
        Ok(Self { scene, mould })
    }

    /// These mails are due now, and leave. The daemon is stopped before and afterwards.
    fn drained(&mut self, range: std::ops::Range<usize>) -> Result<Drained> {
        let each = range.len() as u64;
        self.mould.fill(&store_of(&self.scene), due(range))?;
        let drained = watched(&mut self.scene, each)?;
        self.scene.inbox.forget();
        self.scene.daemon.terminate()?;
        Ok(drained)
    }
}

/// What was measured, with few and with very many.
#[derive(Default)]
struct Seen(Vec<[Drained; 2]>);

impl Seen {
    /// One figure of each, and the second in times of the first, pair by pair.
    fn of(&self, what: fn(&Drained) -> f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (few, lots): (Vec<f64>, Vec<f64>) =
            self.0.iter().map(|[few, lots]| (what(few), what(lots))).unzip();
        let ratios = few.iter().zip(&lots).map(|(few, lots)| lots / few).collect();
        (few, lots, ratios)
    }

    fn cost(&self, many: usize, each: usize) -> Line {
        let what = format!("a mail with {many} waiting, in times of one with {FEW}");
        let (few, lots, ratios) = self.of(|seen| seen.cpu.as_secs_f64() * 1e6);
        let one = |values: &[f64]| number(median(values) / each as f64);
        let note = format!("{} µs of processor time beside {}", one(&lots), one(&few));
        Line::new(&what, ratios, "", Limit::Most(MOST)).noted(note)
    }

    fn first(&self) -> Line {
        let (few, lots, _) = self.of(|seen| seen.first.as_secs_f64() * 1000.0);
        let what = "from the start to the first mail with so many";
        Line::new(what, lots, "ms", Limit::None).noted(format!("{} ms with {FEW}", number(median(&few))))
    }

    fn memory(&self) -> Line {
        let (few, lots, ratios) = self.of(|seen| seen.memory);
        let note = format!("{} MB beside {} MB", number(median(&lots)), number(median(&few)));
        Line::new("resident memory, the same", ratios, "", Limit::Most(MOST_MEMORY)).noted(note)
    }
}

fn later(number: usize) -> Cast {
    Cast { number: 10_000_000 + number, domain: format!("d{}.example", number % 40), due_seconds: 2_000 }
}
