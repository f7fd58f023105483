//! Step 9's request: the local rules, then the directory, while the person waits.

use super::hook::{Desk, Trouble, trouble};
use super::view;
use crate::config::PasswordPolicy;
use crate::directory::EntryUuid;
use crate::engine::keys::Token;
use crate::engine::limits::Class;
use crate::engine::{Activated, Ask, activate, attempt, look_again, person, sighting};
use crate::service::clock;
use parvis_enrolment::refusal::PasswordFault;
use parvis_enrolment::{Answer, Enrolment, Event, Refusal, Request, Standing};
use parvis_protocol::hook::{Password, StepAnswer};
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Parts of a name shorter than this may be in a password by chance.
const SHORTEST_PART: usize = 4;

/// The new password: judged here, then by the directory, then done.
pub async fn password(desk: &Desk, call: Password) -> Result<StepAnswer, Trouble> {
    let token = desk.session(&call.session).ok_or(Trouble::Refused(Refusal::SessionUnknown, None))?;
    let secret = SecretString::from(call.password.into_exposed());
    let engine = &desk.gate.engine;
    // Whoever has no live session, or is at another step, learns that before anything costs time.
    let here = desk.ask(token, &[], Request::State { session: token.id }).await?;
    if is_done(desk, here.enrolment()) {
        return done(desk, here.enrolment(), token);
    }
    let locale = here.enrolment().profile.locale.clone();
    // Nor does it for whoever tries too often, or twice at once.
    let Some(_turn) = desk.gate.passwords.take(token.person, 1, usize::MAX) else {
        return Err(Trouble::Refused(Refusal::Busy, locale));
    };
    let counted = desk.counted(token, Class::Password);
    let over = engine.exhausted(&counted).map_err(|failure| trouble(failure, locale.clone()))?;
    if let Some(wait) = over {
        return Err(Trouble::Refused(Refusal::TooManyAttempts(wait), locale));
    }
    let Some(entry) = engine.directory().read(EntryUuid(token.person.0)).await? else {
        look_again(engine, token.person).await;
        return Err(Trouble::Refused(Refusal::AccountGone, locale));
    };
    let seen = sighting(&desk.settings, &engine.directory(), &entry, false);
    if seen.standing != Standing::Provisional {
        look_again(engine, token.person).await;
        // It may be our own write that is seen, of a call before this one whose answer was lost: then it is done.
        let now = desk.ask(token, &[], Request::State { session: token.id }).await?;
        return if is_done(desk, now.enrolment()) {
            done(desk, now.enrolment(), token)
        } else {
            Err(Trouble::Refused(refusal_of(seen.standing), locale))
        };
    }
    if secret.expose_secret().chars().count() > desk.settings.password.maximum {
        return Err(Trouble::TooLong);
    }
    let fault = judge(desk, here.enrolment(), &secret).await?;
    let request = Request::Password { session: token.id, fault, attempt: attempt(&entry, clock::now()) };
    let events = vec![Event::Sighted(seen), Event::Asked(request)];
    let ask = Ask { locale: desk.asked.clone(), counted, ..Ask::of(person(&entry), desk.actor(), events) };
    let acted = engine.act(ask).await.map_err(|failure| trouble(failure, locale.clone()))?;
    if acted.answer != Answer::Write {
        return view::step_answer(desk, acted.enrolment(), acted.answer, Some(token.id));
    }
    // The write lives on if the caller leaves.
    let writing = tokio::spawn(activate(engine.clone(), entry, acted.dossier(), secret));
    match writing.await {
        Ok(Activated::Done(dossier)) => done(desk, &dossier.enrolment, token),
        Ok(Activated::PasswordRefused(fault)) => Err(Trouble::Refused(Refusal::Password(fault), locale)),
        Ok(Activated::Pending) => Err(Trouble::Refused(Refusal::Busy, locale)),
        Ok(Activated::Unavailable) => {
            Err(Trouble::Unavailable("the directory could not be written".to_owned()))
        }
        Ok(Activated::Misconfigured(why)) => Err(Trouble::Misconfigured(why, locale)),
        Ok(Activated::Failed(failure)) => Err(trouble(failure, locale)),
        Err(error) => Err(Trouble::Fault(error.to_string())),
    }
}

fn is_done(desk: &Desk, enrolment: &Enrolment) -> bool {
    enrolment.step(&desk.settings.policy) == Some(parvis_enrolment::Step::Done)
}

/// Step 10.
fn done(desk: &Desk, enrolment: &Enrolment, token: Token) -> Result<StepAnswer, Trouble> {
    view::step_answer(desk, enrolment, Answer::State, Some(token.id))
}

fn refusal_of(standing: Standing) -> Refusal {
    match standing {
        Standing::Locked => Refusal::AccountLocked,
        Standing::Other => Refusal::NoPopulation,
        Standing::Provisional | Standing::Active => Refusal::NotProvisional,
    }
}

/// The local rules, in a thread: an estimate of strength and a list of breached passwords take time.
async fn judge(
    desk: &Desk,
    enrolment: &Enrolment,
    secret: &SecretString,
) -> Result<Option<PasswordFault>, Trouble> {
    let (settings, secret, own) = (desk.settings.clone(), secret.clone(), identity(enrolment));
    let judged = tokio::task::spawn_blocking(move || fault(&settings.password, secret.expose_secret(), &own));
    judged.await.map_err(|error| Trouble::Fault(error.to_string()))
}

/// What of the person must not be in the password: login, parts of the name and of the address.
pub fn identity(enrolment: &Enrolment) -> Vec<String> {
    let profile = &enrolment.profile;
    let texts = [Some(&profile.login), profile.name.as_ref(), profile.mail.as_ref()];
    let mut parts: Vec<String> = texts
        .into_iter()
        .flatten()
        .flat_map(|text| text.split('@').next().unwrap_or_default().split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .filter(|part| part.chars().count() >= SHORTEST_PART)
        .collect();
    parts.sort();
    parts.dedup();
    parts
}

/// What the local rules find wrong with a password.
pub fn fault(policy: &PasswordPolicy, password: &str, identity: &[String]) -> Option<PasswordFault> {
    let length = password.chars().count();
    if length < policy.minimum {
        return Some(PasswordFault::TooShort);
    }
    let lower = password.to_lowercase();
    if identity.iter().any(|part| lower.contains(part.as_str())) {
        return Some(PasswordFault::ContainsIdentity);
    }
    if classes(password) < policy.classes {
        return Some(PasswordFault::TooSimple);
    }
    if policy.breached.as_deref().is_some_and(|path| breached(path, password)) {
        return Some(PasswordFault::Breached);
    }
    let inputs: Vec<&str> = identity.iter().map(String::as_str).collect();
    let score = u8::from(zxcvbn::zxcvbn(password, &inputs).score());
    (score < policy.strength).then_some(PasswordFault::TooSimple)
}

fn classes(password: &str) -> u8 {
    let kinds = [
        password.chars().any(char::is_lowercase),
        password.chars().any(char::is_uppercase),
        password.chars().any(char::is_numeric),
        password.chars().any(|c| !c.is_alphanumeric()),
    ];
    kinds.into_iter().map(u8::from).sum()
}

/// Whether the password's SHA-1 stands in a sorted file of hexadecimal digests, one a line. A file that cannot be
/// read condemns nobody; `check` and the log say so.
fn breached(path: &Path, password: &str) -> bool {
    let wanted = crate::config::hex(&Sha1::digest(password.as_bytes())).to_uppercase();
    search(path, &wanted).unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "failed to read the list of breached passwords");
        false
    })
}

/// Binary search over the file's bytes.
fn search(path: &Path, wanted: &str) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let (start, line) = line_at(&mut file, middle)?;
        let digest = line.get(..wanted.len()).unwrap_or(&line).to_uppercase();
        match digest.as_str().cmp(wanted) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = start + line.len() as u64 + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    Ok(false)
}

/// The line that holds the byte at `offset`, and where it starts. Lines are short; a long one is cut.
fn line_at(file: &mut std::fs::File, offset: u64) -> std::io::Result<(u64, String)> {
    const LONGEST: u64 = 256;
    let from = offset.saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(from))?;
    let mut before = vec![0; usize::try_from(offset - from).unwrap_or(0)];
    file.read_exact(&mut before)?;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(from, |at| from + at as u64 + 1);
    file.seek(SeekFrom::Start(start))?;
    let mut line = String::new();
    BufReader::new(file.take(LONGEST * 2)).read_line(&mut line)?;
    Ok((start, line.trim_end_matches('\n').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(breached: Option<std::path::PathBuf>) -> PasswordPolicy {
        PasswordPolicy { minimum: 12, maximum: 64, classes: 3, strength: 2, breached, history_sentence: true }
    }

    fn check(password: &str, expected: Option<PasswordFault>) {
        let own = ["jeanne".to_owned(), "dupont".to_owned()];
        assert_eq!(fault(&policy(None), password, &own), expected, "{password}");
    }

    #[test]
    fn each_rule_says_what_is_wrong() {
        check("", Some(PasswordFault::TooShort));
        check("Abc1-Abc1-A", Some(PasswordFault::TooShort));
        check("Violet-JEANNE-77", Some(PasswordFault::ContainsIdentity));
        check("violetmandarinetrottoir", Some(PasswordFault::TooSimple));
        check("Password1234!", Some(PasswordFault::TooSimple));
        check("Violet-mandarine-77", None);
        check("Élan-forêt-œuvre-3", None);
    }

    #[test]
    fn a_sorted_list_of_digests_is_searched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("breached.txt");
        let mut digests: Vec<String> = (0..1000)
            .map(|n| {
                crate::config::hex(&Sha1::digest(format!("Violet-mandarine-{n}").as_bytes())).to_uppercase()
            })
            .collect();
        digests.sort();
        std::fs::write(&path, digests.iter().map(|d| format!("{d}:3\n")).collect::<String>()).unwrap();
        for n in 0..1000 {
            assert!(breached(&path, &format!("Violet-mandarine-{n}")), "{n}");
        }
        assert!(!breached(&path, "Violet-mandarine-1000") && !breached(&path, ""));
        assert_eq!(fault(&policy(Some(path)), "Violet-mandarine-77", &[]), Some(PasswordFault::Breached));
    }
}
