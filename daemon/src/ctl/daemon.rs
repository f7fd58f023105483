//! The daemon itself: `status`, `sweep`.

use super::Verdict;
use super::ask::{Desk, LONG, QUICK};
use super::failure::Failure;
use super::screen::{Screen, exact, short};
use super::table::Table;
use parvis_protocol::admin::{Call, StatusAnswer, Sweep, SweepAnswer};

/// How the daemon and its parts are.
pub fn status(desk: &Desk, screen: &Screen) -> Result<Verdict, Failure> {
    let status: StatusAnswer = desk.ask(&Call::Status, "ask for the status", QUICK)?;
    screen.answer(&status, || {
        let sum = if status.ok { "everything works" } else { "something does not work" };
        screen.line(&format!("parvisd {}, since {}: {sum}", status.version, exact(&status.since)))?;
        screen.line("")?;
        let mut table = Table::new(&["PART", "STATE", "SINCE", "DETAIL"]);
        for part in &status.parts {
            let state = part.state.as_str().to_owned();
            table.row(vec![part.name.clone(), state, short(&part.since), part.detail.clone()]);
        }
        screen.table(&table)?;
        screen.line("")?;
        let mut counts = Table::new(&["COUNT", "OF"]);
        status.counts.iter().for_each(|count| counts.row(vec![count.count.to_string(), count.name.clone()]));
        screen.table(&counts)?;
        screen.line("")?;
        let next = status.next_sweep.as_deref().map_or_else(|| "none".to_owned(), exact);
        screen.line(&format!("next sweep: {next}"))
    })?;
    Ok(Verdict::of(status.ok))
}

/// The nightly sweep, now.
pub fn sweep(desk: &Desk, screen: &Screen, dry: bool) -> Result<Verdict, Failure> {
    let answer: SweepAnswer = desk.ask(&Call::Sweep(Sweep { dry }), "sweep", LONG)?;
    screen.answer(&answer, || {
        let count = answer.swept.len() as u64 + answer.left_out;
        if count == 0 {
            return screen.line(if dry {
                "there would be nothing to sweep"
            } else {
                "there was nothing to sweep"
            });
        }
        let mut table = Table::new(&["LOGIN", "ACTION", "REASON"]);
        for one in &answer.swept {
            table.row(vec![one.login.clone(), one.action.clone(), one.reason.clone()]);
        }
        screen.table(&table)?;
        if answer.left_out > 0 {
            screen.line(&format!("and {} more", answer.left_out))?;
        }
        screen.line("")?;
        screen.line(&format!("{count} {}", if dry { "would be swept; nothing was done" } else { "swept" }))
    })?;
    Ok(Verdict::Fine)
}
