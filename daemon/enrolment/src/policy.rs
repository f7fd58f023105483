//! The policy: what the configuration says, as the rules need it.

use crate::deadline::Validity;
use crate::link::Purpose;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// Everything configurable that a decision depends on.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The campus's zone: a civil day is a day there.
    pub zone: TimeZone,
    /// The campus's own mail domains; those below them count as well.
    pub own_domains: Vec<String>,
    /// The characters that may stand between the name of a mailbox here and a detail of its owner's (`jeanne+list`).
    pub delimiters: String,
    /// How long a recovery link lasts.
    pub recovery: Validity,
    /// How long a forwarding link lasts.
    pub forward: Validity,
    /// How long an invitation lasts.
    pub invitation: Validity,
    /// Whether a recovery link opened in another browser hands out a session there.
    pub recovery_continues_anywhere: bool,
    /// The charter in force.
    pub charter: Charter,
    /// The populations, by name.
    pub populations: Vec<Population>,
    /// Who stops half-way is reminded after so long without a step; `None`: nobody is.
    pub reminder: Option<SignedDuration>,
    /// The limits.
    pub limits: Limits,
}

/// The charter in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    /// Its version, as the campus names it.
    pub version: String,
    /// SHA-256 of the text in each language, in hexadecimal: `("fr", "9f86…")`.
    pub texts: Vec<(String, String)>,
}

/// One population: people with the same choices to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    /// Its name in the configuration.
    pub name: String,
    /// Whether a mailbox is created at the end.
    pub mailbox: bool,
    /// Whether mail may, must or cannot be forwarded.
    pub forwarding: Forwarding,
    /// Whether a person whose address the directory has is written to before they come.
    pub invite: bool,
}

/// What a population may do with its mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// No forwarding: the step is left out.
    Off,
    /// Step 7: they may.
    Optional,
    /// Step 7 bis: they must.
    Required,
}

/// How long and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A session that is not used ends after this.
    pub session_idle: SignedDuration,
    /// A session may last at least this long, whatever its link's deadline.
    pub session_longest: SignedDuration,
    /// A ticket can be used for so long.
    pub ticket: SignedDuration,
    /// Between two mails of one link.
    pub resend_cooldown: SignedDuration,
    /// The most mails that carry one link.
    pub mails_a_link: u32,
    /// An enrolment in which nothing changes for so long is closed by the sweep.
    pub enrolment_idle: SignedDuration,
    /// A notice (of activation, of a new password) is not worth sending after this.
    pub notice: SignedDuration,
}

impl Policy {
    /// The population of that name, if the configuration still has it.
    pub fn population(&self, name: &str) -> Option<&Population> {
        self.populations.iter().find(|population| population.name == name)
    }

    /// The rule for a link of that purpose.
    pub fn validity(&self, purpose: Purpose) -> &Validity {
        match purpose {
            Purpose::Recovery => &self.recovery,
            Purpose::Forward => &self.forward,
            Purpose::Invitation => &self.invitation,
        }
    }
}

impl Charter {
    /// The digest of the text in that language.
    pub fn digest(&self, locale: &str) -> Option<&str> {
        self.texts.iter().find(|(name, _)| name == locale).map(|(_, digest)| digest.as_str())
    }
}
