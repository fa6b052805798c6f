//! Tests that a request must have exactly one authentication mechanism, and that a refusal does not reveal its reason
//! to the caller.

use super::*;

// Rows B-51, B-52.
#[test]
fn credential_under_another_assertion_type_is_refused() {
    let world = World::new();
    let svid = world.draft().sign();
    let assertion = world.assertion().sign();
    assert!(world.show(CredentialKind::PrivateKeyJwt, &svid).is_err());
    assert!(world.show(CredentialKind::JwtSvid, &assertion).is_err());
    assert!(world.show(CredentialKind::JwtSvid, &svid).is_ok());
    assert!(world.show(CredentialKind::PrivateKeyJwt, &assertion).is_ok());
}

#[test]
fn request_without_exactly_one_mechanism_is_refused() {
    let find = |body: &str, headers: RequestHeaders| {
        Presented::find(&mut Form::parse(body.as_bytes()).unwrap(), headers)
            .map(|(presented, _)| presented.kind)
    };
    let plain = RequestHeaders::default();
    let basic = RequestHeaders {
        has_authorization: true,
        ..plain.clone()
    };
    let attestation = RequestHeaders {
        client_attestations: vec![testudo_testkit::token::assemble(
            br#"{"typ":"oauth-client-attestation+jwt"}"#,
            b"{}",
            b"-",
        )],
        ..plain.clone()
    };
    let spiffe = format!("client_assertion_type={ASSERTION_TYPE_JWT_SPIFFE}&client_assertion=a");
    assert_eq!(find(&spiffe, plain.clone()), Ok(CredentialKind::JwtSvid));
    let bearer = format!("client_assertion_type={ASSERTION_TYPE_JWT_BEARER}&client_assertion=a");
    assert_eq!(find(&bearer, plain.clone()), Ok(CredentialKind::PrivateKeyJwt));
    assert_eq!(
        find("", plain.clone()),
        Err(Rejection::Credential(CredentialReason::NoCredential))
    );
    assert_eq!(find("client_id=x", plain.clone()), Ok(CredentialKind::Public));
    assert_eq!(
        find("client_secret=x", plain.clone()),
        Err(CredentialReason::UnsupportedMechanism {
            found: "client_secret"
        }
        .into())
    );
    assert_eq!(
        find("", basic.clone()),
        Err(Rejection::Credential(CredentialReason::UnsupportedMechanism {
            found: "an Authorization header"
        }))
    );
    assert_eq!(
        find(&spiffe, basic.clone()),
        Err(RequestReason::TwoMechanisms {
            found: vec!["client_assertion", "an Authorization header"]
        }
        .into())
    );
    assert_eq!(
        find("", attestation.clone()),
        Ok(CredentialKind::Attestation),
        "an attestation alone is the mechanism"
    );
    assert_eq!(
        find("client_secret=x", attestation.clone()),
        Err(RequestReason::TwoMechanisms {
            found: vec!["an OAuth-Client-Attestation header", "client_secret"]
        }
        .into())
    );
    // [ABCA §7.6] Beside an assertion it may be what the rule of the client requires.
    let mut form = Form::parse(spiffe.as_bytes()).unwrap();
    let (presented, beside) = Presented::find(&mut form, attestation.clone()).unwrap();
    assert_eq!(presented.kind, CredentialKind::JwtSvid);
    assert_eq!(beside, attestation.client_attestations);
    assert_eq!(
        find(&format!("{spiffe}&client_secret=x"), plain.clone()),
        Err(RequestReason::TwoMechanisms {
            found: vec!["client_assertion", "client_secret"]
        }
        .into())
    );
    assert_eq!(
        find("client_assertion=a", plain.clone()),
        Err(CredentialReason::MissingAssertion.into())
    );
    assert_eq!(
        find(
            &format!("client_assertion_type={ASSERTION_TYPE_JWT_SPIFFE}"),
            plain.clone()
        ),
        Err(CredentialReason::MissingAssertion.into())
    );
    let saml =
        "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer&client_assertion=a";
    assert_eq!(
        find(saml, plain.clone()),
        Err(Rejection::Credential(CredentialReason::UnknownAssertionType))
    );
}

/// Every failure of client authentication has the same sentence.
// Row J-12.
#[test]
fn refused_credentials_get_the_same_public_sentence() {
    let world = World::new();
    let unknown_key = generate_key(Algorithm::ES256, None);
    let tokens: [String; 6] = [
        Draft::svid(&unknown_key, WORKLOAD, ISSUER, NOW).sign(),
        Draft::svid(world.a.key(), "spiffe://c.example/w", ISSUER, NOW).sign(),
        world.draft().claim("aud", "https://other").sign(),
        world.draft().claim("exp", NOW - 1).sign(),
        world.draft().header("kid", "zz").sign(),
        "not a token".into(),
    ];
    let sentences: std::collections::BTreeSet<_> = tokens
        .iter()
        .map(|token| world.refused(token).answer(Endpoint::None).sentence)
        .collect();
    assert_eq!(sentences.len(), 1);
}

#[test]
fn hints_and_names_contain_no_value_of_the_request() {
    let world = World::new();
    let rejection = world.refused(&world.draft().header("typ", "evil\r\ninjected").sign());
    assert!(!rejection.to_string().contains('\n'));
    let _: Value = json!(rejection.name());
}
