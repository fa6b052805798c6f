//! A type with a field that is a secret derives no `Debug`: `{:?}` in a line of a log or in a failed test would print
//! the secret. Such a type has no `Debug`, or one that leaves the secret out.

use super::repository::Text;
use crate::imports::is_test_only;
use syn::visit::{self, Visit};

/// Names of fields that contain a secret where their type is text or bytes.
const NAMES: &[&str] = &[
    "access_token",
    "assertion",
    "attestation",
    "bearer",
    "client_assertion",
    "client_secret",
    "evidence",
    "initial_access_token",
    "key_encryption_key",
    "password",
    "pkcs8",
    "pop",
    "private_key",
    "proof",
    "registration_access_token",
    "secret",
    "software_statement",
    "token",
];

/// Fields with such a name that are no secret, and what they are.
const NO_SECRETS: &[(&str, &str)] = &[
    // The identity that was attested.
    ("RequestDetails", "attestation"),
    // The path of the file with the key.
    ("TlsSection", "private_key"),
];

const TEXT_AND_BYTES: &[&str] = &["String", "str", "u8", "Bytes"];
/// Types that print what they contain. `Zeroizing` does not.
const WRAPPERS: &[&str] = &["Arc", "Box", "Cow", "Option", "Rc", "Vec"];

/// Crates that no server and no workload runs.
const FOR_TESTS: &[&str] = &["crates/testudo-testkit/", "crates/testudo-issuer/"];

pub fn check(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    let is_source = |name: &str| {
        let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
        name.ends_with(".rs") && name.starts_with("crates/") && name.contains("/src/") && !is_test
    };
    let is_checked = |name: &str| is_source(name) && !FOR_TESTS.iter().any(|folder| name.starts_with(folder));
    for text in texts.iter().filter(|text| is_checked(&text.name)) {
        let syntax = syn::parse_file(&text.text).map_err(|error| format!("{}: {error}", text.name))?;
        let mut types = Types {
            file: &text.name,
            complaints,
        };
        types.visit_file(&syntax);
    }
    Ok(())
}

struct Types<'a> {
    file: &'a str,
    complaints: &'a mut Vec<String>,
}

impl Types<'_> {
    fn check(&mut self, owner: &syn::Ident, fields: &syn::Fields) {
        for field in fields {
            let Some(name) = field.ident.as_ref().map(ToString::to_string) else {
                continue;
            };
            let is_excepted = NO_SECRETS.contains(&(owner.to_string().as_str(), name.as_str()));
            if NAMES.contains(&name.as_str()) && is_text_or_bytes(&field.ty) && !is_excepted {
                self.complaints.push(format!(
                    "{}:{} {owner} derives Debug, which would print `{name}`: write a Debug without it, or none",
                    self.file,
                    owner.span().start().line,
                ));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Types<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if derives_debug(&item.attrs) {
            self.check(&item.ident, &item.fields);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if derives_debug(&item.attrs) {
            for variant in &item.variants {
                self.check(&item.ident, &variant.fields);
            }
        }
    }
}

fn derives_debug(attributes: &[syn::Attribute]) -> bool {
    let mut found = false;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
    {
        // A list that cannot be parsed is refused by the compiler.
        let _ = attribute.parse_nested_meta(|derived| {
            found |= derived
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "Debug");
            Ok(())
        });
    }
    found
}

/// True for text and bytes, also behind a reference and in the types of [`WRAPPERS`].
fn is_text_or_bytes(found: &syn::Type) -> bool {
    if let syn::Type::Reference(inner) = found {
        return is_text_or_bytes(&inner.elem);
    }
    if let syn::Type::Slice(inner) = found {
        return is_text_or_bytes(&inner.elem);
    }
    if let syn::Type::Array(inner) = found {
        return is_text_or_bytes(&inner.elem);
    }
    let syn::Type::Path(path) = found else {
        return false;
    };
    let Some(last) = path.path.segments.last() else {
        return false;
    };
    let is = |names: &[&str]| names.iter().any(|name| last.ident == name);
    let is_inner = |argument: &syn::GenericArgument| matches!(argument, syn::GenericArgument::Type(inner) if is_text_or_bytes(inner));
    match &last.arguments {
        syn::PathArguments::AngleBracketed(inner) if is(WRAPPERS) => inner.args.iter().any(is_inner),
        syn::PathArguments::AngleBracketed(_)
        | syn::PathArguments::Parenthesized(_)
        | syn::PathArguments::None => is(TEXT_AND_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(name: &str, source: &str) -> Vec<String> {
        let texts = [Text {
            name: name.to_owned(),
            text: source.to_owned(),
        }];
        let mut complaints = Vec::new();
        check(&texts, &mut complaints).unwrap();
        complaints
    }

    #[test]
    fn derived_debug_of_a_type_with_a_secret_is_a_complaint() {
        for source in [
            "#[derive(Clone, Debug)]\nstruct X { token: String }",
            "#[derive(Debug)]\nstruct X<'a> { proof: &'a str }",
            "#[derive(Clone)]\n#[derive(std::fmt::Debug)]\nstruct X { private_key: Option<Vec<u8>> }",
            "#[derive(Debug)]\nstruct X { secret: [u8; 32] }",
            "#[derive(Debug)]\nstruct X { password: std::borrow::Cow<'static, str> }",
            "#[derive(Debug)]\nenum X { A, B { assertion: Box<str> } }",
            "mod m { #[derive(Debug)]\nstruct X { bearer: Bytes } }",
        ] {
            let found = complaints("crates/x/src/lib.rs", source);
            let is_named = |text: &String| text.contains("X derives Debug");
            assert!(
                found.len() == 1 && found.iter().all(is_named),
                "{source}: {found:?}"
            );
        }
    }

    #[test]
    fn type_without_derived_debug_or_without_a_secret_is_no_complaint() {
        for source in [
            "#[derive(Clone)] struct X { token: String }",
            "#[derive(Debug)] struct X { token_endpoint: String, token: Token, proof: Proof }",
            "#[derive(Debug)] struct X { key_encryption_key: Option<Zeroizing<[u8; 32]>> }",
            "#[derive(Debug)] struct X { token: Option<Map<String, Value>> }",
            "#[derive(Debug)] struct TlsSection { private_key: String }",
            "#[cfg(test)] mod tests { #[derive(Debug)] struct X { token: String } }",
        ] {
            assert!(complaints("crates/x/src/lib.rs", source).is_empty(), "{source}");
        }
        let source = "#[derive(Debug)] struct X { token: String }";
        for name in [
            "crates/x/tests/a.rs",
            "crates/x/src/a/tests.rs",
            "crates/testudo-testkit/src/a.rs",
        ] {
            assert!(complaints(name, source).is_empty(), "{name}");
        }
    }
}
