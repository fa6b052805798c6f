//! W3C credentials as JWTs, of both data models.

use super::super::claims::{CredentialClaims, Times};
use super::super::did::Did;
use super::super::status::StatusReference;
use super::super::vc_jwt::{Model, model, read, unverified_issuer};
use super::*;
use crate::jose::sha256;
use crate::time::Seconds;
use serde_json::json;

type Map = serde_json::Map<String, Value>;

/// The complete example of an issuer.
fn vector() -> String {
    let fragment = K1.strip_prefix("did:key:").unwrap();
    let header = format!(r#"{{"alg":"EdDSA","typ":"vc+jwt","kid":"{K1}#{fragment}"}}"#);
    let payload = format!(
        r#"{{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential","OAuthClientCredential"],"issuer":"{K1}","validFrom":"2026-11-18T11:06:40Z","validUntil":"2026-11-18T12:06:40Z","credentialSubject":{{"id":"{K2}","client_name":"Agent 7","redirect_uris":["https://app.example/cb"]}},"iss":"{K1}","iat":1795000000,"exp":1795003600,"cnf":{{"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{X2}"}}}}}}"#
    );
    Signer::Issuer.jws(&header, &payload)
}

fn payload_2() -> Map {
    Jws::parse_credential(&vector())
        .unwrap()
        .unverified_claims()
        .unwrap()
}

fn payload_1() -> Map {
    let value = json!({
        "iss": K1, "sub": K2, "nbf": ISSUED, "exp": ISSUED + 3600, "jti": "urn:x",
        "vc": {
            "@context": ["https://www.w3.org/2018/credentials/v1"],
            "type": ["VerifiableCredential", "OAuthClientCredential"],
            "credentialSubject": {"client_name": "Agent 7"},
        },
    });
    value.as_object().unwrap().clone()
}

/// The key in the DID of the issuer.
fn keys_of_did() -> KeySet {
    let own = Did::parse(K1).unwrap().own_key().unwrap();
    let mut keys = KeySet::default();
    keys.push(own.public_key().unwrap());
    keys
}

/// Reads a changed credential of data model 2.0.
fn second(name: &str, value: Value) -> Result<CredentialClaims, CredentialError> {
    let mut payload = payload_2();
    payload.insert(name.to_owned(), value);
    read(Model::Second, &payload)
}

// Rows VC-01, VC-05.
#[test]
fn vector_of_data_model_2_is_verified_by_the_key_of_its_did() {
    let token = vector();
    assert_eq!(token.len(), 1072);
    let digest: String = sha256(token.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        digest,
        "c41e5d5b5971ef0bdd7ac30341dd2f3b5f11891b334ee43c88ad681151194c7a"
    );
    let jws = Jws::parse_credential(&token).unwrap();
    let payload = payload_2();
    assert_eq!(unverified_issuer(&jws, &payload).as_deref(), Some(K1));
    assert_eq!(model(&jws, &payload).unwrap(), Model::Second);
    IssuerKeys::Set(&keys_of_did()).verify(&jws).unwrap();
    let claims = read(Model::Second, &payload).unwrap();
    assert_eq!(claims.issuer.as_deref(), Some(K1));
    assert_eq!(claims.subject, K2);
    assert_eq!(claims.types, ["OAuthClientCredential"]);
    assert_eq!(
        claims.confirmation.unwrap().key.thumbprint(),
        holder_key().thumbprint()
    );
    assert_eq!(
        Value::Object(claims.about_client),
        json!({"client_name": "Agent 7", "redirect_uris": ["https://app.example/cb"]})
    );
    let named = Signer::Issuer.jws(r#"{"alg":"EdDSA","typ":"application/vc+jwt"}"#, "{}");
    let named = Jws::parse_credential(&named).unwrap();
    assert_eq!(model(&named, &payload).unwrap(), Model::Second);
    let typ = Signer::Issuer.jws(r#"{"alg":"EdDSA","typ":"dc+sd-jwt"}"#, "{}");
    assert!(model(&Jws::parse_credential(&typ).unwrap(), &payload).is_err());
    let none = Signer::Issuer.jws(r#"{"alg":"EdDSA"}"#, "{}");
    assert!(
        model(&Jws::parse_credential(&none).unwrap(), &payload).is_err(),
        "data model 2.0 without typ"
    );
}

// Row DID-04.
#[test]
fn kid_of_a_did_key_must_be_its_own() {
    let keys = keys_of_did();
    let fragment = K1.strip_prefix("did:key:").unwrap();
    for (kid, good) in [
        (format!("{K1}#{fragment}"), true),
        (format!("{K1}#keys-1"), false),
        (format!("{K1}#{}", K2.strip_prefix("did:key:").unwrap()), false),
        (format!("#{fragment}"), false),
        (K1.to_owned(), false),
    ] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"vc+jwt","kid":"{kid}"}}"#);
        let jws = Jws::parse_credential(&Signer::Issuer.jws(&header, "{}")).unwrap();
        assert_eq!(IssuerKeys::Set(&keys).verify(&jws).is_ok(), good, "{kid}");
    }
}

// Rows VC-03, VC-04, VC-15.
#[test]
fn credential_of_data_model_1_is_read_from_its_claims() {
    let payload = payload_1();
    let claims = read(Model::First, &payload).unwrap();
    assert_eq!((claims.issuer.as_deref(), &*claims.subject), (Some(K1), K2));
    assert_eq!(claims.times.expires, Some(Timestamp(ISSUED + 3600)));
    assert_eq!(claims.types, ["OAuthClientCredential"]);
    assert!(claims.confirmation.is_none());
    let jws = Jws::parse_credential(&Signer::Issuer.jws(r#"{"alg":"EdDSA","typ":"JWT"}"#, "{}")).unwrap();
    assert_eq!(model(&jws, &payload).unwrap(), Model::First);
    let with = |name: &str, value: Value| {
        let mut payload = payload_1();
        payload["vc"][name] = value;
        read(Model::First, &payload)
    };
    let subject = |id: &str| json!({"id": id});
    for (name, member, value) in [
        ("same subject", "credentialSubject", subject(K2)),
        ("same end", "expirationDate", json!("2026-11-18T12:06:40Z")),
        ("same issuer", "issuer", json!({"id": K1})),
        ("same id", "id", json!("urn:x")),
        ("one in an array", "credentialSubject", json!([subject(K2)])),
        ("embedded proof", "proof", json!({"type": "x"})),
    ] {
        assert!(with(member, value).is_ok(), "{name}");
    }
    for (name, member, value) in [
        ("subject", "credentialSubject", subject(K1)),
        (
            "two subjects",
            "credentialSubject",
            json!([subject(K2), subject(K2)]),
        ),
        ("end", "expirationDate", json!("2026-11-18T10:06:40Z")),
        ("beginning", "issuanceDate", json!("2026-11-18T10:06:40Z")),
        ("issuer", "issuer", json!(K2)),
        ("id", "id", json!("urn:y")),
        (
            "context",
            "@context",
            json!(["https://www.w3.org/ns/credentials/v2"]),
        ),
        ("type", "type", json!(["OAuthClientCredential"])),
    ] {
        assert!(with(member, value).is_err(), "{name}");
    }
    let mut bearer = payload_1();
    bearer.remove("sub");
    assert!(read(Model::First, &bearer).is_err(), "no subject");
    let mut both = payload_1();
    both.insert("vp".to_owned(), json!({}));
    assert!(read(Model::First, &both).is_err(), "vp");
}

// Rows VC-06, VC-07, VC-13, VC-14, VC-16, VC-19, VC-32, VC-43.
#[test]
fn credential_of_data_model_2_with_contradictions_is_refused() {
    for (name, member, value) in [
        ("issuer object", "issuer", json!({"id": K1, "name": "x"})),
        ("evidence", "evidence", json!([{"type": "x"}])),
        ("schema", "credentialSchema", json!({"id": "https://x.example"})),
        (
            "other context too",
            "@context",
            json!(["https://www.w3.org/ns/credentials/v2", {"client_name": "urn:x"}]),
        ),
        ("same jti", "id", json!("urn:x")),
        ("second type", "type", json!(["VerifiableCredential", "A", "B"])),
    ] {
        assert!(second(member, value).is_ok(), "{name}");
    }
    for (name, member, value) in [
        ("vc", "vc", json!({})),
        ("vp", "vp", json!({})),
        ("issuer", "issuer", json!(K2)),
        ("issuer without id", "issuer", json!({"name": "x"})),
        ("issuer array", "issuer", json!([K1])),
        ("until", "validUntil", json!("tomorrow")),
        ("date alone", "validUntil", json!("2026-11-18")),
        ("until number", "validUntil", json!(1_795_003_600)),
        ("exp as text", "exp", json!("1795003600")),
        ("no subject", "credentialSubject", json!({"client_name": "x"})),
        ("empty subject", "credentialSubject", json!({"id": ""})),
        ("subject number", "credentialSubject", json!({"id": 7})),
        (
            "two subjects",
            "credentialSubject",
            json!([{"id": K2}, {"id": K2}]),
        ),
        ("subject text", "credentialSubject", json!(K2)),
        ("other sub", "sub", json!(K1)),
        (
            "context",
            "@context",
            json!(["https://www.w3.org/2018/credentials/v1"]),
        ),
        (
            "context order",
            "@context",
            json!(["urn:x", "https://www.w3.org/ns/credentials/v2"]),
        ),
        ("type", "type", json!(["OAuthClientCredential"])),
        ("type number", "type", json!(["VerifiableCredential", 7])),
        (
            "status list",
            "type",
            json!(["VerifiableCredential", "BitstringStatusListCredential"]),
        ),
    ] {
        assert!(second(member, value).is_err(), "{name}");
    }
}

// Rows VC-16, VC-17, VC-18.
#[test]
fn both_windows_and_the_longest_lifetime_bound_a_credential() {
    let (day, leeway) = (Seconds(86_400), Seconds(30));
    let end = |change: &dyn Fn(&mut Map), now: i64| {
        let mut payload = payload_2();
        change(&mut payload);
        read(Model::Second, &payload)?
            .times
            .end(day, leeway, Timestamp(now))
    };
    let set = |name: &'static str, value: Value| {
        move |payload: &mut Map| {
            payload.insert(name.to_owned(), value.clone());
        }
    };
    let whole = Timestamp(ISSUED + 3600);
    assert_eq!(end(&|_| {}, ISSUED).unwrap(), whole);
    assert_eq!(end(&|_| {}, ISSUED - 30).unwrap(), whole);
    assert!(end(&|_| {}, ISSUED - 31).is_err(), "not yet");
    assert!(end(&|_| {}, ISSUED + 3600).is_err(), "over");
    assert!(end(&|_| {}, ISSUED + 3599).is_ok());
    let earlier = set("validUntil", json!("2026-11-18T11:16:40Z"));
    assert_eq!(end(&earlier, ISSUED).unwrap(), Timestamp(ISSUED + 600));
    assert!(end(&earlier, ISSUED + 600).is_err());
    // Without an offset, the time is in UTC.
    let no_offset = set("validUntil", json!("2026-11-18T11:16:40"));
    assert_eq!(end(&no_offset, ISSUED).unwrap(), Timestamp(ISSUED + 600));
    assert!(
        end(&set("validFrom", json!("2026-11-18T12:06:40Z")), ISSUED).is_err(),
        "later beginning"
    );
    assert!(
        end(&set("validFrom", json!("2026-11-18T13:06:40Z")), ISSUED + 9000).is_err(),
        "ends before it begins"
    );
    assert!(end(&set("nbf", json!(ISSUED + 100)), ISSUED).is_err(), "nbf");
    assert!(
        end(&set("iat", json!(ISSUED - 86_400)), ISSUED).is_err(),
        "longer than a day"
    );
    let endless = |payload: &mut Map| {
        payload.remove("validUntil");
        payload.remove("exp");
    };
    assert_eq!(end(&endless, ISSUED).unwrap(), Timestamp(ISSUED + 86_400));
    let nothing = Times::default().end(day, leeway, NOW);
    assert!(nothing.unwrap_err().to_string().contains("is missing"));
}

// Rows VC-28, VC-35.
#[test]
fn status_entries_are_read_strictly() {
    let entry = |index: Value| {
        json!({
            "type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": index,
            "statusListCredential": "https://status.example/1",
        })
    };
    let status = |value: Value| second("credentialStatus", value).map(|claims| claims.status);
    assert!(matches!(
        status(entry(json!("94567"))).unwrap().as_slice(),
        [StatusReference::Bitstring { index: 94_567, .. }]
    ));
    assert_eq!(
        status(json!([entry(json!("1")), entry(json!("2"))]))
            .unwrap()
            .len(),
        2
    );
    for index in [
        json!("-1"),
        json!("007"),
        json!(7),
        json!(""),
        json!("+7"),
        json!("9007199254740992"),
        json!("1e3"),
    ] {
        assert!(status(entry(index.clone())).is_err(), "{index}");
    }
    let with = |name: &str, value: Value| {
        let mut entry = entry(json!("1"));
        entry[name] = value;
        status(entry)
    };
    assert_eq!(
        with("type", json!("StatusList2021Entry")).unwrap(),
        [StatusReference::Unknown]
    );
    for kinds in [
        json!(["BitstringStatusListEntry"]),
        json!(["Other", "BitstringStatusListEntry"]),
    ] {
        assert!(matches!(
            with("type", kinds).unwrap().as_slice(),
            [StatusReference::Bitstring { index: 1, .. }]
        ));
    }
    assert_eq!(
        with("type", json!(["StatusList2021Entry"])).unwrap(),
        [StatusReference::Unknown]
    );
    for malformed in [
        Value::Null,
        json!(7),
        json!({}),
        json!([]),
        json!(["BitstringStatusListEntry", 7]),
    ] {
        assert!(with("type", malformed.clone()).is_err(), "{malformed}");
    }
    assert_eq!(with("statusSize", json!(2)).unwrap(), [StatusReference::Unknown]);
    assert_eq!(
        with("statusPurpose", json!("other")).unwrap(),
        [StatusReference::Unknown]
    );
    assert_eq!(with("statusPurpose", json!("refresh")).unwrap(), []);
    for (name, value) in [
        ("statusPurpose", Value::Null),
        ("statusListCredential", json!("x")),
        ("statusListCredential", Value::Null),
        ("statusSize", json!("1")),
    ] {
        assert!(with(name, value).is_err(), "{name}");
    }
    assert!(status(json!("x")).is_err());
    assert!(status(json!([1, 2, 3, 4, 5])).is_err(), "five entries");
}
