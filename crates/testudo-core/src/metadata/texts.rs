//! Texts for people: names, contacts, label URLs, and their forms with a language tag. [RFC7591 §2.2]

use super::given::Given;
use crate::members::{Label, LabelKind, LabelName, Labels, member};
use crate::rejection::MetadataReason;
use serde_json::{Map, Value};
use testudo_protocol::oauth::is_label_url;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

const TAG_BYTES_MAX: usize = 35;

const TAGGED_VALUES_MAX: usize = 20;

impl Given<'_> {
    pub(super) fn label(self, kind: LabelKind) -> Result<Option<Label>, MetadataReason> {
        let member = self.member;
        let checked = match kind {
            LabelKind::Name { characters_max } => {
                self.text()?.map(|text| name(member, &text, characters_max))
            }
            LabelKind::Url => self.text()?.map(|text| label_url(member, text)),
            LabelKind::Text { bytes_max } => self.text()?.map(|text| short(member, text, bytes_max)),
            LabelKind::Texts {
                items_max,
                characters_max,
            } => {
                let refused = MetadataReason::ContactsMalformed {
                    member,
                    items_max,
                    characters_max,
                };
                let texts = self
                    .list()?
                    .map(|texts| visible_texts(&texts, items_max, characters_max));
                return texts
                    .map(|texts| texts.map(Label::Texts).ok_or(refused))
                    .transpose();
            }
        };
        checked.map(|text| text.map(Label::Text)).transpose()
    }

    pub(super) fn url(self) -> Result<Option<String>, MetadataReason> {
        self.text()?.map(|text| label_url(self.member, text)).transpose()
    }
}

/// Reads each `member#tag` into `labels`. A member with a malformed tag is an unknown member; two spellings of one tag
/// are refused.
pub(super) fn read_tagged(members: &Map<String, Value>, labels: &mut Labels) -> Result<(), MetadataReason> {
    let mut seen = Vec::new();
    for (name, value) in members {
        let Some((base, tag)) = name.split_once('#') else {
            continue;
        };
        let Some(row) = member(base).filter(|member| member.is_taggable) else {
            continue;
        };
        let Some(kind) = row.label_kind() else { continue };
        if !is_language_tag(tag) || value.is_null() {
            continue;
        }
        let member = row.name;
        if !value.is_string() {
            return Err(MetadataReason::NotAString { member });
        }
        // [RFC7591 §2.2] [RFC5646 §2.1.1] Upper and lower case are the same in a tag.
        let spelled = (member, tag.to_ascii_lowercase());
        if seen.contains(&spelled) {
            return Err(MetadataReason::LanguageTagRepeated { member });
        }
        if seen.len() == TAGGED_VALUES_MAX {
            return Err(MetadataReason::TooManyLanguageTags {
                member,
                tags_max: TAGGED_VALUES_MAX,
            });
        }
        seen.push(spelled);
        let given = Given {
            member,
            value: Some(value),
        };
        if let Some(label) = given.label(kind)? {
            let tag = Some(tag.into());
            labels.insert(LabelName { member: row, tag }, label);
        }
    }
    Ok(())
}

fn short(member: &'static str, text: String, bytes_max: usize) -> Result<String, MetadataReason> {
    if text.len() <= bytes_max && is_visible(&text) {
        return Ok(text);
    }
    Err(MetadataReason::SoftwareTextMalformed { member, bytes_max })
}

fn name(member: &'static str, text: &str, characters_max: usize) -> Result<String, MetadataReason> {
    visible(text, characters_max).ok_or(MetadataReason::NameMalformed {
        member,
        characters_max,
    })
}

fn visible_texts(texts: &[String], items_max: usize, characters_max: usize) -> Option<Vec<String>> {
    if texts.len() > items_max {
        return None;
    }
    texts.iter().map(|text| visible(text, characters_max)).collect()
}

/// Text on one line in NFC, without invisible or unassigned characters.
fn visible(text: &str, characters_max: usize) -> Option<String> {
    // NFC can make a text at most three times longer, so texts that are too long in any case are refused before the
    // work.
    if text.len() > 16 * characters_max {
        return None;
    }
    let composed: String = text.trim().nfc().collect();
    let is_good = composed.chars().count() <= characters_max && is_visible(&composed);
    is_good.then_some(composed)
}

/// True if the text has no hidden character and at least one visible one: a text of spaces and combining marks is
/// blank.
fn is_visible(text: &str) -> bool {
    let is_seen = |c: char| {
        !matches!(
            c.general_category_group(),
            GeneralCategoryGroup::Separator | GeneralCategoryGroup::Mark
        )
    };
    text.chars().any(is_seen) && !text.chars().any(is_hidden)
}

/// True for control characters, line ends, all of category Format (zero-width characters, direction marks, tags),
/// private use, unassigned characters, and characters of other categories that are drawn as nothing: fillers,
/// selectors, the blank of Braille.
fn is_hidden(c: char) -> bool {
    let is_drawn_as_nothing = matches!(
        c,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_drawn_as_nothing
        || matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::PrivateUse
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::Unassigned
        )
}

/// The server never fetches the URL, but a user may open it: it must be https and have no hidden characters.
fn label_url(member: &'static str, text: String) -> Result<String, MetadataReason> {
    if is_label_url(&text) {
        return Ok(text);
    }
    Err(MetadataReason::LabelUrlMalformed { member })
}

/// [RFC5646 §2.1] The syntax of a tag: a language of letters, then subtags of letters and digits.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let is_language = subtags.next().is_some_and(|language| {
        (1..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    is_language
        && tag.len() <= TAG_BYTES_MAX
        && subtags.all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7591_2_2_malformed_language_tags_are_refused() {
        for tag in ["de", "ja-Jpan-JP", "x-private", "de-CH-1996"] {
            assert!(is_language_tag(tag), "{tag}");
        }
        for tag in [
            "",
            "-",
            "de-",
            "1de",
            "de_CH",
            "abcdefghi",
            "de-abcdefghi",
            "d\u{e9}",
        ] {
            assert!(!is_language_tag(tag), "{tag}");
        }
        assert!(!is_language_tag(&"de-".repeat(12)));
    }

    // Row DR-61.
    #[test]
    fn text_with_hidden_characters_is_refused_and_the_rest_is_nfc() {
        assert_eq!(visible(" Cafe\u{301} ", 120).as_deref(), Some("Caf\u{e9}"));
        assert!(visible(&"x".repeat(120), 120).is_some());
        for good in [
            "\u{c1}pi",
            "\u{5c71}\u{7530}\u{3000}\u{592a}",
            "\u{1f980}",
            "a\u{a0}b",
            "\u{645}\u{647}",
        ] {
            assert_eq!(visible(good, 120).as_deref(), Some(good));
        }
        for hidden in [
            "",
            " ",
            "a\nb",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{200f}b",
            "a\u{378}b",
            "a\u{7f}",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{feff}b",
            "a\u{ad}b",
            "a\u{61c}b",
            "a\u{2066}b",
            "a\u{2060}b",
            "a\u{e000}b",
            "a\u{f0000}b",
            "a\u{3164}b",
            "\u{3164}",
            "\u{2800}",
            "\u{115f}",
            "\u{a0}\u{a0}",
            "\u{301}",
            "a\u{fe0f}",
            "a\u{e0041}",
        ] {
            assert_eq!(visible(hidden, 120), None, "{hidden:?}");
        }
        assert_eq!(visible(&"x".repeat(121), 120), None);
        assert_eq!(visible(&"x".repeat(1_000_000), 120), None);
    }
}
