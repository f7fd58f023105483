//! `directory who LOGIN`: which filters match a person, why, and what follows for them.

use super::{conversation, only, reach};
use crate::config::{Settings, Sources};
use crate::ctl::Verdict;
use crate::ctl::failure::Failure;
use crate::ctl::screen::{Screen, Style};
use crate::directory::filter::Explained;
use crate::directory::once::{Judged, Judgement};
use crate::directory::{Entry, Standing};
use parvis_enrolment::policy::{Forwarding, Population};

/// Looks at one person.
pub fn who(sources: &Sources, screen: &Screen, login: &str) -> Result<Verdict, Failure> {
    let settings = sources.settings().map_err(Failure::Configuration)?;
    let what = format!("look at {login:?} in the directory");
    let (server, found) = conversation(&what, async {
        let reached = reach(&settings).await?;
        let server = format!("{} ({})", reached.server(), reached.dialect().name());
        let entry = match only(reached.find(login).await?, login, &settings.directory.base) {
            Ok(entry) => entry,
            Err(why) => return Ok((server, Err(why))),
        };
        let judged = reached.judge(&entry).await?;
        Ok((server, Ok((entry, judged))))
    })?;
    let (entry, judged) = found.map_err(|why| Failure::Refused { what, why })?;
    let disputed: Vec<String> = judged.disputed().into_iter().map(str::to_owned).collect();
    let follows = follows(&settings, &judged);
    let value = serde_json::json!({
        "ok": disputed.is_empty(),
        "login": login,
        "dn": entry.dn,
        "identity": entry.uuid.to_string(),
        "server": server,
        "standing": word(judged.standing),
        "states": judged.states,
        "population": judged.population(),
        "populations": judged.populations,
        "follows": follows,
        "disputed": disputed,
    });
    screen.answer(&value, || print(screen, &server, &entry, &judged, &follows))?;
    Ok(Verdict::of(disputed.is_empty()))
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Locked => "locked",
        Standing::Provisional => "provisional",
        Standing::Active => "active",
        Standing::Unknown => "none",
    }
}

/// What follows, for whoever sits at the help desk.
fn follows(settings: &Settings, judged: &Judged) -> Vec<String> {
    let population = judged.population();
    match judged.standing {
        Standing::Locked => vec![
            "Locked: the login page refuses this person, and nothing is activated.".to_owned(),
            "Whoever locked the account has to unlock it; Parvis does not.".to_owned(),
        ],
        Standing::Active => vec!["Active: Parvis lets this person in, and writes nothing.".to_owned()],
        Standing::Unknown => vec![
            "None of the three states: the login page refuses this person, and nothing is activated."
                .to_owned(),
            "Correct the entry, or the filters directory.provisional, .active and .locked.".to_owned(),
        ],
        Standing::Provisional => {
            let known =
                population.and_then(|name| settings.policy.populations.iter().find(|p| p.name == name));
            match known {
                Some(known) => vec![
                    "To be activated: signing in with the letter's password begins the steps.".to_owned(),
                    mail(known),
                ],
                None => vec![
                    "To be activated, but in no population: at the step of the mail this person is sent to the help \
                     desk, because nobody has said whether there is a mailbox."
                        .to_owned(),
                    "Correct the entry, or add a population whose filter matches it; then they can go on.".to_owned(),
                ],
            }
        }
    }
}

fn mail(population: &Population) -> String {
    let name = &population.name;
    let text = match (population.mailbox, population.forwarding) {
        (true, Forwarding::Off) => "a mailbox; mail cannot be forwarded",
        (true, Forwarding::Optional) => "a mailbox; mail may be forwarded to an outside address",
        (true, Forwarding::Required) => "a mailbox; mail must be forwarded to an outside address",
        (false, Forwarding::Optional) => "no mailbox; mail may be forwarded to an outside address",
        (false, Forwarding::Off) => "no mailbox, and no mail",
        (false, Forwarding::Required) => "no mailbox; an outside address to forward mail to is required",
    };
    format!("{name}: {text}.")
}

fn print(
    screen: &Screen,
    server: &str,
    entry: &Entry,
    judged: &Judged,
    follows: &[String],
) -> Result<(), Failure> {
    screen.line(&entry.dn)?;
    screen.line(&format!("  identity  {}", entry.uuid))?;
    screen.line(&format!("  server    {server}"))?;
    heading(screen, &format!("state: {}", word(judged.standing)))?;
    judged.states.iter().try_for_each(|one| judgement(screen, one))?;
    heading(screen, &format!("population: {}", judged.population().unwrap_or("none")))?;
    judged.populations.iter().try_for_each(|one| judgement(screen, one))?;
    heading(screen, "what follows")?;
    follows.iter().try_for_each(|text| screen.line(&format!("  {text}")))?;
    let disputed = judged.disputed();
    if disputed.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    screen.raw(&screen.styled("THE SERVER DOES NOT AGREE", Style::Bad))?;
    screen.line(&format!(
        "It evaluates the filter of {} otherwise than Parvis on the same entry. Either the service may read an \
         attribute of it and not search by it (or the reverse), or the two understand it differently: correct the \
         access rules, or write the filter otherwise. Until then people may be told the wrong thing.",
        disputed.join(", ")
    ))
}

fn heading(screen: &Screen, text: &str) -> Result<(), Failure> {
    screen.line("")?;
    screen.raw(&screen.styled(&crate::ctl::table::clean(text), Style::Bold))
}

fn judgement(screen: &Screen, one: &Judgement) -> Result<(), Failure> {
    let theirs = match (one.matches, one.server) {
        (true, false) => "   THE SERVER SAYS NO",
        (false, true) => "   THE SERVER SAYS YES",
        _ => "",
    };
    let said = if one.matches { "yes" } else { "no " };
    screen.line(&format!("  {said}  {}: {}{theirs}", one.name, one.filter))?;
    match one.why.parts.as_slice() {
        [] => screen.line(&format!("         {}", reason(&one.why))),
        parts => parts.iter().try_for_each(|part| explained(screen, part, 2)),
    }
}

/// One part and those below it, each a step further to the right.
fn explained(screen: &Screen, part: &Explained, depth: usize) -> Result<(), Failure> {
    let said = match part.holds {
        Some(true) => "yes",
        Some(false) => "no ",
        None => "?  ",
    };
    let before = "    ".repeat(depth);
    match part.parts.as_slice() {
        [] => screen.line(&format!("{before}{said}  {}  {}", part.filter, reason(part))),
        parts => {
            screen.line(&format!("{before}{said}  {}", part.filter))?;
            parts.iter().try_for_each(|part| explained(screen, part, depth + 1))
        }
    }
}

fn reason(part: &Explained) -> String {
    match (part.undefined, part.values.as_slice()) {
        (Some(why), _) => format!("cannot be said: {why}"),
        (None, []) => "no value".to_owned(),
        (None, values) => format!("on {}", values.join(" | ")),
    }
}
