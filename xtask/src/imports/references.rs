//! Finds the arrows of a crate: walks the code of each module and resolves every path in it.

use super::names::{Scope, imports};
use super::resolve::{Place, Target};
use super::test_code::{is_cfg_attr_of_tests, is_test_only};
use super::{Arrow, Crate};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, HashMap};
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};

/// The arrows between the files of a crate: one for each pair of files, with the first line that makes it.
pub fn arrows(source: &Crate) -> Vec<Arrow> {
    let macros = macros_of(source);
    let mut found = BTreeMap::new();
    for (id, module) in source.modules.iter().enumerate() {
        let mut walk = Walk {
            source,
            macros: &macros,
            module: id,
            file: module.file,
            blocks: Vec::new(),
            found: &mut found,
        };
        for item in &module.items {
            // Inline modules are modules of their own in this list.
            if !matches!(item, syn::Item::Mod(_)) {
                walk.visit_item(item);
            }
        }
    }
    found.into_values().collect()
}

/// The file of each `macro_rules!` of the crate, by name. The scope of these macros depends on the order of the source
/// text and not on modules, so paths cannot identify them.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum of items is syn's, not ours"
)]
fn macros_of(source: &Crate) -> HashMap<String, usize> {
    source
        .modules
        .iter()
        .flat_map(|module| module.items.iter().map(move |item| (item, module.file)))
        .filter_map(|(item, file)| match item {
            syn::Item::Macro(it) if !is_test_only(&it.attrs) => Some((it.ident.as_ref()?.to_string(), file)),
            _ => None,
        })
        .collect()
}

struct Walk<'a> {
    source: &'a Crate,
    macros: &'a HashMap<String, usize>,
    module: usize,
    file: usize,
    blocks: Vec<Scope>,
    found: &'a mut BTreeMap<(usize, usize), Arrow>,
}

impl Walk<'_> {
    /// Notes the arrows of a path in code. In code, a path of only one name never refers to a module.
    fn note_path(&mut self, path: &[String], line: usize) {
        let targets = self.resolve(path);
        for target in targets {
            if path.len() > 1 || matches!(target, Target::Item(_)) {
                self.note(self.source.file_of(target), path, line);
            }
        }
    }

    fn resolve(&self, path: &[String]) -> Vec<Target> {
        let place = Place {
            module: self.module,
            blocks: &self.blocks,
        };
        self.source.resolve(&place, path)
    }

    fn note(&mut self, to: usize, path: &[String], line: usize) {
        if to == self.file {
            return;
        }
        let arrow = self.found.entry((self.file, to)).or_insert_with(|| Arrow {
            from: self.file,
            to,
            line,
            path: path.join("::"),
        });
        if line < arrow.line {
            arrow.line = line;
            arrow.path = path.join("::");
        }
    }

    /// Notes the paths in the tokens of a macro call, a macro's body or an attribute: names joined by `::`, except names
    /// after `.` (a field or method), `'` (a lifetime) or `$` (a parameter of the macro; but `$crate` is the crate).
    fn note_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is_punctuation = |at: usize, mark: char| is_mark(tokens.get(at), mark);
        let mut at = 0;
        while at < tokens.len() {
            let before = at;
            at += 1;
            match &tokens[before] {
                TokenTree::Group(group) => self.note_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.unraw().to_string()];
                    while is_punctuation(at, ':') && is_punctuation(at + 1, ':') {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 2) else {
                            break;
                        };
                        path.push(next.unraw().to_string());
                        at += 3;
                    }
                    let follows = |mark: char| before > 0 && is_punctuation(before - 1, mark);
                    let is_range = before > 1 && follows('.') && is_punctuation(before - 2, '.');
                    let is_parameter = follows('$') && path[0] != "crate";
                    let is_rest_of_path = follows(':') && before > 1 && is_punctuation(before - 2, ':');
                    if is_parameter || is_rest_of_path || follows('\'') || (follows('.') && !is_range) {
                        continue;
                    }
                    let line = first.span().start().line;
                    if is_punctuation(at, '!') && path.len() == 1 {
                        self.note_macro(&path[0], line);
                    }
                    self.note_path(&path, line);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn note_macro(&mut self, name: &str, line: usize) {
        if let Some(file) = self.macros.get(name) {
            self.note(*file, &[format!("{name}!")], line);
        }
    }

    /// Notes the paths in strings of attributes, as in `#[serde(with = "crate::text")]`.
    fn note_strings(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.note_strings(group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let text = literal.to_string();
                    if let Ok(path) = syn::parse_str::<syn::Path>(text.trim_matches('"')) {
                        self.note_path(&segments(&path), line);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test_only(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, declaration: &'ast syn::ItemUse) {
        for import in imports(declaration) {
            for target in self.resolve(&import.path) {
                self.note(self.source.file_of(target), &import.path, import.line);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            self.note_path(&segments(path), first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.get_ident() {
            self.note_macro(&name.to_string(), name.span().start().line);
        }
        self.visit_path(&call.path);
        self.note_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // Texts, conditions and names of lints.
        let has_no_path = ["doc", "cfg", "allow", "expect", "warn", "deny", "forbid"];
        if has_no_path.iter().any(|name| attribute.path().is_ident(name)) || is_cfg_attr_of_tests(attribute) {
            return;
        }
        self.visit_path(attribute.path());
        match &attribute.meta {
            syn::Meta::List(list) => {
                self.note_tokens(list.tokens.clone());
                self.note_strings(list.tokens.clone());
            }
            syn::Meta::NameValue(value) => visit::visit_expr(self, &value.value),
            syn::Meta::Path(_) => {}
        }
    }

    /// The path of a visibility, as in `pub(in crate::registration)`, makes no arrow.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let items = block.stmts.iter().filter_map(|statement| match statement {
            syn::Stmt::Item(item) => Some(item),
            syn::Stmt::Local(_) | syn::Stmt::Expr(..) | syn::Stmt::Macro(_) => None,
        });
        let scope = Scope::of(items);
        let is_scope = !scope.is_empty();
        if is_scope {
            self.blocks.push(scope);
        }
        visit::visit_block(self, block);
        if is_scope {
            self.blocks.pop();
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_test_only(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_expr_block(&mut self, block: &'ast syn::ExprBlock) {
        if !is_test_only(&block.attrs) {
            visit::visit_expr_block(self, block);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_test_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !is_test_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test_only(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_impl_item_const(&mut self, constant: &'ast syn::ImplItemConst) {
        if !is_test_only(&constant.attrs) {
            visit::visit_impl_item_const(self, constant);
        }
    }
}

pub fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == mark)
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.unraw().to_string())
        .collect()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum of items is syn's, not ours"
)]
fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Enum(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Static(it) => &it.attrs,
        syn::Item::Struct(it) => &it.attrs,
        syn::Item::Trait(it) => &it.attrs,
        syn::Item::Type(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
