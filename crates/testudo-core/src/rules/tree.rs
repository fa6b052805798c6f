//! The rules of one authority as a tree of path segments.
//!
//! Each node has the smallest rule index of its subtree, so that a subtree is skipped if it cannot improve the best
//! match so far. Each node has one parent, so a match visits it at most once.

use super::pattern::{Pattern, Segment};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

#[derive(Debug)]
struct Node {
    /// Smallest rule index in this node and below.
    smallest: usize,
    literals: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Rules whose pattern ends here, ascending.
    ends: Vec<usize>,
    /// Rules whose pattern continues with `**`, ascending.
    rests: Vec<usize>,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            smallest: usize::MAX,
            literals: HashMap::new(),
            any: None,
            ends: Vec::new(),
            rests: Vec::new(),
        }
    }
}

impl Tree {
    /// Rules must be inserted in ascending order of `index`.
    pub(super) fn insert(&mut self, pattern: &Pattern, index: usize) {
        let mut node = &mut self.root;
        node.smallest = node.smallest.min(index);
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Capture(_) | Segment::AnyOne => node.any.get_or_insert_default(),
                Segment::AnyRest => {
                    node.rests.push(index);
                    return;
                }
            };
            node.smallest = node.smallest.min(index);
        }
        node.ends.push(index);
    }

    /// A rule that matches every subject of the authority. Rules must be inserted in ascending order of `index`.
    pub(super) fn insert_for_all(&mut self, index: usize) {
        self.root.smallest = self.root.smallest.min(index);
        if self.root.rests.last() != Some(&index) {
            self.root.rests.push(index);
        }
    }

    /// The smallest accepted index whose pattern matches `path` (segments with slashes between them).
    pub(super) fn first(&self, path: &str, accepts: &impl Fn(usize) -> bool) -> Option<usize> {
        let mut best = usize::MAX;
        self.root.search(Some(path), accepts, &mut best);
        (best != usize::MAX).then_some(best)
    }
}

impl Node {
    /// `path` is the rest of the path without its leading slash; `None` at its end. The depth of the recursion is that
    /// of the deepest pattern, not of the path.
    fn search(&self, path: Option<&str>, accepts: &impl Fn(usize) -> bool, best: &mut usize) {
        if self.smallest >= *best {
            return;
        }
        let mut consider = |indexes: &[usize]| {
            if let Some(index) = indexes
                .iter()
                .copied()
                .take_while(|i| *i < *best)
                .find(|i| accepts(*i))
            {
                *best = index;
            }
        };
        let Some(path) = path else {
            consider(&self.ends);
            return;
        };
        consider(&self.rests);
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        if let Some(node) = self.literals.get(segment) {
            node.search(rest, accepts, best);
        }
        if let Some(node) = &self.any {
            node.search(rest, accepts, best);
        }
    }
}
