//! The audit: `audit verify`, `audit export`.

use super::Verdict;
use super::ask::{Desk, LONG};
use super::failure::Failure;
use super::screen::Screen;
use parvis_protocol::admin::{AuditExport, AuditExportAnswer, AuditVerify, AuditVerifyAnswer, Call};

/// Records that are asked for at once: so many fit a message unless their details are extraordinarily long.
const PAGE: u32 = 32;

/// Whether the chain holds.
pub fn verify(desk: &Desk, screen: &Screen, anchor: Option<String>) -> Result<Verdict, Failure> {
    let call = Call::AuditVerify(AuditVerify { anchor });
    let answer: AuditVerifyAnswer = desk.ask(&call, "verify the audit", LONG)?;
    screen.answer(&answer, || {
        for fault in &answer.faults {
            screen.line(fault)?;
        }
        let sum = if answer.ok { "the chain holds" } else { "the chain does not hold" };
        screen.line(&format!("{sum}: {} records, head {}", answer.length, answer.head))
    })?;
    Ok(Verdict::of(answer.ok))
}

/// Every record after the first so many: to the standard output, and the head to the standard error.
pub fn export(desk: &Desk, screen: &Screen, after: u64) -> Result<Verdict, Failure> {
    let mut line = desk.connect("export the audit")?;
    let mut after = after;
    loop {
        let call = Call::AuditExport(AuditExport { after, limit: PAGE });
        let page: AuditExportAnswer = line.ask(&call, LONG)?;
        for record in &page.lines {
            screen.raw(record)?;
        }
        if !page.more || page.next <= after {
            screen.remark(&format!("head {}", page.head));
            return Ok(Verdict::Fine);
        }
        after = page.next;
    }
}
