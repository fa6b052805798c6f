//! Functions have at most five parameters. The members of a tuple are counted one by one: parameters that belong
//! together must be a struct with a name. Clippy counts a tuple as one parameter.

use super::repository::Text;
use syn::visit::{self, Visit};

const PARAMETERS_MAX: usize = 5;

pub fn check(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    let is_source =
        |name: &str| name.ends_with(".rs") && (name.contains("/src/") || name.starts_with("src/"));
    for text in texts.iter().filter(|text| is_source(&text.name)) {
        let syntax = syn::parse_file(&text.text).map_err(|error| format!("{}: {error}", text.name))?;
        let mut functions = Functions {
            file: &text.name,
            complaints,
        };
        functions.visit_file(&syntax);
    }
    Ok(())
}

struct Functions<'a> {
    file: &'a str,
    complaints: &'a mut Vec<String>,
}

impl<'ast> Visit<'ast> for Functions<'_> {
    /// The signature of a method of a trait is that of the trait, which may be of a library. The traits of this repository
    /// are checked where they are declared.
    fn visit_item_impl(&mut self, implementation: &'ast syn::ItemImpl) {
        if implementation.trait_.is_none() {
            return visit::visit_item_impl(self, implementation);
        }
        for item in &implementation.items {
            if let syn::ImplItem::Fn(method) = item {
                self.visit_block(&method.block);
            }
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        let count: usize = signature.inputs.iter().map(parameters).sum();
        if count > PARAMETERS_MAX {
            self.complaints.push(format!(
                "{}:{} {} has {count} parameters, each member of a tuple counted; at most {PARAMETERS_MAX} are allowed: \
                 make those that belong together a struct",
                self.file,
                signature.ident.span().start().line,
                signature.ident
            ));
        }
        visit::visit_signature(self, signature);
    }
}

/// How many values a parameter counts as.
fn parameters(input: &syn::FnArg) -> usize {
    match input {
        syn::FnArg::Typed(typed) if let syn::Type::Tuple(tuple) = &*typed.ty => tuple.elems.len().max(1),
        syn::FnArg::Typed(_) | syn::FnArg::Receiver(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(source: &str) -> Vec<String> {
        let texts = [Text {
            name: "crates/x/src/lib.rs".to_owned(),
            text: source.to_owned(),
        }];
        let mut complaints = Vec::new();
        check(&texts, &mut complaints).unwrap();
        complaints
    }

    #[test]
    fn sixth_parameter_is_a_complaint_also_in_a_tuple_a_method_and_a_trait() {
        assert!(complaints("fn f(a: A, b: B, c: C, d: D, e: E) {}").is_empty());
        let six = "a: A, b: B, c: C, d: D, e: E, f: F";
        assert!(complaints(&format!("impl T for X {{ fn f({six}) {{}} }}")).is_empty());
        for counted in [
            format!("trait T {{ fn f({six}); }}"),
            format!("impl T for X {{ fn f() {{ fn g({six}) {{}} }} }}"),
        ] {
            assert_eq!(complaints(&counted).len(), 1, "{counted}");
        }
        assert!(complaints("impl X { fn f(&self, a: A, (b, c): (B, C), d: D) {} }").is_empty());
        for source in [
            "\nfn f(a: A, b: B, c: C, d: D, e: E, g: G) {}",
            "\nfn f(a: A, b: B, c: C, d: D, (e, g): (E, G)) {}",
            "\nimpl X { fn f(&self, a: A, b: B, c: C, (d, e): (D, E)) {} }",
            "\ntrait X { fn f(&self, a: A, b: B, c: C, d: D, e: E); }",
        ] {
            let found = complaints(source);
            let is_named = |text: &String| text.starts_with("crates/x/src/lib.rs:2 f has 6 parameters");
            assert!(
                found.len() == 1 && found.iter().all(is_named),
                "{source}: {found:?}"
            );
        }
    }
}
