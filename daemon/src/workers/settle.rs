//! What became of a mail, kept: its outcome told to the rules, and its place in the outbox given up or moved, in one commit.
//!
//! It does not let go of a mail before the store has that, and does not send.

use super::lanes::Heard;
use super::outbox::Outbox;
use super::post::Unwritten;
use super::queue::Claim;
use crate::dossier::Actor;
use crate::engine::fuse::Blown;
use crate::engine::ordered::Ordered;
use crate::engine::outbox::{self, Due, Errand};
use crate::engine::{Ask, Engine, Failure};
use crate::mail::{SendError, held};
use crate::service::health::{Board, State};
use crate::service::{chance, clock};
use crate::store::{Commit, Write};
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::event::MailOutcome;
use parvis_enrolment::{Event, Id};
use std::time::Duration;

/// A mail whose outcome cannot be kept at all is left alone for so long: it may have been sent.
const UNKEPT: Duration = Duration::from_secs(3600);

/// A mail leaves so often without a word whether it was taken.
const MOST_COPIES: u32 = 3;

/// What became of one try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// Nobody wants it any more, for this reason.
    Unwanted(&'static str),
    /// Its deadline has passed, and it is still wanted.
    GivenUp,
    Sent,
    /// Not to this address, ever: its person is asked for another.
    Refused(String),
    /// The same, and nobody was asked: it says nothing about how our mails are taken.
    Unsendable(String),
    /// The same, because of what the message is or whom it comes from: somebody should look, too.
    Disliked(String),
    Later(String),
    /// The server had all of it, and did not say whether it took it.
    Unanswered(String),
    /// Nothing that the person could mend, and worth saying at once: a server that does not answer, a template that
    /// cannot be rendered. Tried again until its deadline.
    Trouble(String),
    /// Nothing can be sent now, whatever the mail.
    Held(String),
}

impl Tried {
    /// What it says of the domain that the mail went to.
    pub(super) fn heard(&self) -> Heard {
        match self {
            Self::Sent | Self::Refused(_) | Self::Disliked(_) => Heard::Settled,
            Self::Later(_) | Self::Unanswered(_) => Heard::Later,
            Self::Trouble(_) | Self::Held(_) => Heard::Nothing,
            Self::Unwanted(_) | Self::GivenUp | Self::Unsendable(_) => Heard::Nothing,
        }
    }
}

impl From<SendError> for Tried {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Permanent { address_fault: true, words, .. } => Self::Refused(words),
            // To try it again would cost the sender's good name, and another address may have another server.
            SendError::Permanent { address_fault: false, words, .. } => Self::Disliked(words),
            SendError::Unable { words } => Self::Unsendable(words),
            SendError::Transient { about_us: true, words, .. } => Self::Trouble(words),
            SendError::Transient { words, .. } => Self::Later(words),
            SendError::MaybeSent { words } => Self::Unanswered(words),
            SendError::Configuration { words, .. } => Self::Held(words),
        }
    }
}

impl From<Unwritten> for Tried {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Address(_) => Self::Unsendable(unwritten.to_string()),
            Unwritten::Ours(_) => Self::Trouble(unwritten.to_string()),
        }
    }
}

/// Commits what became of a try, with the outbox entry gone or due later.
pub(super) async fn settle(outbox: &Outbox, due: &Due, claim: &mut Claim, tried: Tried) {
    let mail = due.waiting.mail();
    let gone = outbox::settle(due);
    if let Tried::Disliked(why) = &tried {
        outbox.tell(State::Degraded, why);
    }
    let (outcome, extra) = match tried {
        Tried::Unwanted(why) => {
            tracing::info!(%mail, %why, "a mail is not sent");
            (None, vec![gone])
        }
        Tried::GivenUp => {
            tracing::warn!(%mail, "a mail is given up: its deadline has passed");
            (Some(MailOutcome::GivenUp), vec![gone])
        }
        Tried::Sent => {
            outbox.tell(State::Working, "the mail server takes our mails");
            outbox.engine.fuse.note(None);
            (Some(MailOutcome::Sent), vec![gone])
        }
        Tried::Refused(why) | Tried::Disliked(why) => {
            tracing::warn!(%mail, %why, "a mail was refused for good");
            refused(&outbox.engine, &outbox.board, due.waiting.about(), &why);
            (Some(MailOutcome::Refused(why)), vec![gone])
        }
        Tried::Unsendable(why) => {
            tracing::warn!(%mail, %why, "a mail cannot be sent to its address");
            (Some(MailOutcome::Refused(why)), vec![gone])
        }
        Tried::Later(why) => {
            if due.waiting.tries >= 2 {
                outbox.tell(State::Degraded, &why);
            }
            later(outbox, due, why)
        }
        Tried::Unanswered(why) => {
            outbox.tell(State::Degraded, &why);
            unanswered(outbox, due, why)
        }
        Tried::Trouble(why) => {
            outbox.tell(State::Degraded, &why);
            later(outbox, due, why)
        }
        Tried::Held(why) => {
            // Nothing is sent by now: whoever reads this may mend the cause and reload at once, and that ends the hold.
            outbox.board.set("mail", State::Down, &why);
            (None, Vec::new())
        }
    };
    let again = Ordered::among(&extra);
    keep(outbox, due, claim, outcome, extra).await;
    outbox.engine.mail.tell(again);
}

/// Notes that a mail about this person was refused for good by our mail server.
fn refused(engine: &Engine, board: &Board, about: Id, why: &str) {
    paused(board, engine.fuse.note(Some(about)), why);
}

/// Notes that a mail about this person was taken, and refused for good further on.
pub fn returned(engine: &Engine, board: &Board, about: Id, why: &str) {
    paused(board, engine.fuse.returned(about), why);
}

/// Where that was one too many, mail is paused, and everybody who asks how it is going is told.
fn paused(board: &Board, blown: Option<Blown>, why: &str) {
    let Some(blown) = blown else { return };
    let minutes = blown.pause.as_secs() / 60;
    let detail = format!(
        "{} of the last {} mails were refused for good, the last with: {why}. Nothing is sent for {minutes} minutes, so as \
         not to ruin the sender's name; to go on at once: systemctl reload parvisd",
        blown.refused, blown.of
    );
    board.set("mail", State::Down, &detail);
}

/// The outcome to tell where it is news, and the mail due again.
fn later(outbox: &Outbox, due: &Due, why: String) -> (Option<MailOutcome>, Vec<Write>) {
    tracing::info!(mail = %due.waiting.mail(), %why, tries = due.waiting.tries + 1, "a mail will be tried again");
    let told = is_news(outbox, due, &why).then_some(MailOutcome::Deferred(why));
    (told, vec![outbox::settle(due), again(outbox, due, due.waiting.tries, due.waiting.unanswered)])
}

/// Whether its person is told why it waits: at first, and when that means something else to them than before.
fn is_news(outbox: &Outbox, due: &Due, why: &str) -> bool {
    let Errand::Person { person, order, .. } = &due.waiting.errand else { return false };
    let before = || {
        let dossier = outbox.engine.dossier(*person).ok()??;
        let link = dossier.enrolment.link(order.link?)?;
        link.delivery.why().map(held)
    };
    due.waiting.tries == 0 || before().is_some_and(|before| before != held(why))
}

/// A mail that may have arrived: the same once more soon, once more late, and then it is left to its person to ask for
/// another. A server that breaks off behind each mail that it takes would fill their mailbox otherwise.
fn unanswered(outbox: &Outbox, due: &Due, why: String) -> (Option<MailOutcome>, Vec<Write>) {
    let (mail, copies) = (due.waiting.mail(), due.waiting.unanswered.saturating_add(1));
    if copies >= MOST_COPIES {
        tracing::warn!(%mail, %why, copies, "a mail left again and again and was never confirmed: it is not sent again");
        return (Some(MailOutcome::Unconfirmed(why)), vec![outbox::settle(due)]);
    }
    tracing::info!(%mail, %why, copies, "a mail left and was not confirmed: it will be tried again");
    let told = is_news(outbox, due, &why).then_some(MailOutcome::Deferred(why));
    // After the second, as long as any mail waits at most: a server that is being mended comes back meanwhile.
    let tries = if copies == 1 { 0 } else { u32::MAX };
    (told, vec![outbox::settle(due), again(outbox, due, tries, copies)])
}

/// The same mail, due later: twice as long as before, never exactly when the others are.
fn again(outbox: &Outbox, due: &Due, tries: u32, unanswered: u32) -> Write {
    let mail = &outbox.engine.settings().mail;
    let mut byte = [0; 1];
    chance::fill(&mut byte);
    let wait = pause(tries, (mail.retry_first, mail.retry_longest), byte[0]);
    let mut waiting = due.waiting.clone();
    waiting.tries = waiting.tries.saturating_add(1);
    waiting.unanswered = unanswered;
    let at = clock::now().checked_add(wait).unwrap_or(Timestamp::MAX);
    let at = outbox::not_after_its_end(at, due.waiting.deadline(), clock::now());
    outbox::put(&waiting, at)
}

/// How long to wait after so many tries before this one: the first wait doubled each time, at most the longest, and up to a
/// quarter more by chance.
fn pause(tries: u32, (first, longest): (SignedDuration, SignedDuration), chance: u8) -> SignedDuration {
    let doubled = (0..tries.min(16)).fold(first, |wait, _| wait.saturating_mul(2));
    let wait = doubled.min(longest);
    let quarter = i64::try_from(wait.as_millis()).unwrap_or(0) * i64::from(chance) / 1024;
    wait + SignedDuration::from_millis(quarter)
}

/// Until the store has it: an outcome that is not kept would send the mail again.
async fn keep(
    outbox: &Outbox,
    due: &Due,
    claim: &mut Claim,
    outcome: Option<MailOutcome>,
    extra: Vec<Write>,
) {
    let (Some(outcome), Errand::Person { person, .. }) = (outcome, &due.waiting.errand) else {
        return write(outbox, due, claim, extra).await;
    };
    let event = Event::Mailed(due.waiting.mail(), outcome);
    let mut wait = Duration::from_millis(50);
    loop {
        let mut ask = Ask::new(*person, Actor::Mail, event.clone());
        ask.extra.clone_from(&extra);
        match outbox.engine.act(ask).await {
            // What is refused is known already; the outbox was written with it.
            Ok(_) | Err(Failure::Refused(_)) => return,
            Err(failure) if passing(&failure) => {
                tracing::warn!(%failure, mail = %due.waiting.mail(), "a mail's outcome cannot be kept yet");
            }
            Err(failure) => {
                tracing::error!(%failure, mail = %due.waiting.mail(), "failed to keep a mail's outcome");
                return write(outbox, due, claim, extra).await;
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// The outbox alone, until the store has it; where it never will, the mail is left alone.
async fn write(outbox: &Outbox, due: &Due, claim: &mut Claim, writes: Vec<Write>) {
    let mut wait = Duration::from_millis(50);
    while !writes.is_empty() {
        match outbox.engine.store.commit(Commit { writes: writes.clone(), ..Commit::default() }).await {
            Ok(_) => return,
            Err(error) if error.lasting() => {
                tracing::error!(%error, mail = %due.waiting.mail(), "failed to write the outbox");
                return claim.put_off_for(UNKEPT);
            }
            Err(error) => {
                tracing::warn!(%error, mail = %due.waiting.mail(), "the outbox cannot be written yet");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// Whether the same may succeed later.
fn passing(failure: &Failure) -> bool {
    match failure {
        Failure::Store(error) => !error.lasting(),
        Failure::Contended => true,
        Failure::Refused(_) | Failure::Over | Failure::Unreadable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{AddressFault, ComposeError};

    /// What becomes of a mail after this fault.
    fn check(fault: impl Into<Tried>, expected: fn(String) -> Tried) {
        let words = "the words".to_owned();
        assert_eq!(fault.into(), expected(words));
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest_and_a_little_spread() {
        let wait = |tries, chance| {
            let seconds = SignedDuration::from_secs;
            pause(tries, (seconds(30), seconds(1_800)), chance).as_secs_f64()
        };
        for (tries, expected) in
            [(0, 30.0), (1, 60.0), (2, 120.0), (5, 960.0), (6, 1_800.0), (u32::MAX, 1_800.0)]
        {
            assert!((wait(tries, 0) - expected).abs() < 1e-6, "{tries}: {}", wait(tries, 0));
            let most = wait(tries, u8::MAX) / expected;
            assert!((1.24..=1.25).contains(&most), "{tries}: {most}");
        }
    }

    #[test]
    fn a_refusal_for_good_is_final_and_our_own_troubles_are_not() {
        let permanent = |address_fault| SendError::Permanent {
            code: Some(554),
            enhanced: None,
            address_fault,
            words: "the words".to_owned(),
        };
        check(permanent(true), Tried::Refused);
        check(permanent(false), Tried::Disliked);
        assert!(matches!(Tried::from(Unwritten::Ours(String::new())), Tried::Trouble(_)));
        let unwritten = Unwritten::Address(ComposeError::Recipient(AddressFault::NoAt));
        assert!(matches!(Tried::from(unwritten), Tried::Unsendable(_)));
        check(SendError::Unable { words: "the words".to_owned() }, Tried::Unsendable);
        let transient =
            |code, about_us| SendError::Transient { code, about_us, words: "the words".to_owned() };
        check(transient(Some(451), false), Tried::Later);
        check(transient(Some(421), true), Tried::Trouble);
        check(transient(None, true), Tried::Trouble);
        check(SendError::MaybeSent { words: "the words".to_owned() }, Tried::Unanswered);
        check(SendError::Configuration { code: None, words: "the words".to_owned() }, Tried::Held);
    }
}
