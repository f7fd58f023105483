//! Steps 1 and 2, where the campus has no SSO in front: login and temporary password, on one page, because password
//! managers and people know them so.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Authenticate, Call, Then};
use parvis_protocol::{Secret, limits};

use crate::cookie;
use crate::daemon::Trouble;
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::refusals;
use crate::show::{self, Chrome, Problem};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    login: &'a str,
    return_to: &'a str,
    lost_letter: Option<&'a str>,
}

/// GET /: on with what was begun, or to where one begins.
pub async fn begin(State(house): State<Arc<House>>, visit: Visit) -> Response {
    if visit.session.is_some() {
        return show::go(&house, "/step");
    }
    show::go(&house, "/sign-in")
}

/// GET /sign-in.
pub async fn show(State(house): State<Arc<House>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    if !house.settings.sign_in {
        return refusals::elsewhere(&house, &visit);
    }
    let query = Fields::of_query(query);
    draw(&house, &visit, StatusCode::OK, None, None, "", return_to(&query))
}

/// Where the person wanted to go: whether they are sent there is for the daemon to say.
fn return_to(fields: &Fields) -> &str {
    Some(fields.text("return_to")).filter(|text| limits::RETURN_TO.admits(text)).unwrap_or_default()
}

fn draw(
    house: &House,
    visit: &Visit,
    status: StatusCode,
    problem: Option<Problem>,
    lost_letter: Option<&str>,
    login: &str,
    return_to: &str,
) -> Response {
    let title = house.words.say(visit.tongue, "sign-in-title", &[]);
    let chrome = Chrome::new(house, visit, title, "/sign-in").with(problem);
    show::page(visit, status, &Page { chrome, login, return_to, lost_letter })
}

/// POST /sign-in. Whoever was here before is forgotten.
pub async fn send(State(house): State<Arc<House>>, visit: Visit, fields: Result<Fields, NoForm>) -> Response {
    let fields = match fields {
        Ok(fields) => fields,
        Err(NoForm(status)) => return refusals::no_form(&house, &visit, status),
    };
    if !house.settings.sign_in {
        return refusals::elsewhere(&house, &visit);
    }
    if !visit.sent(&fields) {
        return refusals::foreign_form(&house, &visit);
    }
    let return_to = return_to(&fields);
    let call = Call::Authenticate(Authenticate {
        login: fields.text("login").trim().to_owned(),
        password: Secret::new(fields.text("password")),
        return_to: Some(return_to.to_owned()).filter(|text| !text.is_empty()),
        locale: visit.locale(),
        client: visit.client(),
    });
    let trouble = match house.daemon.step(call).await {
        Ok(answer) => {
            let mut response = show::go(&house, "/step");
            begin_as(&mut response, answer.session.as_ref(), None);
            return response;
        }
        Err(trouble) => trouble,
    };
    let field = match &trouble {
        Trouble::Refused(refusal) => match refusal.then {
            Then::Correct => "password",
            Then::Wait => "",
            // The password is proven: now they may be told what is with the account.
            Then::Restart | Then::SignIn | Then::Contact => {
                return refusals::of_form(&house, &visit, &trouble, None);
            }
        },
        Trouble::Invalid(field) if field == "login" => "login",
        Trouble::Invalid(_) => "password",
        Trouble::Unreachable(_) | Trouble::NotPermitted(_) | Trouble::Fault(_) => "",
    };
    refusals::log(&trouble);
    let problem = Problem { field, message: refusals::message(&house, visit.tongue, &trouble) };
    let status = refusals::status(&trouble);
    let (lost_letter, wait) = match trouble {
        Trouble::Refused(refusal) => (refusal.lost_letter, refusal.retry_after),
        Trouble::Invalid(_) | Trouble::Unreachable(_) | Trouble::NotPermitted(_) | Trouble::Fault(_) => {
            (None, None)
        }
    };
    let login = fields.text("login");
    let mut response = draw(&house, &visit, status, Some(problem), lost_letter.as_deref(), login, return_to);
    show::retry_after(&mut response, wait);
    response
}

/// Another person, perhaps: their session, and nothing of whoever was here before. The language stays: it names nobody.
pub fn begin_as(response: &mut Response, session: Option<&Secret>, ticket: Option<&str>) {
    for name in [cookie::FORM, cookie::LINK, cookie::TICKET] {
        show::set(response, &cookie::take(name));
    }
    match session {
        Some(session) => show::set(response, &cookie::give(cookie::SESSION, session.expose())),
        None => show::set(response, &cookie::take(cookie::SESSION)),
    }
    if let Some(ticket) = ticket {
        show::set(response, &cookie::give(cookie::TICKET, ticket));
    }
}
