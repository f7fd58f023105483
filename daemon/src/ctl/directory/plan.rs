//! `directory plan LOGIN`: what activation would write, as LDIF, and how the password would travel. Nothing is written.

use super::arguments::Plan as Options;
use super::{conversation, only, reach};
use crate::config::{Settings, Sources};
use crate::ctl::Verdict;
use crate::ctl::ask::{Desk, QUICK};
use crate::ctl::failure::Failure;
use crate::ctl::screen::Screen;
use crate::directory::plan::{Act, Change};
use crate::directory::{Charter, Chosen, Entry, PasswordWrite, Plan, Standing};
use crate::service::clock;
use crate::words::generalized;
use parvis_enrolment::policy::{Forwarding, Population};
use parvis_protocol::admin::{Accepted, Answers, AnswersAnswer, Call};

/// Prints the plan.
pub fn plan(sources: &Sources, desk: &Desk, screen: &Screen, options: &Options) -> Result<Verdict, Failure> {
    let settings = sources.settings().map_err(Failure::Configuration)?;
    let login = &options.login;
    let what = format!("plan the activation of {login:?}");
    let refused = |why: String| Failure::Refused { what: what.clone(), why };
    let planned = conversation(&what, async {
        let reached = reach(&settings).await?;
        let entry = match only(reached.find(login).await?, login, &settings.directory.base) {
            Ok(entry) => entry,
            Err(why) => return Ok(Err(why)),
        };
        let judged = reached.judge(&entry).await?;
        let population = match people(&settings, judged.standing, judged.population()) {
            Ok(population) => population,
            Err(why) => return Ok(Err(why)),
        };
        let stored = stored(desk, &entry);
        let (chosen, remarks) = chosen(&settings, &entry, population, stored, options);
        let plan = settings.mapping.plan(&entry, &chosen);
        let plan = plan.map(|plan| reached.sent(&plan)).map_err(|error| error.to_string());
        Ok(plan.map(|plan| (plan, remarks, reached.password_write(), reached.server().to_owned())))
    })?;
    let (plan, remarks, password, server) = planned.map_err(refused)?;
    let nothing = plan.changes.iter().all(changes_nothing);
    let travels = travels(password);
    let value = serde_json::json!({
        "dn": plan.dn,
        "server": server,
        "ldif": if nothing { String::new() } else { plan.to_ldif() },
        "nothing": nothing,
        "password": travels.0,
        "remarks": remarks,
    });
    screen.answer(&value, || print(screen, &plan, &remarks, nothing, travels.1))?;
    Ok(Verdict::Fine)
}

/// The population of somebody who can be activated; else why not.
fn people<'s>(
    settings: &'s Settings,
    standing: Standing,
    population: Option<&str>,
) -> Result<&'s Population, String> {
    let state = match standing {
        Standing::Provisional => None,
        Standing::Active => Some("active"),
        Standing::Locked => Some("locked"),
        Standing::Unknown => Some("in none of the three states"),
    };
    if let Some(state) = state {
        return Err(format!(
            "the entry is {state}, and nothing is written to an entry that is not provisional (parvisctl directory who \
             says why)"
        ));
    }
    let found = population.and_then(|name| settings.policy.populations.iter().find(|one| one.name == name));
    found.ok_or_else(|| {
        "the person is in no population, so that there is nothing to choose nor to write (parvisctl directory who \
         says why)"
            .to_owned()
    })
}

/// What the daemon has of this very entry; where none runs, why not.
fn stored(desk: &Desk, entry: &Entry) -> Result<AnswersAnswer, String> {
    let call = Call::Answers(Answers { person: entry.uuid.to_string() });
    desk.ask::<AnswersAnswer>(&call, "ask for the answers", QUICK).map_err(|failure| failure.to_string())
}

/// The answers, and where each is from.
fn chosen(
    settings: &Settings,
    entry: &Entry,
    population: &Population,
    stored: Result<AnswersAnswer, String>,
    options: &Options,
) -> (Chosen, Vec<String>) {
    let mut remarks = Vec::new();
    let stored =
        stored.map_err(|why| remarks.push(format!("the daemon's answers are not known: {why}"))).ok();
    let stored = stored.as_ref();
    let mut take = |name: &str, (value, from): (String, &str)| {
        remarks.push(format!("{name}: {value} ({from})"));
        value
    };
    const ANSWERED: &str = "as the person answered";
    const OPTION: &str = "as the option says";
    let held = entry.first(&settings.attributes.recovery).map(str::to_owned);
    let recovery = match (&options.recovery, stored.and_then(|stored| stored.recovery.clone()), held) {
        (Some(given), ..) => (given.clone(), OPTION),
        (None, Some(answered), _) => (answered, ANSWERED),
        (None, None, Some(held)) => (held, "not answered yet: as the directory has it"),
        (None, None, None) => {
            ("someone@example.org".to_owned(), "not answered yet: an example; see --recovery")
        }
    };
    let recovery = take("recovery address", recovery);
    let words = |listed: bool| if listed { "listed" } else { "hidden" }.to_owned();
    let listed = match (options.listed, options.hidden, stored.and_then(|stored| stored.listed)) {
        (true, _, _) => (words(true), OPTION),
        (_, true, _) => (words(false), OPTION),
        (_, _, Some(answered)) => (words(answered), ANSWERED),
        (_, _, None) => (words(false), "not answered yet: undecided is hidden"),
    };
    let listed = take("public directory", listed) == "listed";
    let answered = stored.filter(|stored| stored.keep_copy.is_some());
    let forward = match (&options.forward, answered) {
        (Some(given), _) => (given.clone(), OPTION),
        (None, Some(answered)) => match (&answered.forward, answered.forward_confirmed) {
            (Some(address), true) => (address.clone(), ANSWERED),
            (Some(_), false) => (String::new(), "the address that the person gave is not confirmed yet"),
            (None, _) => (String::new(), ANSWERED),
        },
        (None, None) if population.forwarding == Forwarding::Required => {
            (recovery.clone(), "not answered yet: required, and offered is the recovery address")
        }
        (None, None) => (String::new(), "not answered yet"),
    };
    let (address, from) = forward;
    let shown = if address.is_empty() { "nowhere".to_owned() } else { address.clone() };
    take("mail is forwarded to", (shown, from));
    let forward = Some(address).filter(|address| !address.is_empty());
    let keep_copy = !options.no_copy && answered.and_then(|stored| stored.keep_copy).unwrap_or(true);
    let charter = match stored.and_then(|stored| stored.charter.clone()) {
        Some(charter) => (charter, ANSWERED),
        None => (present(settings), "not accepted yet: the one in force"),
    };
    let (accepted, from) = charter;
    take("charter", (accepted.version.clone(), from));
    let now = clock::now();
    let chosen = Chosen {
        login: entry.first(&settings.attributes.login).unwrap_or(&options.login).to_owned(),
        recovery_address: recovery,
        listed,
        mailbox: population.mailbox,
        forward,
        keep_copy: keep_copy && population.mailbox,
        charter: Charter {
            version: accepted.version,
            sha256: accepted.sha256,
            locale: accepted.locale,
            at: accepted.at,
        },
        today: now.to_zoned(settings.policy.zone.clone()).strftime("%Y%m%d").to_string(),
        now: generalized(now),
    };
    (chosen, remarks)
}

/// The charter in force, as if it were accepted now in the campus's language.
fn present(settings: &Settings) -> Accepted {
    let (charter, locale) = (&settings.policy.charter, &settings.campus.locale);
    let text = charter.texts.iter().find(|(tag, _)| tag == locale).or_else(|| charter.texts.first());
    Accepted {
        version: charter.version.clone(),
        sha256: text.map(|(_, digest)| digest.clone()).unwrap_or_default(),
        locale: locale.clone(),
        at: generalized(clock::now()),
    }
}

/// Would the entry be the same afterwards?
fn changes_nothing(change: &Change) -> bool {
    matches!(&change.act, Act::Replace { held, only } if held == only)
}

/// As a word, and for people.
const fn travels(how: PasswordWrite) -> (&'static str, &'static str) {
    match how {
        PasswordWrite::InModify => (
            "modify",
            "the new password is in the same modify, before the rest: replace: userPassword (not shown)",
        ),
        PasswordWrite::Extended => {
            ("extended", "the new password is set first, by RFC 3062 (not shown); then this modify")
        }
        PasswordWrite::UnicodePwd => (
            "unicodePwd",
            "the new password is in the same modify, before the rest: replace: unicodePwd (not shown)",
        ),
    }
}

fn print(
    screen: &Screen,
    plan: &Plan,
    remarks: &[String],
    nothing: bool,
    password: &str,
) -> Result<(), Failure> {
    for remark in remarks {
        // A comment ends with its line.
        remark.lines().try_for_each(|line| screen.line(&format!("# {line}")))?;
    }
    screen.line(&format!("# {password}"))?;
    if nothing {
        return screen
            .line("# beside the password there is nothing to write: the entry is already as it would be");
    }
    plan.to_ldif().lines().try_for_each(|line| screen.line(line))
}
