//! Tests of the members of a registration request.

use super::labels::complete;
use super::requested::RequestedMetadata;
use crate::members::{Field, Kind, LabelKind, Labels, MEMBERS, Member};
use crate::records::ClientMetadata;
use crate::rejection::MetadataReason;
use serde_json::{Map, Value, json};

/// The validated members of a request, in the order of validation. A number is an invalid value for each of them.
const JUDGED: [&str; 26] = [
    "software_statement",
    "client_id",
    "spiffe_id",
    "spiffe_bundle_endpoint",
    "application_type",
    "redirect_uris",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "grant_types",
    "response_types",
    "scope",
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "client_name#de",
    "contacts",
    "software_id",
    "software_version",
    "jwks",
    "jwks_uri",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
];

#[test]
fn first_malformed_member_is_the_one_that_is_reported() {
    let mut members: Map<String, Value> = JUDGED.iter().map(|name| ((*name).to_owned(), json!(7))).collect();
    for name in JUDGED {
        let reported = RequestedMetadata::of(&members).unwrap_err().to_string();
        let member = name.split('#').next().unwrap_or_default();
        let words: Vec<&str> = reported.split([' ', ':']).collect();
        assert!(words.contains(&member), "{name}: {reported}");
        members.remove(name);
    }
    assert_eq!(RequestedMetadata::of(&members), Ok(RequestedMetadata::default()));
}

#[test]
fn empty_text_of_a_request_is_an_absent_member() {
    let read = |body: Value| RequestedMetadata::parse(body.to_string().as_bytes());
    for row in MEMBERS.iter().filter(|row| row.may_be_empty()) {
        assert_eq!(
            read(json!({ row.name: "" })),
            Ok(RequestedMetadata::default()),
            "{}",
            row.name
        );
        if row.is_taggable {
            let tagged = format!("{}#de", row.name);
            assert_eq!(
                read(json!({ tagged: "" })),
                Ok(RequestedMetadata::default()),
                "{}",
                row.name
            );
        }
    }
    let others: Vec<&str> = MEMBERS
        .iter()
        .filter(|row| !row.may_be_empty())
        .map(|row| row.name)
        .collect();
    let not_texts = [
        "software_statement",
        "redirect_uris",
        "grant_types",
        "response_types",
        "contacts",
        "jwks",
        "dpop_bound_access_tokens",
        "tls_client_certificate_bound_access_tokens",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
    ];
    assert_eq!(others, not_texts, "every text except the software statement");
    for wrong in [
        "redirect_uris",
        "grant_types",
        "response_types",
        "contacts",
        "dpop_bound_access_tokens",
    ] {
        assert!(read(json!({ wrong: "" })).is_err(), "{wrong} is of another type");
    }
    let evidence = read(json!({ "software_statement": "" })).unwrap();
    assert_eq!(
        evidence.software_statement.as_deref(),
        Some(""),
        "an empty software statement is invalid evidence"
    );
    assert_eq!(
        read(json!({ "tls_client_auth_subject_dn": "" })),
        Ok(RequestedMetadata::default())
    );
    for spaces in [" ", "\t"] {
        assert!(
            read(json!({ "scope": spaces })).is_err(),
            "{spaces:?} is not empty"
        );
    }
}

#[test]
fn empty_member_of_a_replacement_is_an_absent_one() {
    let read = |body: Value| RequestedMetadata::parse_replacement(body.to_string().as_bytes(), "c_1");
    let empty =
        json!({ "client_id": "c_1", "client_secret": "", "registration_access_token": null, "scope": "" });
    assert_eq!(read(empty), Ok(RequestedMetadata::default()));
    assert!(read(json!({ "client_id": "" })).is_err());
    assert!(read(json!({ "client_id": "c_1", "client_secret": "x" })).is_err());
}

#[test]
fn empty_scope_that_an_attester_states_is_refused() {
    let claims = json!({ "scope": "" }).as_object().cloned().unwrap();
    assert_eq!(
        RequestedMetadata::of(&claims),
        Err(MetadataReason::ScopeMalformed)
    );
}

/// Two different valid values of the member.
fn samples(row: &Member) -> (Value, Value) {
    let kind = match row.kind {
        Kind::Label(kind) => kind,
        Kind::Field(field) => return samples_of_field(field),
    };
    match kind {
        LabelKind::Name { .. } | LabelKind::Text { .. } => (json!("One"), json!("Two")),
        LabelKind::Url => (json!("https://app.example/1"), json!("https://app.example/2")),
        LabelKind::Texts { .. } => (json!(["one"]), json!(["two", "one"])),
    }
}

fn samples_of_field(field: Field) -> (Value, Value) {
    match field {
        Field::SoftwareStatement | Field::ClientId | Field::SpiffeId | Field::Scope => {
            (json!("a"), json!("b"))
        }
        Field::TokenEndpointAuthMethod => (json!("none"), json!("private_key_jwt")),
        Field::SpiffeBundleEndpoint | Field::JwksUri => {
            (json!("https://app.example/1"), json!("https://app.example/2"))
        }
        Field::ApplicationType => (json!("web"), json!("native")),
        Field::TokenEndpointAuthSigningAlg => (json!("ES256"), json!("RS256")),
        Field::RedirectUris | Field::GrantTypes | Field::ResponseTypes => (json!(["a"]), json!(["b"])),
        Field::Jwks => (key("one"), key("two")),
        Field::DpopBoundAccessTokens
        | Field::TlsClientCertificateBoundAccessTokens
        | Field::RequirePushedAuthorizationRequests
        | Field::RequireSignedRequestObject => (json!(true), json!(false)),
    }
}

/// The public key of [RFC7515 §A.3].
fn key(kid: &str) -> Value {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid }] })
}

fn asked(members: Value) -> RequestedMetadata {
    let Value::Object(members) = members else {
        panic!("an object")
    };
    RequestedMetadata::of(&members).unwrap()
}

fn labels() -> impl Iterator<Item = (&'static Member, LabelKind)> {
    let rows = MEMBERS.iter();
    rows.filter_map(|row| Some((row, row.label_kind()?)))
}

/// A client with these labels and a redirect URI on this host.
fn client(labels: Labels, host: &str) -> ClientMetadata {
    ClientMetadata {
        labels,
        redirect_uris: vec![format!("https://{host}/cb")],
        ..ClientMetadata::default()
    }
}

#[test]
fn each_member_is_read_and_null_is_absent() {
    for row in MEMBERS {
        let (one, two) = samples(row);
        let is_read = asked(json!({ row.name: one })) != asked(json!({ row.name: two }));
        assert!(is_read, "{}", row.name);
        assert_eq!(
            asked(json!({ row.name: null })),
            RequestedMetadata::default(),
            "{}",
            row.name
        );
    }
}

#[test]
fn label_of_the_wrong_type_is_refused_with_the_name_of_the_member() {
    for (row, kind) in labels() {
        let refused = match kind {
            LabelKind::Texts { .. } => MetadataReason::NotAListOfStrings { member: row.name },
            LabelKind::Name { .. } | LabelKind::Url | LabelKind::Text { .. } => {
                MetadataReason::NotAString { member: row.name }
            }
        };
        for wrong in [json!(7), json!(true), json!({}), json!([7])] {
            let members = json!({ row.name: wrong }).as_object().unwrap().clone();
            assert_eq!(
                RequestedMetadata::of(&members),
                Err(refused.clone()),
                "{}: {wrong}",
                row.name
            );
            if row.is_taggable {
                let name = format!("{}#de", row.name);
                let members = json!({ name: wrong }).as_object().unwrap().clone();
                assert_eq!(
                    RequestedMetadata::of(&members),
                    Err(refused.clone()),
                    "{}#de: {wrong}",
                    row.name
                );
            }
        }
    }
}

#[test]
fn label_is_accepted_at_its_bound_and_refused_one_past_it() {
    let url = |length: usize| {
        let start = "https://app.example/";
        json!(format!("{start}{}", "x".repeat(length - start.len())))
    };
    for (row, kind) in labels() {
        let bounds = match kind {
            LabelKind::Name { characters_max: max } | LabelKind::Text { bytes_max: max } => {
                vec![(json!("x".repeat(max)), json!("x".repeat(max + 1)))]
            }
            LabelKind::Url => vec![(url(2048), url(2049))],
            LabelKind::Texts {
                items_max: items,
                characters_max: max,
            } => vec![
                (json!(vec!["x"; items]), json!(vec!["x"; items + 1])),
                (json!(["x".repeat(max)]), json!(["x".repeat(max + 1)])),
            ],
        };
        let names = [row.name.to_owned(), format!("{}#de", row.name)];
        for (name, (within, past)) in names
            .iter()
            .flat_map(|name| bounds.iter().map(move |pair| (name, pair)))
        {
            if name != row.name && !row.is_taggable {
                continue;
            }
            assert!(
                RequestedMetadata::of(&[(name.clone(), within.clone())].into_iter().collect()).is_ok(),
                "{name}"
            );
            let refused =
                RequestedMetadata::of(&[(name.clone(), past.clone())].into_iter().collect()).unwrap_err();
            assert!(refused.to_string().starts_with(row.name), "{name}: {refused}");
        }
    }
}

#[test]
fn unlisted_claim_removes_the_member_from_the_request_if_its_row_requires_it() {
    for row in MEMBERS {
        let asked = asked(json!({ row.name: samples(row).0 }));
        let left = asked.clone().without(&[row.name.to_owned()]);
        let is_taken_out = row.stated_by.is_shadowed_by_claims();
        assert_eq!(
            left,
            if is_taken_out {
                RequestedMetadata::default()
            } else {
                asked
            },
            "{}",
            row.name
        );
    }
    for (row, kind) in labels().filter(|(row, _)| row.is_taggable) {
        let (one, two) = samples(row);
        let both = asked(json!({ row.name: one, format!("{}#de", row.name): two }));
        let left = both.without(&[format!("{}#fr", row.name)]);
        assert_eq!(
            left,
            RequestedMetadata::default(),
            "{} {kind:?}: the member is removed in all languages",
            row.name
        );
    }
}

#[test]
fn requested_label_is_recorded_if_its_row_allows_it() {
    for (row, _) in labels() {
        let (one, two) = samples(row);
        let mut members = json!({ row.name: one });
        if row.is_taggable {
            members[format!("{}#de", row.name)] = two.clone();
        }
        let requested = asked(members);
        let own = complete(client(Labels::default(), "app.example"), &requested).labels;
        let foreign = complete(client(Labels::default(), "evil.example"), &requested).labels;
        let nothing = Labels::default();
        let expected = if row.stated_by.may_request() {
            &requested.labels
        } else {
            &nothing
        };
        assert_eq!(&own, expected, "{}", row.name);
        assert_eq!(
            foreign,
            if row.needs_own_host { nothing } else { own.clone() },
            "{}",
            row.name
        );
        let stored = serde_json::to_value(client(own.clone(), "app.example")).unwrap();
        let read: ClientMetadata = serde_json::from_value(stored).unwrap();
        assert_eq!(read.labels, own, "{}", row.name);

        // A label of the administrator or the attester is kept in all languages.
        let authoritative = asked(json!({ row.name: two })).labels;
        let both = complete(client(authoritative.clone(), "app.example"), &requested).labels;
        assert_eq!(both, authoritative, "{}", row.name);
    }
}

#[test]
fn label_of_the_rule_or_attester_in_one_language_leaves_the_other_languages_to_the_request() {
    let requested = asked(json!({ "client_name": "1", "client_name#de": "2", "client_name#fr": "3" }));
    let authoritative = asked(json!({ "client_name#de": "4" })).labels;
    let both = complete(client(authoritative, "app.example"), &requested).labels;
    let expected = asked(json!({ "client_name": "1", "client_name#de": "4", "client_name#fr": "3" })).labels;
    assert_eq!(both, expected);
}

#[test]
fn tagged_label_of_the_wrong_type_is_refused_before_its_tag_is_checked() {
    let members = json!({ "client_name#DE": "x", "client_name#de": 7 });
    let refused = MetadataReason::NotAString {
        member: "client_name",
    };
    assert_eq!(RequestedMetadata::of(members.as_object().unwrap()), Err(refused));
}

#[test]
fn debug_output_of_a_request_has_names_and_no_values() {
    let body =
        br#"{"software_statement":"s3cret","client_name":"s3cret","jwks_uri":"https://s3cret.example/"}"#;
    let requested = RequestedMetadata::parse(body).unwrap();
    let printed = format!("{requested:?}");
    assert_eq!(printed, r#"["software_statement", "labels", "jwks_uri"]"#);
}
