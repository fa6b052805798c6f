//! Refuses the ways in which a file can use another one of its crate without a path that `references` resolves: a module
//! or an include from a file of another name, and another name for the own crate.

use super::Crate;
use super::references::is_mark;
use super::test_code::{is_cfg_attr_of_tests, is_test_only};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Complaints about the source of the package `name`.
pub fn hidden(name: &str, source: &Crate) -> Vec<String> {
    let mut found = Hidden {
        package: name.replace('-', "_"),
        place: String::new(),
        complaints: Vec::new(),
    };
    for module in &source.modules {
        found.place = format!("{name}: {}", source.files[module.file].name);
        for item in &module.items {
            found.visit_item(item);
        }
    }
    found.complaints
}

/// True if the attribute `path` names the file of a module.
pub fn is_elsewhere(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_in_condition = match &attribute.meta {
            syn::Meta::List(list) => names_a_path(list.tokens.clone()),
            syn::Meta::Path(_) | syn::Meta::NameValue(_) => false,
        };
        attribute.path().is_ident("path")
            || attribute.path().is_ident("cfg_attr") && !is_cfg_attr_of_tests(attribute) && is_in_condition
    })
}

/// True for `path = …` in the tokens of `cfg_attr`.
fn names_a_path(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens
        .windows(2)
        .any(|pair| is_name(pair.first(), "path") && is_mark(pair.get(1), '='))
}

struct Hidden {
    /// The package, as it is written in paths.
    package: String,
    place: String,
    complaints: Vec<String>,
}

impl Hidden {
    fn complain(&mut self, line: usize, what: &str) {
        self.complaints.push(format!(
            "{}:{line} {what}: `cargo xtask tidy` cannot see which file is used; use `mod`, `crate::` and `super::`",
            self.place
        ));
    }

    fn check_first(&mut self, has_leading_colon: bool, first: &syn::Ident) {
        if has_leading_colon && *first == self.package {
            self.complain(first.span().start().line, "names its own crate with `::`");
        }
    }

    fn check_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.check_tokens(group.stream()),
                TokenTree::Ident(name) => {
                    if name == "include" && is_mark(tokens.get(at + 1), '!') {
                        self.complain(name.span().start().line, "includes another file as code");
                    }
                    let mark_before = |back: usize| {
                        at.checked_sub(back)
                            .is_some_and(|before| is_mark(tokens.get(before), ':'))
                    };
                    let is_rest_of_path = at
                        .checked_sub(3)
                        .is_some_and(|before| matches!(tokens.get(before), Some(TokenTree::Ident(_))));
                    self.check_first(mark_before(1) && mark_before(2) && !is_rest_of_path, name);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

fn is_name(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(found)) if found == name)
}

impl<'ast> Visit<'ast> for Hidden {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // The items of inline modules are in modules of their own.
        if !is_test_only(&item.attrs) && is_elsewhere(&item.attrs) {
            self.complain(item.ident.span().start().line, "is a module with `#[path]`");
        }
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        if item.ident == "self" || item.ident == self.package {
            self.complain(item.ident.span().start().line, "gives its own crate another name");
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree {
            self.check_first(item.leading_colon.is_some(), &path.ident);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            self.check_first(path.leading_colon.is_some(), &first.ident);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(last) = call.path.segments.last().filter(|last| last.ident == "include") {
            self.complain(last.ident.span().start().line, "includes another file as code");
        }
        self.visit_path(&call.path);
        self.check_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.check_tokens(list.tokens.clone());
        }
    }
}
