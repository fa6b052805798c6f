//! The stored form of labels, and its schema. Each label is a member of the record with its own name; labels with a
//! language tag are in one object `tagged`. Servers that are older than the table of members write the same document.

use super::labels::{Label, LabelName, Labels};
use super::member::{LabelKind, Member};
use super::table::{MEMBERS, around_tags, member};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

const TAGGED: &str = "tagged";

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (before, after) = around_tags();
        self.write(before, &mut map)?;
        if self.tagged().next().is_some() {
            map.serialize_entry(TAGGED, &Tagged(self))?;
        }
        self.write(after, &mut map)?;
        map.end()
    }
}

impl Labels {
    fn write<M: SerializeMap>(&self, members: &[Member], map: &mut M) -> Result<(), M::Error> {
        let present = members
            .iter()
            .filter_map(|member| Some((member.name, self.untagged(member)?)));
        for (name, label) in present {
            map.serialize_entry(name, label)?;
        }
        Ok(())
    }

    fn tagged(&self) -> impl Iterator<Item = &(LabelName, Label)> {
        self.iter().filter(|(name, _)| name.tag.is_some())
    }
}

struct Tagged<'a>(&'a Labels);

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = self.0.tagged();
        serializer.collect_map(tagged.map(|(name, label)| (name.to_string(), label)))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with members of client metadata")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Labels, M::Error> {
        let mut labels = Labels::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Label(member, LabelKind::Texts { .. }) => {
                    labels.insert(LabelName::of(member), Label::Texts(map.next_value()?));
                }
                Key::Label(member, LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. }) => {
                    if let Some(text) = map.next_value()? {
                        labels.insert(LabelName::of(member), Label::Text(text));
                    }
                }
                Key::Tagged => {
                    let tagged: BTreeMap<Cow<'_, str>, String> = map.next_value()?;
                    for (name, text) in tagged {
                        if let Some(name) = tagged_name(&name) {
                            labels.insert(name, Label::Text(text));
                        }
                    }
                }
                // A label of a later version, or another kind of member.
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(labels)
    }
}

fn tagged_name(name: &str) -> Option<LabelName> {
    let (base, tag) = name.split_once('#')?;
    let member = member(base).filter(|member| member.is_taggable)?;
    let tag = Some(tag.into());
    Some(LabelName { member, tag })
}

/// The meaning of the name of a stored member.
enum Key {
    Label(&'static Member, LabelKind),
    Tagged,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Key, E> {
        if name == TAGGED {
            return Ok(Key::Tagged);
        }
        let label = member(name).and_then(|member| Some((member, member.label_kind()?)));
        Ok(label.map_or(Key::Other, |(member, kind)| Key::Label(member, kind)))
    }
}

impl JsonSchema for Labels {
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        let labels = MEMBERS
            .iter()
            .filter_map(|member| Some((member.name, member.label_kind()?)));
        for (name, kind) in labels {
            let schema = match kind {
                LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. } => {
                    json_schema!({ "type": ["string", "null"] })
                }
                LabelKind::Texts { .. } => json_schema!({ "type": "array", "items": { "type": "string" } }),
            };
            properties.insert(name.to_owned(), schema.into());
        }
        let tagged = json_schema!({
            "description": "Labels with a language tag: `client_name#de`. [RFC7591 §2.2]",
            "type": "object",
            "additionalProperties": { "type": "string" },
        });
        properties.insert(TAGGED.to_owned(), tagged.into());
        json_schema!({ "type": "object", "properties": properties })
    }
}
