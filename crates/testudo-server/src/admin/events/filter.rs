//! The filters of a search for events.

use super::Search;
use crate::admin::reply::ErrorAnswer;
use testudo_core::records::{Event, EventKind};

/// The filters of a search. An event is found if all of them match.
#[derive(Debug)]
pub(super) struct Filters {
    kinds: Option<Vec<EventKind>>,
    identity: Option<Text>,
    client: Option<Text>,
    rule: Option<Text>,
    reason: Option<Text>,
    actor: Option<Text>,
    request: Option<Text>,
}

/// What a field must contain.
#[derive(Debug)]
enum Text {
    /// A text in which `*` matches any characters.
    Pattern(String),
    /// This text and no other one.
    Exact(String),
}

impl Filters {
    pub(super) fn of(search: &Search) -> Result<Filters, ErrorAnswer> {
        let text = |text: &Option<String>| text.clone().map(Text::Pattern);
        Ok(Filters {
            kinds: search.kinds.as_deref().map(kinds).transpose()?,
            identity: text(&search.identity),
            client: text(&search.client),
            rule: text(&search.rule),
            reason: text(&search.reason),
            actor: text(&search.actor),
            request: text(&search.request),
        })
    }

    /// Only events of the request that has this id, or to which a proxy gave this id.
    pub(super) fn of_request(id: &str) -> Filters {
        Filters {
            kinds: None,
            identity: None,
            client: None,
            rule: None,
            reason: None,
            actor: None,
            request: Some(Text::Exact(id.to_owned())),
        }
    }

    /// True where there is no filter.
    pub(super) fn are_empty(&self) -> bool {
        let texts = [
            &self.identity,
            &self.client,
            &self.rule,
            &self.reason,
            &self.actor,
            &self.request,
        ];
        self.kinds.is_none() && texts.iter().all(|text| text.is_none())
    }

    pub(super) fn has(&self, event: &Event) -> bool {
        let request = event.request.as_deref();
        let claimed = request.and_then(|request| request.client_id.as_ref());
        let client = event.client_id.as_ref().or(claimed);
        let kinds = self.kinds.as_ref();
        kinds.is_none_or(|kinds| kinds.contains(&event.event))
            && is_one(&self.identity, [event.identity.as_ref(), event.instance.as_ref()])
            && is_one(&self.client, [client])
            && is_one(&self.rule, [event.rule.as_ref()])
            && is_one(&self.reason, [event.reason.as_ref()])
            && is_one(&self.actor, [event.actor.as_ref()])
            && self.is_of_request(event)
    }
}

impl Filters {
    fn is_of_request(&self, event: &Event) -> bool {
        let Some(filter) = &self.request else { return true };
        let by_proxy = event.request.iter().flat_map(|request| request.ids_of_proxy());
        event
            .request_id
            .as_deref()
            .into_iter()
            .chain(by_proxy)
            .any(|found| filter.is(found))
    }
}

fn is_one<const N: usize>(filter: &Option<Text>, found: [Option<&String>; N]) -> bool {
    let Some(filter) = filter else { return true };
    found.into_iter().flatten().any(|found| filter.is(found))
}

impl Text {
    fn is(&self, found: &str) -> bool {
        let pattern = match self {
            Text::Exact(text) => return text == found,
            Text::Pattern(pattern) => pattern,
        };
        let Some((head, rest)) = pattern.split_once('*') else {
            return pattern == found;
        };
        let Some(mut found) = found.strip_prefix(head) else {
            return false;
        };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let tail = parts.pop().unwrap_or_default();
        for part in parts {
            match found.find(part) {
                // The first match leaves the most text for the parts that follow.
                Some(at) => found = found.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        found.ends_with(tail)
    }
}

fn kinds(text: &str) -> Result<Vec<EventKind>, ErrorAnswer> {
    let kind = |name: &str| {
        EventKind::of_name(name).ok_or_else(|| {
            ErrorAnswer::bad_request(
                format!("type: there is no kind of event {name:?}"),
                Some(format!(
                    "write one or more of: {}",
                    EventKind::ALL
                        .iter()
                        .map(|kind| kind.name())
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
            )
        })
    };
    text.split(',').map(|name| kind(name.trim())).collect()
}

/// The schema of `kinds`: names of kinds, separated by commas.
pub(super) fn kinds_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let names: Vec<String> = EventKind::ALL
        .iter()
        .map(|kind| kind.name().replace('.', "\\."))
        .collect();
    let one = format!("({})", names.join("|"));
    schemars::json_schema!({ "type": ["string", "null"], "pattern": format!("^{one}(,{one})*$") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_any_characters() {
        for (filter, found, expected) in [
            ("spiffe://a/x", "spiffe://a/x", true),
            ("spiffe://a/x", "spiffe://a/xy", false),
            ("spiffe://a/*", "spiffe://a/x/y", true),
            ("spiffe://a/*", "spiffe://b/x", false),
            ("uid:0*pid:7", "uid:0(root) gid:0 pid:7", true),
            ("uid:0*pid:7", "uid:0(root) gid:0 pid:77", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("*é*", "café!", true),
            ("a/*", "a/*", true),
        ] {
            assert_eq!(
                Text::Pattern(filter.into()).is(found),
                expected,
                "{filter} {found}"
            );
        }
    }
}
