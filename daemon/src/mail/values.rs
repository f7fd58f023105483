//! What a mail's template may print.
//!
//! Plain values, already worded by the caller: nothing here computes a date, chooses a link or knows why a mail is sent.
//! An optional value that is absent is *undefined* in the template (`{% if person.name is defined %}`), so that a
//! template which prints it unasked is refused instead of sending a gap.

use std::fmt;

use serde::Serialize;

use super::clean;
pub use super::night::{Counted, Names, Report, Trouble};

/// Which mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailName {
    /// Step 4, to the recovery address: the activation link. Needs `link`, `deadline`, `address`.
    Link,
    /// Step 8, to the forwarding address: confirm it. Needs `link`, `deadline`, `address`.
    Forward,
    /// Ahead of everything, to the directory's address: an account waits. Needs `link`, `deadline`.
    Invitation,
    /// After step 10, to the recovery address: active; not you? May have `mailbox`, `forward` with `keep_copy`.
    Activated,
    /// To who stopped half-way: needs `left`, `start_url`; has `link` and `deadline` where it carries an invitation's link.
    Reminder,
    /// To the recovery address of the round before: another password; not you?
    PasswordChanged,
    /// To the sysadmins, each night: needs `report`; is about no person.
    Report,
}

impl MailName {
    /// All of them, as `check` walks them.
    pub const ALL: [Self; 7] = [
        Self::Link,
        Self::Forward,
        Self::Invitation,
        Self::Reminder,
        Self::Activated,
        Self::PasswordChanged,
        Self::Report,
    ];

    /// The name of its files, without extension.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Forward => "forward",
            Self::Invitation => "invitation",
            Self::Activated => "activated",
            Self::Reminder => "reminder",
            Self::PasswordChanged => "password-changed",
            Self::Report => "report",
        }
    }

    /// Whether the mail is worth nothing without its link.
    #[must_use]
    pub fn has_link(self) -> bool {
        match self {
            Self::Link | Self::Forward | Self::Invitation => true,
            Self::Reminder | Self::Activated | Self::PasswordChanged | Self::Report => false,
        }
    }

    /// Whether it may have a link.
    pub(super) fn may_link(self) -> bool {
        self.has_link() || self == Self::Reminder
    }
}

/// The languages that mails are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Locale {
    /// French.
    Fr,
    /// English.
    En,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Fr, Self::En];

    /// The BCP 47 tag, which is also the folder's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// The language of a BCP 47 tag (`fr`, `fr-CA`, `en_GB`), if it is one of ours.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next()?.trim();
        Self::ALL.into_iter().find(|locale| locale.as_str().eq_ignore_ascii_case(language))
    }
}

/// The campus, in the language of the mail: `campus.…` in a template.
#[derive(Clone, Debug, Serialize)]
pub struct Campus {
    /// As in a sentence: "Université de Montpellier".
    pub name: String,
    /// The help desk's mail address.
    pub help_address: String,
    /// The help desk's page, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_url: Option<String>,
    /// Whom to ask when the letter is lost: a mail address, or a few words ("l’accueil de la DRH, bâtiment 4").
    pub lost_letter: String,
    /// An https address of a logo, at most 64 pixels high. The only remote image that a mail may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// What the campus calls its letter, without an article, as it follows "votre"/"your": "PASS’UM".
    pub letter_name: String,
}

/// The person: `person.…` in a template.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// The display name, where the directory has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The login name.
    pub login: String,
}

/// All that a template may print, beside `locale` and `dir` (its language's tag and direction) and, in HTML, `subject`.
#[derive(Clone, Serialize)]
pub struct Values {
    /// The campus.
    pub campus: Campus,
    /// The person; none where the mail is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The link's whole address. A secret: [`fmt::Debug`] does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// When the link ends, with its zone, in words that complete "Ce lien expire …" or "This link expires …":
    /// "aujourd’hui à 23 h 59, heure de Paris".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The address that the mail is about, which is where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The person's new mailbox on campus, if they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Where their mail is forwarded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// With `forward`: whether a copy stays in the campus's mailbox. Absent where there is no mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_copy: Option<bool>,
    /// The steps that are left, by their names in the protocol: `charter`, `listing`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<Vec<String>>,
    /// Where the person signs in to go on: no secret, and it proves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_url: Option<String>,
    /// The night: `report.…` in a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

impl Values {
    /// Of a campus, about nobody, with nothing to print yet.
    #[must_use]
    pub fn of(campus: Campus) -> Self {
        Self {
            campus,
            person: None,
            link: None,
            deadline: None,
            address: None,
            mailbox: None,
            forward: None,
            keep_copy: None,
            left: None,
            start_url: None,
            report: None,
        }
    }

    /// Believable values, for a preview or a check: everything that can be there, or only what must be.
    #[must_use]
    pub fn sample(locale: Locale, full: bool) -> Self {
        let some = |words: &str| full.then(|| words.to_owned());
        let (letter_name, deadline) = match locale {
            Locale::Fr => ("PASS’UM", "aujourd’hui à 23\u{a0}h\u{a0}59, heure de Paris"),
            Locale::En => ("welcome letter", "today at 11:59 pm, Paris time"),
        };
        Self {
            campus: Campus {
                name: "Université de Parvis".into(),
                help_address: "assistance@univ-parvis.example".into(),
                help_url: some("https://assistance.univ-parvis.example/"),
                lost_letter: "accueil-drh@univ-parvis.example".into(),
                logo_url: some("https://www.univ-parvis.example/logo.png"),
                letter_name: letter_name.into(),
            },
            person: Some(Person { name: some("Jeanne Dupont"), login: "jdupont".into() }),
            link: Some(
                "https://activation.univ-parvis.example/l/kX2v9QfYw0mZ3bT7sLr5cN1hJ8pD6gEaUiOyRtWqVxM".into(),
            ),
            deadline: Some(deadline.into()),
            address: Some("jeanne@example.org".into()),
            mailbox: some("jeanne.dupont@univ-parvis.example"),
            forward: some("jeanne@example.org"),
            keep_copy: full.then_some(true),
            left: Some(["listing", "mail", "password"].map(str::to_owned).to_vec()),
            start_url: Some("https://cas.univ-parvis.example/login".into()),
            report: Some(Report::sample(locale, full)),
        }
    }

    /// What comes from the directory or from the person, without control characters, on one line.
    pub(crate) fn cleaned(&self) -> Self {
        let line = |words: &String| clean::plain(words, 320);
        let person = |person: &Person| Person {
            name: person.name.as_deref().map(clean::name).filter(|name| !name.is_empty()),
            login: clean::name(&person.login),
        };
        Self {
            campus: Campus { name: clean::name(&self.campus.name), ..self.campus.clone() },
            person: self.person.as_ref().map(person),
            link: self.link.clone(),
            deadline: self.deadline.as_ref().map(line),
            address: self.address.as_ref().map(line),
            mailbox: self.mailbox.as_ref().map(line),
            forward: self.forward.as_ref().map(line),
            keep_copy: self.keep_copy,
            left: self.left.clone(),
            start_url: self.start_url.clone(),
            report: self.report.as_ref().map(Report::cleaned),
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values")
            .field("campus", &self.campus.name)
            .field("login", &self.person.as_ref().map(|person| &person.login))
            .field("link", &self.link.as_ref().map(|_| "[hidden]"))
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
