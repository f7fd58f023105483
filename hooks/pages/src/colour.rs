//! The campus's accent, held to what eyes can read: WCAG 2.2, success criterion 1.4.3.

/// A colour, `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// The grounds of the style sheet.
const LIGHT: Colour = Colour([0xf5, 0xf6, 0xf8]);
const DARK: Colour = Colour([0x22, 0x26, 0x2d]);
const LEAST: f64 = 4.5;

impl Colour {
    /// One that can be read on the light ground, and under white words.
    pub fn on_light(text: &str) -> Result<Self, String> {
        Self::readable(text, LIGHT)
    }

    /// One that can be read on the dark ground, and under black words.
    pub fn on_dark(text: &str) -> Result<Self, String> {
        Self::readable(text, DARK)
    }

    fn readable(text: &str, ground: Self) -> Result<Self, String> {
        let colour = Self::parse(text).ok_or_else(|| format!("{text:?} is not a colour like #17498f"))?;
        let contrast = colour.contrast(ground);
        if contrast < LEAST {
            return Err(format!(
                "{text} cannot be read on {ground}: its contrast is {contrast:.1}, and at least 4.5 is"
            ));
        }
        Ok(colour)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let part = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        Some(Self([part(0)?, part(2)?, part(4)?]))
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

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(Colour::on_light("#17498f").unwrap().to_string(), "#17498f");
        assert!(Colour::on_light("#ffcc00").unwrap_err().contains("contrast"));
        assert!(Colour::on_dark("#17498f").unwrap_err().contains("contrast"));
        assert!(Colour::on_dark("#9dc1ff").is_ok());
        for wrong in ["red", "#12345", "#12345g", "#ééé"] {
            assert!(Colour::on_light(wrong).unwrap_err().contains("not a colour"), "{wrong}");
        }
        let (black, white) = (Colour([0; 3]), Colour([255; 3]));
        assert!((black.contrast(white) - 21.0).abs() < 0.01);
    }
}
