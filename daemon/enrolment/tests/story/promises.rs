//! What must hold of one event by itself: stages, evidence, what the directory's word may do, bounds, storage.

use super::invariants::{Happening, Held, hold, mails};
use parvis_enrolment::enrolment::{Answers, Stage};
use parvis_enrolment::event::{Recovery, WriteOutcome};
use parvis_enrolment::policy::{Forwarding, Policy};
use parvis_enrolment::{Answer, Closure, Decision, Effect, Enrolment, Event, Request, Standing};

pub fn stages(it: &Happening, decision: &Decision) -> Held {
    let (before, after) = (it.before, &decision.enrolment);
    hold(after.person == before.person, "a person stays who they are")?;
    hold((before.round..=before.round.saturating_add(1)).contains(&after.round), "rounds go up by one")?;
    hold((after.round == 0) == (after.stage == Stage::Unseen), "who was seen is in a round")?;
    let writes = decision.answer == Answer::Write;
    let writing = |stage: &Stage| matches!(stage, Stage::Activating { .. });
    hold(writes == (!writing(&before.stage) && writing(&after.stage)), "who writes is told to, once")?;
    if writing(&before.stage) && writing(&after.stage) {
        hold(before.stage == after.stage, "nothing changes while it is written")?;
    }
    if writes {
        let Stage::Activating { answers, .. } = &after.stage else { return Err("writing".to_owned()) };
        complete(answers, after, it.policy)?;
    }
    if let (Stage::Activating { answers, .. }, Stage::Choosing(kept)) = (&before.stage, &after.stage) {
        hold(answers == kept, "a refused password costs no answer")?;
    }
    if let Stage::Done { answers, .. } = &after.stage {
        match &before.stage {
            Stage::Activating { answers: given, .. } => {
                hold(given == answers, "done is what was written")?;
                hold(ended_well(it), "done is what the directory says")?;
            }
            Stage::Done { answers: given, .. } => hold(given == answers, "what is done stays")?,
            Stage::Unseen
            | Stage::Address { .. }
            | Stage::Proving
            | Stage::Choosing(_)
            | Stage::Closed { .. } => {
                return Err("done comes of writing alone".to_owned());
            }
        }
    }
    accepted(it, after)?;
    let step = after.step(it.policy);
    hold(step.is_none_or(|step| after.path(it.policy).contains(&step)), "a step is on the person's path")
}

/// Whether the event says that the entry is active since our write.
fn ended_well(it: &Happening) -> bool {
    let Stage::Activating { attempt, .. } = &it.before.stage else { return false };
    match it.event {
        Event::Written(WriteOutcome::Applied(_)) | Event::Recovered(Recovery::Active(_)) => true,
        Event::Sighted(sighting) => {
            sighting.standing == Standing::Active && number(&sighting.stamp) > number(&attempt.stamp)
        }
        _ => false,
    }
}

/// Nothing is written of somebody who has not chosen all that their population chooses.
fn complete(answers: &Answers, after: &Enrolment, policy: &Policy) -> Held {
    let people = after.population(policy).ok_or("who is written has a population")?;
    hold(answers.charter.is_some() && answers.listed.is_some(), "who is written accepted and chose")?;
    let mail = answers.mail.as_ref();
    let confirmed = answers.confirmed_forward().is_some();
    hold(people.mailbox || mail.is_none_or(|mail| !mail.keep_copy), "no copy without a mailbox")?;
    match people.forwarding {
        Forwarding::Off => hold(mail.is_none(), "who may not forward does not"),
        Forwarding::Required => hold(confirmed, "who must forward has a confirmed address"),
        Forwarding::Optional => hold(
            mail.is_some_and(|mail| mail.forward.is_none() || confirmed),
            "who may forward chose, and confirmed",
        ),
    }
}

/// What is accepted is the version in force, at that instant, by somebody who said yes.
fn accepted(it: &Happening, after: &Enrolment) -> Held {
    let charter = |enrolment: &Enrolment| enrolment.answers().and_then(|answers| answers.charter.clone());
    let Some(new) = charter(after).filter(|new| charter(it.before).as_ref() != Some(new)) else {
        return Ok(());
    };
    let said = matches!(it.event, Event::Asked(Request::Charter { accepted: true, version, locale, .. })
        if *version == new.version && *locale == new.locale);
    hold(said, "a charter is accepted by who says so")?;
    let force = &it.policy.charter;
    hold(new.version == force.version && new.at == it.moment.now, "what is accepted is in force")?;
    hold(force.digest(&new.locale) == Some(&new.sha256), "what is accepted is the text")
}

pub fn records(it: &Happening, decision: &Decision) -> Held {
    // A session's use, what was tidied away and what the watch last said are no change of state.
    let essence = |enrolment: &Enrolment| Enrolment {
        sessions: Vec::new(),
        tickets: Vec::new(),
        links: if matches!(it.event, Event::Elapsed) { Vec::new() } else { enrolment.links.clone() },
        seen: None,
        stage: match &enrolment.stage {
            Stage::Done { answers, at, drift, .. } => {
                Stage::Done { answers: answers.clone(), at: *at, stamp: None, drift: drift.clone() }
            }
            other => other.clone(),
        },
        ..enrolment.clone()
    };
    let recorded = decision.effects.iter().any(|effect| matches!(effect, Effect::Record(_)));
    let changed = essence(it.before) != essence(&decision.enrolment);
    hold(recorded || !changed, "a change leaves a record")?;
    hold(recorded || mails(decision).next().is_none(), "a mail leaves a record")?;
    let admits = matches!(decision.answer, Answer::Session(_) | Answer::Ticket(_));
    hold(recorded || !admits, "an arrival leaves a record")?;
    if decision.enrolment.links.len() < it.before.links.len() {
        hold(matches!(it.event, Event::Elapsed), "links are forgotten by the sweep")?;
    }
    Ok(())
}

fn number(stamp: &str) -> u64 {
    stamp.parse().expect("the story's stamps are numbers")
}

/// What the directory's word may and may not do.
pub fn watch(it: &Happening, decision: &Decision) -> Held {
    let after = &decision.enrolment;
    let left_done =
        matches!(it.before.stage, Stage::Done { .. }) && !matches!(after.stage, Stage::Done { .. });
    let Event::Sighted(sighting) = it.event else {
        return hold(!left_done, "only the directory ends what is done");
    };
    hold(
        !left_done || sighting.standing == Standing::Provisional,
        "only provisional again ends what is done",
    )?;
    let newer = it.before.seen.as_ref().is_none_or(|seen| number(&sighting.stamp) > number(&seen.stamp));
    let late = it.before.seen.as_ref().is_some_and(|seen| number(&sighting.stamp) < number(&seen.stamp));
    if !sighting.in_person {
        hold(!left_done || newer, "an older provisional entry ends nothing that is done")?;
        hold(!late || mails(decision).next().is_none(), "a late word mails nobody")?;
        hold(!late || it.before.round == after.round, "a late word begins nothing")?;
    } else {
        hold(
            mails(decision).next().is_none() || matches!(after.stage, Stage::Done { .. }),
            "who is here is not written to",
        )?;
    }
    let open = matches!(after.stage, Stage::Address { .. } | Stage::Proving | Stage::Choosing(_));
    let heard = sighting.in_person || !late;
    hold(
        sighting.standing == Standing::Provisional || !heard || !open,
        "who is locked, active or withdrawn is not enrolling",
    )?;
    if let (Stage::Closed { why: Closure::Withdrawn, .. }, false) = (&it.before.stage, newer) {
        hold(it.before.round == after.round, "an entry that flaps begins no round")?;
    }
    Ok(())
}

pub fn sizes(after: &Enrolment) -> Held {
    use parvis_enrolment::session::{MOST_SESSIONS, MOST_TICKETS};
    hold(after.sessions.len() <= MOST_SESSIONS, "sessions are bounded")?;
    hold(after.tickets.len() <= MOST_TICKETS, "tickets are bounded")?;
    hold(after.links.len() <= 16, "links are bounded")?;
    let step = matches!(after.stage, Stage::Done { .. } | Stage::Closed { .. });
    hold(!step || after.tickets.is_empty(), "no hand-over to what has ended")
}

pub fn round_trip(after: &Enrolment) -> Held {
    let text = serde_json::to_string(after).map_err(|fault| fault.to_string())?;
    let back: Enrolment = serde_json::from_str(&text).map_err(|fault| format!("{fault}: {text}"))?;
    hold(back == *after, "what is stored comes back")
}
