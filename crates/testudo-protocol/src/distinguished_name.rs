//! Distinguished names of certificates, written as text. [RFC4514]
//!
//! Two names are equal if they have the same attributes in the same order, with the same values character for character:
//! what an administrator writes is compared with what the certificate contains, and nothing is folded.

use std::fmt;
use x509_parser::x509::X509Name;

/// The attribute types with a short name. [RFC4514 §3]
const NAMES: [(&str, &str); 9] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
];

/// The characters that stand for themselves after a backslash. [RFC4514 §2.4]
const SPECIAL: &str = " \"#+,;<=>\\";

/// A distinguished name: its relative names from the most specific one, as the text form has them. Each has at least one
/// attribute, as (type, value), in the order of the types.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName(Vec<Vec<(String, String)>>);

impl DistinguishedName {
    /// Its types and values, with an empty text after each relative name.
    pub(crate) fn parts(&self) -> Vec<&str> {
        let mut parts = Vec::new();
        for relative in &self.0 {
            let values = relative.iter();
            parts.extend(values.flat_map(|(kind, value)| [kind.as_str(), value.as_str()]));
            parts.push("");
        }
        parts
    }
}

/// Why a text is not a distinguished name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum DistinguishedNameError {
    Empty,
    NoValue,
    UnknownType,
    Space,
    Escape,
    Unescaped,
}

impl fmt::Display for DistinguishedNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DistinguishedNameError::Empty => "is empty",
            DistinguishedNameError::NoValue => "has a part that is not TYPE=VALUE with a value",
            DistinguishedNameError::UnknownType => {
                "has an attribute type that is neither CN, L, ST, O, OU, C, STREET, DC, UID nor an object identifier"
            }
            DistinguishedNameError::Space => {
                "has a space beside a separator: write it as \\20 if it belongs to the value"
            }
            DistinguishedNameError::Escape => {
                "has a backslash that is followed neither by a special character nor by two hexadecimal digits"
            }
            DistinguishedNameError::Unescaped => "has one of \" ; < > without a backslash",
        })
    }
}

impl DistinguishedName {
    /// Reads the text form: `CN=batch,OU=jobs,O=Example`. [RFC4514 §3]
    pub fn parse(text: &str) -> Result<DistinguishedName, DistinguishedNameError> {
        let mut names = Vec::new();
        let mut attributes = Vec::new();
        let mut rest = text;
        if text.is_empty() {
            return Err(DistinguishedNameError::Empty);
        }
        loop {
            let (kind, after) = rest.split_once('=').ok_or(DistinguishedNameError::NoValue)?;
            let kind = object_identifier(kind).ok_or(DistinguishedNameError::UnknownType)?;
            let (value, separator, after) = value(after)?;
            attributes.push((kind, value));
            if separator != Some('+') {
                attributes.sort();
                names.push(std::mem::take(&mut attributes));
            }
            match separator {
                Some(_) => rest = after,
                None => return Ok(DistinguishedName(names)),
            }
        }
    }

    /// The subject of a certificate; `None` if a value is not text.
    pub(crate) fn of(name: &X509Name<'_>) -> Option<DistinguishedName> {
        let mut names = Vec::new();
        for relative in name.iter_rdn() {
            let mut attributes = Vec::new();
            for attribute in relative.iter() {
                let value = attribute.as_str().ok()?;
                attributes.push((attribute.attr_type().to_id_string(), value.to_owned()));
            }
            attributes.sort();
            names.push(attributes);
        }
        // [RFC4514 §2.1] The text begins with the last one.
        names.reverse();
        Some(DistinguishedName(names))
    }
}

/// The object identifier of an attribute type.
fn object_identifier(kind: &str) -> Option<String> {
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
    if let Some((_, id)) = named {
        return Some((*id).to_owned());
    }
    let is_arc = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    (kind.contains('.') && kind.split('.').all(is_arc)).then(|| kind.to_owned())
}

/// The value at the beginning of a text, the separator after it, and the rest. [RFC4514 §2.4]
fn value(text: &str) -> Result<(String, Option<char>, &str), DistinguishedNameError> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut characters = text.char_indices();
    let (mut separator, mut end) = (None, text.len());
    let mut is_after_space = text.starts_with(' ');
    if is_after_space {
        return Err(DistinguishedNameError::Space);
    }
    while let Some((at, character)) = characters.next() {
        match character {
            ',' | '+' => {
                (separator, end) = (Some(character), at + 1);
                break;
            }
            '\\' => {
                let (_, first) = characters.next().ok_or(DistinguishedNameError::Escape)?;
                if SPECIAL.contains(first) {
                    bytes.push(first as u8);
                } else {
                    let (_, second) = characters.next().ok_or(DistinguishedNameError::Escape)?;
                    let digits = [first, second].map(|digit| digit.to_digit(16));
                    let [Some(high), Some(low)] = digits else {
                        return Err(DistinguishedNameError::Escape);
                    };
                    bytes.push((high * 16 + low) as u8);
                }
                is_after_space = false;
            }
            '"' | ';' | '<' | '>' => return Err(DistinguishedNameError::Unescaped),
            _ => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                is_after_space = character == ' ';
            }
        }
    }
    if is_after_space {
        return Err(DistinguishedNameError::Space);
    }
    let value = String::from_utf8(bytes).map_err(|_| DistinguishedNameError::Escape)?;
    if value.is_empty() {
        return Err(DistinguishedNameError::NoValue);
    }
    Ok((value, separator, text.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    #[test]
    fn rfc4514_3_names_that_differ_only_in_their_text_form_are_equal() {
        for (one, other) in [
            ("CN=batch,O=Example", "cn=batch,2.5.4.10=Example"),
            ("CN=a\\,b", "CN=a\\2Cb"),
            ("CN=a+UID=b,O=x", "UID=b+CN=a,O=x"),
            ("CN=\\C4\\8D", "CN=\u{10d}"),
            ("CN=\\20a\\ ", "CN=\\ a\\20"),
        ] {
            assert_eq!(parse(one), parse(other), "{one}");
        }
        for (one, other) in [
            ("CN=batch,O=Example", "O=Example,CN=batch"),
            ("CN=batch", "CN=Batch"),
            ("CN=batch", "CN=batch,O=x"),
            ("CN=a+UID=b", "CN=a,UID=b"),
            ("CN=a\\,O=x", "CN=a,O=x"),
            ("CN=a\\+UID=b", "CN=a+UID=b"),
            ("CN=a b", "CN=a  b"),
        ] {
            assert_ne!(parse(one), parse(other), "{one}");
        }
    }

    #[test]
    fn text_that_is_no_distinguished_name_is_refused_with_its_fault() {
        for (text, fault) in [
            ("", DistinguishedNameError::Empty),
            ("batch", DistinguishedNameError::NoValue),
            ("CN=", DistinguishedNameError::NoValue),
            ("CN=a,", DistinguishedNameError::NoValue),
            ("CN=a,,O=x", DistinguishedNameError::UnknownType),
            ("XX=a", DistinguishedNameError::UnknownType),
            ("CN = a", DistinguishedNameError::UnknownType),
            ("CN=a, O=x", DistinguishedNameError::UnknownType),
            ("CN= a", DistinguishedNameError::Space),
            ("CN=a ,O=x", DistinguishedNameError::Space),
            ("CN=a\\", DistinguishedNameError::Escape),
            ("CN=a\\zz", DistinguishedNameError::Escape),
            ("CN=\\ff", DistinguishedNameError::Escape),
            ("CN=a;O=x", DistinguishedNameError::Unescaped),
            ("CN=\"a\"", DistinguishedNameError::Unescaped),
        ] {
            assert_eq!(DistinguishedName::parse(text), Err(fault), "{text}");
        }
    }
}
