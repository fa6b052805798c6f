//! Tests of every row of the table, and of the stored form of labels.

use super::*;
use serde_json::{Value, json};

/// A valid value of the label.
fn sample(kind: LabelKind) -> Value {
    match kind {
        LabelKind::Name { .. } | LabelKind::Text { .. } => json!("Shop"),
        LabelKind::Url => json!("https://app.example/page"),
        LabelKind::Texts { .. } => json!(["a", "b"]),
    }
}

fn labels() -> impl Iterator<Item = (&'static Member, LabelKind)> {
    MEMBERS
        .iter()
        .filter_map(|member| Some((member, member.label_kind()?)))
}

fn names(is_meant: impl Fn(&Member) -> bool) -> Vec<&'static str> {
    let rows = MEMBERS.iter().filter(|member| is_meant(member));
    rows.map(|member| member.name).collect()
}

#[test]
fn every_name_and_every_field_has_one_row() {
    for (at, row) in MEMBERS.iter().enumerate() {
        for earlier in &MEMBERS[..at] {
            assert_ne!(earlier.name, row.name);
            if matches!(row.kind, Kind::Field(_)) {
                assert_ne!(earlier.kind, row.kind, "{} and {}", earlier.name, row.name);
            }
        }
        let is_plain = row
            .name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(
            is_plain && row.name != "tagged",
            "{}: is also the name of another stored member",
            row.name
        );
        assert_eq!(member(row.name), Some(row));
    }
}

#[test]
fn only_labels_of_one_text_allow_languages_and_only_urls_require_a_host() {
    for row in MEMBERS {
        let kind = row.label_kind();
        let is_text = matches!(kind, Some(LabelKind::Name { .. } | LabelKind::Url));
        assert!(is_text || !row.is_taggable, "{}", row.name);
        assert!(
            kind == Some(LabelKind::Url) || !row.needs_own_host,
            "{}",
            row.name
        );
    }
}

#[test]
fn url_that_a_client_may_state_must_have_its_own_host() {
    for (row, kind) in labels().filter(|(_, kind)| *kind == LabelKind::Url) {
        assert_eq!(
            row.needs_own_host,
            row.stated_by.may_request(),
            "{} {kind:?}",
            row.name
        );
    }
}

// A row with too many rights would let an attester set limits.
#[test]
fn attester_may_state_only_labels_limits_and_demands() {
    let is_field = |row: &Member| row.label_kind().is_none();
    assert_eq!(
        names(|row| is_field(row) && row.stated_by.may_attest()),
        [
            "redirect_uris",
            "grant_types",
            "response_types",
            "scope",
            "dpop_bound_access_tokens",
            "tls_client_certificate_bound_access_tokens",
            "require_pushed_authorization_requests",
            "require_signed_request_object"
        ]
    );
    assert_eq!(
        names(|row| is_field(row) && row.stated_by.is_shadowed_by_claims()),
        [
            "redirect_uris",
            "token_endpoint_auth_method",
            "grant_types",
            "response_types",
            "scope"
        ]
    );
    assert_eq!(names(|row| !row.stated_by.may_request()), ["logo_uri"]);
    let attestable: Vec<&str> = attestable().collect();
    assert_eq!(attestable, names(|row| row.stated_by.may_attest()));
    for row in MEMBERS.iter().filter(|row| row.stated_by.may_attest()) {
        // An unlisted claim must not be requested, except a demand, which the client may always make of itself.
        let is_demand = row.stated_by == StatedBy::AttesterAndClient;
        assert_eq!(
            shadowed(row.name),
            Some(row).filter(|_| !is_demand),
            "{}",
            row.name
        );
    }
}

#[test]
fn language_tag_belongs_to_the_name_of_a_member_without_languages() {
    for row in MEMBERS {
        let tagged = format!("{}#de", row.name);
        let is_shadowed = row.is_taggable && row.stated_by.is_shadowed_by_claims();
        assert_eq!(base(&tagged), if row.is_taggable { row.name } else { &tagged });
        assert_eq!(shadowed(&tagged).is_some(), is_shadowed, "{tagged}");
    }
    assert_eq!(base("later#de"), "later#de");
    assert_eq!(base("client_name##de"), "client_name");
}

#[test]
fn each_label_is_stored_under_its_name_and_read_again() {
    for (row, kind) in labels() {
        let mut stored = json!({ row.name: sample(kind) });
        if row.is_taggable {
            stored["tagged"] = json!({ format!("{}#de-CH", row.name): sample(kind) });
        }
        let labels: Labels = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(
            labels.iter().count(),
            if row.is_taggable { 2 } else { 1 },
            "{}",
            row.name
        );
        assert_eq!(serde_json::to_value(&labels).unwrap(), stored);
    }
}

#[test]
fn stored_label_of_another_type_is_not_read() {
    for (row, kind) in labels() {
        let wrong = match kind {
            LabelKind::Texts { .. } => json!("secret"),
            LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. } => json!(["secret"]),
        };
        for wrong in [wrong, json!(7), json!({}), json!(true)] {
            let read: Result<Labels, _> = serde_json::from_value(json!({ row.name: wrong }));
            assert!(read.is_err(), "{} {wrong}", row.name);
        }
    }
}

#[test]
fn stored_members_that_are_not_labels_are_ignored() {
    let stored =
        json!({ "later": 7, "scope": "r", "jwks": {}, "tagged": { "later#de": "x", "contacts#de": "x" } });
    let labels: Labels = serde_json::from_value(stored).unwrap();
    assert_eq!(labels, Labels::default());
}

#[test]
fn schema_describes_each_label_as_it_is_stored() {
    let schema = schemars::schema_for!(Labels).to_value();
    let described = schema["properties"].as_object().unwrap();
    for (row, kind) in labels() {
        let types = match kind {
            LabelKind::Texts { .. } => json!("array"),
            LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. } => json!(["string", "null"]),
        };
        assert_eq!(described[row.name]["type"], types, "{}", row.name);
    }
    assert_eq!(described.len(), labels().count() + 1, "and `tagged`");
}

#[test]
fn labels_are_in_the_order_of_their_names_and_each_name_has_one_value() {
    let name = |name: &str, tag: Option<&str>| LabelName {
        member: member(name).unwrap(),
        tag: tag.map(Into::into),
    };
    let text = |text: &str| Label::Text(text.to_owned());
    let all: Labels = [
        (name("tos_uri", None), text("1")),
        (name("client_name", Some("fr")), text("2")),
        (name("client_name", None), text("3")),
        (name("client_name", Some("de")), text("4")),
        (name("tos_uri", None), text("5")),
        (name("contacts", None), Label::Texts(Vec::new())),
    ]
    .into_iter()
    .collect();
    let shown: Vec<String> = all.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(
        shown,
        ["client_name", "client_name#de", "client_name#fr", "tos_uri"]
    );
    assert_eq!((all.text("tos_uri"), all.text("contacts")), (Some("5"), None));
    let others: Labels = [(name("client_name", Some("de")), text("6"))]
        .into_iter()
        .collect();
    let both = all.clone().overridden_by(others.clone());
    assert_eq!(
        both.iter().map(|(_, label)| label.clone()).collect::<Vec<_>>(),
        ["3", "6", "2", "5"].map(text)
    );
    assert_eq!(Labels::default().overridden_by(others.clone()), others);
    assert_eq!(others.clone().overridden_by(Labels::default()), others);
}
