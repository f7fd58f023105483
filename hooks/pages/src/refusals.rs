//! From what went wrong to a page and the next thing: the one place.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use fluent_bundle::FluentValue;
use parvis_protocol::hook::{Refusal, RefusalCode, Then};

use crate::daemon::Trouble;
use crate::fields::Fields;
use crate::house::House;
use crate::show::{self, Chrome, Problem};
use crate::steps::Sheet;
use crate::tongue::Tongue;
use crate::visit::Visit;
use crate::{cookie, kept};

/// A form that was sent.
pub struct Sent<'a> {
    /// Which.
    pub sheet: Sheet,
    /// With what.
    pub fields: &'a Fields,
}

/// A page that says something and offers what to do next.
#[derive(Template)]
#[template(path = "notice.html")]
pub struct Notice<'a> {
    chrome: Chrome<'a>,
    house: &'a House,
    visit: &'a Visit,
    message: String,
    more: Vec<String>,
    again: Option<Again>,
    ways: Vec<Way>,
    lost_letter: Option<String>,
    leaving: bool,
}

struct Again {
    action: &'static str,
    fields: Vec<(&'static str, String)>,
}

struct Way {
    href: String,
    label: String,
    main: bool,
}

impl<'a> Notice<'a> {
    /// With a title of ours and a message.
    pub fn new(house: &'a House, visit: &'a Visit, title: &str, message: String) -> Self {
        let title = house.words.say(visit.tongue, title, &[]);
        let chrome = Chrome::new(house, visit, title, "/");
        let (more, ways) = (Vec::new(), Vec::new());
        Self { chrome, house, visit, message, more, again: None, ways, lost_letter: None, leaving: false }
    }

    /// Where it can be had in the other language.
    pub fn at(mut self, here: &'static str) -> Self {
        self.chrome.here = here;
        self
    }

    /// One more paragraph, which may name the letter.
    pub fn saying(mut self, name: &str) -> Self {
        let letter = self.house.settings.campus.letter.get(self.visit.tongue);
        self.more.push(self.chrome.say_of(name, "letter", letter));
        self
    }

    /// Back to the step where the person is.
    pub fn going_on(self) -> Self {
        let href = self.house.url("/step");
        self.way(href, "go-on-activating")
    }

    /// To where one signs in with the letter; a refusal may know better where.
    pub fn signing_in(self, refusal: Option<&Refusal>) -> Self {
        self.signing_in_as(refusal, "sign-in-again")
    }

    fn signing_in_as(self, refusal: Option<&Refusal>, label: &str) -> Self {
        let daemons = refusal.and_then(|refusal| refusal.sign_in_url.clone());
        let own = self.house.settings.sign_in || self.house.settings.sign_in_url.is_some();
        let href = daemons.filter(|_| !own).unwrap_or_else(|| self.house.sign_in_url());
        self.way(href, label)
    }

    /// To whoever can help, where nothing here can.
    pub fn contacting(self) -> Self {
        let href = format!("mailto:{}", self.house.settings.campus.help_address);
        self.way(href, "contact")
    }

    /// The account is active already: to where such people sign in, if it is known.
    fn active(self) -> Self {
        match self.house.settings.sign_in_url.clone() {
            Some(url) => self.way(url, "sign-in-normally"),
            None => self.contacting(),
        }
    }

    /// Out, where this browser still holds somebody's session.
    fn leaving(mut self, session_over: bool) -> Self {
        self.leaving = self.visit.session.is_some() && !session_over;
        self
    }

    /// The same as a lesser way, in its own words.
    pub fn minor_sign_in(mut self, label: &str) -> Self {
        let (href, label) = (self.house.sign_in_url(), self.chrome.say(label));
        self.ways.push(Way { href, label, main: false });
        self
    }

    fn way(mut self, href: String, label: &str) -> Self {
        let (label, main) = (self.chrome.say(label), self.ways.is_empty() && self.again.is_none());
        self.ways.push(Way { href, label, main });
        self
    }

    /// As an answer.
    pub fn draw(self, status: StatusCode) -> Response {
        show::page(self.visit, status, &self)
    }
}

/// What to say of a trouble.
pub fn message(house: &House, tongue: Tongue, trouble: &Trouble) -> String {
    let say = |name: &str| house.words.say(tongue, name, &[]);
    match trouble {
        Trouble::Refused(refusal) => refusal.message.clone(),
        Trouble::Invalid(_) => say("trouble-invalid"),
        Trouble::Unreachable(_) => say("trouble-unreachable"),
        Trouble::NotPermitted(_) => say("trouble-not-permitted"),
        Trouble::Fault(reference) => {
            house.words.say(tongue, "trouble-fault", &[("reference", FluentValue::from(reference.as_str()))])
        }
    }
}

/// The status of an answer about a trouble.
pub fn status(trouble: &Trouble) -> StatusCode {
    match trouble {
        Trouble::Refused(refusal) => match (refusal.code, refusal.then) {
            (RefusalCode::TooManyAttempts, _) => StatusCode::TOO_MANY_REQUESTS,
            (RefusalCode::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
            (RefusalCode::LinkExpired | RefusalCode::LinkSuperseded | RefusalCode::LinkUsed, _) => {
                StatusCode::GONE
            }
            (RefusalCode::LinkUnknown, _) => StatusCode::NOT_FOUND,
            (_, Then::Correct | Then::Wait) => StatusCode::UNPROCESSABLE_ENTITY,
            (_, Then::Restart | Then::SignIn | Then::Contact) => StatusCode::FORBIDDEN,
        },
        Trouble::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Trouble::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Trouble::NotPermitted(_) | Trouble::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// For the sysadmin: what the person cannot mend. Nothing that was typed is in it.
pub fn log(trouble: &Trouble) {
    match trouble {
        Trouble::Refused(_) | Trouble::Invalid(_) => tracing::debug!("failed to {trouble}"),
        Trouble::Unreachable(_) => tracing::warn!("failed to {trouble}"),
        Trouble::NotPermitted(_) | Trouble::Fault(_) => tracing::error!("failed to {trouble}"),
    }
}

/// What to show at the form itself; none where the form cannot help.
pub fn problem(house: &House, visit: &Visit, sheet: Sheet, trouble: &Trouble) -> Option<Problem> {
    let field = match trouble {
        Trouble::Invalid(field) => control(field),
        Trouble::Refused(refusal) => match (refusal.code, refusal.then) {
            (RefusalCode::OutOfOrder, _) => return None,
            (_, Then::Correct) => control(refusal.field.as_deref().unwrap_or_default()),
            // The form stays, and can be sent again in a while.
            (RefusalCode::TooManyAttempts, _) | (_, Then::Wait) => "",
            (_, Then::Restart | Then::SignIn | Then::Contact) => return None,
        },
        Trouble::Unreachable(_) | Trouble::NotPermitted(_) | Trouble::Fault(_) => return None,
    };
    let field = if sheet == Sheet::Resend { "resend" } else { field };
    Some(Problem { field, message: message(house, visit.tongue, trouble) })
}

/// The identifier of the control for a field of the contract.
fn control(field: &str) -> &'static str {
    let known = ["address", "accepted", "listed", "forward", "password", "login"];
    let own = known.into_iter().find(|known| *known == field);
    own.unwrap_or(if field == "version" { "accepted" } else { "" })
}

/// `state` failed: there is no step to show.
pub fn of_state(house: &House, visit: &Visit, trouble: &Trouble) -> Response {
    address_refused(house, visit, trouble, None).unwrap_or_else(|| of_form(house, visit, trouble, None))
}

/// A page of its own for what the form cannot mend.
pub fn of_form(house: &House, visit: &Visit, trouble: &Trouble, sent: Option<&Sent<'_>>) -> Response {
    log(trouble);
    let message = message(house, visit.tongue, trouble);
    let status = status(trouble);
    let Trouble::Refused(refusal) = trouble else {
        let notice = Notice::new(house, visit, "trouble-title", message).again(sent).leaving(false);
        return notice.draw(status);
    };
    if refusal.code == RefusalCode::OutOfOrder && sent.is_some() {
        return show::go(house, "/step");
    }
    let over = matches!(refusal.code, RefusalCode::SessionUnknown | RefusalCode::SessionExpired);
    // Whoever comes back finds what they had typed.
    let kept = sent.filter(|_| over).and_then(|sent| kept::keep(sent.sheet, sent.fields));
    let mut notice = Notice::new(house, visit, title(refusal.code), message);
    notice = if kept.is_some() { notice.saying("session-kept") } else { notice };
    // Only to who needs the letter next.
    if refusal.then != Then::Contact && refusal.code != RefusalCode::NotProvisional {
        notice.lost_letter.clone_from(&refusal.lost_letter);
    }
    let notice = notice.leaving(over);
    let notice = match refusal.then {
        Then::SignIn | Then::Restart if refusal.code == RefusalCode::NotProvisional => notice.active(),
        Then::SignIn | Then::Restart => {
            let live = visit.session.is_some() && !over;
            let notice = if live { notice.going_on() } else { notice };
            // Who was half-way is half-way still.
            let back = over || refusal.code == RefusalCode::TicketUnusable;
            notice.signing_in_as(Some(refusal), if back { "sign-in-back" } else { "sign-in-again" })
        }
        Then::Correct | Then::Wait => notice.again(sent),
        Then::Contact => notice.contacting(),
    };
    let mut response = notice.draw(status);
    show::retry_after(&mut response, refusal.retry_after);
    if let Some(kept) = &kept {
        show::set(&mut response, kept);
    }
    if over {
        show::set(&mut response, &cookie::take(cookie::SESSION));
        show::set(&mut response, &cookie::take(cookie::TICKET));
    }
    response
}

impl Notice<'_> {
    /// The same again, with what was typed; a password is typed anew.
    fn again(mut self, sent: Option<&Sent<'_>>) -> Self {
        match sent.filter(|sent| sent.sheet != Sheet::Password) {
            Some(sent) => {
                let kept = sent.sheet.keeps().iter();
                let fields =
                    kept.filter_map(|name| Some((*name, sent.fields.get(name)?.to_owned()))).collect();
                self.again = Some(Again { action: sent.sheet.action(), fields });
                self
            }
            None => {
                let href = self.house.url(if self.visit.link.is_some() && self.visit.session.is_none() {
                    "/link"
                } else {
                    "/step"
                });
                self.way(href, "try-again")
            }
        }
    }
}

const fn title(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::LinkExpired => "link-expired-title",
        RefusalCode::LinkSuperseded => "link-superseded-title",
        RefusalCode::LinkUsed => "link-used-title",
        RefusalCode::LinkUnknown => "link-unknown-title",
        RefusalCode::TicketUnusable => "ticket-title",
        RefusalCode::SessionUnknown | RefusalCode::SessionExpired => "session-title",
        RefusalCode::NotProvisional => "not-provisional-title",
        RefusalCode::AccountLocked => "locked-title",
        RefusalCode::AccountGone => "gone-title",
        RefusalCode::TooManyAttempts => "wait-title",
        RefusalCode::Unavailable => "trouble-title",
        RefusalCode::SignInRefused
        | RefusalCode::AddressInvalid
        | RefusalCode::AddressOwnDomain
        | RefusalCode::AddressRefused
        | RefusalCode::OutOfOrder
        | RefusalCode::CharterRequired
        | RefusalCode::CharterVersionStale
        | RefusalCode::ListingRequired
        | RefusalCode::ForwardRequired
        | RefusalCode::ForwardLoop
        | RefusalCode::ForwardUnconfirmed
        | RefusalCode::PasswordTooShort
        | RefusalCode::PasswordTooSimple
        | RefusalCode::PasswordContainsIdentity
        | RefusalCode::PasswordBreached
        | RefusalCode::PasswordReused
        | RefusalCode::PasswordRefused => "refused-title",
    }
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedAddress<'a> {
    chrome: Chrome<'a>,
    action: &'static str,
    field: &'static str,
    label: &'static str,
    forward: bool,
    typed: &'a str,
}

/// The mail system refused the address for good: nothing but another one helps, and there is no step to show beside it.
pub fn address_refused(
    house: &House,
    visit: &Visit,
    trouble: &Trouble,
    sent: Option<(&Problem, &Fields)>,
) -> Option<Response> {
    let Trouble::Refused(refusal) = trouble else { return None };
    if refusal.code != RefusalCode::AddressRefused {
        return None;
    }
    let forward = refusal.field.as_deref() == Some("forward");
    let (field, label, action) =
        if forward { ("forward", "forward-address", "/mail") } else { ("address", "address", "/address") };
    let message = sent.map_or(&refusal.message, |(problem, _)| &problem.message);
    let typed = sent.map(|(_, fields)| fields.text(field)).unwrap_or_default();
    let title = house.words.say(visit.tongue, "address-refused-title", &[]);
    let problem = Problem { field, message: message.clone() };
    let mut chrome = Chrome::new(house, visit, title, "/step").with(Some(problem));
    chrome.closes = true;
    let page = RefusedAddress { chrome, action, field, label, forward, typed };
    let status = if sent.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Some(show::page(visit, status, &page))
}

/// A body that is no form.
pub fn no_form(house: &House, visit: &Visit, status: StatusCode) -> Response {
    let message = house.words.say(visit.tongue, "no-form", &[]);
    Notice::new(house, visit, "refused-title", message).again(None).draw(status)
}

/// A form that was not sent from our page in this browser.
pub fn foreign_form(house: &House, visit: &Visit) -> Response {
    let message = house.words.say(visit.tongue, "foreign-form", &[]);
    Notice::new(house, visit, "foreign-title", message).again(None).draw(StatusCode::FORBIDDEN)
}

/// Signing in is not ours.
pub fn elsewhere(house: &House, visit: &Visit) -> Response {
    let letter = FluentValue::from(house.settings.campus.letter.get(visit.tongue));
    let message = house.words.say(visit.tongue, "elsewhere-lead", &[("letter", letter)]);
    let notice = Notice::new(house, visit, "elsewhere-title", message).at("/sign-in");
    let known = house.settings.sign_in_url.is_some();
    let notice = if known { notice.signing_in_as(None, "sign-in-normally") } else { notice.contacting() };
    notice.draw(StatusCode::OK)
}

/// No such page.
pub fn nowhere(house: &House, visit: &Visit) -> Response {
    let message = house.words.say(visit.tongue, "nowhere-lead", &[]);
    let notice = Notice::new(house, visit, "nowhere-title", message);
    let notice = if visit.session.is_some() { notice.going_on() } else { notice };
    notice.signing_in(None).draw(StatusCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use axum::extract::FromRequestParts;
    use axum::http::Request;
    use std::sync::Arc;

    /// A browser, perhaps with a session; the future is ready at once.
    async fn visit(house: &Arc<House>, session: bool) -> Visit {
        let request = Request::builder().header("cookie", "__Host-parvis-form=abcdefghijklmnopqrstuvwxyz");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let mut visit = Visit::from_request_parts(&mut parts, house).await.unwrap();
        visit.session = session.then(|| parvis_protocol::Secret::new("x"));
        visit
    }

    async fn drawn(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn no_refusal_of_the_contract_is_a_dead_end() {
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let house = Arc::new(House::new(settings::read(None).unwrap(), stopping));
        let ways = [Then::Correct, Then::Wait, Then::Restart, Then::SignIn, Then::Contact];
        for (code, then) in RefusalCode::ALL.iter().flat_map(|code| ways.map(|then| (*code, then))) {
            for session in [false, true] {
                let visit = visit(&house, session).await;
                let refusal = Refusal::new(code, then, "Why, in words.".to_owned());
                let trouble = Trouble::Refused(Box::new(refusal));
                let page = drawn(of_form(&house, &visit, &trouble, None)).await;
                let main = page.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
                let on = main.contains("class=\"button") || main.contains("<form");
                assert!(on && main.contains("Why, in words."), "{code:?} {then:?} {session}: {main}");
                assert_eq!(main.matches("<h1>").count(), 1, "{code:?}");
                // Whoever still has a session here can leave.
                let over = matches!(code, RefusalCode::SessionUnknown | RefusalCode::SessionExpired);
                assert_eq!(page.contains("/leave"), session && !over, "{code:?} {then:?}");
            }
        }
    }
}
