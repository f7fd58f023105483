//! A mailed link. Opening it does nothing but say what it is for; a person's press on the button uses it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use parvis_protocol::hook::{Call, Look, LookAnswer, Purpose, Redeem, Step, Usable};
use parvis_protocol::{Secret, limits};

use crate::assets::mark;
use crate::cookie;
use crate::fields::{Fields, NoForm};
use crate::house::House;
use crate::refusals::{self, Notice};
use crate::show::{self, Chrome};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "link.html")]
struct Page<'a> {
    chrome: Chrome<'a>,
    message: &'a str,
    mark: String,
}

/// GET /link/{token}: the token goes into a cookie, and out of the address.
pub async fn open(State(house): State<Arc<House>>, Path(token): Path<String>) -> Response {
    let mut response = show::go(&house, "/link");
    if limits::TOKEN.admits(&token)
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    {
        show::set(&mut response, &cookie::give(cookie::LINK, &token));
    } else {
        // A garbled one is shown as such, not the one before.
        show::set(&mut response, &cookie::give(cookie::LINK, "garbled"));
    }
    response
}

/// HEAD /link/{token}: nothing.
pub async fn head() -> Response {
    show::plain(StatusCode::OK)
}

/// GET /link: what it is for.
pub async fn look(State(house): State<Arc<House>>, visit: Visit) -> Response {
    let Some(link) = &visit.link else { return show::go(&house, "/") };
    let call = Call::Look(Look { link: link.clone(), locale: visit.locale(), client: visit.client() });
    match house.daemon.look(call).await {
        Ok(answer) => draw(&house, &visit, link, &answer),
        Err(trouble) => refusals::of_form(&house, &visit, &trouble, None),
    }
}

fn draw(house: &House, visit: &Visit, link: &Secret, answer: &LookAnswer) -> Response {
    if answer.usable != Usable::Yes {
        return unusable(house, visit, answer);
    }
    let name = match answer.purpose {
        Some(Purpose::Forward) => "link-forward-title",
        Some(Purpose::Invitation) => "link-invitation-title",
        Some(Purpose::Recovery) | None => "link-recovery-title",
    };
    let title = house.words.say(visit.tongue, name, &[]);
    let chrome = Chrome::new(house, visit, title, "/link");
    // Which link the form is for, without the link: another tab may have opened another one.
    let page = Page { chrome, message: &answer.message, mark: mark(link.expose()) };
    show::page(visit, StatusCode::OK, &page)
}

/// Why not, and the next thing in one click.
fn unusable(house: &House, visit: &Visit, answer: &LookAnswer) -> Response {
    let (name, status) = match answer.usable {
        Usable::Expired => ("link-expired-title", StatusCode::GONE),
        Usable::Superseded => ("link-superseded-title", StatusCode::GONE),
        Usable::Used => ("link-used-title", StatusCode::GONE),
        Usable::Unknown | Usable::Yes => ("link-unknown-title", StatusCode::NOT_FOUND),
    };
    let mut notice = Notice::new(house, visit, name, answer.message.clone()).at("/link");
    notice = if visit.session.is_some() { notice.going_on() } else { notice };
    notice.signing_in(None).draw(status)
}

/// POST /link: the press on the button.
pub async fn redeem(
    State(house): State<Arc<House>>,
    visit: Visit,
    fields: Result<Fields, NoForm>,
) -> Response {
    let fields = match fields {
        Ok(fields) => fields,
        Err(NoForm(status)) => return refusals::no_form(&house, &visit, status),
    };
    if !visit.sent(&fields) {
        return refusals::foreign_form(&house, &visit);
    }
    let Some(link) = visit.link.clone().filter(|link| mark(link.expose()) == fields.text("link")) else {
        return show::go(&house, "/link");
    };
    let session = visit.session.clone();
    let call = Call::Redeem(Redeem { link, session, locale: visit.locale(), client: visit.client() });
    match house.daemon.step(call).await {
        Ok(answer) => {
            let elsewhere = answer.step == Step::SignIn;
            let mut response = show::go(&house, if elsewhere { "/confirmed" } else { "/step" });
            show::set(&mut response, &cookie::take(cookie::LINK));
            if let Some(session) = &answer.session {
                show::set(&mut response, &cookie::give(cookie::SESSION, session.expose()));
            }
            response
        }
        Err(trouble) => refusals::of_form(&house, &visit, &trouble, None),
    }
}

/// GET /confirmed: the address is confirmed, and this browser has no session of that person.
pub async fn confirmed(State(house): State<Arc<House>>, visit: Visit) -> Response {
    let message = house.words.say(visit.tongue, "confirmed-lead", &[]);
    let mut notice = Notice::new(&house, &visit, "confirmed-title", message).at("/confirmed");
    notice = notice.saying("confirmed-more").minor_sign_in("confirmed-sign-in");
    notice.draw(StatusCode::OK)
}
