//! Tests of trust bundles: which keys are read, and which documents are refused.

use super::*;

const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn parse(keys: &str) -> Result<Bundle, BundleError> {
    Bundle::parse(format!("{{\"keys\":[{keys}]}}").as_bytes())
}

// Row I-01.
#[test]
fn unknown_bundle_keys_are_ignored_and_good_ones_used() {
    let bundle = parse(&format!(
        r#"{{"kty":"XX","use":"jwt-svid","kid":"1"}},{{{P256},"kid":"2"}},{{{P256},"kid":"3","use":"new-svid"}},{{{P256},"kid":"4","use":"JWT-SVID"}},{{{P256},"kid":"5","use":"jwt-svid"}},7"#
    ))
    .unwrap();
    assert_eq!(bundle.jwt_keys.len(), 1);
    assert_eq!(bundle.ignored.len(), 5);
}

#[test]
fn pem_and_key_sets_of_openid_connect_are_named_as_what_they_are() {
    let error = Bundle::parse(b"\n-----BEGIN CERTIFICATE-----\nMIIB\n").unwrap_err();
    assert_eq!(error, BundleError::Pem);
    assert!(
        error.to_string().contains("bundle show -format spiffe"),
        "{error}"
    );
    let bundle = parse(&format!(
        r#"{{{P256},"kid":"1","use":"sig"}},{{{P256},"kid":"2"}},{{{P256},"use":"jwt-svid"}}"#
    ))
    .unwrap();
    assert_eq!(bundle.of_other_protocols, 2);
    assert_eq!(
        bundle.ignored[0],
        "key 0: the use \"sig\": keys of a SPIFFE bundle have jwt-svid, wit-svid or x509-svid"
    );
}

// Row I-02.
#[test]
fn empty_key_list_is_a_bundle_without_keys() {
    assert!(parse("").unwrap().jwt_keys.is_empty());
}

// Row I-03.
#[test]
fn documents_without_a_key_list_are_malformed() {
    for text in [
        "",
        "{}",
        "<html>",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "null",
    ] {
        assert!(
            matches!(Bundle::parse(text.as_bytes()), Err(BundleError::Malformed(_))),
            "{text}"
        );
    }
}

// Row I-07.
#[test]
fn sequence_is_an_integer_of_64_bits() {
    let with = |sequence: &str| {
        Bundle::parse(format!("{{\"keys\":[],\"spiffe_sequence\":{sequence}}}").as_bytes())
            .map(|bundle| bundle.sequence)
    };
    assert_eq!(with("9223372036854775808"), Ok(Some(Sequence(1 << 63))));
    for refused in ["1.5", "-1", "\"7\"", "1e400", "18446744073709551616"] {
        assert!(with(refused).is_err(), "{refused}");
    }
}

// Row I-08.
#[test]
fn refresh_hints_are_clamped() {
    let with = |hint: &str| {
        Bundle::parse(format!("{{\"keys\":[],\"spiffe_refresh_hint\":{hint}}}").as_bytes())
            .map(|bundle| bundle.refresh_hint)
    };
    assert_eq!(with("0"), Ok(Some(Seconds(60))));
    assert_eq!(with("-5"), Ok(Some(Seconds(60))));
    assert_eq!(with("300"), Ok(Some(Seconds(300))));
    assert_eq!(with("1000000000000"), Ok(Some(Seconds(86_400))));
    assert!(with("\"x\"").is_err());
}

// Row I-09.
#[test]
fn jwt_svid_key_without_kid_is_ignored() {
    assert!(
        parse(&format!(r#"{{{P256},"use":"jwt-svid"}}"#))
            .unwrap()
            .jwt_keys
            .is_empty()
    );
}

// Row I-09. [WIT-SVID §6.1]
#[test]
fn keys_for_wit_svids_are_apart_from_those_for_jwt_svids_and_need_a_kid() {
    let bundle = parse(&format!(
        r#"{{{P256},"use":"wit-svid","kid":"1"}},{{{P256},"use":"wit-svid"}}"#
    ))
    .unwrap();
    assert!(bundle.wit_keys.has_kid("1") && bundle.jwt_keys.is_empty());
    assert_eq!(bundle.wit_keys.len(), 1);
    assert_eq!(bundle.ignored, ["key 1: a wit-svid key has no kid"]);
    assert!(!bundle.is_empty_document());
    let jwt = parse(&format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}}"#)).unwrap();
    assert!(jwt.wit_keys.is_empty());
}

// Row I-10.
#[test]
fn bundle_with_one_kid_for_different_keys_is_refused() {
    let other = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    let twice = format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}},{{{other},"use":"wit-svid","kid":"1"}}"#);
    assert_eq!(
        parse(&twice).unwrap_err(),
        BundleError::DuplicateKeyId("1".into())
    );
    let same = format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}},{{{P256},"use":"jwt-svid","kid":"1"}}"#);
    assert_eq!(parse(&same).unwrap().jwt_keys.len(), 1);
}

// Row I-10.
#[test]
fn one_key_listed_in_several_encodings_and_uses_is_accepted() {
    let other = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    for (what, keys) in [
        (
            "a member more",
            format!(
                r#"{{{P256},"use":"jwt-svid","kid":"1"}},{{{P256},"alg":"ES256","use":"jwt-svid","kid":"1"}}"#
            ),
        ),
        (
            "in both uses",
            format!(r#"{{{P256},"use":"wit-svid","kid":"1"}},{{{P256},"use":"jwt-svid","kid":"1"}}"#),
        ),
        (
            "the same key in a use that is not SPIFFE's",
            format!(r#"{{{P256},"use":"sig","kid":"1"}},{{{P256},"use":"jwt-svid","kid":"1"}}"#),
        ),
        (
            "another key in a use that is not SPIFFE's",
            format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}},{{{other},"use":"sig","kid":"1"}}"#),
        ),
        (
            "another key without a use",
            format!(r#"{{{other},"kid":"1"}},{{{P256},"use":"jwt-svid","kid":"1"}}"#),
        ),
        (
            "a key that cannot be used",
            format!(r#"{{"kty":"XX","use":"jwt-svid","kid":"1"}},{{{P256},"use":"jwt-svid","kid":"1"}}"#),
        ),
    ] {
        let bundle = parse(&keys).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(bundle.jwt_keys.len(), 1, "{what}");
        assert_eq!(
            bundle.wit_keys.len(),
            usize::from(what == "in both uses"),
            "{what}"
        );
    }
    for refused in ["jwt-svid", "wit-svid"] {
        let two =
            format!(r#"{{{P256},"use":"{refused}","kid":"1"}},{{{other},"use":"{refused}","kid":"1"}}"#);
        assert_eq!(
            parse(&two).unwrap_err(),
            BundleError::DuplicateKeyId("1".into()),
            "{refused}"
        );
    }
}

// Row I-02.
#[test]
fn only_a_document_without_any_key_is_an_empty_document() {
    assert!(parse("").unwrap().is_empty_document());
    assert!(
        !parse(&format!(r#"{{{P256},"use":"sig","kid":"1"}}"#))
            .unwrap()
            .is_empty_document()
    );
    assert!(
        !parse(&format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}}"#))
            .unwrap()
            .is_empty_document()
    );
}

// Row I-11.
#[test]
fn first_x5c_value_must_be_a_ca_certificate_in_base64() {
    use base64::Engine as _;
    let key = rcgen::KeyPair::generate().unwrap();
    let base64_of = |is_ca: bool| {
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        if is_ca {
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        }
        base64::engine::general_purpose::STANDARD.encode(parameters.self_signed(&key).unwrap().der())
    };
    let (ca, leaf) = (base64_of(true), base64_of(false));
    let with = |x5c: &str| {
        parse(&format!(r#"{{{P256},"use":"x509-svid","x5c":{x5c}}}"#))
            .unwrap()
            .x509_authorities
            .len()
    };
    assert_eq!(with(&format!("[\"{ca}\"]")), 1);
    assert_eq!(
        with(&format!("[\"{ca}\",\"{leaf}\"]")),
        1,
        "values after the first are ignored"
    );
    assert_eq!(with(&format!("[\"{leaf}\"]")), 0, "not a CA");
    assert_eq!(with("[]"), 0);
    assert_eq!(with("[\"AQI=\"]"), 0);
    assert_eq!(with(r#"["-----BEGIN CERTIFICATE-----"]"#), 0);
}

// Row I-12.
#[test]
fn bundle_with_private_key_material_is_refused() {
    let of_ec = format!(r#"{{{P256},"use":"jwt-svid","kid":"1","d":"AA"}}"#);
    for key in [
        &of_ec,
        r#"{"kty":"oct","k":"AA"}"#,
        r#"{"kty":"AKP","priv":"AA"}"#,
    ] {
        assert_eq!(parse(key).unwrap_err(), BundleError::PrivateKey, "{key}");
    }
}

// Row I-21.
#[test]
fn oidc_key_set_is_not_a_bundle_of_jwt_svid_keys() {
    assert!(
        parse(&format!(r#"{{{P256},"use":"sig","kid":"1"}}"#))
            .unwrap()
            .jwt_keys
            .is_empty()
    );
}

#[test]
fn size_and_key_count_at_the_bound_and_one_past() {
    let keys = |count: usize| vec!["{}"; count].join(",");
    assert!(parse(&keys(BUNDLE_KEYS_MAX)).is_ok());
    assert_eq!(
        parse(&keys(BUNDLE_KEYS_MAX + 1)).unwrap_err(),
        BundleError::TooManyKeys
    );
    let padded = |size: usize| format!("{{\"keys\":[]{}}}", " ".repeat(size - 11));
    assert!(Bundle::parse(padded(BUNDLE_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(
        Bundle::parse(padded(BUNDLE_BYTES_MAX + 1).as_bytes()).unwrap_err(),
        BundleError::TooLarge
    );
}
