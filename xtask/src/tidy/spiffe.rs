//! SPIFFE types are used where SPIFFE credentials, keys and names are read, and nowhere else: everything else knows
//! authorities and subjects, so that another kind of authority needs no change there.

use super::repository::Text;
use crate::imports::{imports_of, is_test_only};
use syn::visit::{self, Visit};

/// The files that may use `testudo_protocol::spiffe`, and what for.
const ALLOWED: &[&str] = &[
    // How trust domains and SPIFFE IDs are written.
    "crates/testudo-core/src/identity/scheme.rs",
    "crates/testudo-core/src/identity/spiffe.rs",
    // The doors of SVIDs, the form of keys that they need, and what is wrong with an SVID.
    "crates/testudo-core/src/doors/jwt_svid.rs",
    "crates/testudo-core/src/doors/wit_svid.rs",
    "crates/testudo-core/src/doors/x509_svid.rs",
    "crates/testudo-core/src/doors/shared/authority_keys.rs",
    "crates/testudo-core/src/doors/shared/published_keys.rs",
    "crates/testudo-core/src/rejection/credential.rs",
    "crates/testudo-core/src/rejection/hints.rs",
    // The configuration of trust domains, and their bundles from a Workload API.
    "crates/testudo-server/src/config/trust.rs",
    "crates/testudo-server/src/config/https_spiffe.rs",
    "crates/testudo-server/src/config/spiffe_endpoint.rs",
    "crates/testudo-server/src/trust/workload_api.rs",
    // X.509-SVIDs at the connection: the key of the handshake, the proxy's header, and the last refused chain.
    "crates/testudo-server/src/client_certificates.rs",
    "crates/testudo-server/src/peer.rs",
    "crates/testudo-server/src/chain_memory.rs",
    // The SDK of workloads, which fetches SVIDs.
    "crates/testudo-client/src/svid.rs",
];

/// The crates whose sources are checked. `testudo-issuer` is a trust domain, and `testudo-testkit` is for tests.
const CRATES: &[&str] = &[
    "testudo",
    "testudo-client",
    "testudo-core",
    "testudo-resource",
    "testudo-server",
    "testudo-store",
];

pub fn check(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    let sources = texts.iter().filter(|text| text.is_code_of(CRATES));
    let mut allowed: Vec<&str> = ALLOWED.to_vec();
    for text in sources {
        let syntax = syn::parse_file(&text.text).map_err(|error| format!("{}: {error}", text.name))?;
        let mut uses = Uses::default();
        uses.visit_file(&syntax);
        let is_allowed = allowed.contains(&text.name.as_str());
        allowed.retain(|name| *name != text.name || uses.first.is_none());
        if let (Some(line), false) = (uses.first, is_allowed) {
            complaints.push(format!(
                "{}:{line} uses testudo_protocol::spiffe: use `Authority`, `AuthorityKeys` and subjects, which other \
                 kinds of authority have too; xtask/src/tidy/spiffe.rs lists the files that read SPIFFE",
                text.name
            ));
        }
    }
    for name in allowed {
        complaints.push(format!(
            "{name} uses no testudo_protocol::spiffe: remove it from xtask/src/tidy/spiffe.rs"
        ));
    }
    Ok(())
}

/// The first line, outside of tests, with a path into `testudo_protocol::spiffe`.
#[derive(Default)]
struct Uses {
    first: Option<usize>,
}

impl Uses {
    fn note<'p>(&mut self, path: impl IntoIterator<Item = &'p str>, line: usize) {
        let begins: Vec<&str> = path.into_iter().take(2).collect();
        if begins == ["testudo_protocol", "spiffe"] && self.first.is_none_or(|first| line < first) {
            self.first = Some(line);
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for import in imports_of(item).iter().filter(|_| !is_test_only(&item.attrs)) {
            self.note(import.path.iter().map(String::as_str), import.line);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.note(names.iter().map(String::as_str), first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "crates/testudo-server/src/new.rs";

    /// Complaints about a file with this name and text, beside files that are allowed and use SPIFFE types.
    fn complaints(name: &str, source: &str) -> Vec<String> {
        let text = |name: &str, text: &str| Text {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let listed = ALLOWED.iter().filter(|listed| **listed != name);
        let mut texts: Vec<Text> = listed
            .map(|listed| text(listed, "use testudo_protocol::spiffe::Bundle;"))
            .collect();
        texts.push(text(name, source));
        let mut complaints = Vec::new();
        check(&texts, &mut complaints).unwrap();
        complaints
    }

    #[test]
    fn new_file_that_uses_a_spiffe_type_is_a_complaint() {
        for source in [
            "\nuse testudo_protocol::spiffe::Bundle;",
            "\nuse testudo_protocol::spiffe;",
            "\nuse testudo_protocol::{Seconds, spiffe::{Bundle, SpiffeId}};",
            "\nfn f(bundle: &testudo_protocol::spiffe::Bundle) {}",
            "\nfn f() { let _ = testudo_protocol::spiffe::Bundle::parse(b\"\"); }",
        ] {
            let found = complaints(NEW, source);
            let is_named = |text: &String| text.starts_with(&format!("{NEW}:2 "));
            assert!(
                found.len() == 1 && found.iter().all(is_named),
                "{source}: {found:?}"
            );
        }
    }

    #[test]
    fn tests_other_crates_and_other_types_are_no_complaint() {
        for (name, source) in [
            (NEW, "use testudo_protocol::Seconds;\nuse spiffe::TrustDomain;"),
            (
                NEW,
                "#[cfg(test)]\nmod tests { use testudo_protocol::spiffe::Bundle; }",
            ),
            (
                "crates/testudo-server/src/new/tests.rs",
                "use testudo_protocol::spiffe::Bundle;",
            ),
            (
                "crates/testudo-server/tests/suite/new.rs",
                "use testudo_protocol::spiffe::Bundle;",
            ),
            (
                "crates/testudo-testkit/src/new.rs",
                "use testudo_protocol::spiffe::Bundle;",
            ),
        ] {
            assert!(complaints(name, source).is_empty(), "{name}: {source}");
        }
    }

    #[test]
    fn listed_file_that_uses_no_spiffe_type_any_more_is_a_complaint() {
        let found = complaints(ALLOWED[0], "use testudo_protocol::Seconds;");
        assert!(found.len() == 1 && found[0].starts_with(ALLOWED[0]), "{found:?}");
    }
}
