//! The names in the scope of a module or of a block of a function: items, imports and glob imports.

use super::test_code::is_test_only;
use std::collections::HashMap;
use syn::ext::IdentExt as _;
use syn::{Item, UseTree};

/// What a name refers to.
#[derive(Clone, Debug)]
pub enum Name {
    /// An item that is defined here.
    Item,
    /// A module of this crate, by its number.
    Module(usize),
    /// An import; its path is resolved from the module of the `use` declaration.
    Import(Vec<String>),
}

/// The names of one module or block.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: HashMap<String, Vec<Name>>,
    /// Paths that are imported with `::*`.
    pub globs: Vec<Vec<String>>,
}

/// One path of a `use` declaration. A declaration with groups has several.
pub struct Import {
    pub path: Vec<String>,
    /// The name that it brings into scope; none for `_` and globs.
    pub name: Option<String>,
    pub is_glob: bool,
    pub line: usize,
}

impl Scope {
    /// The names that these items define or import. [`Scope::add_module`] adds submodules when they are read.
    pub fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut scope = Self::default();
        for item in items {
            scope.add_item(item);
        }
        scope
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.globs.is_empty()
    }

    pub fn add_module(&mut self, name: &str, module: usize) {
        self.add(name.to_owned(), Name::Module(module));
    }

    pub fn find(&self, name: &str) -> &[Name] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, name: String, what: Name) {
        self.names.entry(name).or_default().push(what);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of items is syn's, not ours"
    )]
    fn add_item(&mut self, item: &Item) {
        let (attributes, name) = match item {
            Item::Const(it) => (&it.attrs, &it.ident),
            Item::Enum(it) => (&it.attrs, &it.ident),
            Item::Fn(it) => (&it.attrs, &it.sig.ident),
            Item::Static(it) => (&it.attrs, &it.ident),
            Item::Struct(it) => (&it.attrs, &it.ident),
            Item::Trait(it) => (&it.attrs, &it.ident),
            Item::TraitAlias(it) => (&it.attrs, &it.ident),
            Item::Type(it) => (&it.attrs, &it.ident),
            Item::Union(it) => (&it.attrs, &it.ident),
            Item::Use(it) if !is_test_only(&it.attrs) => {
                for import in imports(it) {
                    if import.is_glob {
                        self.globs.push(import.path);
                    } else if let Some(name) = import.name {
                        self.add(name, Name::Import(import.path));
                    }
                }
                return;
            }
            _ => return,
        };
        if !is_test_only(attributes) {
            self.add(name.unraw().to_string(), Name::Item);
        }
    }
}

/// The paths of a `use` declaration. A declaration that begins with `::` names another crate and yields none.
pub fn imports(declaration: &syn::ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if declaration.leading_colon.is_none() {
        take_apart(&declaration.tree, &[], &mut found);
    }
    found
}

fn take_apart(tree: &UseTree, prefix: &[String], found: &mut Vec<Import>) {
    let with = |name: String| -> Vec<String> { prefix.iter().cloned().chain([name]).collect() };
    match tree {
        UseTree::Path(part) => take_apart(&part.tree, &with(part.ident.unraw().to_string()), found),
        UseTree::Group(group) => {
            for tree in &group.items {
                take_apart(tree, prefix, found);
            }
        }
        UseTree::Name(part) => {
            let name = part.ident.unraw().to_string();
            let path = if name == "self" {
                prefix.to_vec()
            } else {
                with(name)
            };
            found.push(Import {
                name: path.last().cloned(),
                path,
                is_glob: false,
                line: part.ident.span().start().line,
            });
        }
        UseTree::Rename(part) => {
            let name = part.ident.unraw().to_string();
            let renamed = part.rename.unraw().to_string();
            found.push(Import {
                path: if name == "self" {
                    prefix.to_vec()
                } else {
                    with(name)
                },
                name: (renamed != "_").then_some(renamed),
                is_glob: false,
                line: part.ident.span().start().line,
            });
        }
        UseTree::Glob(part) => found.push(Import {
            path: prefix.to_vec(),
            name: None,
            is_glob: true,
            line: part.star_token.spans[0].start().line,
        }),
    }
}
