//! The modules of a crate (the files and folders directly below `src`) are in layers, and a module may use modules of
//! lower layers only. So all calls lead in one direction, and a module can be understood with the layers below it and
//! nothing else. If a file of a folder must be in a higher layer than the folder, the table lists it as a separate module
//! (`trust/refresh`).

use super::layers::{LAYERS, Layer};
use crate::imports::{Arrow, Crate, crates_of_workspace, is_test_only};
use crate::root;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use syn::spanned::Spanned as _;

/// Complains about each import that does not lead to a lower layer, about modules without a row in the table, and about
/// rows that ARCHITECTURE.md does not have.
pub fn check(crates: &[(String, Crate)], complaints: &mut Vec<String>) -> Result<(), String> {
    let document = root().join("ARCHITECTURE.md");
    let architecture =
        std::fs::read_to_string(&document).map_err(|error| format!("{}: {error}", document.display()))?;
    for (name, source) in crates {
        if let Some(layers) = layers_of(name) {
            complaints.extend(refused(name, source, layers));
            complaints.extend(items_of_the_root(name, source));
            complaints.extend(undocumented(name, layers, &architecture));
        }
    }
    Ok(())
}

/// Items of `lib.rs` besides modules and re-exports: `lib.rs` is in no layer, so a lower layer could use a higher one
/// through them.
fn items_of_the_root(name: &str, source: &Crate) -> Vec<String> {
    let root = source.modules.iter().filter(|module| module.parent.is_none());
    let items = root.flat_map(|module| &module.items);
    items
        .filter(|item| !is_declaration(item))
        .map(|item| {
            format!(
                "{name}: lib.rs:{} defines an item: lib.rs may have `mod name;` and `pub use` only, because it is in no \
                 layer; move the item into a module",
                item.span().start().line
            )
        })
        .collect()
}

/// True for `mod name;`, `pub use …;` and tests.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum of items is syn's, not ours"
)]
fn is_declaration(item: &syn::Item) -> bool {
    match item {
        syn::Item::Mod(module) => module.content.is_none() || is_test_only(&module.attrs),
        syn::Item::Use(item) => matches!(item.vis, syn::Visibility::Public(_)),
        _ => false,
    }
}

/// Layers of which ARCHITECTURE.md has no row, or a row with other modules or another reason.
fn undocumented(name: &str, layers: &[Layer], architecture: &str) -> Vec<String> {
    layers
        .iter()
        .enumerate()
        .filter_map(|(number, layer)| {
            let row = format!("| {number} | `{}` | {} |", layer.modules.join("`, `"), layer.why);
            let is_missing = !architecture.lines().any(|line| line == row);
            is_missing.then(|| {
                format!("{name}: ARCHITECTURE.md must have this row of xtask/src/tidy/layers.rs: {row}")
            })
        })
        .collect()
}

/// `cargo xtask tidy --modules [FOLDER]`: the modules of each crate with the modules that they use.
pub fn print(folder: Option<&str>) -> Result<(), String> {
    let folder = folder.map_or_else(root, PathBuf::from);
    for (name, source) in crates_of_workspace(&folder)? {
        println!("{name}:");
        let layers = layers_of(&name).unwrap_or_default();
        let used = modules_used(&source, layers);
        for (number, layer) in lowest_layers(&used).iter().enumerate() {
            println!("  layer {number}:");
            for module in layer {
                let below: Vec<&str> = used[module].iter().map(String::as_str).collect();
                println!("    {module} uses {}", below.join(" "));
            }
        }
    }
    Ok(())
}

fn layers_of(name: &str) -> Option<&'static [Layer]> {
    LAYERS
        .iter()
        .find(|(crate_name, _)| *crate_name == name)
        .map(|(_, layers)| *layers)
}

fn refused(name: &str, source: &Crate, layers: &[Layer]) -> Vec<String> {
    let layer_of = |module: &str| layers.iter().position(|layer| layer.modules.contains(&module));
    let used = modules_used(source, layers);
    let mut complaints = Vec::new();
    for module in used.keys().filter(|module| layer_of(module).is_none()) {
        complaints.push(format!(
            "{name}: {module} is in no layer: add it to xtask/src/tidy/layers.rs and ARCHITECTURE.md"
        ));
    }
    for module in layers.iter().flat_map(|layer| layer.modules) {
        if !used.contains_key(*module) {
            complaints.push(format!(
                "{name}: xtask/src/tidy/layers.rs names {module}, which does not exist"
            ));
        }
    }
    for (arrow, from, to) in arrows_between_modules(source, layers) {
        let (Some(own), Some(used)) = (layer_of(&from), layer_of(&to)) else {
            continue;
        };
        if used >= own {
            complaints.push(format!(
                "{name}: {}:{} uses {} of {}, but {from} is in layer {own} ({}), {to} is in layer {used}, and a \
                 module may use lower layers only",
                source.files[arrow.from].name,
                arrow.line,
                arrow.path,
                source.files[arrow.to].name,
                layers[own].why,
            ));
        }
    }
    complaints
}

/// The module of a file: the longest path that the table has, else the first folder or the name of the file. `None` for
/// `lib.rs` and `main.rs`, which declare the modules.
fn module_of(file: &str, layers: &[Layer]) -> Option<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) {
        return None;
    }
    let named = layers
        .iter()
        .flat_map(|layer| layer.modules)
        .filter(|module| {
            path.strip_prefix(**module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|module| module.len());
    let first = path.split('/').next().unwrap_or(path);
    Some(named.map_or(first, |module| *module).to_owned())
}

fn arrows_between_modules(source: &Crate, layers: &[Layer]) -> Vec<(Arrow, String, String)> {
    source
        .arrows
        .iter()
        .filter_map(|arrow| {
            let from = module_of(&source.files[arrow.from].name, layers)?;
            let to = module_of(&source.files[arrow.to].name, layers)?;
            // `mod.rs` of a folder re-exports what the files of the folder define, as `lib.rs` does.
            let own_folder = format!("{}/", source.files[arrow.from].folder);
            let is_re_exported = source.files[arrow.to].name.starts_with(&own_folder);
            (from != to && !is_re_exported).then(|| (arrow.clone(), from, to))
        })
        .collect()
}

/// Each module with the modules that it uses.
fn modules_used(source: &Crate, layers: &[Layer]) -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = source
        .files
        .iter()
        .filter_map(|file| Some((module_of(&file.name, layers)?, BTreeSet::new())))
        .collect();
    for (_, from, to) in arrows_between_modules(source, layers) {
        used.entry(from).or_default().insert(to);
    }
    used
}

/// Each module in the lowest layer that what it uses allows. Modules that use each other come last, in one layer.
fn lowest_layers(used: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut placed: BTreeSet<&String> = BTreeSet::new();
    let mut layers: Vec<Vec<String>> = Vec::new();
    while placed.len() < used.len() {
        let mut layer: Vec<&String> = used
            .iter()
            .filter(|(module, below)| {
                !placed.contains(module) && below.iter().all(|module| placed.contains(module))
            })
            .map(|(module, _)| module)
            .collect();
        if layer.is_empty() {
            layer = used.keys().filter(|module| !placed.contains(module)).collect();
        }
        placed.extend(&layer);
        layers.push(layer.into_iter().cloned().collect());
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::{Layer, items_of_the_root, refused, undocumented};
    use crate::imports::Crate;
    use crate::scratch::Scratch;

    const LAYERS: &[Layer] = &[
        Layer {
            modules: &["records", "identity"],
            why: "what is stored",
        },
        Layer {
            modules: &["doors"],
            why: "how credentials are verified",
        },
    ];

    fn complaints_of(door: &str, record: &str, identity: &str) -> Vec<String> {
        let folder = Scratch::with(&[
            (
                "lib.rs",
                "mod doors;\nmod identity;\nmod records;\npub struct Top;\n",
            ),
            ("doors/mod.rs", door),
            ("records.rs", record),
            ("identity.rs", identity),
        ]);
        refused("core", &Crate::read(folder.path()).unwrap(), LAYERS)
    }

    #[test]
    fn item_of_lib_rs_is_refused_because_it_would_hide_a_layer() {
        let complaints = |root: &str| {
            let folder = Scratch::with(&[("lib.rs", root), ("doors.rs", "")]);
            items_of_the_root("core", &Crate::read(folder.path()).unwrap())
        };
        for item in [
            "pub fn f() { doors::f() }",
            "pub struct Top;",
            "pub type Top = doors::Door;",
            "macro_rules! top { () => { $crate::doors::f() } }",
            "pub mod top { pub fn f() { crate::doors::f() } }",
            "use doors::Door;",
        ] {
            let found = complaints(&format!("mod doors;\n{item}\n"));
            assert!(
                found.len() == 1 && found[0].starts_with("core: lib.rs:2 defines an item"),
                "{item}: {found:?}"
            );
        }
        let allowed = "//! A crate.\n#![warn(missing_docs)]\nmod doors;\npub use doors::Door;\n#[cfg(test)]\nmod tests { fn f() {} }\n";
        assert!(complaints(allowed).is_empty());
    }

    #[test]
    fn module_of_a_lower_layer_may_be_used() {
        let found = complaints_of("use crate::records::R;\n", "pub struct R;\n", "");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn import_from_a_higher_or_the_same_layer_is_refused_with_the_line_and_the_reason() {
        let found = complaints_of(
            "pub struct Door;\n",
            "\nuse crate::doors::Door;\n",
            "use crate::records;\n",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().any(|complaint| complaint
                .contains("records.rs:2 uses crate::doors::Door of doors/mod.rs")
                && complaint.contains("records is in layer 0 (what is stored)")),
            "{found:?}"
        );
    }

    #[test]
    fn file_of_a_folder_may_be_in_a_higher_layer_than_the_folder() {
        const LAYERS: &[Layer] = &[
            Layer {
                modules: &["trust"],
                why: "keys of others",
            },
            Layer {
                modules: &["state"],
                why: "what requests share",
            },
            Layer {
                modules: &["trust/refresh"],
                why: "fetches",
            },
        ];
        let folder = Scratch::with(&[
            ("lib.rs", "mod state;\nmod trust;\n"),
            (
                "trust/mod.rs",
                "mod refresh;\npub use refresh::refresh;\npub struct Anchor;\n",
            ),
            ("trust/refresh.rs", "pub fn refresh(_: crate::state::State) {}\n"),
            ("state.rs", "pub struct State(crate::trust::Anchor);\n"),
        ]);
        let found = refused("server", &Crate::read(folder.path()).unwrap(), LAYERS);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn layer_that_the_architecture_document_states_otherwise_is_refused() {
        let document = "| 0 | `records`, `identity` | what is stored |\n\
                        | 1 | `doors`, `windows` | how credentials are verified |\n";
        let found = undocumented("core", LAYERS, document);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("| 1 | `doors` |"), "{found:?}");
        let other_reason = document
            .replace("what is stored", "what is read")
            .replace(", `windows`", "");
        let found = undocumented("core", LAYERS, &other_reason);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("| what is stored |"), "{found:?}");
    }

    #[test]
    fn module_without_a_layer_and_layer_without_its_module_are_refused() {
        let folder = Scratch::with(&[
            ("lib.rs", "mod doors;\nmod records;\nmod window;\n"),
            ("doors.rs", ""),
            ("records.rs", ""),
            ("window.rs", ""),
        ]);
        let found = refused("core", &Crate::read(folder.path()).unwrap(), LAYERS);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
