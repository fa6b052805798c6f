//! Resolves a path to the files that define its target.

use super::Crate;
use super::names::{Name, Scope};
use std::collections::HashSet;

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Module(usize),
    /// An item that is defined in this file.
    Item(usize),
}

/// The position of a path: its module, and the scopes of the blocks around it, the innermost last.
pub struct Place<'a> {
    pub module: usize,
    pub blocks: &'a [Scope],
}

/// The running lookups, so that imports that refer to each other do not cause an endless loop.
type Open = HashSet<(usize, String)>;

impl Crate {
    /// The targets of `path` at `place`; none where it is a path of another crate or a local variable. A name has several
    /// targets where, for example, a module and a function have this name.
    ///
    /// If the end of the path cannot be resolved (an associated item, a variant, an item that a macro makes), the target
    /// of the longest part that can be resolved is returned.
    pub fn resolve(&self, place: &Place<'_>, path: &[String]) -> Vec<Target> {
        self.follow(place, path, &mut Open::new())
    }

    /// The file of a target.
    pub fn file_of(&self, target: Target) -> usize {
        match target {
            Target::Module(module) => self.modules[module].file,
            Target::Item(file) => file,
        }
    }

    fn follow(&self, place: &Place<'_>, path: &[String], open: &mut Open) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(place.module)],
            "super" => self.parent(place.module),
            name => self.find_in_place(place, name, open),
        };
        for name in rest {
            let next: Vec<Target> = targets
                .iter()
                .flat_map(|target| match *target {
                    Target::Module(module) if name == "super" => self.parent(module),
                    Target::Module(module) => self.find_in_module(module, name, open),
                    Target::Item(file) => vec![Target::Item(file)],
                })
                .collect();
            if next.is_empty() {
                break;
            }
            targets = next;
        }
        targets.dedup();
        targets
    }

    fn parent(&self, module: usize) -> Vec<Target> {
        self.modules[module]
            .parent
            .map(Target::Module)
            .into_iter()
            .collect()
    }

    fn find_in_place(&self, place: &Place<'_>, name: &str, open: &mut Open) -> Vec<Target> {
        for scope in place.blocks.iter().rev() {
            let found = self.find_in_scope(scope, place.module, name, open);
            if !found.is_empty() {
                return found;
            }
        }
        self.find_in_module(place.module, name, open)
    }

    fn find_in_module(&self, module: usize, name: &str, open: &mut Open) -> Vec<Target> {
        if !open.insert((module, name.to_owned())) {
            return Vec::new();
        }
        let found = self.find_in_scope(&self.modules[module].scope, module, name, open);
        open.remove(&(module, name.to_owned()));
        found
    }

    /// A name in a scope of `module`. Glob imports are tried last, as Rust does.
    fn find_in_scope(&self, scope: &Scope, module: usize, name: &str, open: &mut Open) -> Vec<Target> {
        let here = Place { module, blocks: &[] };
        let mut found = Vec::new();
        for what in scope.find(name) {
            match what {
                Name::Item => found.push(Target::Item(self.modules[module].file)),
                Name::Module(child) => found.push(Target::Module(*child)),
                Name::Import(path) => found.extend(self.follow(&here, path, open)),
            }
        }
        if found.is_empty() {
            for glob in &scope.globs {
                for target in self.follow(&here, glob, open) {
                    if let Target::Module(module) = target {
                        found.extend(self.find_in_module(module, name, open));
                    }
                }
            }
        }
        found
    }
}
