//! Circles: files that use each other, directly or through others, so that none can be read or moved alone.

use super::{Arrow, Crate};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Files of one crate of which each uses each, over the others.
pub struct Circle {
    pub files: BTreeSet<usize>,
    /// One way round, as short as there is.
    pub example: Vec<Arrow>,
}

/// The circles of a crate.
///
/// The own file of a folder (`mod.rs`, `lib.rs`, or the file beside the folder with its name) uses the files of its
/// folder, and these use its types. This does not count as a circle if the circle is open without the own file;
/// otherwise the remaining files are a circle. A `mod.rs` in a circle with files of other folders counts like any file.
pub fn circles(source: &Crate) -> Vec<Circle> {
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
            None => found.push(Circle {
                example: shortest_way_round(arrows, &files),
                files,
            }),
        }
    }
    found.sort_by_key(|circle| std::cmp::Reverse(circle.files.len()));
    found
}

/// The file whose folder holds all the others.
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

/// The strongly connected parts of more than one file, of the graph that has only `files`.
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

fn shortest_way_round(arrows: &[Arrow], files: &BTreeSet<usize>) -> Vec<Arrow> {
    files
        .iter()
        .filter_map(|start| way_round(arrows, files, *start))
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

/// The shortest way from a file back to itself, by breadth.
fn way_round(arrows: &[Arrow], files: &BTreeSet<usize>, start: usize) -> Option<Vec<Arrow>> {
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
