//! Names of objects. [K8S-NAMES]

use crate::dns_label::{has_label_form, is_dns_label};

/// Longest name of an object that is no namespace, bytes. Its labels have no bound of their own.
const SUBDOMAIN_BYTES_MAX: usize = 253;

/// True for the name of a namespace.
pub(super) fn is_label(text: &str) -> bool {
    is_dns_label(text)
}

/// True for the name of a service account, a pod, a node or a secret.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_BYTES_MAX && text.split('.').all(has_label_form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_api_server_accepts_are_accepted_and_others_are_refused() {
        let (label, name) = ("a".repeat(63), "a".repeat(253));
        for good in ["pay", "0", "a-b", &label] {
            assert!(is_label(good) && is_subdomain(good), "{good}");
        }
        assert!(is_subdomain(&name) && is_subdomain("node-1.eu.example") && is_subdomain(&"a".repeat(64)));
        assert!(!is_label("a.b") && !is_label(&"a".repeat(64)) && !is_subdomain(&"a".repeat(254)));
        for bad in [
            "", "-a", "a-", "A", "a_b", "a b", "a/b", "a:b", "ä", "a\n", "*", "{a}", "%41",
        ] {
            assert!(!is_label(bad) && !is_subdomain(bad), "{bad:?}");
        }
        for bad in [".", "a.", ".a", "a..b", "a.-b"] {
            assert!(!is_subdomain(bad), "{bad}");
        }
    }
}
