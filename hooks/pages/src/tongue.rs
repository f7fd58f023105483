//! The two languages, and texts in both.

use serde::Deserialize;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tongue {
    /// French.
    Fr,
    /// English.
    En,
}

impl Tongue {
    /// The tag, as the contract and HTML have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Fr => Self::En,
            Self::En => Self::Fr,
        }
    }

    /// The one that a tag names.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        [Self::Fr, Self::En].into_iter().find(|tongue| primary.eq_ignore_ascii_case(tongue.as_str()))
    }

    /// The first of ours that a browser asks for (RFC 9110, section 12.5.4), by its weights.
    pub fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for part in header.split(',').take(32) {
            let mut pieces = part.split(';');
            let Some(tongue) = pieces.next().and_then(Self::of_tag) else { continue };
            let weight =
                pieces.find_map(|piece| piece.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, tongue));
            }
        }
        best.map(|(_, tongue)| tongue)
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    fr: String,
    en: String,
}

impl Texts {
    /// In one of them.
    pub fn get(&self, tongue: Tongue) -> &str {
        match tongue {
            Tongue::Fr => &self.fr,
            Tongue::En => &self.en,
        }
    }

    /// Both.
    pub fn both(&self) -> [&str; 2] {
        [&self.fr, &self.en]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_is_asked_by_its_weights() {
        for (header, wanted) in [
            ("fr-CA,fr;q=0.9,en;q=0.8", Some(Tongue::Fr)),
            ("de, en-GB;q=0.7, fr;q=0.3", Some(Tongue::En)),
            ("fr;q=0, en;q=0.1", Some(Tongue::En)),
            ("de", None),
            ("", None),
            ("en;q=x", Some(Tongue::En)),
        ] {
            assert_eq!(Tongue::accepted(header), wanted, "{header}");
        }
    }
}
