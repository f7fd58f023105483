//! The sentences for what the daemon could not say itself, because it was not reached or could not answer.
//!
//! Every other sentence that a person reads comes from the daemon.

use serde::Deserialize;

use super::{Fault, is_typed};
use crate::hook::Status;

/// The language of sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Formal French.
    French,
    /// English.
    English,
    /// One after the other: nobody said which, and the campus's own is not known here.
    Both,
}

impl Language {
    /// The one that a language tag asks for: French or, for any other, English.
    pub fn asked(locale: Option<&str>) -> Self {
        let primary = locale.map(|tag| tag.split(['-', '_']).next().unwrap_or_default());
        match primary {
            Some(tag) if tag.eq_ignore_ascii_case("fr") => Self::French,
            Some(_) => Self::English,
            None => Self::Both,
        }
    }

    /// The one that a request asks for, though it may not be a request of any call.
    pub fn of_request(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Peek {
            locale: Option<String>,
        }
        let locale = serde_json::from_str(text).ok().and_then(|Peek { locale }| locale);
        Self::asked(locale.as_deref())
    }

    /// What to tell a person about a fault.
    pub(super) fn fault(self, fault: &Fault) -> String {
        let (french, english) = match fault {
            Fault::CommandLine => (
                "La page de connexion est mal configurée. Contactez l’assistance informatique.",
                "The sign-in page is misconfigured. Please contact the help desk.",
            ),
            Fault::RequestInvalid { field } if is_typed(field.as_deref()) => (
                "Cette saisie ne peut pas être utilisée. Vérifiez-la et recommencez.",
                "What you typed cannot be used. Please check it and try again.",
            ),
            Fault::RequestInvalid { .. } => (
                "La page de connexion a envoyé une demande incorrecte. Contactez l’assistance informatique.",
                "The sign-in page sent a request that is not correct. Please contact the help desk.",
            ),
            Fault::Unreachable => (
                "Le service d’activation des comptes ne répond pas. Réessayez dans quelques minutes.",
                "The account activation service is not answering. Please try again in a few minutes.",
            ),
            Fault::Own { .. } => (
                "Une erreur est survenue de notre côté. Réessayez\u{a0}; si elle persiste, contactez \
                 l’assistance informatique.",
                "Something went wrong on our side. Please try again; if it goes on, contact the help desk.",
            ),
            Fault::NotPermitted => (
                "La page de connexion n’est pas autorisée à faire cette demande. Contactez l’assistance \
                 informatique.",
                "The sign-in page is not allowed to make this request. Please contact the help desk.",
            ),
        };
        let message = self.of(french, english);
        match fault {
            Fault::Own { reference: Some(reference) } => {
                format!("{message} ({} {reference})", self.of("référence", "reference"))
            }
            _ => message,
        }
    }

    /// What to tell a person who may not pass, where the daemon said nothing.
    pub(super) fn stopped(self) -> String {
        self.of(
            "Vous ne pouvez pas vous connecter pour le moment. Contactez l’assistance informatique.",
            "You cannot sign in at the moment. Please contact the help desk.",
        )
    }

    /// The words on the link to where a person goes on.
    pub(super) fn link(self, status: Status) -> String {
        match status {
            Status::NeedsCharter => self.of("Lire la charte informatique", "Read the acceptable use policy"),
            Status::NeedsActivation | Status::Active | Status::Locked | Status::Unknown => {
                self.of("Activer mon compte", "Activate my account")
            }
        }
    }

    fn of(self, french: &str, english: &str) -> String {
        match self {
            Self::French => french.to_owned(),
            Self::English => english.to_owned(),
            Self::Both => format!("{french} / {english}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_asks_for_a_language() {
        for tag in ["fr", "fr-FR", "FR_ca", "fr-Latn-FR"] {
            assert_eq!(Language::asked(Some(tag)), Language::French, "{tag}");
        }
        for tag in ["en", "de", "frr", "", "-fr"] {
            assert_eq!(Language::asked(Some(tag)), Language::English, "{tag}");
        }
        assert_eq!(Language::asked(None), Language::Both);
    }

    #[test]
    fn a_request_that_is_none_still_has_a_language() {
        assert_eq!(Language::of_request(r#"{"login": 5, "locale": "fr"}"#), Language::French);
        assert_eq!(Language::of_request(r#"{"locale": 5}"#), Language::Both);
        assert_eq!(Language::of_request("]"), Language::Both);
    }
}
