//! Tests of the stored form of a client. During a rolling upgrade, nodes of two versions share a store, so each version
//! must read the records of the other with the same meaning.

use super::{Client, ClientMetadata, ClientState, Registration};
use crate::identity::SponsorLimits;
use serde_json::{Value, json};
use testudo_protocol::{Seconds, Timestamp};

/// A client with every field of a record, as a server wrote it that is older than the table of members.
const WHOLE: &str = concat!(
    r#"{"format":1,"authority":"registration","subject":"c_1","client_id":"c_1","state":"active","#,
    r#""rule":"registration.open","rule_revision":"r1","occasion":"registration","#,
    r#""first_credential":"private_key_jwt","last_credential":"private_key_jwt","created":1,"last_used":2,"#,
    r#""idle_lifetime":3,"expires":4,"generation":1,"predecessor":null,"metadata":"#,
    r##"{"client_name":"Shop","client_uri":"https://app.example/","logo_uri":"https://app.example/logo.png","##,
    r##""tos_uri":"https://app.example/tos","policy_uri":"https://app.example/policy","##,
    r##""tagged":{"client_name#de":"Laden","client_name#ja-Jpan-JP":"店","policy_uri#de":"https://app.example/de"},"##,
    r#""contacts":["a@app.example","b@app.example"],"software_id":"shop","software_version":"1.0","#,
    r#""spiffe_bundle_endpoint":"https://bundle.example/","application_type":"web","#,
    r#""redirect_uris":["https://app.example/cb"],"scope":"r w","grant_types":["authorization_code"],"#,
    r#""jwks":{"keys":[]},"jwks_uri":"https://app.example/jwks"},"registration":null}"#,
);

/// The client of [`WHOLE`].
pub(crate) fn whole() -> Client {
    serde_json::from_str(WHOLE).unwrap()
}

fn client(metadata: &Value) -> Value {
    let mut client: Value = serde_json::from_str(WHOLE).unwrap();
    client["metadata"] = metadata.clone();
    client
}

fn read(metadata: &Value) -> Result<Client, serde_json::Error> {
    serde_json::from_value(client(metadata))
}

#[test]
fn client_record_is_byte_for_byte_equal_to_that_of_the_earlier_version() {
    let client = whole();
    assert_eq!(serde_json::to_string(&client).unwrap(), WHOLE);
    let empty = serde_json::to_value(read(&json!({})).unwrap()).unwrap();
    assert_eq!(empty["metadata"], json!({}), "absent members must not be written");
}

#[test]
fn each_member_of_a_stored_client_is_read_alone_and_written_again() {
    let whole: Value = serde_json::from_str(WHOLE).unwrap();
    for (member, value) in whole["metadata"].as_object().unwrap() {
        let alone = json!({ member: value });
        let again = serde_json::to_value(read(&alone).unwrap()).unwrap();
        assert_eq!(again["metadata"], alone, "{member}");
    }
}

#[test]
fn stored_client_with_a_member_of_another_type_is_not_read() {
    let whole: Value = serde_json::from_str(WHOLE).unwrap();
    for member in whole["metadata"].as_object().unwrap().keys() {
        if member == "jwks" {
            continue; // Any JSON is read: the keys were validated at registration and are validated again when they are used.
        }
        for wrong in [json!(7), json!(true), json!([7]), json!({ "a": 7 })] {
            assert!(read(&json!({ member: wrong })).is_err(), "{member}: {wrong}");
        }
    }
    for wrong in [json!("x"), json!(["x"])] {
        assert!(read(&json!({ "tagged": wrong })).is_err(), "tagged: {wrong}");
    }
    assert!(read(&json!({ "contacts": "x" })).is_err());
    assert!(read(&json!({ "client_name": ["x"] })).is_err());
}

#[test]
fn empty_lists_and_null_of_a_stored_client_mean_that_the_member_is_absent() {
    let absent = read(&json!({})).unwrap();
    for nothing in [
        json!({ "client_name": null, "jwks_uri": null, "grant_types": null }),
        json!({ "contacts": [], "redirect_uris": [], "tagged": {} }),
    ] {
        assert_eq!(read(&nothing).unwrap(), absent, "{nothing}");
    }
}

#[test]
fn member_that_only_a_later_version_knows_is_ignored() {
    let known = json!({ "client_name": "Shop", "redirect_uris": ["https://app.example/cb"] });
    for later in [
        json!("x"),
        json!(["x"]),
        json!(true),
        json!({ "a": { "b": [1] } }),
    ] {
        let mut metadata = known.clone();
        metadata["later"] = later;
        assert_eq!(read(&metadata).unwrap(), read(&known).unwrap(), "{metadata}");
    }
}

#[test]
fn client_is_expired_from_the_second_in_which_its_lifetime_ends() {
    let client = whole();
    let is_expired = |seconds| client.is_expired(Timestamp(seconds));
    assert_eq!([3, 4, 5].map(is_expired), [false, true, true]);
}

#[test]
fn frozen_client_neither_expires_nor_becomes_idle() {
    let mut client = Client {
        idle_lifetime: Some(Seconds(1)),
        ..whole()
    };
    let later = Timestamp(1_000_000_000);
    assert!(client.is_expired(later) && client.is_idle(later));
    client.state = ClientState::Frozen;
    assert!(!client.is_expired(later) && !client.is_idle(later));
}

#[test]
fn what_a_sponsor_registered_that_it_must_do_is_demanded_of_the_clients_that_it_registers() {
    let now = Timestamp(1);
    let limits = |metadata: ClientMetadata, registration: Registration| {
        let client = Client {
            metadata,
            registration: Some(Box::new(registration)),
            ..whole()
        };
        client.limits_as_sponsor(None, now).map(|limits| *limits)
    };
    let free = || Registration::of_nothing(now);
    assert_eq!(limits(ClientMetadata::default(), free()), None);
    let none = SponsorLimits::default;
    for (registered, demanded) in [
        (
            Registration {
                dpop_bound_access_tokens: true,
                ..free()
            },
            SponsorLimits {
                dpop_bound_access_tokens: true,
                ..none()
            },
        ),
        (
            Registration {
                must_bind_tokens: true,
                ..free()
            },
            SponsorLimits {
                tls_client_certificate_bound_access_tokens: true,
                ..none()
            },
        ),
        (
            Registration {
                must_push: true,
                ..free()
            },
            SponsorLimits {
                require_pushed_authorization_requests: true,
                ..none()
            },
        ),
        (
            Registration {
                must_sign_requests: true,
                ..free()
            },
            SponsorLimits {
                require_signed_request_object: true,
                ..none()
            },
        ),
    ] {
        assert_eq!(limits(ClientMetadata::default(), registered), Some(demanded));
    }
    // What its authority attests stays, whatever the sponsor registered.
    let attested = ClientMetadata {
        dpop_bound_access_tokens: true,
        ..ClientMetadata::default()
    };
    let demanded = SponsorLimits {
        dpop_bound_access_tokens: true,
        ..none()
    };
    assert_eq!(limits(attested, free()), Some(demanded));
}
