//! A colour, and the contrast of two colours.

use std::fmt;

/// A colour of the sRGB colour space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the three parts of a colour")]
pub struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
}

impl Colour {
    pub(super) const WHITE: Colour = Colour {
        red: 255,
        green: 255,
        blue: 255,
    };

    /// `#` and six hexadecimal digits. Nothing else: the text is written into a style sheet.
    pub(super) fn parse(text: &str) -> Option<Colour> {
        let digits = text.strip_prefix('#')?;
        let mut bytes = [0; 3];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        let [red, green, blue] = bytes;
        Some(Colour { red, green, blue })
    }

    /// Between 1 (the same brightness) and 21 (black and white). (WCAG 2.2, 1.4.3)
    pub(super) fn contrast(self, other: Colour) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            match part <= 0.04045 {
                true => part / 12.92,
                false => ((part + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// `#1d4ed8`
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_formula_for_known_pairs() {
        // The last grey that white text may have, and the first one that is too light, as published by WebAIM.
        for (text, expected) in [
            ("#000000", 21.0),
            ("#ffffff", 1.0),
            ("#767676", 4.54),
            ("#777777", 4.48),
        ] {
            let contrast = Colour::parse(text).unwrap().contrast(Colour::WHITE);
            assert!((contrast - expected).abs() < 0.01, "{text}: {contrast}");
        }
    }

    #[test]
    fn only_six_hexadecimal_digits_are_a_colour() {
        assert_eq!(Colour::parse("#1D4ed8").unwrap().to_string(), "#1d4ed8");
        for other in [
            "1d4ed8",
            "#fff",
            "#1d4ed8ff",
            "#1d4edg",
            "red",
            "#1d4ed8;",
            "",
            "#",
            "#1d4ed ",
        ] {
            assert_eq!(Colour::parse(other), None, "{other}");
        }
    }
}
