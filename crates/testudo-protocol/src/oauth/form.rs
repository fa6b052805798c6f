//! `application/x-www-form-urlencoded` requests. [RFC6749 §3.2] [OAUTH-2.1 §3.2]

use crate::limits::FORM_PARAMETERS_MAX;
use std::fmt;

/// A parsed form. Each parameter is present once, except those that may repeat; parameters without a value are left
/// out.
#[derive(Default)]
pub struct Form {
    parameters: Vec<(String, String)>,
}

/// Prints names only: values are tokens, assertions and secrets.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.parameters.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Parameters that their specification lets repeat. [RFC8707 §2]
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Parameters that an error names. Any other name is text of the caller, which an answer must not repeat.
const KNOWN: [&str; 20] = [
    "grant_type",
    "client_id",
    "client_assertion",
    "client_assertion_type",
    "client_secret",
    "scope",
    "resource",
    "audience",
    "response_type",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "token_type_hint",
];

/// Why a form is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// Not UTF-8, or a `%` without two hexadecimal digits.
    NotText,
    /// A parameter is present twice.
    DuplicateParameter {
        /// Its name; see [`KNOWN`].
        name: Option<&'static str>,
    },
    /// More than 64 parameters.
    TooManyParameters,
    /// A NUL or another control character in a name or a value.
    ControlCharacter {
        /// The name of the parameter, if its value has the character; see [`KNOWN`].
        name: Option<&'static str>,
    },
    /// A value is followed by a line break, as the content of a file often is.
    LineBreakAtEnd {
        /// The name of the parameter; see [`KNOWN`].
        name: Option<&'static str>,
    },
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |name: &Option<&'static str>| name.unwrap_or("a parameter");
        match self {
            FormError::NotText => f.write_str("the form is not UTF-8 with correct percent-encoding"),
            FormError::DuplicateParameter { name } => write!(f, "{} is present twice", named(name)),
            FormError::TooManyParameters => f.write_str("the form has more than 64 parameters"),
            FormError::ControlCharacter { name } => {
                write!(f, "{} contains a control character", named(name))
            }
            FormError::LineBreakAtEnd { name } => write!(f, "{} ends in a line break", named(name)),
        }
    }
}

/// The name of a parameter, if errors name it.
fn known(name: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| *known == name)
}

impl Form {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Form, FormError> {
        let text = std::str::from_utf8(body).map_err(|_| FormError::NotText)?;
        // Allocated once: a list that grows by doubling would cost a form of many short parameters several times its size.
        let pairs = text.bytes().filter(|byte| *byte == b'&').count() + 1;
        let mut form = Form {
            parameters: Vec::with_capacity(pairs.min(FORM_PARAMETERS_MAX)),
        };
        for (position, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if position == FORM_PARAMETERS_MAX {
                return Err(FormError::TooManyParameters);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name, None)?;
            let value = decode(value, Some(&name))?;
            // [RFC6749 §3.2] A parameter sent twice is an error, not a choice. An empty one counts as sent.
            let is_duplicate = form.parameters.iter().any(|(known, _)| *known == name);
            if is_duplicate && !REPEATABLE.contains(&name.as_str()) {
                return Err(FormError::DuplicateParameter { name: known(&name) });
            }
            form.parameters.push((name, value));
        }
        // [RFC6749 §3.2] Without a value means omitted.
        form.parameters.retain(|(_, value)| !value.is_empty());
        Ok(form)
    }

    /// The value of a parameter, if it was sent and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Removes the value and returns it, so that large values are not copied.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let position = self.parameters.iter().position(|(known, _)| known == name)?;
        Some(self.parameters.swap_remove(position).1)
    }

    /// All values of a repeatable parameter, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// True if a parameter was sent with a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Decodes a name, or the value of the parameter with this name.
fn decode(part: &str, name: Option<&str>) -> Result<String, FormError> {
    // Fast path: most names and values, and the long ones, contain nothing to decode. All bytes are looked at, since a loop
    // that may end early is compiled to one byte at a time.
    let is_plain = |byte: u8| (0x21..0x7f).contains(&byte) & (byte != b'%') & (byte != b'+');
    if part.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return Ok(part.to_owned());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(FormError::NotText),
                }
            }
            plain => plain,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| FormError::NotText)?;
    if !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let is_clean = !text.trim_end_matches(['\r', '\n']).chars().any(char::is_control);
    let name = name.and_then(known);
    Err(match is_clean {
        true => FormError::LineBreakAtEnd { name },
        false => FormError::ControlCharacter { name },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_form_bodies_are_parsed() {
        let form = Form::parse(b"grant_type=client_credentials&scope=a+b%20c&x").unwrap();
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!(form.get("scope"), Some("a b c"));
        assert_eq!(form.get("x"), None);
        assert_eq!(form.get("y"), None);
    }

    #[test]
    fn debug_output_has_names_and_no_values() {
        let form = Form::parse(b"client_assertion=s3cret&client_secret=s3cret").unwrap();
        assert_eq!(format!("{form:?}"), r#"["client_assertion", "client_secret"]"#);
    }

    #[test]
    fn rfc6749_3_2_duplicate_parameter_is_refused() {
        for (body, name) in [
            ("scope=a&scope=b", Some("scope")),
            ("scope=&scope=b", Some("scope")),
            ("scope=a&sc%6fpe=b", Some("scope")),
            ("grant_type=a&grant_type=a", Some("grant_type")),
            ("redirect_uri=a&redirect_uri=b", Some("redirect_uri")),
            ("code=a&code=b", Some("code")),
            ("x=1&x=1", None),
        ] {
            assert_eq!(
                Form::parse(body.as_bytes()).unwrap_err(),
                FormError::DuplicateParameter { name },
                "{body}"
            );
        }
    }

    #[test]
    fn rfc6749_3_2_empty_value_is_omitted() {
        assert_eq!(Form::parse(b"scope=&grant_type=x").unwrap().get("scope"), None);
    }

    #[test]
    fn rfc8707_2_resource_may_repeat() {
        let form = Form::parse(b"resource=https://a/&resource=https://b/").unwrap();
        assert_eq!(
            form.all("resource").collect::<Vec<_>>(),
            ["https://a/", "https://b/"]
        );
    }

    // Row J-10.
    #[test]
    fn control_characters_bad_encoding_and_bad_utf8_are_refused() {
        assert_eq!(Form::parse(b"a=%zz").unwrap_err(), FormError::NotText);
        assert_eq!(Form::parse(b"a=%f").unwrap_err(), FormError::NotText);
        assert_eq!(Form::parse(b"a=%ff").unwrap_err(), FormError::NotText);
        assert_eq!(Form::parse(b"a=\xff").unwrap_err(), FormError::NotText);
        for (body, name) in [
            ("a=%00", None),
            ("a%00=b", None),
            ("a=x%0d%0ay", None),
            ("scope=x%0d%0ay", Some("scope")),
            ("scope=x%00%0a", Some("scope")),
        ] {
            assert_eq!(
                Form::parse(body.as_bytes()).unwrap_err(),
                FormError::ControlCharacter { name },
                "{body}"
            );
        }
    }

    #[test]
    fn line_break_at_the_end_of_a_value_is_named_with_the_parameter() {
        for (body, name, text) in [
            (
                "client_assertion=x%0a",
                Some("client_assertion"),
                "client_assertion ends in a line break",
            ),
            ("scope=x%0d%0a", Some("scope"), "scope ends in a line break"),
            ("a=x%0a", None, "a parameter ends in a line break"),
        ] {
            let error = Form::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error, FormError::LineBreakAtEnd { name }, "{body}");
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn parameters_are_bounded_at_the_limit_and_one_past() {
        let body = |count: usize| {
            (0..count)
                .map(|n| format!("p{n}=1"))
                .collect::<Vec<_>>()
                .join("&")
        };
        assert!(Form::parse(body(FORM_PARAMETERS_MAX).as_bytes()).is_ok());
        assert_eq!(
            Form::parse(body(FORM_PARAMETERS_MAX + 1).as_bytes()).unwrap_err(),
            FormError::TooManyParameters
        );
    }
}
