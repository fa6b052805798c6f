//! Tests of the decision by a status list.

use super::super::authority_keys::AuthorityKeys;
use super::*;
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;

const URL: &str = "https://status.example/1";
const ISSUER: &str = "https://issuer.example";
const NOW: Timestamp = Timestamp(1_800_000_000);

fn authority() -> Authority {
    Authority::issuer("agents").unwrap()
}

fn policy(r#use: StatusUse, max_stale: i64) -> StatusPolicy {
    StatusPolicy {
        r#use,
        origins: vec!["https://status.example".to_owned()],
        max_stale: Seconds(max_stale),
    }
}

fn keys(key: &SigningKey) -> AuthorityKeys {
    let set = json!({ "keys": [key.public_jwk("sig", true)] }).to_string();
    AuthorityKeys::parse(crate::identity::AuthorityKind::Issuer, set.as_bytes()).unwrap()
}

fn token(index: u64) -> StatusReference {
    let url = URL.to_owned();
    StatusReference::TokenList { url, index }
}

fn bit(index: u64, purpose: Purpose) -> StatusReference {
    StatusReference::Bitstring {
        url: URL.to_owned(),
        index,
        purpose,
    }
}

/// A fresh list of the issuer with these values.
fn token_list(values: &[u8]) -> ListFound {
    let key = generate_key(Algorithm::ES256, Some("k1"));
    found(
        &key,
        &Draft::token_list(&key, URL, values, NOW.0),
        ListForm::Token,
    )
}

fn bitstring_list(revoked: &[usize], purpose: &str) -> ListFound {
    let key = generate_key(Algorithm::ES256, Some("k1"));
    let mut draft = Draft::bitstring_list(&key, ISSUER, URL, revoked, NOW.0);
    draft.claims["credentialSubject"]["statusPurpose"] = Value::from(purpose);
    found(&key, &draft, ListForm::Bitstring)
}

fn found(key: &SigningKey, draft: &Draft<'_>, form: ListForm) -> ListFound {
    let list = Jws::parse_list(&draft.sign()).unwrap();
    let source = ListSource {
        issuer: ISSUER,
        url: URL,
        form,
    };
    let keys = keys(key);
    let list = source
        .read(&list, &keys.for_credential(&list, NOW).unwrap(), NOW)
        .unwrap();
    ListFound {
        list: Some(Arc::new(list)),
        ..ListFound::default()
    }
}

/// The decision for a credential with one reference.
fn decide(reference: &StatusReference, found: &ListFound) -> Result<ListAge, StatusReason> {
    decide_at(reference, found, 0, NOW)
}

fn decide_at(
    reference: &StatusReference,
    found: &ListFound,
    max_stale: i64,
    now: Timestamp,
) -> Result<ListAge, StatusReason> {
    let (authority, policy) = (authority(), policy(StatusUse::Required, max_stale));
    let references = std::slice::from_ref(reference);
    let needed = StatusNeeded::of(&authority, ISSUER, &policy, references)?;
    assert_eq!(needed.len(), 1);
    needed[0].decide(found, now)
}

fn at(index: u64) -> StatusEntry {
    let url = URL.to_owned();
    StatusEntry { url, index }
}

// Rows TSL-31, TSL-32, TSL-33, TSL-34, TSL-35.
#[test]
fn only_the_value_valid_of_a_token_list_is_accepted() {
    let list = token_list(&[0, 1, 2, 3]);
    assert_eq!(decide(&token(0), &list), Ok(ListAge::Fresh));
    assert_eq!(decide(&token(1), &list), Err(StatusReason::Revoked { at: at(1) }));
    assert_eq!(
        decide(&token(2), &list),
        Err(StatusReason::Suspended { at: at(2) })
    );
    let specific = StatusReason::ApplicationSpecific { at: at(3), value: 3 };
    assert_eq!(decide(&token(3), &list), Err(specific));
    assert_eq!(decide(&token(16_383), &list), Ok(ListAge::Fresh));
    let beyond = decide(&token(16_384), &list);
    assert_eq!(beyond, Err(StatusReason::OutOfRange { at: at(16_384) }));
}

#[test]
fn values_of_four_bits_are_specific_to_an_application_or_unassigned() {
    let key = generate_key(Algorithm::ES256, Some("k1"));
    let mut draft = Draft::token_list(&key, URL, &[], NOW.0);
    // Two values in each byte: 0x10, 0x32, …
    let bytes = [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe];
    draft.claims["status_list"] = json!({ "bits": 4, "lst": testudo_testkit::status_list::lst(&bytes) });
    let list = found(&key, &draft, ListForm::Token);
    for value in 4..=15u8 {
        let (at, index) = (at(value.into()), value.into());
        let expected = match value {
            0x0c..=0x0f => StatusReason::ApplicationSpecific { at, value },
            _ => StatusReason::Unassigned { at, value },
        };
        assert_eq!(decide(&token(index), &list), Err(expected), "{value}");
    }
}

// Rows VC-25, VC-26, VC-27, VC-28.
#[test]
fn bit_of_a_bitstring_list_means_what_its_purpose_is() {
    let list = bitstring_list(&[94_567], "revocation");
    let revocation = |index| bit(index, Purpose::Revocation);
    assert_eq!(decide(&revocation(94_560), &list), Ok(ListAge::Fresh));
    let revoked = StatusReason::Revoked { at: at(94_567) };
    assert_eq!(decide(&revocation(94_567), &list), Err(revoked));
    let beyond = StatusReason::OutOfRange { at: at(131_072) };
    assert_eq!(decide(&revocation(131_072), &list), Err(beyond));
    let other = StatusReason::OtherPurpose { at: at(94_560) };
    assert_eq!(
        decide(&bit(94_560, Purpose::Suspension), &list),
        Err(other.clone())
    );
    assert_eq!(decide(&token(94_560), &list), Err(other), "another kind of list");
    let suspensions = bitstring_list(&[7], "suspension");
    let suspended = StatusReason::Suspended { at: at(7) };
    assert_eq!(decide(&bit(7, Purpose::Suspension), &suspensions), Err(suspended));
}

// Row VC-35.
#[test]
fn credential_without_a_known_status_is_refused_only_where_one_is_required() {
    let authority = authority();
    let lists = |r#use, references: &[StatusReference]| {
        StatusNeeded::of(&authority, ISSUER, &policy(r#use, 0), references).map(|needed| needed.len())
    };
    for references in [&[][..], &[StatusReference::Unknown]] {
        assert_eq!(lists(StatusUse::Required, references), Err(StatusReason::Missing));
        assert_eq!(lists(StatusUse::IfPresent, references), Ok(0));
    }
    let several = [token(1), StatusReference::Unknown, bit(2, Purpose::Suspension)];
    assert_eq!(lists(StatusUse::Required, &several), Ok(2));
    assert_eq!(lists(StatusUse::IfPresent, &several), Ok(2));
    assert_eq!(lists(StatusUse::Ignore, &several), Ok(0));
}

// Rows TSL-44, VC-30.
#[test]
fn list_outside_the_configured_origins_is_refused() {
    let authority = authority();
    for (url, is_allowed) in [
        ("https://status.example/1", true),
        ("https://status.example:443/1?a=b", true),
        ("HTTPS://STATUS.example/1", true),
        ("http://status.example/1", false),
        ("https://status.example:8443/1", false),
        ("https://status.example.evil.example/1", false),
        ("https://user@status.example/1", false),
        ("https://status.example@evil.example/1", false),
        ("https://status.example/1#x", false),
        ("https://evil.example/https://status.example/", false),
        ("http://169.254.169.254/", false),
        ("file:///etc/passwd", false),
    ] {
        let reference = StatusReference::TokenList {
            url: url.to_owned(),
            index: 0,
        };
        let references = [reference];
        let needed = StatusNeeded::of(&authority, ISSUER, &policy(StatusUse::IfPresent, 0), &references);
        let needed = needed.map(|needed| needed.len());
        let expected = match is_allowed {
            true => Ok(1),
            false => Err(StatusReason::ForeignList { url: url.to_owned() }),
        };
        assert_eq!(needed, expected, "{url}");
    }
    let none = StatusPolicy::default();
    assert!(
        StatusNeeded::of(&authority, ISSUER, &none, &[token(0)]).is_err(),
        "no origins"
    );
}

// Rows TSL-41, TSL-42.
#[test]
fn list_that_is_not_fresh_is_used_for_max_stale_and_never_after_its_end() {
    let unavailable = ListFailure::Unavailable {
        why: "cannot connect".to_owned(),
        again_after: Seconds(30),
    };
    let overdue = |seconds| ListFound {
        overdue: Seconds(seconds),
        failure: Some(unavailable.clone()),
        ..token_list(&[0, 1])
    };
    let refused = StatusReason::ListUnavailable {
        url: URL.to_owned(),
        why: "cannot connect".to_owned(),
        retry_after_seconds: 30,
    };
    for (max_stale, seconds, expected) in [
        (0, 0, Ok(ListAge::Fresh)),
        (0, 1, Err(refused.clone())),
        (60, 60, Ok(ListAge::Stale)),
        (60, 61, Err(refused.clone())),
    ] {
        let decided = decide_at(&token(0), &overdue(seconds), max_stale, NOW);
        assert_eq!(decided, expected, "{max_stale} {seconds}");
    }
    let stale = decide_at(&token(1), &overdue(5), 60, NOW);
    assert_eq!(
        stale,
        Err(StatusReason::Revoked { at: at(1) }),
        "a stale list revokes too"
    );
    let last = NOW + Seconds(3599);
    assert_eq!(
        decide_at(&token(0), &overdue(5), 86_400, last),
        Ok(ListAge::Stale)
    );
    let ended = NOW + Seconds(3600);
    assert_eq!(decide_at(&token(0), &overdue(5), 86_400, ended), Err(refused));
}

#[test]
fn list_that_is_refused_has_another_reason_than_one_that_cannot_be_fetched() {
    let of = |failure| ListFound {
        failure,
        ..ListFound::default()
    };
    let why = "the signature does not verify".to_owned();
    let refused = decide(&token(0), &of(Some(ListFailure::Refused { why: why.clone() })));
    let url = URL.to_owned();
    assert_eq!(refused, Err(StatusReason::ListRefused { url, why }));
    let nothing = decide(&token(0), &of(None));
    assert!(
        matches!(nothing, Err(StatusReason::ListUnavailable { .. })),
        "{nothing:?}"
    );
}

// Row TSL-40.
#[test]
fn list_is_fresh_for_its_ttl_within_the_bounds_of_the_server_and_not_beyond_its_end() {
    let key = generate_key(Algorithm::ES256, Some("k1"));
    let fresh = |ttl: Value, end: i64| {
        let mut draft = Draft::token_list(&key, URL, &[], NOW.0);
        draft.claims["ttl"] = ttl;
        draft.claims["exp"] = json!(NOW.0 + end);
        let found = found(&key, &draft, ListForm::Token);
        fresh_for(found.list.as_ref().unwrap(), NOW).0
    };
    for (ttl, end, expected) in [
        (json!(60), 3600, 60),
        (json!(1), 3600, 5),
        (json!(4_000_000), 4_000_000, 86_400),
        (json!(60), 10, 10),
        (Value::Null, 3600, 300),
    ] {
        assert_eq!(fresh(ttl.clone(), end), expected, "{ttl} {end}");
    }
}

#[test]
fn list_without_an_end_is_used_until_seven_days_after_its_issue() {
    let key = generate_key(Algorithm::ES256, Some("k1"));
    let read = |form, draft: Draft<'_>| {
        let list = Jws::parse_list(&draft.sign()).unwrap();
        let source = ListSource {
            issuer: ISSUER,
            url: URL,
            form,
        };
        let keys = keys(&key);
        source.read(&list, &keys.for_credential(&list, NOW)?, NOW)
    };
    let day = 86_400;
    let token = |issued| Draft::token_list(&key, URL, &[0], issued).without_claim("exp");
    let bits = |issued| Draft::bitstring_list(&key, ISSUER, URL, &[], issued).without_claim("exp");
    for (form, draft) in [
        (ListForm::Token, token(NOW.0 - day)),
        (ListForm::Bitstring, bits(NOW.0 - day)),
    ] {
        let list = read(form, draft).unwrap();
        assert_eq!(list.expires, Some(Timestamp(NOW.0 + 6 * day)));
    }
    let with_end = token(NOW.0 - 8 * day).claim("exp", NOW.0 + 1);
    assert_eq!(
        read(ListForm::Token, with_end).unwrap().expires,
        Some(Timestamp(NOW.0 + 1))
    );
    assert!(read(ListForm::Token, token(NOW.0 - 7 * day)).is_err());
    assert!(read(ListForm::Bitstring, bits(NOW.0 - 7 * day)).is_err());
    assert!(
        read(ListForm::Bitstring, bits(NOW.0).without_claim("iat")).is_err(),
        "neither a beginning nor an end"
    );
}
