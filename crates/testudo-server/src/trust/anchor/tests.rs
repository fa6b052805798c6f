//! Tests: how long a bundle is used, and which bundles are held back.

use super::super::floor::offered;
use super::*;
use crate::config::{BundleOrigin, KeyChanges};
use testudo_core::{Authority, AuthorityKind};
use testudo_testkit::TestIssuer;

fn anchor_of(max_staleness: i64) -> Anchor {
    Anchor::new(
        BundleSource {
            authority: Authority::of_key("spiffe://a.example").unwrap(),
            origin: BundleOrigin::HttpsWeb {
                url: "https://nowhere.example/".parse().unwrap(),
                roots: None,
                token: None,
            },
            max_staleness: Seconds(max_staleness),
            key_changes: KeyChanges::default(),
        },
        Arc::default(),
    )
}

fn put(anchor: &Anchor, document: &str, now: i64) -> Refreshed {
    match anchor.read(document.as_bytes().to_vec()) {
        Ok(read) => anchor.put_in_force(read, Moment::of(now)),
        Err(why) => Refreshed::Failed(why),
    }
}

// Decision 0008.
#[test]
fn last_good_bundle_is_used_until_its_maximum_age() {
    let (anchor, issuer) = (anchor_of(3600), TestIssuer::new("a.example"));
    let document = issuer.bundle().to_string();
    assert_eq!(put(&anchor, &document, 0), Refreshed::Updated);
    assert!(matches!(put(&anchor, "<html>", 10), Refreshed::Failed(_)));
    assert!(anchor.current(Moment::of(3600)).is_some());
    assert!(anchor.current(Moment::of(3601)).is_none());
    put(&anchor, &document, 3601);
    assert!(anchor.current(Moment::of(3601)).is_some());
}

#[test]
fn refresh_hint_of_the_publisher_does_not_extend_the_maximum_age() {
    let (anchor, issuer) = (anchor_of(20), TestIssuer::new("a.example"));
    put(&anchor, &issuer.bundle().to_string(), 0);
    assert_eq!(anchor.status(Moment::of(0)).refresh_hint_seconds, Some(300));
    assert!(anchor.current(Moment::of(20)).is_some());
    assert!(anchor.current(Moment::of(21)).is_none());
    assert_eq!(anchor.status(Moment::of(21)).state, "expired");
    // There are two fetches within the maximum age: one of them may fail.
    assert_eq!(anchor.interval(Moment::of(0)), Duration::from_secs(10));
    assert_eq!(anchor_of(20).interval(Moment::of(0)), REFRESH_SOON);
    // A hint that is shorter than the maximum age is used.
    let patient = anchor_of(3600);
    put(&patient, &issuer.bundle().to_string(), 0);
    assert_eq!(patient.interval(Moment::of(0)), Duration::from_secs(300));
    assert_eq!(
        patient.interval(Moment::of(3601)),
        REFRESH_SOON,
        "no bundle is usable"
    );
}

#[test]
fn unchanged_bundle_is_not_replaced_by_a_copy() {
    let (anchor, issuer) = (anchor_of(3600), TestIssuer::new("a.example"));
    let document = issuer.bundle().to_string();
    put(&anchor, &document, 0);
    let before = anchor.current(Moment::of(0)).unwrap();
    assert_eq!(put(&anchor, &document, 1), Refreshed::Unchanged);
    assert!(before.are(&anchor.current(Moment::of(1)).unwrap()));
}

// Row I-06.
#[test]
fn bundle_with_a_lower_or_missing_sequence_is_held_back() {
    let bundle = |text: &str| offered(&AuthorityKeys::parse(AuthorityKind::Spiffe, text.as_bytes()).unwrap());
    let floor = Floor {
        accepted: 0,
        sequence: Some(2),
    };
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let with = |sequence: &str| bundle(&format!("{{\"keys\":[{key}]{sequence}}}"));
    for good in [r#","spiffe_sequence":2"#, r#","spiffe_sequence":3"#] {
        assert_eq!(floor.check(&with(good)), Ok(()));
    }
    for (bad, sequence) in [(r#","spiffe_sequence":1"#, Some(1)), ("", None)] {
        assert_eq!(
            floor.check(&with(bad)),
            Err(HeldBack::LowerSequence {
                held: 2,
                offered: sequence
            })
        );
        assert_eq!(
            Floor::default().check(&with(bad)),
            Ok(()),
            "no bundle was accepted before"
        );
    }
    assert_eq!(
        floor.check(&bundle(r#"{"keys":[]}"#)),
        Ok(()),
        "a document without keys is put in force at once and does not lower the sequence"
    );
    assert_eq!(floor.after(&bundle(r#"{"keys":[]}"#)), floor);
    assert!(
        floor
            .check(&bundle(r#"{"keys":[],"spiffe_sequence":1}"#))
            .is_err()
    );
}
