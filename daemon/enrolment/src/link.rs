//! Links: what a mailed link is bound to, and what can still be done with it.
//!
//! A link names a purpose, an address and a round, and is used once. Its token is not here: the daemon derives it
//! from the identifier with a key that these rules never see.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// 128 random bits that name a link, a session, a ticket or a mail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

/// What a link proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Step 4: the recovery address.
    Recovery,
    /// Step 8: the forwarding address.
    Forward,
    /// The address that the directory had before the person came.
    Invitation,
}

/// What became of a link. That it has expired is not kept: the clock says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It can be used until its deadline.
    Live,
    /// It was used at that instant.
    Used(Timestamp),
    /// A newer link of the same purpose was made at that instant.
    Superseded(Timestamp),
    /// The person started again, or the enrolment closed, at that instant.
    Retired(Timestamp),
}

/// What is known of a link's latest mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Waiting in the outbox.
    Queued,
    /// Accepted by the mail server at that instant.
    Sent(Timestamp),
    /// Refused for now; tried again. The reason is in words.
    Deferred(Timestamp, String),
    /// Refused for good. The reason is in words.
    Refused(Timestamp, String),
    /// It left, and nobody confirmed that it was taken: it may arrive. What happened is in words.
    Unconfirmed(Timestamp, String),
    /// Not sent before its deadline, and not tried again. The reason is in words.
    GivenUp(Timestamp, String),
}

/// One mailed link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What the token is derived from.
    pub id: Id,
    /// What it proves.
    pub purpose: Purpose,
    /// The address that it was sent to; a link never changes its address.
    pub address: String,
    /// The round of activation that it belongs to.
    pub round: u32,
    /// When it was made.
    pub made: Timestamp,
    /// The last second at which it can be used.
    pub deadline: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// The latest mail that carries it.
    pub mail: Id,
    /// What is known of that mail.
    pub delivery: Delivery,
    /// When that mail was ordered: the cooldown counts from here.
    pub mailed: Timestamp,
    /// How many mails carried it.
    pub mails: u32,
}

/// What can be done with a link at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usable {
    /// It can be used.
    Yes,
    /// Its deadline has passed.
    Expired(Timestamp),
    /// A newer one was made then, or the procedure was started again.
    Superseded(Timestamp),
    /// It was used then.
    Used(Timestamp),
}

impl Delivery {
    /// Why it has not, or perhaps not, been taken: in words, where it was tried.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Queued | Self::Sent(_) => None,
            Self::Deferred(_, why) | Self::Refused(_, why) => Some(why),
            Self::Unconfirmed(_, why) | Self::GivenUp(_, why) => Some(why),
        }
    }
}

impl Link {
    /// What can be done with it now. The last second of the deadline still counts.
    pub fn usable(&self, now: Timestamp) -> Usable {
        match self.fate {
            Fate::Used(at) => Usable::Used(at),
            Fate::Superseded(at) | Fate::Retired(at) => Usable::Superseded(at),
            Fate::Live if now.as_second() > self.deadline.as_second() => Usable::Expired(self.deadline),
            Fate::Live => Usable::Yes,
        }
    }

    /// Whether it can be used now.
    pub fn live(&self, now: Timestamp) -> bool {
        self.usable(now) == Usable::Yes
    }

    /// Whether it could be used, had its address not been refused: another mail to the same address is not worth
    /// sending. After the link's end it may be, because a full or a new mailbox is mended by then.
    pub fn in_vain(&self, now: Timestamp) -> bool {
        self.live(now) && matches!(self.delivery, Delivery::Refused(..))
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 32 hexadecimal digits")]
pub struct NotAnId;

impl std::str::FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NotAnId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = Id([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", "zz0102030405060708090a0b0c0d0eff", "+00102030405060708090a0b0c0d0eff"] {
            assert_eq!(bad.parse::<Id>(), Err(NotAnId), "{bad}");
        }
    }
}
