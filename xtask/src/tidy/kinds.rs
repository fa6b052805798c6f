//! A kind of credential is named in its own files and in tables that have one row for each kind, and nowhere else:
//! everything else asks for a property of the kind. So CONTRIBUTING.md can list the files that a new kind touches.

use super::repository::Text;
use crate::imports::is_test_only;
use syn::visit::{self, Visit};

/// The tables. CONTRIBUTING.md ("Add a door") lists each of them.
const TABLES: &[&str] = &[
    "crates/testudo-core/src/doors/mod.rs",
    "crates/testudo-core/src/doors/shared/presented.rs",
    "crates/testudo-core/src/identity/credential.rs",
    "crates/testudo-core/src/policy/authority.rs",
    "crates/testudo-core/src/policy/mod.rs",
    "crates/testudo-server/src/config/issuer_kinds.rs",
    "crates/testudo-server/src/config/keys.rs",
    "crates/testudo-server/src/config/keys/issuers.rs",
    "crates/testudo-server/src/config/mod.rs",
];

/// A kind, and the files that are its own: what begins with one of these paths.
struct Kind {
    /// Its name, in lower case and without `_`.
    name: &'static str,
    own: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        name: "kubernetes",
        own: &[
            "crates/testudo-core/src/doors/kubernetes",
            "crates/testudo-core/src/rejection/hints/service_account.rs",
            "crates/testudo-core/src/rejection/service_account.rs",
            "crates/testudo-server/src/config/kubernetes.rs",
            "crates/testudo-server/src/trust/token_reviews",
        ],
    },
    Kind {
        name: "verifiablecredential",
        own: &[
            "crates/testudo-core/src/doors/verifiable_credential",
            "crates/testudo-core/src/policy/verifiable_credential.rs",
            "crates/testudo-core/src/rejection/hints/verifiable.rs",
            "crates/testudo-core/src/rejection/verifiable.rs",
            "crates/testudo-server/src/config/verifiable_credentials.rs",
        ],
    },
    Kind {
        name: "witsvid",
        own: &[
            "crates/testudo-core/src/doors/wit_svid.rs",
            // The refusals of attestations and WIT-SVIDs are one topic: both are sent in the same header field.
            "crates/testudo-core/src/rejection/attestation.rs",
            // Workload Proof Tokens of WIT-SVIDs.
            "crates/testudo-server/src/config/experiments.rs",
            // The section of trust domains, which issue them.
            "crates/testudo-server/src/config/trust.rs",
        ],
    },
    Kind {
        name: "issuerjwt",
        own: &[
            "crates/testudo-core/src/doors/issuer_jwt.rs",
            "crates/testudo-server/src/config/ci_systems.rs",
            "crates/testudo-server/src/config/jwt_issuers.rs",
        ],
    },
];

/// The crates whose sources are checked. `testudo-protocol` has what the standards of a kind define, and the SDKs and
/// commands have sources of credentials of a kind.
const CRATES: &[&str] = &["testudo-core", "testudo-server", "testudo-store"];

const GUIDE: &str = "CONTRIBUTING.md";

pub fn check(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    for kind in KINDS {
        let sources = texts.iter().filter(|text| text.is_code_of(CRATES));
        for text in sources.filter(|text| !is_allowed(kind, &text.name) && !is_of_tests(texts, &text.name)) {
            if let Some(line) = first_use(kind, text)? {
                complaints.push(format!(
                    "{}:{line} names the kind of credential `{}`: ask for a property of the kind, a field of `Row` in \
                     crates/testudo-core/src/identity/credential.rs; xtask/src/tidy/kinds.rs lists the files that may name \
                     kinds",
                    text.name, kind.name
                ));
            }
        }
    }
    let guide = texts.iter().find(|text| text.name == GUIDE);
    let guide = guide.map(|text| text.text.as_str()).unwrap_or_default();
    for table in TABLES {
        let shown = format!("`{}`", shown(table));
        if !guide.contains(&shown) {
            complaints.push(format!(
                "{GUIDE} does not list {shown}, which has a row for each kind of credential (xtask/src/tidy/kinds.rs)"
            ));
        }
    }
    Ok(())
}

/// The name of a file as documents of this repository write it: `core/doors/mod.rs`.
fn shown(file: &str) -> String {
    file.replacen("crates/testudo-", "", 1).replacen("/src/", "/", 1)
}

/// True if the file is a module that its folder declares for tests only.
fn is_of_tests(texts: &[Text], file: &str) -> bool {
    let Some((folder, module)) = file.trim_end_matches(".rs").rsplit_once('/') else {
        return false;
    };
    let parents = [
        format!("{folder}/mod.rs"),
        format!("{folder}.rs"),
        format!("{folder}/lib.rs"),
    ];
    let declared = format!("#[cfg(test)]\nmod {module};");
    let mut parents = texts.iter().filter(|text| parents.contains(&text.name));
    parents.any(|text| text.text.contains(&declared))
}

fn is_allowed(kind: &Kind, file: &str) -> bool {
    TABLES.contains(&file) || kind.own.iter().any(|own| file.starts_with(own))
}

/// The first line, outside of tests and comments, with the name of the kind.
fn first_use(kind: &Kind, text: &Text) -> Result<Option<usize>, String> {
    let folded = folded(&text.text);
    if !folded.contains(kind.name) {
        return Ok(None);
    }
    let syntax = syn::parse_file(&text.text).map_err(|error| format!("{}: {error}", text.name))?;
    let mut uses = Uses {
        name: kind.name,
        first: None,
    };
    uses.visit_file(&syntax);
    Ok(uses.first)
}

fn folded(text: &str) -> String {
    text.to_ascii_lowercase().replace('_', "")
}

struct Uses {
    name: &'static str,
    first: Option<usize>,
}

impl Uses {
    fn note(&mut self, text: &str, line: usize) {
        if folded(text).contains(self.name) && self.first.is_none_or(|first| line < first) {
            self.first = Some(line);
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    /// Comments of the documentation are attributes.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_use(self, item);
        }
    }

    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        self.note(&ident.to_string(), ident.span().start().line);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.note(&text.value(), text.span().start().line);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(first) = call.path.segments.first() {
            self.note(&call.tokens.to_string(), first.ident.span().start().line);
        }
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "crates/testudo-server/src/new.rs";

    /// Complaints about a file with this name and text, beside a guide that lists all tables.
    fn complaints(name: &str, source: &str) -> Vec<String> {
        let text = |name: &str, text: String| Text {
            name: name.to_owned(),
            text,
        };
        let tables: Vec<String> = TABLES.iter().map(|table| format!("`{}`", shown(table))).collect();
        let texts = [text(GUIDE, tables.join(" ")), text(name, source.to_owned())];
        let mut complaints = Vec::new();
        check(&texts, &mut complaints).unwrap();
        complaints
    }

    #[test]
    fn kind_that_is_named_outside_of_its_files_and_the_tables_is_a_complaint() {
        for source in [
            "\nfn f(kind: CredentialKind) -> bool { kind == CredentialKind::Kubernetes }",
            "\nuse crate::doors::kubernetes::Review;",
            "\nconst NAME: &str = \"verifiable_credential\";",
            "\nfn f() { let _ = format!(\"{:?}\", CredentialKind::WitSvid); }",
            "\nfn takes_wit_svids() {}",
            "\nconst KIND: CredentialKind = CredentialKind::IssuerJwt;",
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
    fn own_files_tables_tests_comments_and_other_crates_are_no_complaint() {
        let use_of_it = "fn f() -> CredentialKind { CredentialKind::Kubernetes }";
        for (name, source) in [
            (NEW, "/// Of Kubernetes.\nfn f() {} // Kubernetes"),
            (
                NEW,
                "#[cfg(test)]\nmod tests { const A: Kind = Kind::Kubernetes; }",
            ),
            (NEW, "#[cfg(test)]\nfn f() -> Kind { Kind::Kubernetes }"),
            (KINDS[0].own[0], use_of_it),
            (TABLES[0], use_of_it),
            ("crates/testudo-core/src/new/tests.rs", use_of_it),
            ("crates/testudo-protocol/src/new.rs", use_of_it),
        ] {
            let name = match name.ends_with(".rs") {
                true => name.to_owned(),
                false => format!("{name}/new.rs"),
            };
            assert!(complaints(&name, source).is_empty(), "{name}: {source}");
        }
        let of_another = "crates/testudo-server/src/config/verifiable_credentials.rs";
        assert_eq!(
            complaints(of_another, use_of_it).len(),
            1,
            "a file of another kind"
        );
    }

    #[test]
    fn table_that_the_guide_does_not_list_is_a_complaint() {
        let mut complaints = Vec::new();
        check(&[], &mut complaints).unwrap();
        assert_eq!(complaints.len(), TABLES.len(), "{complaints:?}");
        assert!(complaints[0].contains("`core/doors/mod.rs`"), "{complaints:?}");
    }
}
