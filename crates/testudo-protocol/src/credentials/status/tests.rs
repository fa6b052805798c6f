//! Status lists: the examples of the standards, and lists of another form, time or signer.

use super::*;
use crate::credentials::tests::{ISSUED, K1, NOW, Signer, issuer_keys};
use crate::credentials::{CredentialError, IssuerKeys};
use crate::jose::{Jws, KeySet, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};
use std::io::Write as _;

const URL: &str = "https://status.example/1";

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn token_list(
    lst: &str,
    bits: Value,
    change: impl FnOnce(&mut Value),
) -> Result<StatusList, CredentialError> {
    let mut claims = json!({"sub": URL, "iat": ISSUED, "exp": ISSUED + 3600, "ttl": 60, "status_list": {"bits": bits, "lst": lst}});
    change(&mut claims);
    let header = r#"{"alg":"EdDSA","typ":"statuslist+jwt","kid":"k1"}"#;
    let token = Signer::Issuer.jws(header, &claims.to_string());
    read_token_list(&parsed(&token), URL, IssuerKeys::Set(&issuer_keys("k1")), NOW)
}

fn parsed(token: &str) -> Jws {
    Jws::parse_list(token).unwrap()
}

fn values(list: &StatusList, count: u64) -> Vec<u8> {
    (0..count).map(|index| list.value(index).unwrap()).collect()
}

const SMALL: &str = "eNrbuRgAAhcBXQ";

// Rows TSL-01, TSL-02, TSL-18, TSL-35.
#[test]
fn small_lists_of_the_standard_are_read_from_the_least_significant_bit() {
    let list = token_list(SMALL, json!(1), |_| {}).unwrap();
    assert_eq!(
        values(&list, 16),
        [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    );
    assert_eq!((list.len(), list.value(16)), (16, None));
    assert_eq!(
        (list.ttl, list.expires),
        (Some(Seconds(60)), Some(Timestamp(ISSUED + 3600)))
    );
    let list = token_list("eNo76fITAAPfAgc", json!(2), |_| {}).unwrap();
    assert_eq!(values(&list, 12), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
    let reference = |index| StatusReference::TokenList {
        url: URL.to_owned(),
        index,
    };
    assert_eq!(list.status(&reference(2)), Status::Valid);
    assert_eq!(list.status(&reference(1)), Status::NotValid { value: 2 });
    assert_eq!(list.status(&reference(12)), Status::OutOfRange);
    assert_eq!(list.status(&reference(u64::MAX)), Status::OutOfRange);
    assert_eq!(list.status(&StatusReference::Unknown), Status::OtherPurpose);
}

// Rows TSL-05, TSL-06, TSL-07, TSL-08.
#[test]
fn lists_of_a_million_entries_are_those_of_the_standard() {
    let hash = |list: &StatusList| -> String {
        sha256(&list.values)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let of = |bits, lst| token_list(lst, json!(bits), |_| {}).unwrap();
    let one = of(1, include_str!("vectors/bits1.txt"));
    assert_eq!(
        hash(&one),
        "f2529d5d7b48665f8be86037b271b92a9cc7690a42688193d3c97baf2a1e4794"
    );
    let ones = [
        0, 1993, 25_460, 159_495, 495_669, 554_353, 645_645, 723_232, 854_545, 934_534, 1_000_345,
    ];
    let found: Vec<u64> = (0..one.len())
        .filter(|index| one.value(*index) == Some(1))
        .collect();
    assert_eq!(found, ones);
    let two = of(2, include_str!("vectors/bits2.txt"));
    assert_eq!(
        hash(&two),
        "89014d93753a4996780da9354a6ac298c4e4c571b9d7ef344c2aefdd494d898c"
    );
    assert_eq!(
        (two.value(1993), two.value(159_495), two.value(1)),
        (Some(2), Some(3), Some(0))
    );
    let four = of(4, include_str!("vectors/bits4.txt"));
    assert_eq!(
        hash(&four),
        "7624b511c7462ca2e77514c416b5528b043d4333b5e0741494a4e21009241edb"
    );
    assert_eq!(
        (four.value(1_030_205), four.value(1_030_203)),
        (Some(15), Some(13))
    );
    let eight = of(8, include_str!("vectors/bits8.txt"));
    assert_eq!(
        hash(&eight),
        "15aae678f848a96df0efaaead24c5356ed249c713fa292b04fd99d61db566743"
    );
    let indexes = include_str!("vectors/bits8-indexes.txt").trim().split(',');
    for (value, index) in (0..=255).zip(indexes) {
        assert_eq!(eight.value(index.parse().unwrap()), Some(value), "{index}");
    }
}

// Rows TSL-10, TSL-11, TSL-12, TSL-13, TSL-14, TSL-15, TSL-16, TSL-17.
#[test]
fn list_that_is_not_compressed_as_it_must_be_is_refused() {
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
    raw.write_all(&[0xb9, 0xa3]).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let good = zlib(&[0xb9, 0xa3]);
    assert!(token_list(&encode(&good), json!(1), |_| {}).is_ok());
    let mut checksum = good.clone();
    *checksum.last_mut().unwrap() ^= 1;
    let mut cut = good.clone();
    cut.pop();
    let limit = crate::limits::STATUS_LIST_BYTES_MAX;
    for (name, lst, bits) in [
        ("bits 3", SMALL.to_owned(), json!(3)),
        ("bits 0", SMALL.to_owned(), json!(0)),
        ("bits text", SMALL.to_owned(), json!("1")),
        ("gzip", encode(&gzip(&[0xb9, 0xa3])), json!(1)),
        ("raw", encode(&raw.finish().unwrap()), json!(1)),
        ("checksum", encode(&checksum), json!(1)),
        ("cut", encode(&cut), json!(1)),
        ("trailing", encode(&[good.as_slice(), &[0]].concat()), json!(1)),
        ("padding", format!("{SMALL}=="), json!(1)),
        ("alphabet", "eNrbuRgAAhcB+Q".to_owned(), json!(1)),
        ("one byte too many", encode(&zlib(&vec![0; limit + 1])), json!(1)),
        ("bomb", encode(&zlib(&vec![0; 8 * limit])), json!(1)),
    ] {
        assert!(token_list(&lst, bits, |_| {}).is_err(), "{name}");
    }
    assert!(token_list(&encode(&zlib(&vec![0; limit])), json!(1), |_| {}).is_ok());
}

// Row TSL-19.
#[test]
fn token_of_the_standard_is_verified() {
    let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEyIiwidHlwIjoic3RhdHVzbGlzdCtqd3QifQ.eyJleHAiOjIyOTE3MjAxNzAsImlhdCI6MTY4NjkyMDE3MCwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmNvbSIsInN0YXR1c19saXN0Ijp7ImJpdHMiOjEsImxzdCI6ImVOcmJ1UmdBQWhjQlhRIn0sInN1YiI6Imh0dHBzOi8vZXhhbXBsZS5jb20vc3RhdHVzbGlzdHMvMSIsInR0bCI6NDMyMDB9.2lKUUNG503R9htu4aHAYi7vjmr3sgApbfoDvPrl65N3URUO1EYqqQl45Jfzd-Av4QzlKa3oVALpLwOEUOq-U_g";
    let keys = KeySet::from_jwks(br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"12","x":"I3HWm_0Ds1dPMI-IWmf4mBmH-YaeAVbPVu7vB27CxXo","y":"6N_d5Elj9bs1htgV3okJKIdbHEpkgTmAluYKJemzn1M"}]}"#).unwrap();
    let read = |url: &str| read_token_list(&parsed(token), url, IssuerKeys::Set(&keys), NOW);
    let list = read("https://example.com/statuslists/1").unwrap();
    assert_eq!((list.ttl, list.value(0)), (Some(Seconds(43_200)), Some(1)));
    assert!(read("https://example.com/statuslists/1/").is_err());
}

// Rows TSL-21, TSL-22, TSL-23, TSL-24, TSL-25, TSL-26, TSL-27.
#[test]
fn token_list_of_another_kind_place_time_or_signer_is_refused() {
    let changed =
        |member: &'static str, value: Value| token_list(SMALL, json!(1), |claims| claims[member] = value);
    for (name, member, value) in [
        ("no sub", "sub", Value::Null),
        ("other sub", "sub", json!("https://status.example/1/")),
        ("no iat", "iat", Value::Null),
        ("iat in the future", "iat", json!(ISSUED + 41)),
        ("no list", "status_list", Value::Null),
        ("expired", "exp", json!(ISSUED + 10)),
        ("ttl 0", "ttl", json!(0)),
        ("ttl negative", "ttl", json!(-1)),
        ("ttl text", "ttl", json!("60")),
    ] {
        assert!(changed(member, value).is_err(), "{name}");
    }
    let fraction = changed("ttl", json!(0.5)).unwrap();
    assert_eq!(fraction.ttl, Some(Seconds(1)));
    let claims = json!({"sub": URL, "iat": ISSUED, "status_list": {"bits": 1, "lst": SMALL}}).to_string();
    for (name, header, signer, good) in [
        (
            "good",
            r#"{"alg":"EdDSA","typ":"statuslist+jwt","kid":"k1"}"#,
            Signer::Issuer,
            true,
        ),
        (
            "typ",
            r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#,
            Signer::Issuer,
            false,
        ),
        ("no typ", r#"{"alg":"EdDSA","kid":"k1"}"#, Signer::Issuer, false),
        (
            "none",
            r#"{"alg":"none","typ":"statuslist+jwt"}"#,
            Signer::Issuer,
            false,
        ),
        (
            "HS256",
            r#"{"alg":"HS256","typ":"statuslist+jwt"}"#,
            Signer::Issuer,
            false,
        ),
        (
            "other signer",
            r#"{"alg":"EdDSA","typ":"statuslist+jwt","kid":"k1"}"#,
            Signer::Holder,
            false,
        ),
        (
            "key of the sender",
            r#"{"alg":"EdDSA","typ":"statuslist+jwt","kid":"k1","jku":"https://evil.example/"}"#,
            Signer::Issuer,
            false,
        ),
        (
            "certificate of the sender",
            r#"{"alg":"EdDSA","typ":"statuslist+jwt","kid":"k1","x5c":["AA=="]}"#,
            Signer::Issuer,
            false,
        ),
    ] {
        let (list, keys) = (parsed(&signer.jws(header, &claims)), issuer_keys("k1"));
        let read = read_token_list(&list, URL, IssuerKeys::Set(&keys), NOW);
        assert_eq!(read.is_ok(), good, "{name}");
    }
}

fn bitstring(encoded: &str, change: impl FnOnce(&mut Value)) -> Result<StatusList, CredentialError> {
    let mut credential = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": URL, "issuer": K1, "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "validFrom": "2026-11-18T11:06:40Z", "validUntil": "2026-11-19T11:06:40Z",
        "credentialSubject": {
            "type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": encoded, "ttl": 300_000,
        },
    });
    change(&mut credential);
    let header = r#"{"alg":"EdDSA","typ":"vc+jwt","kid":"k1"}"#;
    let token = Signer::Issuer.jws(header, &credential.to_string());
    read_bitstring_list(&parsed(&token), URL, K1, IssuerKeys::Set(&issuer_keys("k1")), NOW)
}

const BITSTRING: &str = "uH4sIAAAAAAACA-3QAQ0AAAwCIO1f2hz_IAIJAAAAAAAAAAAAAADfVAEAAADAOQNQdb5gAEAAAA";

// Rows VC-25, VC-26, VC-27, VC-28.
#[test]
fn bitstring_list_is_read_from_the_most_significant_bit_for_its_purpose() {
    let list = bitstring(BITSTRING, |_| {}).unwrap();
    assert_eq!(list.len(), 131_072);
    let ones: Vec<u64> = (0..list.len())
        .filter(|index| list.value(*index) == Some(1))
        .collect();
    assert_eq!(ones, [94_567]);
    assert_eq!(list.ttl, Some(Seconds(300)));
    let reference = |index, purpose| StatusReference::Bitstring {
        url: URL.to_owned(),
        index,
        purpose,
    };
    use Purpose::*;
    assert_eq!(
        list.status(&reference(94_567, Revocation)),
        Status::NotValid { value: 1 }
    );
    assert_eq!(list.status(&reference(94_560, Revocation)), Status::Valid);
    assert_eq!(list.status(&reference(131_072, Revocation)), Status::OutOfRange);
    assert_eq!(list.status(&reference(94_560, Suspension)), Status::OtherPurpose);
    let as_token_list = StatusReference::TokenList {
        url: URL.to_owned(),
        index: 94_560,
    };
    assert_eq!(list.status(&as_token_list), Status::OtherPurpose);
    let both = bitstring(BITSTRING, |list| {
        list["credentialSubject"]["statusPurpose"] = json!(["suspension", "message"]);
    });
    assert_eq!(
        both.unwrap().status(&reference(94_560, Suspension)),
        Status::Valid
    );
}

// Rows VC-29, VC-31.
#[test]
fn bitstring_list_of_another_form_time_or_issuer_is_refused() {
    let encode = |bytes: &[u8]| format!("u{}", URL_SAFE_NO_PAD.encode(bytes));
    let whole = vec![0; 16_384];
    let limit = crate::limits::STATUS_LIST_BYTES_MAX;
    assert!(bitstring(&encode(&gzip(&whole)), |_| {}).is_ok());
    for (name, encoded) in [
        ("zlib", encode(&zlib(&whole))),
        ("padded", format!("{BITSTRING}==")),
        ("base58", BITSTRING.replacen('u', "z", 1)),
        ("no prefix", BITSTRING[1..].to_owned()),
        ("short", encode(&gzip(&whole[1..]))),
        ("trailing", encode(&[gzip(&whole), vec![0]].concat())),
        ("bomb", encode(&gzip(&vec![0; limit + 1]))),
    ] {
        assert!(bitstring(&encoded, |_| {}).is_err(), "{name}");
    }
    for (name, member, value) in [
        ("issuer", "issuer", json!("did:example:other")),
        ("no issuer", "issuer", Value::Null),
        ("iss", "iss", json!("did:example:other")),
        ("over", "validUntil", json!("2026-11-18T11:06:50Z")),
        ("not yet", "validFrom", json!("2026-11-18T11:07:30Z")),
        ("exp", "exp", json!(ISSUED)),
        ("type", "type", json!(["VerifiableCredential"])),
        ("id", "id", json!("https://status.example/2")),
        ("vc", "vc", json!({})),
        ("subject", "credentialSubject", json!({"type": "X"})),
        ("no subject", "credentialSubject", Value::Null),
    ] {
        assert!(
            bitstring(BITSTRING, |list| list[member] = value).is_err(),
            "{name}"
        );
    }
    for (name, value) in [
        ("ttl 0", json!(0)),
        ("ttl text", json!("1")),
        ("ttl negative", json!(-1)),
    ] {
        assert!(
            bitstring(BITSTRING, |list| list["credentialSubject"]["ttl"] = value).is_err(),
            "{name}"
        );
    }
    assert!(bitstring(BITSTRING, |list| list["issuer"] = json!({"id": K1})).is_ok());
}
