//! Finds in the source text of a crate which file uses which other file: the arrows between files, and the cycles that
//! they form.
//!
//! An arrow is a `use` declaration or a path in code (in a type, an expression, a macro call or an attribute)
//! that leads to an item of another file of the same crate. `super::`, `self::` and `crate::` are followed, and so are
//! re-exports: the arrow ends at the file that defines the item. `mod` lines, visibilities, documentation and test
//! code make no arrows. Method calls make none either, because the source text does not show the type of the method.

mod cycles;
mod hidden;
mod names;
mod references;
mod resolve;
mod test_code;
#[cfg(test)]
mod tests;

pub use cycles::{Cycle, cycles};
pub use hidden::hidden;
pub use names::imports as imports_of;
pub use test_code::is_test_only;

use std::path::{Path, PathBuf};
use syn::ext::IdentExt as _;

/// The source of one crate: its files, its tree of modules, and which file uses which other one.
pub struct Crate {
    pub files: Vec<File>,
    /// One arrow for each pair of files, with the first line that makes it.
    pub arrows: Vec<Arrow>,
    pub(crate) modules: Vec<Module>,
}

/// One file of a crate that is not test code.
pub struct File {
    /// Path below `src`, for example `admission/create.rs`.
    pub name: String,
    /// The folder with the files of its submodules: empty for `lib.rs`, `admission` for `admission/mod.rs` and for
    /// `admission.rs`.
    pub folder: String,
}

/// One module: a file, or a block `mod name { … }` in a file.
pub(crate) struct Module {
    pub parent: Option<usize>,
    pub file: usize,
    pub items: Vec<syn::Item>,
    pub scope: names::Scope,
}

/// The file `from` uses an item that the file `to` defines, first in `line`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: usize,
    pub to: usize,
    pub line: usize,
    /// The path of the item as that line writes it.
    pub path: String,
}

/// Reads every crate below `crates/`, and `xtask`, under `root`: (name of the crate, its source). A package with
/// `lib.rs` and `main.rs` is two crates, of which the second is named with its file.
pub fn crates_of_workspace(root: &Path) -> Result<Vec<(String, Crate)>, String> {
    let folder = root.join("crates");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("src").is_dir())
        .collect();
    folders.push(root.join("xtask"));
    folders.sort();
    let mut crates = Vec::new();
    for folder in folders {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let src = folder.join("src");
        let library = Crate::read(&src)?;
        let has_program = library.files[0].name == "lib.rs" && src.join("main.rs").is_file();
        crates.push((name.clone(), library));
        if has_program {
            crates.push((format!("{name} main.rs"), Crate::read_from(&src, "main.rs")?));
        }
    }
    Ok(crates)
}

/// The position of a module: its file and its parent module.
#[derive(Clone, Copy)]
struct At {
    file: usize,
    parent: Option<usize>,
}

impl Crate {
    /// Reads the crate whose sources are in `src`, from its `lib.rs` or `main.rs`.
    pub fn read(src: &Path) -> Result<Self, String> {
        let root = ["lib.rs", "main.rs"]
            .into_iter()
            .find(|name| src.join(name).is_file())
            .ok_or_else(|| format!("{} contains neither lib.rs nor main.rs", src.display()))?;
        Self::read_from(src, root)
    }

    /// Reads the crate whose sources are in `src`, from this file.
    fn read_from(src: &Path, root: &str) -> Result<Self, String> {
        let mut source = Self {
            files: Vec::new(),
            arrows: Vec::new(),
            modules: Vec::new(),
        };
        source.add_file(src, root.to_owned(), String::new(), None)?;
        source.arrows = references::arrows(&source);
        Ok(source)
    }

    fn add_file(
        &mut self,
        src: &Path,
        name: String,
        folder: String,
        parent: Option<usize>,
    ) -> Result<usize, String> {
        let path = src.join(&name);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let syntax = syn::parse_file(&text)
            .map_err(|error| format!("{}:{}: {error}", path.display(), error.span().start().line))?;
        self.files.push(File {
            name,
            folder: folder.clone(),
        });
        let at = At {
            file: self.files.len() - 1,
            parent,
        };
        self.add_module(src, &folder, at, syntax.items)
    }

    fn add_module(
        &mut self,
        src: &Path,
        folder: &str,
        at: At,
        mut items: Vec<syn::Item>,
    ) -> Result<usize, String> {
        let At { file, parent } = at;
        let id = self.modules.len();
        let scope = names::Scope::of(&items);
        self.modules.push(Module {
            parent,
            file,
            items: Vec::new(),
            scope,
        });
        for item in &mut items {
            let syn::Item::Mod(declared) = item else {
                continue;
            };
            // A module `r#use` is in the file of the name without `r#`.
            let name = declared.ident.unraw().to_string();
            // `hidden` complains about the module in another file.
            if test_code::is_test_only(&declared.attrs) || hidden::is_elsewhere(&declared.attrs) {
                continue;
            }
            let below = join(folder, &name);
            let child = match &mut declared.content {
                Some((_, items)) => {
                    let at = At {
                        file,
                        parent: Some(id),
                    };
                    self.add_module(src, &below, at, std::mem::take(items))?
                }
                None => {
                    let beside = format!("{below}.rs");
                    let inside = format!("{below}/mod.rs");
                    let file_name = if src.join(&beside).is_file() {
                        beside
                    } else {
                        inside
                    };
                    self.add_file(src, file_name, below, Some(id))?
                }
            };
            if let Some(module) = self.modules.get_mut(id) {
                module.scope.add_module(&name, child);
            }
        }
        if let Some(module) = self.modules.get_mut(id) {
            module.items = items;
        }
        Ok(id)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
