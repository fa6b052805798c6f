//! `did:web`: the URL of the document. [DID-WEB]

use super::DidError;
use crate::dns_label::is_dns_label;

/// The URL of the document of the part after `did:web:`. A port that is not written `%3A8443` is a path segment. A host
/// that would be read as an IP address by some parser is refused.
pub(super) fn url(specific: &str) -> Result<String, DidError> {
    let mut segments = specific.split(':');
    let host = host(segments.next().unwrap_or_default())?;
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(checked_segment(segment)?);
    }
    if path.is_empty() {
        path.push_str("/.well-known");
    }
    Ok(format!("https://{host}{path}/did.json"))
}

/// The host and the port, as they stand in a URL.
fn host(text: &str) -> Result<String, DidError> {
    let (name, port) = match text.find('%') {
        None => (text, None),
        Some(at) => {
            let (name, rest) = text.split_at(at);
            let port = rest.strip_prefix("%3A").or(rest.strip_prefix("%3a"));
            (name, Some(port.ok_or(DidError::Host)?))
        }
    };
    let labels: Vec<&str> = name.split('.').collect();
    // A last label that begins with a digit would be an IPv4 address for some parsers: `0x7f.1`, `2130706433`.
    let is_name = labels
        .last()
        .is_some_and(|last| !last.starts_with(|c: char| c.is_ascii_digit()));
    if labels.len() < 2 || name.len() > 253 || !is_name || !labels.into_iter().all(is_dns_label) {
        return Err(DidError::Host);
    }
    let Some(port) = port else {
        return Ok(name.to_owned());
    };
    let number = port.parse::<u16>().ok().filter(|number| *number > 0);
    match number {
        Some(number) if number.to_string() == port => Ok(format!("{name}:{number}")),
        _ => Err(DidError::Port),
    }
}

/// Percent-encoded separators, ends of strings and dots would change what the URL means.
fn checked_segment(segment: &str) -> Result<&str, DidError> {
    let lower = segment.to_ascii_lowercase();
    let is_dots = matches!(lower.replace("%2e", ".").as_str(), "" | "." | "..");
    let has_separator = ["%2f", "%5c", "%00", "%23", "%3f"]
        .iter()
        .any(|encoded| lower.contains(encoded));
    match is_dots || has_separator {
        true => Err(DidError::Path),
        false => Ok(segment),
    }
}
