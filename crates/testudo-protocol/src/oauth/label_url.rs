//! URLs that are shown to people: `client_uri`, `logo_uri`, `policy_uri` and `tos_uri`. [RFC7591 §2]

use crate::limits::IDENTIFIER_BYTES_MAX;

/// True if this URL is allowed in `client_uri` and similar members of a request or a rule.
pub fn is_label_url(text: &str) -> bool {
    let is_https = url::Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https"
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let is_plain =
        text.len() <= IDENTIFIER_BYTES_MAX && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    is_https && is_plain
}
