//! What the staff see of people: a page of them, one with links and timeline.
//!
//! It changes nothing. An answer is one message at most: what does not fit is left out, and said to be.

use super::admin::{ROOM, blocking, failed, fits, refused, unavailable};
use super::view;
use crate::audit;
use crate::directory::Found;
use crate::dossier::{Actor, Dossier, Kept, key};
use crate::engine::{Engine, Failure as EngineFailure};
use crate::words::{civil, generalized};
use parvis_enrolment::link::Usable;
use parvis_enrolment::{Closure, Enrolment, Id, PersonId, Stage};
use parvis_protocol::admin::{
    Accepted, AnswersAnswer, Failure, List, ListAnswer, Moment, Person, ShowAnswer,
};
use std::sync::Arc;

/// A page of people, in the order of their uuid. Without a state: everybody whose enrolment is open.
pub fn list(engine: &Engine, call: &List) -> Result<ListAnswer, Failure> {
    let after = call.after.as_deref().map(uuid).transpose()?;
    let limit = usize::try_from(call.limit).unwrap_or(100).clamp(1, 500);
    let only_open = call.state.is_none();
    let (kind, end): (&[u8], &[u8]) = if only_open { (b"i", b"j") } else { (b"p", b"q") };
    let first = |person: PersonId| kind.iter().copied().chain(person.0).chain([0]).collect::<Vec<u8>>();
    let mut from = after.map_or_else(|| kind.to_vec(), first);
    let (mut people, mut room) = (Vec::new(), ROOM);
    loop {
        let page = engine.store.scan(&from, end, 256).map_err(unavailable)?;
        let Some((last, _)) = page.last() else { return Ok(ListAnswer { people, more: false }) };
        from = last.iter().copied().chain([0]).collect();
        for person in page.iter().filter_map(|(key, _)| key::person(key)) {
            let row = match engine.dossier(person) {
                // Of whom was erased, nothing is shown: nothing is known.
                Ok(dossier) => match dossier.filter(|dossier| !dossier.erased()) {
                    Some(dossier) => row(engine, &dossier.enrolment),
                    None => continue,
                },
                // It does not hide the others; `show` writes to the journal what is wrong with it.
                Err(EngineFailure::Unreadable(_)) => unreadable(person),
                Err(failure) => return Err(failed(failure)),
            };
            if call.state.as_ref().is_none_or(|state| state == "all" || row.state.starts_with(state.as_str()))
            {
                if people.len() == limit || !fits(&row, &mut room) {
                    return Ok(ListAnswer { people, more: true });
                }
                people.push(row);
            }
        }
    }
}

pub async fn show(engine: &Arc<Engine>, person: &str) -> Result<ShowAnswer, Failure> {
    let dossier = find(engine, person).await?;
    if dossier.erased() {
        return Err(refused(
            "erased",
            format!("what was known of {person:?} was erased, as sweep.keep-* says"),
        ));
    }
    let settings = engine.settings();
    let now = crate::service::clock::now();
    let timeline = dossier.facts.iter().map(|kept| Moment {
        at: civil(&settings, kept.at),
        what: kept.fact.what.clone(),
        detail: detail(kept),
    });
    let links = dossier.enrolment.links.iter().map(|link| Moment {
        at: civil(&settings, link.made),
        what: view::purpose(link.purpose).as_str().to_owned(),
        detail: format!(
            "{}, {}, {} mails, {}",
            link.address,
            match link.usable(now) {
                Usable::Yes => format!("can be used until {}", civil(&settings, link.deadline)),
                Usable::Expired(at) => format!("expired {}", civil(&settings, at)),
                Usable::Superseded(at) => format!("replaced {}", civil(&settings, at)),
                Usable::Used(at) => format!("used {}", civil(&settings, at)),
            },
            link.mails,
            delivery(&settings, &link.delivery),
        ),
    });
    let mut room = ROOM;
    let (links, links_out) = newest(links.collect(), &mut room);
    let (timeline, timeline_out) = newest(timeline.collect(), &mut room);
    let left_out = links_out + timeline_out;
    Ok(ShowAnswer { person: row(engine, &dossier.enrolment), timeline, links, left_out })
}

/// What a person has answered; for whoever wants to know what will be written.
pub async fn answers(engine: &Arc<Engine>, person: &str) -> Result<AnswersAnswer, Failure> {
    let dossier = find(engine, person).await?;
    let answers = dossier.enrolment.answers();
    let mail = answers.and_then(|answers| answers.mail.as_ref());
    let forward = mail.and_then(|mail| mail.forward.as_ref());
    let charter = answers.and_then(|answers| answers.charter.as_ref());
    Ok(AnswersAnswer {
        uuid: audit::uuid(dossier.enrolment.person),
        recovery: answers.map(|answers| answers.recovery.clone()),
        listed: answers.and_then(|answers| answers.listed),
        forward: forward.map(|forward| forward.address.clone()),
        forward_confirmed: forward.is_some_and(|forward| forward.confirmed.is_some()),
        keep_copy: mail.map(|mail| mail.keep_copy),
        charter: charter.map(|charter| Accepted {
            version: charter.version.clone(),
            sha256: charter.sha256.clone(),
            locale: charter.locale.clone(),
            at: generalized(charter.at),
        }),
    })
}

/// The newest moments that fit, still in their order; how many older ones do not.
fn newest(moments: Vec<Moment>, room: &mut usize) -> (Vec<Moment>, u64) {
    let all = moments.len();
    let mut kept: Vec<Moment> = moments.into_iter().rev().take_while(|moment| fits(moment, room)).collect();
    kept.reverse();
    let left_out = (all - kept.len()) as u64;
    (kept, left_out)
}

fn delivery(settings: &crate::config::Settings, delivery: &parvis_enrolment::Delivery) -> String {
    use parvis_enrolment::Delivery;
    match delivery {
        Delivery::Queued => "the mail waits".to_owned(),
        Delivery::Sent(at) => format!("accepted by the mail server {}", civil(settings, *at)),
        Delivery::Deferred(at, why) => format!("deferred {}: {why}", civil(settings, *at)),
        Delivery::Refused(at, why) => format!("refused {}: {why}", civil(settings, *at)),
        Delivery::Unconfirmed(at, why) => {
            format!("left {}, not confirmed, perhaps arrived: {why}", civil(settings, *at))
        }
        Delivery::GivenUp(at, why) => format!("given up {}: {why}", civil(settings, *at)),
    }
}

fn detail(kept: &Kept) -> String {
    let by = match &kept.by {
        Actor::Person(Some(ip)) => format!("by the person, from {ip}"),
        Actor::Person(None) => "by the person".to_owned(),
        Actor::Directory => "by the directory".to_owned(),
        Actor::Mail => "by the mail system".to_owned(),
        Actor::Sweep => "by the sweep".to_owned(),
        Actor::Staff(name) => format!("by {name}"),
    };
    let details: Vec<String> =
        kept.fact.details.iter().map(|(name, text)| format!("{name} {text}")).collect();
    if details.is_empty() { by } else { format!("{}; {by}", details.join(", ")) }
}

/// A person, by uuid or by the login that the directory has now; else by the login that we last saw.
pub async fn find(engine: &Arc<Engine>, person: &str) -> Result<Arc<Dossier>, Failure> {
    let nobody = || refused("unknown", format!("nobody is known here as {person:?}"));
    if let Ok(id) = uuid(person) {
        return engine.dossier(id).map_err(failed)?.ok_or_else(nobody);
    }
    match engine.directory().find(person).await {
        Ok(Found::One(entry)) => {
            let id = crate::engine::person(&entry);
            engine.dossier(id).map_err(failed)?.ok_or_else(|| {
                refused("unknown", format!("{person} is in the directory, and has no enrolment here"))
            })
        }
        Ok(Found::Several(entries)) => {
            let named = entries.join(" and ").replace(char::is_control, "?");
            Err(refused("several", format!("several entries have the login {person:?}: {named}")))
        }
        Ok(Found::Nobody) | Err(_) => {
            let (searched, login) = (engine.clone(), person.to_owned());
            let mut found = blocking(move || by_login(&searched, &login)).await?;
            match (found.pop(), found.is_empty()) {
                (None, _) => Err(nobody()),
                (Some(one), true) => Ok(Arc::new(one)),
                (Some(last), false) => Err(several(engine, person, found.iter().chain([&last]))),
            }
        }
    }
}

/// Those who had that login when they were last seen: an account that was made anew has another uuid. A few are enough
/// to say that there are several.
fn by_login(engine: &Engine, login: &str) -> Result<Vec<Dossier>, Failure> {
    const ENOUGH: usize = 5;
    let mut from = b"p".to_vec();
    let mut found = Vec::new();
    loop {
        let page = engine.store.scan(&from, b"q", 256).map_err(unavailable)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        from = last.iter().copied().chain([0]).collect();
        for (key, held) in &page {
            let Some(Ok(dossier)) = key::person(key).map(|id| Dossier::decode(id, &held.value)) else {
                continue;
            };
            if dossier.enrolment.profile.login.eq_ignore_ascii_case(login) {
                found.push(dossier);
            }
            if found.len() == ENOUGH {
                return Ok(found);
            }
        }
    }
}

/// Which of them is meant, only whoever asks can say.
fn several<'a>(engine: &Engine, login: &str, all: impl Iterator<Item = &'a Dossier>) -> Failure {
    let settings = engine.settings();
    let named = all.map(|dossier| {
        let it = &dossier.enrolment;
        format!("{} ({}, {})", audit::uuid(it.person), state(&settings, it), civil(&settings, it.changed))
    });
    let named = named.collect::<Vec<_>>().join(", ");
    refused(
        "several",
        format!(
            "several have had the login {login:?}, and the directory does not say now whose it is: say the UUID, of {named}"
        ),
    )
}

/// A record that this version cannot read.
fn unreadable(person: PersonId) -> Person {
    Person {
        login: String::new(),
        uuid: audit::uuid(person),
        round: 0,
        state: "unreadable".to_owned(),
        population: None,
        changed: String::new(),
        deadline: None,
        address: None,
    }
}

fn row(engine: &Engine, enrolment: &Enrolment) -> Person {
    let settings = engine.settings();
    let now = crate::service::clock::now();
    let live = enrolment.links.iter().rev().find(|link| link.live(now));
    let address = enrolment
        .answers()
        .map(|answers| answers.recovery.clone())
        .or_else(|| live.map(|l| l.address.clone()));
    Person {
        login: enrolment.profile.login.clone(),
        uuid: audit::uuid(enrolment.person),
        round: enrolment.round,
        state: state(&settings, enrolment),
        population: enrolment.profile.population.clone(),
        changed: civil(&settings, enrolment.changed),
        deadline: live.map(|link| civil(&settings, link.deadline)),
        address,
    }
}

fn state(settings: &crate::config::Settings, enrolment: &Enrolment) -> String {
    match &enrolment.stage {
        Stage::Unseen => "unseen".to_owned(),
        Stage::Closed { why, .. } => match why {
            Closure::Withdrawn => "closed-withdrawn",
            Closure::Locked => "closed-locked",
            Closure::Gone => "closed-gone",
            Closure::Expired => "closed-expired",
            Closure::Cancelled => "closed-cancelled",
        }
        .to_owned(),
        Stage::Activating { .. } => "activating".to_owned(),
        Stage::Done { drift: Some(_), .. } => "done-drift".to_owned(),
        Stage::Address { .. } | Stage::Proving | Stage::Choosing(_) | Stage::Done { .. } => {
            let step = enrolment.step(&settings.policy);
            step.map_or_else(|| "no-population".to_owned(), |step| view::step(step).as_str().to_owned())
        }
    }
}

fn uuid(text: &str) -> Result<PersonId, Failure> {
    let id = crate::directory::EntryUuid::parse(text).map(|uuid| Id(uuid.0));
    id.ok_or_else(|| refused("not-a-uuid", format!("{text:?} is no entryUUID")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::trial::{at_listing, engine, put};
    use crate::store::Write;

    #[test]
    fn a_long_timeline_keeps_its_newest_and_says_how_many_are_gone() {
        let moment = |n: usize| Moment {
            at: "2026-09-01T12:00:00+02:00".to_owned(),
            what: n.to_string(),
            detail: "\"é".repeat(100),
        };
        let mut room = ROOM;
        let (kept, left_out) = newest((0..1000).map(moment).collect(), &mut room);
        assert_eq!(kept.len() as u64 + left_out, 1000);
        assert!(left_out > 500 && kept.len() > 100, "{left_out}");
        assert_eq!(kept.last().unwrap().what, "999");
        assert_eq!(kept.first().unwrap().what, left_out.to_string());
        let answer = serde_json::to_vec(&kept).unwrap();
        assert!(answer.len() <= ROOM + 2 && answer.len() > ROOM - 1000, "{}", answer.len());

        let mut room = ROOM;
        let (kept, left_out) = newest((0..3).map(moment).collect(), &mut room);
        assert_eq!((kept.len(), left_out), (3, 0));
    }

    const JEANNE: PersonId = Id([1; 16]);
    const OTHER: PersonId = Id([2; 16]);

    #[tokio::test]
    async fn a_record_that_cannot_be_read_hides_nobody_else() {
        let (engine, _) = engine();
        for person in [JEANNE, OTHER] {
            at_listing(&engine, person).await;
        }
        put(&*engine.store, Write::Put { key: key::dossier(JEANNE), value: b"no record".to_vec() }).await;
        let states = |state: Option<&str>| {
            let call = List { state: state.map(str::to_owned), after: None, limit: 10 };
            let people = list(&engine, &call).unwrap().people;
            people.into_iter().map(|person| (person.uuid, person.state)).collect::<Vec<_>>()
        };
        let unreadable = (audit::uuid(JEANNE), "unreadable".to_owned());
        assert_eq!(states(None), [unreadable.clone(), (audit::uuid(OTHER), "listing".to_owned())]);
        assert_eq!(states(Some("all")), states(None));
        assert_eq!(states(Some("unread")), [unreadable]);
        assert_eq!(find(&engine, "jeanne").await.unwrap().enrolment.person, OTHER);
    }

    #[tokio::test]
    async fn a_login_that_several_have_had_is_nobodys_while_the_directory_does_not_say_whose() {
        let (engine, _) = engine();
        at_listing(&engine, JEANNE).await;
        assert_eq!(find(&engine, "Jeanne").await.unwrap().enrolment.person, JEANNE);
        at_listing(&engine, OTHER).await;
        let Err(Failure::Refused { code, message }) = find(&engine, "jeanne").await else {
            panic!("one of them")
        };
        assert_eq!(code, "several");
        for person in [JEANNE, OTHER] {
            assert!(message.contains(&audit::uuid(person)), "{message}");
            assert_eq!(find(&engine, &audit::uuid(person)).await.unwrap().enrolment.person, person);
        }
    }
}
