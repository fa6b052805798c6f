//! Tests of the documents in which issuers of credentials publish their keys.

use super::*;
use serde_json::json;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};

const DID: &str = "did:web:issuer3.example";
const NAME: &str = "https://issuer4.example";
const KEY_DID: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";

// Rows DID-01, DID-05.
#[test]
fn did_that_contains_its_key_is_its_own_document() {
    let did = Did::parse(KEY_DID).unwrap();
    let keys = KeysForm::Did(&did).read(KEY_DID.as_bytes(), &[]).unwrap();
    assert!(keys.have_kid(&format!(
        "{KEY_DID}#z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
    )));
    assert!(!keys.have_kid(&format!("{KEY_DID}#0")));
    assert!(KeysForm::Did(&did).read(b"did:key:other", &[]).is_err());
    let web = Did::parse(DID).unwrap();
    assert!(KeysForm::Did(&web).read(DID.as_bytes(), &[]).is_err());
}

// Rows DID-11, DID-12, DID-24.
#[test]
fn document_of_a_did_has_the_keys_that_sign_credentials() {
    let did = Did::parse(DID).unwrap();
    let key = generate_key(Algorithm::ES256, Some("x"));
    let method = |name: &str| {
        json!({ "id": format!("{DID}#{name}"), "type": "JsonWebKey", "controller": DID,
            "publicKeyJwk": key.public_jwk("sig", false) })
    };
    let document = json!({ "id": DID, "assertionMethod": [method("k3")], "authentication": [method("h3")] });
    let read = |document: &str| KeysForm::DidDocument(&did).read(document.as_bytes(), &[]);
    let keys = read(&document.to_string()).unwrap();
    assert!(keys.have_kid(&format!("{DID}#k3")) && !keys.have_kid(&format!("{DID}#h3")));
    let deactivated = read("null\n").unwrap();
    assert!(deactivated.is_empty_document() && !deactivated.have_kid(&format!("{DID}#k3")));
    let other = document
        .to_string()
        .replace(&format!("\"id\":\"{DID}\""), "\"id\":\"did:web:evil.example\"");
    for bad in [other.as_str(), "<html>", "{}", "[]", "nullnull"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

// Row DID-25.
#[test]
fn key_that_is_not_pinned_is_ignored_with_its_thumbprint() {
    let keys = ["a", "b"].map(|kid| generate_key(Algorithm::ES256, Some(kid)));
    let document = json!({ "keys": keys.each_ref().map(|key| key.public_jwk("sig", true)) }).to_string();
    let pin = |key: &testudo_protocol::jose::SigningKey| {
        let set = KeySet::of_authority(
            json!({ "keys": [key.public_jwk("sig", true)] })
                .to_string()
                .as_bytes(),
        );
        set.unwrap().iter().next().unwrap().thumbprint()
    };
    let read = |pins: &[[u8; 32]]| KeysForm::KeySet.read(document.as_bytes(), pins).unwrap();
    let all = read(&[]);
    assert!(all.have_kid("a") && all.have_kid("b") && all.ignored().is_empty());
    let one = read(&[pin(&keys[0])]);
    assert!(one.have_kid("a") && !one.have_kid("b"));
    let [ignored] = one.ignored() else {
        panic!("{:?}", one.ignored())
    };
    assert!(
        ignored.starts_with("key b: its thumbprint ") && ignored.ends_with(" is not in `pin`"),
        "{ignored}"
    );
    let none = read(&[[0; 32]]);
    assert!(none.token_keys().is_empty() && !none.is_empty_document());
}

#[test]
fn key_of_a_certificate_is_one_of_its_issuer_while_the_authority_and_the_name_are_configured() {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let [ca, other] = [(); 2].map(|()| X509Issuer::new("ca.example").at(at));
    let now = Timestamp(1_800_000_000);
    let read = |pem: &str, name: ExpectedName| {
        let keys = KeysForm::Certificates(&name).read(pem.as_bytes(), &[]);
        keys.unwrap()
    };
    let (pem, name) = (ca.as_chain().chain_pem(), ExpectedName::Uri(NAME.to_owned()));
    let keys = read(&pem, name.clone());
    let signer = |chain: &X509Chain| {
        let jws = credential(chain);
        let found = keys.for_credential(&jws, now).unwrap();
        found.signer_of(&jws).unwrap()
    };
    let (one, next) = (ca.leaf(NAME, |_| {}), ca.leaf(NAME, |_| {}));
    assert_ne!(one.key, next.key);
    let kept = signer(&one);
    assert_eq!(kept, signer(&next), "the leaf may change");
    let renewed = X509Chain {
        chain: vec![ca.reissued(|ca| ca.serial_number = Some(7_u64.into()))],
        ..ca.as_chain()
    };
    assert_ne!(renewed.chain, ca.as_chain().chain);
    let others = other.as_chain().chain_pem();
    let same_host = ExpectedName::Dns(NAME.to_owned());
    let other_name = ExpectedName::Uri("https://issuer5.example".to_owned());
    for (case, pem, name, is_trusted) in [
        ("as before", pem.clone(), name.clone(), true),
        ("renewed with its key", renewed.chain_pem(), name.clone(), true),
        ("another beside it", format!("{others}{pem}"), name.clone(), true),
        ("another of the same name", others.clone(), name.clone(), false),
        ("other name", pem.clone(), other_name, false),
        ("name of another kind", pem.clone(), same_host, false),
    ] {
        assert_eq!(read(&pem, name).have_signer(&kept), is_trusted, "{case}");
    }
    // A record of an earlier version has no name, and a key of a set is no key of a certificate.
    let earlier = Signer {
        certificate_name: None,
        ..kept
    };
    assert!(keys.have_signer(&earlier));
    let set = generate_key(Algorithm::ES256, Some("k")).public_jwk("sig", true);
    let set = json!({ "keys": [set] }).to_string();
    assert!(
        !KeysForm::KeySet
            .read(set.as_bytes(), &[])
            .unwrap()
            .have_signer(&kept)
    );
}

/// A credential that the key of this chain signs, with the chain in its header.
fn credential(chain: &X509Chain) -> Jws {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let key = testudo_protocol::jose::SigningKey::from_pkcs8(Algorithm::ES256, &chain.key, None).unwrap();
    let certificates: Vec<String> = chain.chain.iter().map(|der| STANDARD.encode(der)).collect();
    let header = json!({ "alg": "ES256", "typ": "dc+sd-jwt", "x5c": certificates });
    Jws::parse_credential(&Draft::new(&key, header, json!({ "iss": NAME })).sign()).unwrap()
}

// Rows SD-20, SD-21, SD-22.
#[test]
fn certificate_of_an_issuer_leads_to_a_configured_authority_and_has_its_name() {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let [ca, other] = [(); 2].map(|()| X509Issuer::new("ca.example").at(at));
    let name = ExpectedName::Uri(NAME.to_owned());
    let read = |pem: &str| KeysForm::Certificates(&name).read(pem.as_bytes(), &[]);
    let keys = read(&ca.as_chain().chain_pem()).unwrap();
    let now = Timestamp(1_800_000_000);
    let is_verified = |jws: &Jws| {
        let found = keys.for_credential(jws, now);
        found.is_ok_and(|found| found.issuer_keys().verify(jws).is_ok())
    };
    assert!(is_verified(&credential(&ca.leaf(NAME, |_| {}))));
    for (case, chain) in [
        ("neighbour", ca.leaf("https://issuer9.example", |_| {})),
        ("other authority", other.leaf(NAME, |_| {})),
    ] {
        assert!(!is_verified(&credential(&chain)), "{case}");
    }
    let key = generate_key(Algorithm::ES256, Some("k"));
    let header = json!({ "alg": "ES256", "typ": "dc+sd-jwt", "kid": "k" });
    let without = Jws::parse_credential(&Draft::new(&key, header, json!({ "iss": NAME })).sign()).unwrap();
    assert!(!is_verified(&without), "no x5c");
    // The other way round: a key set does not verify a credential with a certificate.
    let set = json!({ "keys": [key.public_jwk("sig", true)] }).to_string();
    let set = KeysForm::KeySet.read(set.as_bytes(), &[]).unwrap();
    let with = credential(&ca.leaf(NAME, |_| {}));
    assert!(
        set.for_credential(&with, now)
            .unwrap()
            .issuer_keys()
            .verify(&with)
            .is_err()
    );
    assert_eq!(keys.issuer_authorities().count(), 1);
    assert!(keys.can_verify(crate::identity::VerifiedBy::TokenKeys, now));
    for bad in ["", "text", &ca.leaf(NAME, |_| {}).chain_pem()] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
