//! The cookies: their names, and how each is given and taken away.
//!
//! All have the prefix `__Host-`: only this host over TLS can have set them, for every path, for no other host. None
//! outlives the browser's session, and none can be read by a script. `Lax`, because people arrive from their webmail
//! or the SSO.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use cookie::{Cookie, SameSite};

/// The daemon's session token.
pub const SESSION: &str = "__Host-parvis";
/// The secret that this browser's forms are bound to.
pub const FORM: &str = "__Host-parvis-form";
/// The mailed link that was opened, until it is used.
pub const LINK: &str = "__Host-parvis-link";
/// The digest of the ticket with which this browser arrived, so that a reload goes on.
pub const TICKET: &str = "__Host-parvis-ticket";
/// The language that was chosen.
pub const LANGUAGE: &str = "__Host-parvis-lang";

/// What was typed when the session had ended, for ten minutes.
pub const KEPT: &str = "__Host-parvis-kept";

/// What is gone when a person leaves.
pub const ALL: [&str; 6] = [SESSION, FORM, LINK, TICKET, LANGUAGE, KEPT];

/// More than any of ours holds.
const LONGEST: usize = 1200;

/// The `Set-Cookie` that gives one.
pub fn give(name: &str, value: &str) -> String {
    plain(name, value).to_string()
}

/// The same for so many seconds, if the browser's session does not end before.
pub fn give_for(name: &str, value: &str, seconds: i64) -> String {
    let mut cookie = plain(name, value);
    cookie.set_max_age(cookie::time::Duration::seconds(seconds));
    cookie.to_string()
}

/// The `Set-Cookie` that takes one away.
pub fn take(name: &str) -> String {
    let mut cookie = plain(name, "");
    cookie.set_max_age(cookie::time::Duration::ZERO);
    cookie.to_string()
}

fn plain<'a>(name: &'a str, value: &'a str) -> Cookie<'a> {
    let made = Cookie::build((name, value)).http_only(true).secure(true).path("/");
    made.same_site(SameSite::Lax).build()
}

/// The value that a browser brings; none where it brings two, or more than any of ours could be.
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = texts
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .filter(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned());
    let value = found.next().filter(|value| !value.is_empty() && value.len() <= LONGEST);
    value.filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_alone() {
        let given = give(SESSION, "abc");
        for part in ["__Host-parvis=abc", "HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(given.contains(part), "{given}");
        }
        assert!(!given.contains("Domain") && !given.contains("Max-Age") && !given.contains("Expires"));
        assert!(take(LINK).contains("Max-Age=0"));
    }

    #[test]
    fn two_of_a_name_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; __Host-parvis=x".parse().unwrap());
        assert_eq!(read(&headers, SESSION).as_deref(), Some("x"));
        assert_eq!(read(&headers, FORM), None);
        headers.append(COOKIE, "__Host-parvis=y".parse().unwrap());
        assert_eq!(read(&headers, SESSION), None);
    }
}
