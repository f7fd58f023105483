//! People: `list`, `show`, `resend`, `cancel`.

use super::Verdict;
use super::ask::{Desk, QUICK, by};
use super::failure::Failure;
use super::screen::{Screen, exact, short};
use super::table::Table;
use jiff::Timestamp;
use parvis_protocol::admin::{
    Call, Cancel, CancelAnswer, List, ListAnswer, Moment, Person, Resend, ResendAnswer, Show, ShowAnswer,
};

/// People that are asked for at once: so many fit a message even with the longest names and addresses.
const PAGE: u32 = 50;

/// Everybody, or everybody in a state.
pub fn list(desk: &Desk, screen: &Screen, state: Option<&str>, all: bool) -> Result<Verdict, Failure> {
    let state = if all { Some("all") } else { state };
    let mut people = everybody(desk, state)?;
    // Instants carry the campus's offset, which changes twice a year: as texts they would not sort.
    people.sort_by_key(|person| {
        (person.changed.parse::<Timestamp>().unwrap_or(Timestamp::MIN), person.login.clone())
    });
    screen.answer(&serde_json::json!({ "people": people }), || {
        if people.is_empty() {
            return screen.line("nobody");
        }
        let mut table = Table::new(&["LOGIN", "STATE", "POPULATION", "CHANGED", "ADDRESS"]);
        for person in &people {
            // Of a record that cannot be read only the UUID is known; `show` takes it too.
            let named = if person.login.is_empty() { &person.uuid } else { &person.login };
            table.row(vec![
                named.clone(),
                person.state.clone(),
                person.population.clone().unwrap_or_default(),
                short(&person.changed),
                person.address.clone().unwrap_or_default(),
            ]);
        }
        screen.table(&table)
    })?;
    Ok(Verdict::Fine)
}

fn everybody(desk: &Desk, state: Option<&str>) -> Result<Vec<Person>, Failure> {
    let mut line = desk.connect("list people")?;
    let mut people: Vec<Person> = Vec::new();
    loop {
        let after = people.last().map(|person| person.uuid.clone());
        let call = List { state: state.map(str::to_owned), after: after.clone(), limit: PAGE };
        let page: ListAnswer = line.ask(&Call::List(call), QUICK)?;
        let moved = page.people.last().is_some_and(|last| Some(&last.uuid) != after.as_ref());
        people.extend(page.people);
        // A page that does not move on would be asked for without end.
        if !page.more || !moved {
            return Ok(people);
        }
    }
}

/// One person, with links and timeline.
pub fn show(desk: &Desk, screen: &Screen, person: &str) -> Result<Verdict, Failure> {
    let call = Call::Show(Show { person: person.to_owned() });
    let shown: ShowAnswer = desk.ask(&call, "show the person", QUICK)?;
    screen.answer(&shown, || {
        let person = &shown.person;
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let lines = [
            ("login", person.login.clone()),
            ("state", person.state.clone()),
            ("population", or_none(&person.population)),
            ("address", or_none(&person.address)),
            ("link until", person.deadline.as_deref().map_or_else(|| "none".to_owned(), exact)),
            ("changed", exact(&person.changed)),
            ("round", person.round.to_string()),
            ("entryUUID", person.uuid.clone()),
        ];
        for (name, value) in lines {
            screen.line(&format!("{name:<12}{value}"))?;
        }
        moments(screen, "LINK", &shown.links)?;
        moments(screen, "WHAT", &shown.timeline)?;
        if shown.left_out > 0 {
            screen.line(&format!("and {} older lines that do not fit", shown.left_out))?;
        }
        Ok(())
    })?;
    Ok(Verdict::Fine)
}

fn moments(screen: &Screen, heading: &'static str, moments: &[Moment]) -> Result<(), Failure> {
    if moments.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&["AT", heading, "DETAIL"]);
    for moment in moments {
        table.row(vec![exact(&moment.at), moment.what.clone(), moment.detail.clone()]);
    }
    screen.table(&table)
}

/// The live link's mail, once more.
pub fn resend(desk: &Desk, screen: &Screen, person: &str) -> Result<Verdict, Failure> {
    let call = Call::Resend(Resend { person: person.to_owned(), by: by() });
    let answer: ResendAnswer = desk.ask(&call, "send the mail again", QUICK)?;
    screen.answer(&answer, || screen.line(&format!("the mail is sent again to {}", answer.address)))?;
    Ok(Verdict::Fine)
}

/// An enrolment is closed.
pub fn cancel(desk: &Desk, screen: &Screen, person: &str, reason: &str) -> Result<Verdict, Failure> {
    let call = Call::Cancel(Cancel { person: person.to_owned(), by: by(), reason: reason.to_owned() });
    let CancelAnswer {} = desk.ask(&call, "cancel the enrolment", QUICK)?;
    screen.answer(&serde_json::json!({ "cancelled": person }), || {
        screen.line(&format!("the enrolment of {person} is closed; signing in with the letter starts again"))
    })?;
    Ok(Verdict::Fine)
}
