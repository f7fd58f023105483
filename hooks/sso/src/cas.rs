//! CAS's own inquirers: the authentication interrupt and the acceptable use policy, as CAS documents them.
//!
//! CAS lets a person through when it gets no answer to the first or cannot read it, and looks at no status: so whatever
//! happens, the answer is 200 with an object that stops them, and only an explicit yes is one that does not.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use parvis_protocol::hook::{Answer, Call, Method};
use parvis_protocol::limits::RETURN_TO;
use parvis_protocol::outcome::{Fault, Language, Outcome};
use serde_json::json;
use serde_json::value::to_raw_value;
use url::form_urlencoded;

use crate::caller::Caller;
use crate::calls;
use crate::daemon::patience;
use crate::house::House;
use crate::{answer, language};

/// `/cas/interrupt`, whatever the method: CAS's is configured, and a wrong one must not let people through.
pub async fn interrupt(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (outcome, language) = check(&house, &caller, &uri, &headers).await;
    interrupted(&outcome, language)
}

/// An outcome as CAS's `InterruptResponse`.
pub fn interrupted(outcome: &Outcome, language: Language) -> Response {
    answer::json(StatusCode::OK, outcome.cas_interrupt(language).to_string())
}

/// `GET /cas/aup/status`, and `POST /cas/aup`: 200 for whoever may pass, and nobody else. A tick on a page of CAS's is
/// no acceptance of the campus's charter, which is recorded by its version and digest at step 5: nothing is written
/// here.
pub async fn accepted(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (outcome, language) = check(&house, &caller, &uri, &headers).await;
    let status = match (outcome.allows(), answer::status(&outcome)) {
        (true, _) => StatusCode::OK,
        (false, StatusCode::OK) => StatusCode::FORBIDDEN,
        (false, other) => other,
    };
    answer::json(status, outcome.cas_aup(language).to_string())
}

/// `GET /cas/aup/policy`: what CAS shows to whoever has not accepted: where the charter is read and accepted. 404 where
/// there is nothing to accept. The charter's own text needs a session of the person's, which looking must not open.
pub async fn policy(
    State(house): State<Arc<House>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (outcome, language) = check(&house, &caller, &uri, &headers).await;
    if outcome.allows() {
        return answer::json(StatusCode::NOT_FOUND, outcome.cas_aup(language).to_string());
    }
    let said = outcome.cas_interrupt(language);
    let mut text = said.pointer("/message").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    if let Outcome::Answered(Answer::Check(answer)) = &outcome {
        let link =
            said.pointer("/links").and_then(|links| links.as_object()).and_then(|links| links.keys().next());
        if let (Some(url), Some(words)) = (&answer.url, link) {
            let url = url.expose().replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
            text.push_str(&format!(" <a href=\"{url}\">{words}</a>"));
        }
    }
    let terms = json!({
        "@class": "org.apereo.cas.aup.AcceptableUsagePolicyTerms",
        "code": "screen.aup.policyterms.parvis",
        "defaultText": text,
    });
    answer::json(StatusCode::OK, terms.to_string())
}

/// The language of words for whoever asked.
pub fn words(headers: &HeaderMap) -> Language {
    Language::asked(language::asked(headers))
}

/// `check` for the person of the query. CAS has proven them: an inquirer is asked after the password.
async fn check(house: &House, caller: &Caller, uri: &Uri, headers: &HeaderMap) -> (Outcome, Language) {
    let deadline = Instant::now() + patience(Method::Check);
    let mut asked = language::asked(headers);
    let query = uri.query().unwrap_or_default();
    if let (None, Ok(Some(locale))) = (asked, only(query, "locale")) {
        let primary = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        asked = ["fr", "en"].into_iter().find(|known| *known == primary);
    }
    let language = Language::asked(asked);
    let outcome = match call(house, query, asked) {
        Ok(call) => calls::ask(house, call, caller, deadline).await,
        Err(fault) => {
            tracing::warn!("check, asked by {caller}: what CAS asks is not understood");
            Outcome::Failed(fault)
        }
    };
    (outcome, language)
}

fn call(house: &House, query: &str, locale: Option<&str>) -> Result<Call, Fault> {
    let invalid = |field: &str| Fault::RequestInvalid { field: Some(field.to_owned()) };
    let username = only(query, "username").map_err(|()| invalid("username"))?;
    let service = only(query, "service").map_err(|()| invalid("service"))?;
    let login = username.filter(|login| !login.is_empty()).ok_or_else(|| invalid("username"))?;
    let return_to = house.cas_login.as_ref().map(|login| {
        let mut url = login.clone();
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", &service);
        }
        url.to_string()
    });
    // Longer than the contract has it: the person is sent to their application's front door instead, by themselves.
    let return_to = return_to.filter(|url| RETURN_TO.admits(url));
    let parameters =
        json!({ "login": login, "authenticated": true, "return_to": return_to, "locale": locale });
    let raw = to_raw_value(&parameters).map_err(|_| invalid("parameters"))?;
    Call::read(Method::Check, Some(&raw)).map_err(Fault::from)
}

/// The one value of a name; an error where there are two, because nobody could say which is meant.
fn only(query: &str, name: &str) -> Result<Option<String>, ()> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(Some(value.into_owned())),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(()),
    }
}
