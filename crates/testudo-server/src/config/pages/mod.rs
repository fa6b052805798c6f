//! `[pages]`: name, logo and colour of the pages for people.

mod colour;
pub(super) mod png;

pub use colour::Colour;

use super::checker::Checker;
use super::login::is_text_for_people;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// `[pages]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagesSection {
    /// The name that people know, at the top of each page. Default: `"Testudo"`.
    pub name: Option<String>,
    /// PNG file with a logo that stands beside the name: at most 64 KiB, and 1024 pixels wide and high. Default: none.
    pub logo: Option<String>,
    /// Colour of buttons. White text on it must be readable: a contrast of at least 4.5 to 1. Default: `"#1d4ed8"`.
    pub accent: Option<String>,
}

/// The checked values of `[pages]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagesSettings {
    /// The name at the top of each page.
    pub name: String,
    /// The logo, a PNG.
    pub logo: Option<Arc<[u8]>>,
    /// Colour of buttons.
    pub accent: Colour,
}

impl Default for PagesSettings {
    fn default() -> PagesSettings {
        PagesSettings {
            name: "Testudo".to_owned(),
            logo: None,
            accent: ACCENT,
        }
    }
}

const ACCENT: Colour = Colour {
    red: 0x1d,
    green: 0x4e,
    blue: 0xd8,
};

/// Characters of the name. It is one line of a narrow screen.
const NAME_CHARACTERS_MAX: usize = 60;

/// The smallest contrast between text and background. (WCAG 2.2, 1.4.3)
const CONTRAST_MIN: f64 = 4.5;

impl Checker<'_> {
    pub(super) fn pages(&mut self, section: &PagesSection) -> PagesSettings {
        let default = PagesSettings::default();
        let name = section.name.clone().unwrap_or(default.name);
        if !is_text_for_people(&name, NAME_CHARACTERS_MAX) {
            let problem = format!("is not a text of 1 to {NAME_CHARACTERS_MAX} characters on one line");
            self.report.error("pages.name", problem, None);
        }
        PagesSettings {
            name,
            logo: section.logo.as_deref().and_then(|path| self.logo(path)),
            accent: section
                .accent
                .as_deref()
                .and_then(|text| self.accent(text))
                .unwrap_or(default.accent),
        }
    }

    fn logo(&mut self, path: &str) -> Option<Arc<[u8]>> {
        let path = self.path(path);
        let bytes = self.file("pages.logo", &path)?;
        match png::check(&bytes) {
            Ok(()) => Some(bytes.into()),
            Err(problem) => {
                let problem = format!("{} {problem}", path.display());
                let hint = "export the logo as a PNG of at most 64 KiB, such as 256 pixels wide and high";
                self.report.refuse("pages.logo", problem, Some(hint));
                None
            }
        }
    }

    fn accent(&mut self, text: &str) -> Option<Colour> {
        let key = "pages.accent";
        let Some(colour) = Colour::parse(text) else {
            self.report.error(key, format!("{text:?} is not a colour"), None);
            return None;
        };
        let contrast = colour.contrast(Colour::WHITE);
        if contrast < CONTRAST_MIN {
            // Rounded down, so that the text never shows the minimum for a colour that does not reach it.
            let shown = (contrast * 10.0).floor() / 10.0;
            let problem = format!(
                "{text:?} is too light: white text on it has a contrast of {shown:.1} to 1, and needs {CONTRAST_MIN} to 1 to be readable"
            );
            self.report.refuse(key, problem, Some("choose a darker colour"));
            return None;
        }
        Some(colour)
    }
}
