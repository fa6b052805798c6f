//! `[scopes]`: what scopes mean, in words for the consent page.

use super::checker::Checker;
use super::login::is_text_for_people;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use testudo_core::policy::{ScopeDescription, ScopeDescriptions};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::Scope;

/// The words for one scope: the text, or the text with a lifetime.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ScopeWords {
    /// What the client may do.
    Text(String),
    /// What the client may do, and for how long.
    Settings(ScopeSection),
}

/// The settings of one scope.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeSection {
    /// What the consent page states that the client may do.
    pub text: String,
    /// What a person grants with this scope ends after this time. Default: that of the rule.
    pub authorization_lifetime: Option<String>,
}

/// Written by hand, so that the error names an unknown key in the settings; serde's own error for an untagged enum
/// names none.
impl<'de> Deserialize<'de> for ScopeWords {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrSettings;
        impl<'de> serde::de::Visitor<'de> for TextOrSettings {
            type Value = ScopeWords;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, or { text = \"…\", authorization_lifetime = \"…\" }")
            }
            fn visit_str<E>(self, text: &str) -> Result<ScopeWords, E> {
                Ok(ScopeWords::Text(text.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ScopeWords, A::Error> {
                let settings = ScopeSection::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(ScopeWords::Settings(settings))
            }
        }
        deserializer.deserialize_any(TextOrSettings)
    }
}

/// Characters of the words for a scope. They are one line of a list on a narrow screen.
const WORDS_CHARACTERS_MAX: usize = 200;

impl Checker<'_> {
    pub(super) fn scopes(&mut self, section: &BTreeMap<String, ScopeWords>) -> ScopeDescriptions {
        let described = section.iter().filter_map(|(name, words)| {
            let key = format!("scopes.{name}");
            let scope = Scope::parse(name);
            if let Err(problem) = &scope {
                self.report.error(&key, *problem, None);
            }
            let description = self.scope(&key, words)?;
            Some((scope.ok()?, description))
        });
        described.collect::<Vec<_>>().into_iter().collect()
    }

    fn scope(&mut self, key: &str, words: &ScopeWords) -> Option<ScopeDescription> {
        let (text, lifetime) = match words {
            ScopeWords::Text(text) => (text, None),
            ScopeWords::Settings(settings) => (&settings.text, settings.authorization_lifetime.as_deref()),
        };
        let is_usable = is_text_for_people(text, WORDS_CHARACTERS_MAX);
        if !is_usable {
            let problem = format!(
                "must have a text of 1 to {WORDS_CHARACTERS_MAX} characters on one line, which people read when they grant the scope"
            );
            let hint = "write what the client may do, so that it continues \"The application may …\"";
            self.report.error(key, problem, Some(hint));
        }
        let lifetime_key = format!("{key}.authorization_lifetime");
        let lifetime = match lifetime {
            None => None,
            Some(text) => Some(self.duration(&lifetime_key, Some(text), Seconds(0))?),
        };
        if lifetime == Some(Seconds(0)) {
            let hint = "remove the scope from the rules if people cannot grant it";
            self.report
                .error(lifetime_key, "is zero: nothing could be granted", Some(hint));
            return None;
        }
        is_usable.then(|| ScopeDescription {
            text: text.as_str().into(),
            authorization_lifetime: lifetime,
        })
    }
}
