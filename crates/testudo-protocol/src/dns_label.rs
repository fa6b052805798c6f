//! Labels of domain names in lower case, of which Kubernetes makes the names of its objects too.

/// Longest label of a domain name, bytes.
const LABEL_BYTES_MAX: usize = 63;

/// True for a label of a domain name in lower case.
pub(crate) fn is_dns_label(text: &str) -> bool {
    text.len() <= LABEL_BYTES_MAX && has_label_form(text)
}

/// The same without the bound of its length.
pub(crate) fn has_label_form(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_allowed) && !text.starts_with('-') && !text.ends_with('-')
}
