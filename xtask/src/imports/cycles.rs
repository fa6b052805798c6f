//! Import cycles: files that use each other, directly or through other files, so that no file of them can be read or
//! moved alone.

use super::{Arrow, Crate};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Files of one crate of which each uses every other one, directly or through other files.
pub struct Cycle {
    pub files: BTreeSet<usize>,
    /// The shortest cycle through some of the files.
    pub example: Vec<Arrow>,
}

/// The cycles of a crate.
///
/// The own file of a folder (`mod.rs`, `lib.rs`, or the file with the name of the folder beside it) uses the files of its
/// folder, and these use its types. If there is no cycle without the own file, this does not count as a cycle; otherwise
/// the remaining files are a cycle. A `mod.rs` in a cycle with files of other folders counts like any file.
pub fn cycles(source: &Crate) -> Vec<Cycle> {
    let arrows = source.arrows.as_slice();
    let everything: BTreeSet<usize> = (0..source.files.len()).collect();
    let mut left = components(arrows, &everything);
    let mut found = Vec::new();
    while let Some(files) = left.pop() {
        match own_file_of_folder(source, &files) {
            Some(own_file) => {
                let mut rest = files;
                rest.remove(&own_file);
                left.extend(components(arrows, &rest));
            }
            None => found.push(Cycle {
                example: shortest_cycle(arrows, &files),
                files,
            }),
        }
    }
    found.sort_by_key(|cycle| std::cmp::Reverse(cycle.files.len()));
    found
}

/// The file whose folder contains all the others.
fn own_file_of_folder(source: &Crate, files: &BTreeSet<usize>) -> Option<usize> {
    files.iter().copied().find(|own_file| {
        let folder = &source.files[*own_file].folder;
        files
            .iter()
            .filter(|file| *file != own_file)
            .all(|file| is_below(&source.files[*file].name, folder))
    })
}

fn is_below(name: &str, folder: &str) -> bool {
    folder.is_empty()
        || name
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The strongly connected components of more than one file, in the graph of only these `files`.
fn components(arrows: &[Arrow], files: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
    let reached: HashMap<usize, BTreeSet<usize>> = files
        .iter()
        .map(|file| (*file, reachable(arrows, files, *file)))
        .collect();
    let mut found: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
    for (file, others) in &reached {
        let part: BTreeSet<usize> = others
            .iter()
            .copied()
            .filter(|other| reached[other].contains(file))
            .collect();
        if part.len() > 1 {
            found.insert(part);
        }
    }
    found.into_iter().collect()
}

/// The files that can be reached from `start` over at least one arrow.
fn reachable(arrows: &[Arrow], files: &BTreeSet<usize>, start: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left = vec![start];
    while let Some(file) = left.pop() {
        for arrow in arrows.iter().filter(|arrow| arrow.from == file) {
            if files.contains(&arrow.to) && reached.insert(arrow.to) {
                left.push(arrow.to);
            }
        }
    }
    reached
}

fn shortest_cycle(arrows: &[Arrow], files: &BTreeSet<usize>) -> Vec<Arrow> {
    files
        .iter()
        .filter_map(|start| cycle_from(arrows, files, *start))
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

/// The shortest path from a file back to itself, by breadth-first search.
fn cycle_from(arrows: &[Arrow], files: &BTreeSet<usize>, start: usize) -> Option<Vec<Arrow>> {
    let mut came_by: HashMap<usize, &Arrow> = HashMap::new();
    let mut left = VecDeque::from([start]);
    while let Some(file) = left.pop_front() {
        for arrow in arrows.iter().filter(|arrow| arrow.from == file) {
            if !files.contains(&arrow.to) || came_by.contains_key(&arrow.to) {
                continue;
            }
            came_by.insert(arrow.to, arrow);
            if arrow.to != start {
                left.push_back(arrow.to);
                continue;
            }
            let mut way = vec![arrow.clone()];
            let mut at = arrow.from;
            while at != start {
                let arrow = came_by.get(&at)?;
                way.push((*arrow).clone());
                at = arrow.from;
            }
            way.reverse();
            return Some(way);
        }
    }
    None
}
