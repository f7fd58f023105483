//! What surrounds every page, and how a page becomes an answer.

use askama::Template;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use fluent_bundle::FluentValue;
use parvis_protocol::hook::{Progress, StepAnswer, View};

use crate::assets::Assets;
use crate::house::House;
use crate::settings::{Campus, Legal};
use crate::tongue::Tongue;
use crate::visit::Visit;
use crate::{cookie, csrf, kept, moment};

/// What surrounds a page.
pub struct Chrome<'a> {
    house: &'a House,
    /// The language.
    pub tongue: Tongue,
    /// The page's title.
    pub title: String,
    /// Whose page it is: name (or login) and login.
    pub person: Option<(String, String)>,
    /// How far along.
    pub progress: Option<Progress>,
    /// Until when, in words.
    pub until: Option<String>,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// The token of this page's forms.
    pub form: String,
    /// Whose forms they are, without the name; empty where nobody's.
    pub whose: String,
    /// Whether what is in the form was typed before the session had ended.
    pub restored: bool,
    /// Where the page can be had again, in the other language.
    pub here: &'static str,
    /// Whether it closes itself when it is left alone.
    pub closes: bool,
}

/// What went wrong, and where.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The identifier of the control.
    pub field: &'static str,
    /// In words.
    pub message: String,
}

impl<'a> Chrome<'a> {
    /// For a page that is nobody's.
    pub fn new(house: &'a House, visit: &Visit, title: String, here: &'static str) -> Self {
        Self {
            house,
            tongue: visit.tongue,
            title,
            person: None,
            progress: None,
            until: None,
            problem: None,
            form: csrf::token(visit.form.expose()),
            whose: String::new(),
            restored: false,
            here,
            closes: false,
        }
    }

    /// For a step of a person.
    pub fn of(house: &'a House, visit: &Visit, answer: &StepAnswer, view: &View, here: &'static str) -> Self {
        let tongue = Tongue::of_tag(&view.locale).unwrap_or(visit.tongue);
        let until = view.deadline.as_ref().map(|deadline| {
            house.words.say(tongue, "until", &[("until", FluentValue::from(deadline.words.as_str()))])
        });
        let ends = || moment::words(&house.words, tongue, "until-moment", answer.expires.as_deref()?);
        Self {
            tongue,
            person: Some((view.name.clone().unwrap_or_else(|| view.login.clone()), view.login.clone())),
            whose: kept::whose(&view.login),
            progress: Some(view.progress),
            until: if view.done.is_some() { None } else { until.or_else(ends) },
            closes: true,
            ..Self::new(house, visit, view.title.clone(), here)
        }
    }

    /// The same with a problem.
    pub fn with(mut self, problem: Option<Problem>) -> Self {
        self.problem = problem;
        self
    }

    /// A text of ours.
    pub fn say(&self, name: &str) -> String {
        self.house.words.say(self.tongue, name, &[])
    }

    /// A text with one value.
    pub fn say_of(&self, name: &str, key: &str, value: &str) -> String {
        self.house.words.say(self.tongue, name, &[(key, FluentValue::from(value))])
    }

    /// A text with one number.
    pub fn say_count(&self, name: &str, count: &u32) -> String {
        self.house.words.say(self.tongue, name, &[("count", FluentValue::from(i64::from(*count)))])
    }

    /// "Step 2 of 7".
    pub fn say_progress(&self, progress: &Progress) -> String {
        let number = |number: u32| FluentValue::from(i64::from(number));
        let values = [("current", number(progress.current)), ("total", number(progress.total))];
        self.house.words.say(self.tongue, "progress", &values)
    }

    /// An instant of the contract in words.
    pub fn moment(&self, name: &str, instant: Option<&str>) -> Option<String> {
        moment::words(&self.house.words, self.tongue, name, instant?)
    }

    /// A path of ours.
    pub fn url(&self, path: &str) -> String {
        self.house.url(path)
    }

    /// An asset's path.
    pub fn asset(&self, name: &str) -> String {
        self.house.url(&format!("/assets/{name}"))
    }

    /// The assets.
    pub fn assets(&self) -> &Assets {
        &self.house.assets
    }

    /// The campus.
    pub fn campus(&self) -> &Campus {
        &self.house.settings.campus
    }

    /// A text of the campus.
    pub fn own(&self, texts: &'a crate::tongue::Texts) -> &'a str {
        texts.get(self.tongue)
    }

    /// The links at the foot.
    pub fn legal(&self) -> &[Legal] {
        &self.house.settings.legal
    }

    /// Seconds until a page that is left alone closes.
    pub fn leave_after(&self) -> u64 {
        self.house.settings.leave_after.as_secs()
    }

    /// The message where it is about this control.
    pub fn fault(&self, field: &str) -> Option<&str> {
        self.problem.as_ref().filter(|problem| problem.field == field).map(|problem| problem.message.as_str())
    }
}

/// A page as an answer. A browser that had no secret for its forms is given the one that this page uses.
pub fn page(visit: &Visit, status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        tracing::error!("failed to draw a page");
        return plain(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if visit.form_is_new {
        set(&mut response, &cookie::give(cookie::FORM, visit.form.expose()));
    }
    response
}

/// An answer without a page.
pub fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// To another page of ours, by GET.
pub fn go(house: &House, path: &str) -> Response {
    go_to(&house.url(path))
}

/// To another address, by GET.
pub fn go_to(url: &str) -> Response {
    let mut response = plain(StatusCode::SEE_OTHER);
    match HeaderValue::from_str(url) {
        Ok(url) => {
            response.headers_mut().insert(LOCATION, url);
            response
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Gives or takes a cookie.
pub fn set(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// When to try again.
pub fn retry_after(response: &mut Response, seconds: Option<u32>) {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Nothing of the person stays: every cookie of ours is taken, and the browser is asked to forget what it has kept.
///
/// Not "cookies" in `Clear-Site-Data`: browsers take that for the whole registered domain, and the person would be
/// thrown out of everything else of the campus as well.
pub fn forget(response: &mut Response) {
    for name in cookie::ALL {
        set(response, &cookie::take(name));
    }
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
}
