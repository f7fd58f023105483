//! The choices: charter, public directory, mail. Each may be made again until the account is active.

use super::proving::extend;
use super::work::Work;
use crate::enrolment::{Acceptance, Answers, Forward, MailAnswer, Stage};
use crate::event::Answer;
use crate::link::{Fate, Id, Purpose};
use crate::policy::Forwarding;
use crate::refusal::{Field, Refusal};

/// Step 5: exactly the version shown is recorded.
pub(super) fn charter(
    work: &mut Work,
    session: Id,
    version: &str,
    accepted: bool,
    locale: &str,
) -> Result<Answer, Refusal> {
    let (now, policy) = (work.now(), work.policy);
    work.session(session)?;
    let answers = choices(work)?;
    if version != policy.charter.version {
        return Err(Refusal::CharterVersionStale);
    }
    if !accepted {
        return Err(Refusal::CharterRequired);
    }
    let sha256 = policy.charter.digest(locale).ok_or(Refusal::CharterVersionStale)?.to_owned();
    if answers.charter.as_ref().is_some_and(|before| before.version == version && before.sha256 == sha256) {
        return Ok(Answer::State);
    }
    work.not_too_often()?;
    let answers = choices(work)?;
    answers.charter = Some(Acceptance {
        version: version.to_owned(),
        sha256: sha256.clone(),
        locale: locale.to_owned(),
        at: now,
    });
    work.record("charter-accepted", &[("version", version), ("sha256", &sha256), ("locale", locale)]);
    Ok(Answer::State)
}

/// Step 6: a choice must be made.
pub(super) fn listing(work: &mut Work, session: Id, listed: Option<bool>) -> Result<Answer, Refusal> {
    work.session(session)?;
    let refusal = work.out_of_order();
    let answers = choices(work)?;
    if answers.charter.is_none() {
        return Err(refusal);
    }
    let listed = listed.ok_or(Refusal::ListingRequired)?;
    if answers.listed == Some(listed) {
        return Ok(Answer::State);
    }
    work.not_too_often()?;
    choices(work)?.listed = Some(listed);
    work.record("listing-chosen", &[("listed", if listed { "yes" } else { "no" })]);
    Ok(Answer::State)
}

/// Steps 7 and 7 bis: the address is staged until it is proven.
pub(super) fn mail(
    work: &mut Work,
    session: Id,
    forward: Option<&str>,
    inward: bool,
    keep_copy: bool,
) -> Result<Answer, Refusal> {
    work.session(session)?;
    let people = work.population()?;
    let refusal = work.out_of_order();
    let answers = choices(work)?.clone();
    if answers.listed.is_none() || people.forwarding == Forwarding::Off {
        return Err(refusal);
    }
    let keep_copy = keep_copy && people.mailbox;
    let Some(text) = forward else {
        if people.forwarding == Forwarding::Required {
            return Err(Refusal::ForwardRequired);
        }
        let mail = MailAnswer { forward: None, keep_copy: people.mailbox };
        if !same(&answers, &mail) {
            work.not_too_often()?;
        }
        let now = work.now();
        work.end_links(Some(Purpose::Forward), Fate::Retired(now));
        set_mail(work, mail);
        return Ok(Answer::State);
    };
    let forward = forward_to(work, &answers, text, inward)?;
    let waiting = forward.confirmed.is_none();
    let address = forward.address.clone();
    let now = work.now();
    let newest = work.next.newest(Purpose::Forward).filter(|link| link.address == address);
    if waiting && newest.is_some_and(|link| link.in_vain(now)) {
        return Err(Refusal::AddressRefused(Field::Forward));
    }
    let sends = waiting && !newest.is_some_and(|link| link.live(now));
    let mail = MailAnswer { forward: Some(forward), keep_copy };
    // The same answer again, with its link on its way, changes nothing and costs nothing.
    if sends || !same(&answers, &mail) {
        work.not_too_often()?;
    }
    if sends {
        work.send_link(Purpose::Forward, &address);
        extend(work, session);
    } else if !waiting {
        work.end_links(Some(Purpose::Forward), Fate::Retired(now));
    }
    set_mail(work, mail);
    Ok(Answer::State)
}

/// The address to forward to, with its proof where there is one already.
fn forward_to(work: &Work, answers: &Answers, text: &str, inward: bool) -> Result<Forward, Refusal> {
    let own = work.next.profile.mail.as_deref();
    let parsed =
        crate::address::Address::parse(text).map_err(|f| Refusal::AddressInvalid(Field::Forward, f))?;
    if own.is_some_and(|own| parsed.reaches(own, &work.policy.delimiters)) {
        return Err(Refusal::ForwardLoop);
    }
    let address = work.outside(Field::Forward, text, inward)?;
    let before = answers.mail.as_ref().and_then(|mail| mail.forward.as_ref());
    Ok(match before.filter(|before| address.same_as(&before.address)) {
        Some(before) => before.clone(),
        None if address.same_as(&answers.recovery) => {
            Forward { address: answers.recovery.clone(), confirmed: Some(work.now()) }
        }
        None => Forward { address: address.to_string(), confirmed: None },
    })
}

/// Whether the person has answered so before.
fn same(answers: &Answers, mail: &MailAnswer) -> bool {
    answers.mail.as_ref().is_some_and(|before| {
        before.keep_copy == mail.keep_copy
            && before.forward.as_ref().map(|f| &f.address) == mail.forward.as_ref().map(|f| &f.address)
    })
}

fn set_mail(work: &mut Work, mail: MailAnswer) {
    let Stage::Choosing(answers) = &mut work.next.stage else { return };
    let same = same(answers, &mail);
    answers.mail = Some(mail.clone());
    if !same {
        let forward = mail.forward.map_or_else(|| "none".to_owned(), |forward| forward.address);
        let copy = if mail.keep_copy { "yes" } else { "no" };
        work.record("mail-chosen", &[("forward", &forward), ("keep-copy", copy)]);
    }
}

/// The answers, where there are some to change.
fn choices<'w>(work: &'w mut Work) -> Result<&'w mut Answers, Refusal> {
    let (refusal, people) = (work.out_of_order(), work.population().map(|_| ()));
    match &mut work.next.stage {
        Stage::Choosing(answers) => people.map(|()| answers),
        Stage::Unseen
        | Stage::Address { .. }
        | Stage::Proving
        | Stage::Activating { .. }
        | Stage::Done { .. }
        | Stage::Closed { .. } => Err(refusal),
    }
}
