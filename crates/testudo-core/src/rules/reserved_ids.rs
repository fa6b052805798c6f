//! Reserved client ids, which no template of a rule may make: ids that this server assigns, that name a person, or that
//! belong to another namespace. Otherwise an attacker who can choose a path segment could get the id of another client,
//! and a freeze would apply to the wrong client.

/// The prefixes of such ids; URI schemes are compared without case.
const PREFIXES: [&str; 8] = ["c_", "u_", "spiffe:", "http:", "https:", "urn:", "did:", "vc:"];

/// The built-in prefixes, and those that follow from the configuration.
#[derive(Debug, Clone, Default)]
pub struct ReservedIds {
    /// `name:` of every `[[issuers]]` entry: its subjects are written `name:subject`.
    pub prefixes: Vec<Box<str>>,
    /// The issuer identifier of this server and of every configured issuer.
    pub issuers: Vec<Box<str>>,
}

impl ReservedIds {
    /// True if `client_id` has a reserved form.
    pub fn hold(&self, client_id: &str) -> bool {
        built_in(client_id).is_some()
            || self
                .prefixes
                .iter()
                .any(|prefix| client_id.starts_with(&**prefix))
            || self.issuers.iter().any(|issuer| &**issuer == client_id)
    }

    /// True if an attester must not name a client so. `is_named` states whether a rule names the client literally: the
    /// https URL of another client would otherwise be the id of the attested one.
    pub fn hold_from_attester(&self, client_id: &str, is_named: impl FnOnce() -> bool) -> bool {
        match built_in(client_id) {
            Some("https:") => self.issuers.iter().any(|issuer| &**issuer == client_id) || !is_named(),
            // [ABCA §4] The attester chooses `sub`; these namespaces are not used by others.
            Some("http:" | "urn:" | "did:") => self.issuers.iter().any(|issuer| &**issuer == client_id),
            Some(_) | None => self.hold(client_id),
        }
    }
}

/// The built-in prefix with which `text` begins.
pub fn built_in(text: &str) -> Option<&'static str> {
    PREFIXES.into_iter().find(|prefix| {
        let begins = text.get(..prefix.len());
        begins.is_some_and(|begins| {
            begins == *prefix || (prefix.ends_with(':') && begins.eq_ignore_ascii_case(prefix))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_of_other_kinds_are_reserved() {
        let reserved = ReservedIds {
            prefixes: vec!["cluster-a:".into()],
            issuers: vec!["kubernetes/serviceaccount".into()],
        };
        for id in [
            "c_",
            "c_AAAA",
            "u_x",
            "spiffe:x",
            "SPIFFE://a.example/x",
            "https://a.example",
            "Http:x",
            "urn:x:y",
            "did:key:z",
            "vc:x",
            "cluster-a:ns/name",
            "kubernetes/serviceaccount",
        ] {
            assert!(reserved.hold(id), "{id}");
        }
        for id in [
            "",
            "c",
            "cx_1",
            "C_x",
            "workload-x",
            "cluster-ab:x",
            "kubernetes/serviceaccount/x",
        ] {
            assert!(!reserved.hold(id), "{id}");
        }
    }
}
