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

/// A text in which `*` matches any characters.
#[derive(Debug)]
struct Text(String);

impl Filters {
    pub(super) fn of(search: &Search) -> Result<Filters, ErrorAnswer> {
        let text = |text: &Option<String>| text.clone().map(Text);
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
        let proxy = request.and_then(|request| request.proxy_request_id.as_ref());
        let client = event.client_id.as_ref().or(claimed);
        let kinds = self.kinds.as_ref();
        kinds.is_none_or(|kinds| kinds.contains(&event.event))
            && is_one(&self.identity, [event.identity.as_ref(), event.instance.as_ref()])
            && is_one(&self.client, [client])
            && is_one(&self.rule, [event.rule.as_ref()])
            && is_one(&self.reason, [event.reason.as_ref()])
            && is_one(&self.actor, [event.actor.as_ref()])
            && is_one(&self.request, [event.request_id.as_ref(), proxy])
    }
}

fn is_one<const N: usize>(filter: &Option<Text>, found: [Option<&String>; N]) -> bool {
    let Some(filter) = filter else { return true };
    found.into_iter().flatten().any(|found| filter.is(found))
}

impl Text {
    fn is(&self, found: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == found;
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
            assert_eq!(Text(filter.into()).is(found), expected, "{filter} {found}");
        }
    }
}
