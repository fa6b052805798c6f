//! The labels of one client: its names and descriptions. They give the client no rights.

use super::member::Member;
use std::cmp::Ordering;
use std::fmt;

/// Labels by name, including those with a language tag. They are a sorted list, because clients have few labels, up to
/// a hundred thousand clients are kept in memory, and an empty list allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<(LabelName, Label)>);

/// The name of a label: `client_name`, or `client_name#de`.
#[derive(Clone)]
pub struct LabelName {
    /// The row of the member in the table.
    pub member: &'static Member,
    /// The language tag, as the client wrote it. [RFC7591 §2.2]
    pub tag: Option<Box<str>>,
}

/// The value of a label.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Label {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}

impl Labels {
    /// The labels with their names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(LabelName, Label)> {
        self.0.iter()
    }

    /// The label of this member without a language tag.
    pub fn untagged(&self, member: &Member) -> Option<&Label> {
        let (_, label) = self.0.iter().find(|(name, _)| name.is_untagged(member))?;
        Some(label)
    }

    /// The text of the label with this name, without a language tag.
    pub fn text(&self, name: &str) -> Option<&str> {
        let is_it = |label: &LabelName| label.tag.is_none() && label.member.name == name;
        match &self.0.iter().find(|(label, _)| is_it(label))?.1 {
            Label::Text(text) => Some(text),
            Label::Texts(_) => None,
        }
    }

    /// Sets a label. An empty list is ignored.
    pub fn insert(&mut self, name: LabelName, label: Label) {
        if label == Label::Texts(Vec::new()) {
            return;
        }
        match self.0.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    known.1 = label;
                }
            }
            Err(at) => {
                // Reserves exactly one element, because `Vec` would reserve four, and most clients have one label.
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (name, label));
            }
        }
    }

    /// Keeps the labels for which `is_kept` is true.
    pub fn retain(&mut self, is_kept: impl Fn(&LabelName) -> bool) {
        self.0.retain(|(name, _)| is_kept(name));
    }

    /// These labels, where each label of `others` replaces the one with the same name.
    pub fn overridden_by(mut self, others: Labels) -> Labels {
        if self.0.is_empty() {
            return others;
        }
        for (name, label) in others.0 {
            self.insert(name, label);
        }
        self
    }
}

impl FromIterator<(LabelName, Label)> for Labels {
    fn from_iter<I: IntoIterator<Item = (LabelName, Label)>>(labels: I) -> Labels {
        let mut all = Labels::default();
        for (name, label) in labels {
            all.insert(name, label);
        }
        all
    }
}

impl LabelName {
    /// The name without a language tag.
    pub fn of(member: &'static Member) -> LabelName {
        LabelName { member, tag: None }
    }

    /// True if it is the name of this member without a language tag.
    pub fn is_untagged(&self, member: &Member) -> bool {
        self.tag.is_none() && self.member.name == member.name
    }

    fn parts(&self) -> (&str, Option<&str>) {
        (self.member.name, self.tag.as_deref())
    }
}

impl PartialEq for LabelName {
    fn eq(&self, other: &LabelName) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for LabelName {}

impl PartialOrd for LabelName {
    fn partial_cmp(&self, other: &LabelName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LabelName {
    fn cmp(&self, other: &LabelName) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.member.name)?;
        match &self.tag {
            Some(tag) => write!(f, "#{tag}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
