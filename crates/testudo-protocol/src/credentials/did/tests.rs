//! DIDs: the examples of their methods, and other spellings.

use super::*;
use crate::jose::KeyError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Ed25519 of RFC 8032, 7.1, test 1.
const K1: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";

fn key(did: &str) -> PublicKey {
    let own = Did::parse(did).unwrap().own_key().unwrap();
    own.public_key().unwrap()
}

// Row DID-01.
#[test]
fn did_key_leads_to_the_key_that_it_contains() {
    for (did, thumbprint) in [
        (K1, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        (
            "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
            "jFDaeGsWf0aXgg1ezRT8nsPz0OUCctRstgJOHJHKVng",
        ),
        (
            "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
            "u7vrjwUEqr4_WVk1nfCx7nhirx2CrSvP9yUbAN4FNiQ",
        ),
        (
            "did:key:zDnaehp8eagavspWxxBgRoFMYqaXnX9xax3tTmyn7rTb8wJG6",
            "aUx6yln4vopbCiQ0CSu7Y46YogoESPR3DLFAhKrPxIY",
        ),
        (
            "did:key:z82LkvCwHNreneWpsgPEbV3gu1C6NFJEBg4srfJ5gdxEsMGRJUz2sG9FE42shbn2xkZJh54",
            "rUFXrpILfqC1SDvUXkSIZjd1p57q5bCEjuDIhx3gMMg",
        ),
        (
            "did:key:z82LkvReeVMfR8QktbdMkoeFXcMGaoszyxsN7ywXRYpGrxWmCsySrwCXbLaJ3GVRArD1fwB",
            "g9bMkN9r5vUyfu6gcJLKkxKZ4Ry0P3Ta_cyOpjnXPTM",
        ),
    ] {
        assert_eq!(URL_SAFE_NO_PAD.encode(key(did).thumbprint()), thumbprint, "{did}");
    }
    let own = Did::parse(K1).unwrap().own_key().unwrap();
    assert_eq!(own.kid, format!("{K1}#{}", K1.strip_prefix("did:key:").unwrap()));
    assert_eq!(own.public_key().unwrap().kid(), Some(&*own.kid));
    assert!(Did::parse("did:key:z6MkiaMbhXHNA4eJVCCj8dbzKzTgYDKf6crKgHVHid1F1WCT").is_ok());
}

// Rows DID-02, DID-03.
#[test]
fn did_key_of_another_length_type_spelling_or_curve_is_refused() {
    use DidError::*;
    for (name, did, expected) in [
        (
            "31 bytes",
            "did:key:z2DQYFhy74hg5eM3VNHKxySLj7rqfiJ7SZ3Gyokjx1w6yGc",
            Key(KeyError::WrongLength),
        ),
        (
            "33 bytes",
            "did:key:zQeckHN9FGhBanGv7VfdNCgoaDjXjrsXJPT8AdyxjuP1as9oM",
            Key(KeyError::WrongLength),
        ),
        (
            "varint",
            "did:key:zQhVUgtputZFHVUhQ1GVSMvkKF42LVkH2XZp5GatPYTC5Uim7",
            CodeNotMinimal,
        ),
        (
            "no varint",
            "did:key:z2DeuicgUFGK9784FgMs5DG57pbDLWGaDu6TnXCisMgptRw",
            KeyType { code: 0x16_abed },
        ),
        (
            "big-endian",
            "did:key:z2oAtYhYbrtWLxQFrdcCCix2pozgqTeApacLguS46d2hzdLX8",
            KeyType { code: 0x12 },
        ),
        (
            "P-384 point",
            "did:key:z7yBp4PuCxPBYzkkgPMF18JQsRdr9DrMG4mnp8TsdDFoi5KA42hiurNP88pzCqKcso8RLxm",
            Key(KeyError::WrongLength),
        ),
        (
            "off curve",
            "did:key:zDnaeQRy3dcKsKa1zmKtVKsTy3m2HYoQnFnfKuxD6HfSTQgYg",
            Key(KeyError::NotOnCurve),
        ),
        (
            "starts 04",
            "did:key:zDnaf13T25ULXfsFjXGTr2RXr2oLJmebuhFxZG2jSiP1uTFWN",
            Key(KeyError::WrongLength),
        ),
        (
            "zeros",
            "did:key:zDnadoyLJe2pfjUYTdAKesX7NfKRF3p88mNX8wrJSZpavNn47",
            Key(KeyError::WrongLength),
        ),
        (
            "uncompressed",
            "did:key:z4oJ8ZpoAqqe69XjDV34ud6gGELsRtDDvzNTE9PjjBX26r1FjJqyc1jhMcckAMtJa7hGtnFLWyGf84YMJDj9LYydY6c5r",
            Key(KeyError::WrongLength),
        ),
        (
            "private",
            "did:key:z3u2bpACJXYj89Vh7HqHn8oVv2A2niEy9FcQUzzuQTYJ61AX",
            KeyType { code: 0x1300 },
        ),
        (
            "identity",
            "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj",
            Key(KeyError::SmallOrder),
        ),
        (
            "all zero",
            "did:key:z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP",
            Key(KeyError::SmallOrder),
        ),
        (
            "X25519",
            "did:key:z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p",
            KeyType { code: 0xec },
        ),
        (
            "secp256k1",
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
            KeyType { code: 0xe7 },
        ),
        (
            "base64url",
            "did:key:u7QHXWpgBgrEKt9VL_tPJZAc6DuFy89qmIyWvAhpo9wdRGg",
            NotBase58,
        ),
        (
            "version",
            "did:key:1:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
            NotBase58,
        ),
        (
            "leading zero",
            "did:key:z16MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
            KeyType { code: 0 },
        ),
        ("empty", "did:key:z", NotBase58),
    ] {
        assert_eq!(Did::parse(did).unwrap_err(), expected, "{name}");
    }
    let long = format!("did:key:z{}", "1".repeat(129));
    assert_eq!(Did::parse(&long).unwrap_err(), NotBase58);
}

// Rows DID-05, DID-26.
#[test]
fn did_jwk_contains_a_public_key_and_is_compared_as_text() {
    let plain = "did:jwk:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8ifQ";
    let other_order = "did:jwk:eyJjcnYiOiJFZDI1NTE5Iiwia3R5IjoiT0tQIiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8ifQ";
    assert_eq!(key(plain).thumbprint(), key(K1).thumbprint());
    assert_eq!(key(other_order).thumbprint(), key(K1).thumbprint());
    assert_ne!(Did::parse(plain).unwrap(), Did::parse(other_order).unwrap());
    assert_eq!(key(plain).kid(), Some(&*format!("{plain}#0")));
    let private = "did:jwk:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8iLCJkIjoibldHeG5lXzlXbUM2aEVyMGt1d3N4RVJKeFdsN01ta1pjRHVzQXh5dWYyQSJ9";
    assert_eq!(
        Did::parse(private).unwrap_err(),
        DidError::Key(KeyError::PrivateMaterial)
    );
    let encryption = "did:jwk:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8iLCJ1c2UiOiJlbmMifQ";
    assert_eq!(
        Did::parse(encryption).unwrap_err(),
        DidError::Key(KeyError::NotForVerification)
    );
    // The P-256 example of the method.
    let example = format!(
        "did:jwk:{}",
        URL_SAFE_NO_PAD.encode(
            r#"{"crv":"P-256","kty":"EC","x":"acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0","y":"_KcyLj9vWMptnmKtm46GqDz8wf74I5LKgrl2GzH3nSE"}"#
        )
    );
    assert_eq!(
        URL_SAFE_NO_PAD.encode(key(&example).thumbprint()),
        "wKIg-QPOd75_AJLdvvo-EACSpCPE5IOJu-MUpQVk1c4"
    );
    for (name, text) in [
        ("not JSON", "did:jwk:AAAA"),
        ("padding", &format!("{plain}=")),
        (
            "twice",
            &format!(
                "did:jwk:{}",
                URL_SAFE_NO_PAD.encode(r#"{"kty":"OKP","kty":"OKP"}"#)
            ),
        ),
    ] {
        assert!(Did::parse(text).is_err(), "{name}");
    }
}

// Rows DID-07, DID-09.
#[test]
fn did_web_leads_to_the_url_of_its_document() {
    for (did, url) in [
        (
            "did:web:issuer.example",
            "https://issuer.example/.well-known/did.json",
        ),
        (
            "did:web:issuer.example%3A8443",
            "https://issuer.example:8443/.well-known/did.json",
        ),
        (
            "did:web:issuer.example:u:bob",
            "https://issuer.example/u/bob/did.json",
        ),
        (
            "did:web:issuer.example%3A8443:u:bob",
            "https://issuer.example:8443/u/bob/did.json",
        ),
        (
            "did:web:issuer.example:8443",
            "https://issuer.example/8443/did.json",
        ),
        (
            "did:web:xn--bcher-kva.example",
            "https://xn--bcher-kva.example/.well-known/did.json",
        ),
        (
            "did:web:issuer.example:.well-known",
            "https://issuer.example/.well-known/did.json",
        ),
    ] {
        let parsed = Did::parse(did).unwrap();
        assert_eq!(parsed.document_url().as_deref(), Some(url), "{did}");
        assert_eq!(parsed.own_key(), None, "{did}");
        assert_eq!(url::Url::parse(url).unwrap().as_str(), url, "{did}");
    }
}

// Rows DID-08, DID-28.
#[test]
fn did_web_with_an_address_or_another_spelling_of_a_host_or_path_is_refused() {
    for did in [
        "did:web:127.0.0.1",
        "did:web:2130706433",
        "did:web:0x7f.0.0.1",
        "did:web:localhost",
        "did:web:%5B%3A%3A1%5D",
        "did:web:issuer.example%2Fevil",
        "did:web:issuer.example%40evil.example",
        "did:web:issuer.example%253A8443",
        "did:web:issuer.example%3A",
        "did:web:issuer.example%3A0",
        "did:web:issuer.example%3A65536",
        "did:web:issuer.example%3A08443",
        "did:web:issuer.example%3A%2B80",
        "did:web:issuer.example:..:admin",
        "did:web:issuer.example:%2e%2e:admin",
        "did:web:issuer.example:.%2E:admin",
        "did:web:issuer.example:a%2Fb",
        "did:web:issuer.example:a%5cb",
        "did:web:issuer.example:a%00",
        "did:web:issuer.example:a%23",
        "did:web:issuer.example:a%3Fb",
        "did:web:issuer.example:",
        "did:web:issuer.example::x",
        "did:web:ISSUER.example",
        "did:WEB:issuer.example",
        "DID:web:issuer.example",
        "did:web:issuer.example?x=1",
        "did:web:issuer.example#k",
        "did:web:issuer.example/x",
        "did:web:issuer..example",
        "did:web:.example",
        "did:web:issuer.example.",
        "did:web:-a.example",
        "did:web:a-.example",
        "did:web:1.2.3.0x4",
        "did:web:",
        "did:web:issuer.example%3",
        "did:example:1",
        "did:webvh:x:issuer.example",
        "did::x",
        "did:web",
        "",
    ] {
        assert!(Did::parse(did).is_err(), "{did}");
    }
    assert_eq!(Did::parse("did:example:1").unwrap_err(), DidError::UnknownMethod);
    assert_eq!(
        Did::parse(&format!("did:web:a.example:{}", "x".repeat(2048))).unwrap_err(),
        DidError::TooLong
    );
}

#[test]
fn key_id_is_a_did_and_a_fragment() {
    assert_eq!(
        split_key_id("did:web:a.example#k"),
        Some(("did:web:a.example", "k"))
    );
    for kid in [
        "did:web:a.example",
        "did:web:a.example#",
        "#k",
        "did:web:a.example/x#k",
        "did:web:a.example?v=1#k",
        "did:web:a.example#k#l",
        "https://a.example#k",
    ] {
        assert_eq!(split_key_id(kid), None, "{kid}");
    }
}

mod documents {
    use super::super::document::{Relationship, keys};
    use super::*;
    use serde_json::{Value, json};

    const DID: &str = "did:web:issuer3.example";
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn method(fragment: &str) -> Value {
        json!({
            "id": format!("{DID}#{fragment}"), "type": "JsonWebKey", "controller": DID,
            "publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "x": X},
        })
    }

    fn document() -> Value {
        json!({
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": DID,
            "verificationMethod": [method("k3"), method("h3"), method("unlisted")],
            "assertionMethod": [format!("{DID}#k3")],
            "authentication": ["#h3"],
        })
    }

    fn kids(document: &Value, relationship: Relationship) -> Result<Vec<String>, DidError> {
        let did = Did::parse(DID).unwrap();
        let keys = keys(&did, document.to_string().as_bytes(), relationship)?;
        Ok(keys
            .iter()
            .filter_map(|key| key.kid().map(str::to_owned))
            .collect())
    }

    fn assertion(document: &Value) -> Result<Vec<String>, DidError> {
        kids(document, Relationship::Assertion)
    }

    // Rows DID-11, DID-16, DID-17.
    #[test]
    fn only_keys_that_the_relationship_lists_are_used() {
        assert_eq!(assertion(&document()).unwrap(), [format!("{DID}#k3")]);
        let holder = kids(&document(), Relationship::Authentication).unwrap();
        assert_eq!(holder, [format!("{DID}#h3")]);
    }

    // Row DID-18.
    #[test]
    fn embedded_method_counts_for_its_relationship_only() {
        let mut changed = document();
        changed["keyAgreement"] = json!([method("e")]);
        assert_eq!(assertion(&changed).unwrap(), [format!("{DID}#k3")]);
        changed["assertionMethod"] = json!([method("e")]);
        assert_eq!(assertion(&changed).unwrap(), [format!("{DID}#e")]);
    }

    // Rows DID-12, DID-15, DID-21.
    #[test]
    fn document_of_another_did_or_with_a_private_key_is_refused() {
        for (name, change) in [
            ("other", json!("did:web:issuer9.example")),
            ("slash", json!("did:web:issuer3.example/")),
            ("case", json!("did:web:ISSUER3.example")),
            ("null", Value::Null),
        ] {
            let mut changed = document();
            changed["id"] = change;
            assert_eq!(assertion(&changed).unwrap_err(), DidError::OtherId, "{name}");
        }
        let mut leaked = document();
        leaked["verificationMethod"][2]["publicKeyJwk"]["d"] = json!("AA");
        assert!(
            matches!(assertion(&leaked), Err(DidError::Document(problem)) if problem.contains("private"))
        );
        let mut leaked = document();
        leaked["authentication"] = json!([method("a")]);
        leaked["authentication"][0]["publicKeyJwk"]["d"] = json!("AA");
        assert!(assertion(&leaked).is_err());
        let did = Did::parse(DID).unwrap();
        for (name, text) in [
            ("page", "<html>".to_owned()),
            ("null", "null".to_owned()),
            ("twice", format!(r#"{{"id":"{DID}","id":"{DID}"}}"#)),
            (
                "large",
                format!(r#"{{"id":"{DID}","x":"{}"}}"#, "a".repeat(64 * 1024)),
            ),
            ("no array", format!(r#"{{"id":"{DID}","assertionMethod":"k"}}"#)),
        ] {
            assert!(
                keys(&did, text.as_bytes(), Relationship::Assertion).is_err(),
                "{name}"
            );
        }
        let mut same = document();
        same["verificationMethod"][1]["id"] = json!("#k3");
        assert!(assertion(&same).is_err(), "one id twice");
        let mut many = document();
        many["verificationMethod"] = (0..50).map(|n| method(&format!("m{n}"))).collect();
        assert!(assertion(&many).is_err(), "51 entries");
        many["verificationMethod"] = (0..49).map(|n| method(&format!("m{n}"))).collect();
        assert!(assertion(&many).is_ok(), "50 entries");
    }

    // Rows DID-19, DID-22.
    #[test]
    fn method_of_another_controller_or_with_two_materials_is_not_used() {
        for (name, member, value) in [
            ("controller", "controller", json!("did:web:evil.example")),
            ("no controller", "controller", Value::Null),
            (
                "two materials",
                "publicKeyMultibase",
                json!("z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"),
            ),
            ("type", "type", json!("RsaVerificationKey2018")),
            (
                "weak key",
                "publicKeyJwk",
                json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
            ),
            ("other id", "id", json!("did:web:evil.example#k3")),
        ] {
            let mut changed = document();
            changed["verificationMethod"][0][member] = value;
            assert_eq!(assertion(&changed).unwrap(), Vec::<String>::new(), "{name}");
        }
        let mut foreign = document();
        foreign["assertionMethod"] = json!(["did:web:evil.example#k"]);
        assert_eq!(assertion(&foreign).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn multikey_is_read_as_a_did_key() {
        let mut changed = document();
        changed["verificationMethod"][0] = json!({
            "id": "#k3", "type": "Multikey", "controller": DID,
            "publicKeyMultibase": "z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
        });
        assert_eq!(assertion(&changed).unwrap(), [format!("{DID}#k3")]);
        changed["verificationMethod"][0]["publicKeyMultibase"] =
            json!("u7QHXWpgBgrEKt9VL_tPJZAc6DuFy89qmIyWvAhpo9wdRGg");
        assert_eq!(assertion(&changed).unwrap(), Vec::<String>::new());
    }
}
