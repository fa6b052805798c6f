//! The location of each value of a configuration: file, line and column, or the environment variable that an
//! administrator has to change.
//!
//! The TOML parser provides the spans. They are a tree with the shape of the values; a value that is removed from the
//! configuration is also removed from the tree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_path_to_error::Segment;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How many characters of a value a problem shows.
const VALUE_CHARACTERS_MAX: usize = 80;

/// The location of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// The name of the file; absent if an environment variable sets the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The character in that line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The environment variable that sets the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

impl Location {
    /// A file as a whole.
    pub fn file(name: impl Into<String>) -> Location {
        Location {
            file: Some(name.into()),
            line: None,
            column: None,
            variable: None,
        }
    }

    /// An environment variable.
    pub(super) fn variable(name: &str) -> Location {
        Location {
            file: None,
            line: None,
            column: None,
            variable: Some(name.to_owned()),
        }
    }

    /// The location of a byte of a file.
    pub(super) fn within(name: &str, text: &str, byte: usize) -> Location {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Location {
            line: Some(before.matches('\n').count() + 1),
            column: Some(line.chars().count() + 1),
            ..Location::file(name)
        }
    }
}

/// `testudo.toml:24:10`, or the variable's name.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in self.file.iter().chain(&self.variable) {
            f.write_str(name)?;
        }
        for number in self.line.iter().chain(&self.column) {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// The text of a file.
pub(super) struct Source {
    /// The name of the file in messages.
    pub(super) name: String,
    pub(super) text: String,
}

/// Without the text, which may contain secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file {}", self.name)
    }
}

#[derive(Clone)]
enum Origin {
    File {
        source: Arc<Source>,
        key: Range<usize>,
        value: Range<usize>,
    },
    Variable {
        name: Arc<str>,
        text: Arc<str>,
    },
}

/// The text of a variable may be a secret.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place(false).fmt(f)
    }
}

/// The location of a value, and of the values in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    origin: Option<Origin>,
    /// For an entry of a list: its number in its own file.
    number: usize,
    /// The name of the entry: `` rule `payments` ``.
    entry: Option<Arc<str>>,
    is_table: bool,
    members: BTreeMap<String, Node>,
    items: Vec<Node>,
}

/// The lists of the configuration whose entries have names: the list, the noun, the key of the name.
const NAMED: &[(&str, &str, &str)] = &[
    ("rules", "rule", "name"),
    ("trust_domains", "trust domain", "name"),
    ("issuers", "issuer", "name"),
    ("clients", "client", "client_id"),
];

impl Node {
    /// The tree of one file.
    pub(super) fn of_file(source: &Arc<Source>, table: &DeTable<'_>) -> Node {
        let mut root = Node::of_table(source, table);
        for (list, noun, key) in NAMED {
            let written = table.get(*list).and_then(|value| value.get_ref().as_array());
            let Some((written, list)) = written.zip(root.members.get_mut(*list)) else {
                continue;
            };
            for (value, node) in written.iter().zip(&mut list.items) {
                let name = value.get_ref().get(*key).and_then(|name| name.get_ref().as_str());
                node.entry = name.map(|name| format!("{noun} `{name}`").into());
            }
        }
        root
    }

    /// The tree of a value that an environment variable sets.
    pub(super) fn of_variable(name: &str, text: &str, value: &toml::Value) -> Node {
        let (name, text): (Arc<str>, Arc<str>) = (name.into(), text.into());
        Node::of_overlay(&Origin::Variable { name, text }, value)
    }

    fn of_overlay(origin: &Origin, value: &toml::Value) -> Node {
        let mut node = Node {
            origin: Some(origin.clone()),
            is_table: value.is_table(),
            ..Node::default()
        };
        for (key, value) in value.as_table().into_iter().flatten() {
            node.members.insert(key.clone(), Node::of_overlay(origin, value));
        }
        for (number, value) in value.as_array().into_iter().flatten().enumerate() {
            node.items.push(Node {
                number,
                ..Node::of_overlay(origin, value)
            });
        }
        node
    }

    /// Removes and returns a member.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        self.members.remove(key)
    }

    fn of_table(source: &Arc<Source>, table: &DeTable<'_>) -> Node {
        let member = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| Node {
            origin: Some(Origin::File {
                source: source.clone(),
                key: key.span(),
                value: value.span(),
            }),
            ..Node::of_value(source, value.get_ref())
        };
        Node {
            is_table: true,
            members: table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), member((key, value))))
                .collect(),
            ..Node::default()
        }
    }

    fn of_value(source: &Arc<Source>, value: &DeValue<'_>) -> Node {
        let item = |(number, value): (usize, &Spanned<DeValue<'_>>)| Node {
            origin: Some(Origin::File {
                source: source.clone(),
                key: value.span(),
                value: value.span(),
            }),
            number,
            ..Node::of_value(source, value.get_ref())
        };
        match (value.as_table(), value.as_array()) {
            (Some(table), _) => Node::of_table(source, table),
            (None, Some(array)) => Node {
                items: array.iter().enumerate().map(item).collect(),
                ..Node::default()
            },
            (None, None) => Node::default(),
        }
    }
}

/// The location of a key and the value there.
pub(super) struct Found {
    pub(super) place: Option<Location>,
    /// The key in its own file: entries of an included file are counted from the begin of that file.
    pub(super) key: String,
    pub(super) entry: Option<String>,
    /// The text of the value, if it is short and not a table.
    pub(super) value: Option<String>,
}

/// The locations of all values of a configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Locations {
    /// The main file, the location of everything that is not written.
    main: Option<Location>,
    root: Node,
}

impl Locations {
    pub(super) fn new(main: &str, root: Node) -> Locations {
        Locations {
            main: Some(Location::within(main, "", 0)),
            root,
        }
    }

    /// Finds a value, or the table in which it is missing. If the key itself is wrong, the location is that of the key.
    pub(super) fn find(&self, key: &str, is_about_key: bool) -> Found {
        let (mut node, mut rest, mut own) = (&self.root, key, String::new());
        let mut entry = None;
        while let Some((step, next, after)) = step(node, rest) {
            own.push_str(&step);
            (node, rest) = (next, after);
            entry = node.entry.as_deref().or(entry);
        }
        own.push_str(rest);
        let own = own.trim_start_matches('.').to_owned();
        let is_there = rest.is_empty();
        let place = node
            .origin
            .as_ref()
            .map(|origin| origin.place(is_about_key && is_there));
        let value = node.origin.as_ref().filter(|_| is_there && !node.is_table);
        Found {
            place: place.or_else(|| self.main.clone()),
            key: own,
            entry: entry.map(str::to_owned),
            value: value.and_then(Origin::value),
        }
    }

    /// Sets the value of an environment variable.
    pub(super) fn set(&mut self, keys: &[String], value: Node) {
        let mut node = &mut self.root;
        for key in keys {
            // A value on the path that is not a table is replaced.
            if !node.is_table {
                *node = Node {
                    origin: value.origin.clone(),
                    is_table: true,
                    ..Node::default()
                };
            }
            node = node.members.entry(key.clone()).or_default();
        }
        *node = value;
    }

    /// Appends the entries of an included file.
    pub(super) fn append(&mut self, list: &str, included: Node) {
        let node = self.root.members.entry(list.to_owned()).or_default();
        node.items.extend(included.items);
    }

    /// Removes a value, as it is removed from the configuration.
    pub(super) fn remove(&mut self, parents: &[Segment], last: &Segment) {
        let mut node = &mut self.root;
        for segment in parents {
            let next = match segment {
                Segment::Map { key } | Segment::Enum { variant: key } => node.members.get_mut(key),
                Segment::Seq { index } => node.items.get_mut(*index),
                Segment::Unknown => None,
            };
            let Some(next) = next else { return };
            node = next;
        }
        match last {
            Segment::Map { key } | Segment::Enum { variant: key } => {
                node.members.remove(key);
            }
            Segment::Seq { index } if *index < node.items.len() => {
                node.items.remove(*index);
            }
            Segment::Seq { .. } | Segment::Unknown => {}
        }
    }
}

/// The first step of a key: its text, its node, and the rest of the key.
fn step<'n, 'k>(node: &'n Node, key: &'k str) -> Option<(String, &'n Node, &'k str)> {
    if let Some((index, rest)) = key.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let item = node.items.get(index.parse::<usize>().ok()?)?;
        return Some((format!("[{}]", item.number), item, rest));
    }
    let key = key.strip_prefix('.').unwrap_or(key);
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
    // A name may contain dots: the longest member that exists is meant.
    let members = node.members.iter().filter_map(|(name, member)| {
        let rest = key.strip_prefix(name.as_str()).filter(|rest| ends(rest))?;
        Some((name, member, rest))
    });
    let (name, member, rest) = members.max_by_key(|(name, ..)| name.len())?;
    Some((format!(".{name}"), member, rest))
}

impl Origin {
    fn place(&self, is_about_key: bool) -> Location {
        match self {
            Origin::File { source, key, value } => {
                let span = if is_about_key { key } else { value };
                Location::within(&source.name, &source.text, span.start)
            }
            Origin::Variable { name, .. } => Location::variable(name),
        }
    }

    fn value(&self) -> Option<String> {
        let text = match self {
            Origin::File { source, value, .. } => source.text.get(value.clone())?,
            Origin::Variable { text, .. } => text,
        };
        let is_short = !text.contains('\n') && text.chars().count() <= VALUE_CHARACTERS_MAX;
        is_short.then(|| text.to_owned())
    }
}
