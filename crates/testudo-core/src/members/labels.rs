//! Labels of one client: what people and programs call it. They have no power.

use super::member::Member;
use std::cmp::Ordering;
use std::fmt;

/// Labels by name, tagged ones among them. A sorted list: clients have few labels, a hundred thousand clients are kept in
/// memory, and an empty list allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<(LabelName, Label)>);

/// The name of a label: `client_name`, or `client_name#de`.
#[derive(Clone)]
pub struct LabelName {
    /// Its row.
    pub member: &'static Member,
    /// Its language tag, as it was spelled. [RFC7591 §2.2]
    pub tag: Option<Box<str>>,
}

/// The value of a label.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Label {
    /// One text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
}

impl Labels {
    /// Each label, by name.
    pub fn iter(&self) -> impl Iterator<Item = &(LabelName, Label)> {
        self.0.iter()
    }

    /// The label of this member that has no language tag.
    pub fn untagged(&self, member: &Member) -> Option<&Label> {
        let (_, label) = self.0.iter().find(|(name, _)| name.is_untagged(member))?;
        Some(label)
    }

    /// The text of the label of this name that has no language tag.
    pub fn text(&self, name: &str) -> Option<&str> {
        let is_it = |label: &LabelName| label.tag.is_none() && label.member.name == name;
        match &self.0.iter().find(|(label, _)| is_it(label))?.1 {
            Label::Text(text) => Some(text),
            Label::Texts(_) => None,
        }
    }

    /// Sets a label. An empty list is no label.
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
                // A list that grows by itself begins with room for four; most clients have one label.
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (name, label));
            }
        }
    }

    /// Keeps the labels of which this is true.
    pub fn retain(&mut self, is_kept: impl Fn(&LabelName) -> bool) {
        self.0.retain(|(name, _)| is_kept(name));
    }

    /// These labels, and those of `others` in place of what is here by the same name.
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

    /// True where it is the plain name of this member.
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
