//! The campus's accent, held to what eyes can read: WCAG 2.2, success criteria 1.4.3 (words) and 1.4.11 (controls).

use crate::faults::Amiss;

/// A colour, `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// One of the two faces of the style sheet: what the accent meets there. A test holds it to the sheet.
#[derive(Debug)]
pub struct Scheme {
    name: &'static str,
    /// Below words and links.
    ground: Colour,
    /// The same, a little off: the head, the foot, notes.
    soft: Colour,
    /// The words on the accent itself.
    on_accent: Colour,
    /// To where a colour goes until it can be read.
    towards: Colour,
}

/// By day.
pub const LIGHT: Scheme = Scheme {
    name: "light",
    ground: Colour([0xff, 0xff, 0xff]),
    soft: Colour([0xf5, 0xf6, 0xf8]),
    on_accent: Colour([0xff, 0xff, 0xff]),
    towards: Colour([0; 3]),
};
/// For who likes it dark.
pub const DARK: Scheme = Scheme {
    name: "dark",
    ground: Colour([0x18, 0x1b, 0x20]),
    soft: Colour([0x22, 0x26, 0x2d]),
    on_accent: Colour([0x10, 0x13, 0x1a]),
    towards: Colour([0xff; 3]),
};

/// For words: WCAG 2.2, 1.4.3, level AA.
const WORDS: f64 = 4.5;
/// For the borders of controls: WCAG 2.2, 1.4.11.
const CONTROLS: f64 = 3.0;

impl Scheme {
    /// Everything that the accent does on a page: what, beside which colour, and the least contrast.
    const fn uses(&self) -> [(&'static str, Colour, f64); 5] {
        [
            ("links on the page", self.ground, WORDS),
            ("links at the head and the foot", self.soft, WORDS),
            ("the words on buttons", self.on_accent, WORDS),
            ("the borders of buttons", self.ground, CONTROLS),
            ("the borders of what is chosen", self.soft, CONTROLS),
        ]
    }

    /// The colour, where everything that it does can be read.
    pub fn accent(&self, text: &str) -> Result<Colour, Amiss> {
        let Some(colour) = Colour::parse(text) else {
            return Err(Amiss::new(format!("{text:?} is no colour"), "six digits: #17498f", "correct it"));
        };
        let low: Vec<(&str, f64, f64)> = self
            .uses()
            .into_iter()
            .map(|(what, beside, least)| (what, colour.contrast(beside), least))
            .filter(|(_, contrast, least)| contrast < least)
            .collect();
        if low.is_empty() {
            return Ok(colour);
        }
        let said: Vec<String> =
            low.iter().map(|(what, contrast, _)| format!("{what} {contrast:.1}")).collect();
        let nearest = self.nearest(colour);
        Err(Amiss::new(
            format!("{text} cannot be read on a {} ground; its contrast: {}", self.name, said.join(", ")),
            format!("at least {WORDS} for words, {CONTROLS} for borders (WCAG 2.2 AA)"),
            format!("{nearest} is the nearest of its kind that can be read there"),
        ))
    }

    /// What the accent's words have at the least.
    pub fn least(&self, colour: Colour) -> f64 {
        let words = self.uses().into_iter().filter(|(_, _, least)| *least >= WORDS);
        words.map(|(_, beside, _)| colour.contrast(beside)).fold(f64::INFINITY, f64::min)
    }

    fn readable(&self, colour: Colour) -> bool {
        self.uses().into_iter().all(|(_, beside, least)| colour.contrast(beside) >= least)
    }

    fn nearest(&self, colour: Colour) -> Colour {
        let steps = (0..=100_u16).map(|share| colour.mixed(self.towards, share));
        steps.into_iter().find(|mixed| self.readable(*mixed)).unwrap_or(self.towards)
    }
}

impl Colour {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let part = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// So many hundredths of the way to another.
    fn mixed(self, other: Self, share: u16) -> Self {
        let part = |own: u8, other: u8| {
            let sum = u16::from(own) * (100 - share) + u16::from(other) * share;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        let ([red, green, blue], [r, g, b]) = (self.0, other.0);
        Self([part(red, r), part(green, g), part(blue, b)])
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const STYLE: &str = include_str!("../assets/style.css");

    /// The colours of one face of the style sheet; the dark one changes some of the light one's.
    fn sheet(dark: bool) -> HashMap<String, Colour> {
        let (light, rest) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
        let rest = rest.split_once("*, *::before").unwrap().0;
        let lines = light.lines().chain(rest.lines().filter(|_| dark));
        let named = lines.filter_map(|line| line.trim().strip_prefix("--")?.split_once(": "));
        named
            .filter_map(|(name, value)| Some((name.to_owned(), Colour::parse(value.trim_end_matches(';'))?)))
            .collect()
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_one_that_can() {
        assert_eq!(LIGHT.accent("#17498f").unwrap().to_string(), "#17498f");
        assert!(DARK.accent("#9dc1ff").is_ok());
        for (scheme, bad) in [(LIGHT, "#ffcc00"), (LIGHT, "#ff0000"), (LIGHT, "#808080"), (LIGHT, "#ffffff")]
            .into_iter()
            .chain([(DARK, "#17498f"), (DARK, "#000000"), (DARK, "#7a3030")])
        {
            let amiss = scheme.accent(bad).unwrap_err();
            assert!(amiss.what.contains("contrast") && amiss.expected.contains("4.5"), "{amiss:?}");
            let better = amiss.action.split(' ').next().unwrap();
            assert!(scheme.accent(better).is_ok(), "{bad} → {better}");
        }
        for wrong in ["red", "#12345", "#12345g", "#ééé", ""] {
            assert!(LIGHT.accent(wrong).unwrap_err().what.contains("no colour"), "{wrong}");
        }
    }

    #[test]
    fn the_limits_are_where_wcag_has_them() {
        let (black, white) = (Colour([0; 3]), Colour([255; 3]));
        assert!((black.contrast(white) - 21.0).abs() < 0.01);
        // #767676 is the well-known lightest grey for words on white; on the soft ground it is not enough.
        let grey = Colour::parse("#767676").unwrap();
        assert!(grey.contrast(white) >= WORDS && !LIGHT.readable(grey));
        assert!(LIGHT.accent("#767676").unwrap_err().what.contains("at the head and the foot 4.2"));
        assert!(!LIGHT.accent("#767676").unwrap_err().what.contains("on the page"));
    }

    #[test]
    fn the_schemes_are_the_style_sheets() {
        for (scheme, dark) in [(&LIGHT, false), (&DARK, true)] {
            let sheet = sheet(dark);
            for (name, own) in
                [("ground", scheme.ground), ("soft", scheme.soft), ("on-accent", scheme.on_accent)]
            {
                assert_eq!(sheet[name], own, "--{name}, {}", scheme.name);
            }
            assert!(scheme.accent(&sheet["accent"].to_string()).is_ok());
        }
    }

    /// The sheet's own colours, which no campus chooses.
    #[test]
    fn everything_else_on_the_sheet_can_be_read_too() {
        for dark in [false, true] {
            let sheet = sheet(dark);
            for (one, other, least) in [
                ("ink", "ground", WORDS),
                ("ink", "soft", WORDS),
                ("quiet", "ground", WORDS),
                ("quiet", "soft", WORDS),
                ("bad", "ground", WORDS),
                ("bad", "bad-soft", WORDS),
                ("ink", "bad-soft", WORDS),
                ("good", "ground", WORDS),
                ("line", "ground", CONTROLS),
                ("line", "soft", CONTROLS),
            ] {
                let contrast = sheet[one].contrast(sheet[other]);
                assert!(contrast >= least, "--{one} on --{other} has {contrast:.2}, dark: {dark}");
            }
            let focus = if dark { "focus" } else { "focus-ink" };
            assert!(sheet[focus].contrast(sheet["ground"]) >= CONTROLS);
        }
    }
}
