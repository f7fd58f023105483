//! The steps, one file each: a form, the call that it makes, and the page.
//!
//! A form that was sent acts and leads on by GET (303), so that a reload repeats nothing; a form that was refused is
//! shown again with what was typed, never a password.

pub mod charter;
pub mod done;
pub mod enter;
pub mod leave;
pub mod link;
pub mod listing;
pub mod mail;
pub mod password;
pub mod recovery;
pub mod sign_in;
pub mod waiting;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::Secret;
use parvis_protocol::hook::{Call, Step, StepAnswer, View};

use crate::cookie;
use crate::daemon::Trouble;
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::kept::{self, Kept};
use crate::refusals::{self, Sent};
use crate::show::{self, Chrome, Problem};
use crate::visit::Visit;

/// A page that has a form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// Step 3, and to correct it at step 4.
    Address,
    /// Step 5.
    Charter,
    /// Step 6.
    Listing,
    /// Steps 7 and 7 bis, and to correct them at step 8.
    Mail,
    /// Step 9.
    Password,
    /// Steps 4 and 8: the mail again.
    Resend,
    /// Back to step 3.
    Restart,
}

impl Sheet {
    /// Where its form is sent.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Address => "/address",
            Self::Charter => "/charter",
            Self::Listing => "/listing",
            Self::Mail => "/mail",
            Self::Password => "/password",
            Self::Resend => "/resend",
            Self::Restart => "/restart",
        }
    }

    /// The fields that may be sent again by a page that says "not now": never a password.
    pub const fn keeps(self) -> &'static [&'static str] {
        match self {
            Self::Address => &["address"],
            Self::Charter => &["version", "sha256", "accepted"],
            Self::Listing => &["listed"],
            Self::Mail => &["choice", "forward", "keep_copy"],
            Self::Password | Self::Resend | Self::Restart => &[],
        }
    }

    /// The one whose answers can be kept at this step.
    const fn of(step: Step) -> Option<Self> {
        match step {
            Step::RecoveryAddress | Step::RecoveryLink => Some(Self::Address),
            Step::Listing => Some(Self::Listing),
            Step::Mail | Step::ForwardLink => Some(Self::Mail),
            Step::Charter | Step::Password | Step::Done | Step::SignIn => None,
        }
    }

    /// Whether it can be filled in at this step.
    const fn fits(self, step: Step, view: &View) -> bool {
        match self {
            Self::Address => matches!(step, Step::RecoveryAddress | Step::RecoveryLink),
            Self::Charter => view.charter.is_some(),
            Self::Listing => view.listing.is_some(),
            Self::Mail => view.mail.is_some(),
            Self::Password => view.password.is_some(),
            Self::Resend => matches!(step, Step::RecoveryLink | Step::ForwardLink),
            Self::Restart => true,
        }
    }
}

/// GET /step: wherever the person is.
pub async fn show(State(house): State<Arc<House>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let clicked = query.as_deref() == Some("clicked=yes");
    current(&house, &visit, None, clicked).await
}

/// GET /step/listing and /step/mail: an answer given before, to change it.
pub async fn again(house: &House, visit: &Visit, sheet: Sheet) -> Response {
    current(house, visit, Some(sheet), false).await
}

async fn current(house: &House, visit: &Visit, wanted: Option<Sheet>, clicked: bool) -> Response {
    let Some(session) = &visit.session else { return show::go(house, "/") };
    let answer = match house.daemon.step(Call::State(visit.of_session(session))).await {
        Ok(answer) => answer,
        Err(trouble) => return refusals::of_state(house, visit, &trouble),
    };
    let Some(view) = &answer.view else { return show::go(house, "/") };
    let sheet = wanted.filter(|sheet| sheet.fits(answer.step, view));
    let kept = kept::find(visit.kept.as_deref(), sheet.or_else(|| Sheet::of(answer.step)), &view.login);
    let nothing = Fields::default();
    let (fields, restored) = match &kept {
        Kept::Yes(fields) => (fields, true),
        Kept::No | Kept::Foreign => (&nothing, false),
    };
    let drawing = Drawing { house, visit, answer: &answer, view, fields, problem: None, restored, clicked };
    let mut response = drawing.draw(sheet, StatusCode::OK);
    if !matches!(kept, Kept::No) {
        show::set(&mut response, &cookie::take(cookie::KEPT));
    }
    keep_session(&mut response, visit, &answer);
    response
}

/// The session of an answer replaces the one that the browser holds.
fn keep_session(response: &mut Response, visit: &Visit, answer: &StepAnswer) {
    if let Some(session) = answer.session.as_ref().filter(|new| Some(*new) != visit.session.as_ref()) {
        show::set(response, &cookie::give(cookie::SESSION, session.expose()));
    }
}

/// A form that was sent: acts, and leads on; or is shown again.
pub async fn submit(
    house: &House,
    visit: &Visit,
    fields: Result<Fields, NoForm>,
    sheet: Sheet,
    call: impl FnOnce(Secret, &Fields) -> Call,
) -> Response {
    let fields = match fields {
        Ok(fields) => fields,
        Err(NoForm(status)) => return refusals::no_form(house, visit, status),
    };
    if !visit.sent(&fields) {
        return refusals::foreign_form(house, visit);
    }
    let Some(session) = visit.session.clone() else { return show::go(house, "/") };
    match house.daemon.step(call(session.clone(), &fields)).await {
        Ok(answer) => {
            let mut response = show::go(house, "/step");
            keep_session(&mut response, visit, &answer);
            response
        }
        Err(trouble) => refused(house, visit, &session, &fields, sheet, trouble).await,
    }
}

async fn refused(
    house: &House,
    visit: &Visit,
    session: &Secret,
    fields: &Fields,
    sheet: Sheet,
    trouble: Trouble,
) -> Response {
    let sent = Sent { sheet, fields };
    let Some(problem) = refusals::problem(house, visit, sheet, &trouble) else {
        return refusals::of_form(house, visit, &trouble, Some(&sent));
    };
    // The page again, as the daemon would have it shown now.
    let answer = match house.daemon.step(Call::State(visit.of_session(session))).await {
        Ok(answer) => answer,
        Err(again) => {
            let refused_address = refusals::address_refused(house, visit, &again, Some((&problem, fields)));
            return refused_address.unwrap_or_else(|| refusals::of_form(house, visit, &again, Some(&sent)));
        }
    };
    match &answer.view {
        Some(view) if sheet.fits(answer.step, view) => {
            let status = refusals::status(&trouble);
            let drawing = Drawing {
                house,
                visit,
                answer: &answer,
                view,
                fields,
                problem: Some(problem),
                restored: false,
                clicked: false,
            };
            let mut response = drawing.draw(Some(sheet), status);
            if let Trouble::Refused(refusal) = &trouble {
                show::retry_after(&mut response, refusal.retry_after);
            }
            keep_session(&mut response, visit, &answer);
            response
        }
        Some(_) | None => show::go(house, "/step"),
    }
}

/// All that a step's page is drawn from.
pub struct Drawing<'a> {
    /// The house.
    pub house: &'a House,
    /// The browser.
    pub visit: &'a Visit,
    /// The daemon's answer.
    pub answer: &'a StepAnswer,
    /// Its view.
    pub view: &'a View,
    /// What was typed.
    pub fields: &'a Fields,
    /// What was wrong with it.
    pub problem: Option<Problem>,
    /// Whether that was before the session had ended.
    pub restored: bool,
    /// The person says that they have clicked the link.
    pub clicked: bool,
}

impl Drawing<'_> {
    fn draw(&self, sheet: Option<Sheet>, status: StatusCode) -> Response {
        let waiting = matches!(self.answer.step, Step::RecoveryLink | Step::ForwardLink);
        match (sheet, self.answer.step) {
            (Some(Sheet::Listing), _) | (None, Step::Listing) => listing::draw(self, status),
            // At step 8 the address is corrected on the page that waits, unless its own page was asked for.
            (Some(Sheet::Mail), _) if !(waiting && self.problem.is_some()) => mail::draw(self, status),
            (_, Step::RecoveryAddress) => recovery::draw(self, status),
            (_, Step::RecoveryLink | Step::ForwardLink) => waiting::draw(self, status),
            (_, Step::Charter) => charter::draw(self, status),
            (_, Step::Listing) => listing::draw(self, status),
            (_, Step::Mail) => mail::draw(self, status),
            (_, Step::Password) => password::draw(self, status),
            (_, Step::Done) => done::draw(self, status),
            (_, Step::SignIn) => show::go(self.house, "/"),
        }
    }

    /// What surrounds the page.
    pub fn chrome(&self, here: &'static str) -> Chrome<'_> {
        let mut chrome = Chrome::of(self.house, self.visit, self.answer, self.view, here);
        chrome.restored = self.restored;
        chrome.with(self.problem.clone())
    }

    /// What surrounds the page of an answer, and its lead: at its own step the daemon's, from a later one ours.
    fn of_answer(&self, own: Step, title: &str, here: &'static str) -> (Chrome<'_>, String) {
        let mut chrome = self.chrome("/step");
        if self.answer.step == own {
            return (chrome, self.view.lead.clone());
        }
        chrome.title = chrome.say(title);
        chrome.here = here;
        let lead = chrome.say("change-lead");
        (chrome, lead)
    }

    /// What was typed into a field, else this.
    pub fn typed(&self, name: &str, otherwise: Option<&str>) -> String {
        self.fields.get(name).or(otherwise).unwrap_or_default().to_owned()
    }
}
