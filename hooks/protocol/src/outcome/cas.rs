//! The answer to `check` in the words of Apereo CAS.
//!
//! CAS lets a person through when it gets no answer or cannot read it, so every outcome, a fault above all, is an
//! object that stops them, and only an explicit yes is one that does not.

use serde_json::{Value, json};

use super::{Language, Outcome};
use crate::hook::{Answer, CheckAnswer};

impl Outcome {
    /// An `InterruptResponse` (CAS, module cas-server-support-interrupt-api).
    pub fn cas_interrupt(&self, language: Language) -> Value {
        if self.allows() {
            return json!({ "interrupt": false });
        }
        let links = match self.check() {
            Some(CheckAnswer { url: Some(url), status, .. }) => {
                json!({ language.link(*status): url.expose() })
            }
            _ => json!({}),
        };
        json!({
            "interrupt": true,
            "block": true,
            "ssoEnabled": false,
            "autoRedirect": links.as_object().is_some_and(|links| !links.is_empty()),
            "links": links,
            "message": escaped(&self.message(language)),
        })
    }

    /// Whether a person has accepted what they must, for a Groovy `verify` of CAS's acceptable use policy:
    /// `accepted` is false for whoever may not pass, whatever the reason.
    pub fn cas_aup(&self, language: Language) -> Value {
        let check = self.check();
        let accepted = self.allows();
        json!({
            "accepted": accepted,
            "status": check.map(|answer| answer.status),
            "url": check.and_then(|answer| answer.url.as_ref()),
            "message": (!accepted).then(|| self.message(language)),
        })
    }

    const fn check(&self) -> Option<&CheckAnswer> {
        match self {
            Self::Answered(Answer::Check(answer)) => Some(answer),
            _ => None,
        }
    }

    fn message(&self, language: Language) -> String {
        match self {
            Self::Answered(Answer::Check(answer)) => {
                answer.message.clone().unwrap_or_else(|| language.stopped())
            }
            Self::Answered(_) => language.stopped(),
            Self::Refused(refusal) => refusal.message.clone(),
            Self::Newer(newer) => newer.message.clone(),
            Self::Failed(fault) => language.fault(fault),
        }
    }
}

/// CAS puts the message into its page as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
