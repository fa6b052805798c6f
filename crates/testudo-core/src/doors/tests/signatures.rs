//! Tests of signatures: keys, algorithms and malformed signatures.

use super::*;
use crate::rejection::NotAcceptedBy;

// B. JWT-SVID.

// Row B-01.
#[test]
fn all_nine_algorithms_of_jwt_svid_are_accepted() {
    let mut world = World::new();
    let nine = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| algorithm.is_legal_in_svid());
    world
        .a
        .keys
        .extend(nine.map(|algorithm| generate_key(algorithm, Some(algorithm.name()))));
    for key in &world.a.keys {
        world.accepted(&Draft::svid(key, WORKLOAD, ISSUER, NOW).sign());
    }
    assert_eq!(world.a.keys.len(), 10);
}

/// [JWT-SVID §2.2] A rotation must not refuse tokens of an agent that sends no `kid`, and a refused token must not cost
/// more verifications than a valid one can.
#[test]
fn token_without_kid_is_tried_against_eight_keys_and_not_against_a_ninth() {
    let mut world = World::new();
    let keys: Vec<SigningKey> = (0..9).map(|_| generate_key(Algorithm::ES256, None)).collect();
    world.a.keys = keys;
    let by = |key: usize| {
        Draft::svid(&world.a.keys[key], WORKLOAD, ISSUER, NOW)
            .without_header("kid")
            .sign()
    };
    world.accepted(&by(0));
    world.accepted(&by(7));
    assert_eq!(
        world.refused(&by(8)),
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
}

// Rows B-25 to B-29.
#[test]
fn unknown_wrong_and_malformed_kids_are_refused() {
    let mut world = World::new();
    world.accepted(&world.draft().without_header("kid").sign());
    let unknown_key = generate_key(Algorithm::ES256, None);
    let foreign = Draft::svid(&unknown_key, WORKLOAD, ISSUER, NOW);
    assert_eq!(
        world.refused(&foreign.without_header("kid").sign()),
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
    assert_eq!(
        world.refused(&world.draft().header("kid", "zz").sign()),
        Rejection::Credential(CredentialReason::Jose(JoseError::NoKey {
            kid: Some("zz".into())
        }))
    );
    world.a.keys.push(generate_key(Algorithm::ES256, Some("ka2")));
    let crossed = world.refused(&world.draft().header("kid", "ka2").sign());
    assert_eq!(
        crossed,
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
    for kid in [
        json!(7),
        json!("x".repeat(3000)),
        json!("../../x"),
        json!("' or 1=1--"),
        json!("\u{0}"),
        json!(null),
    ] {
        world.refused(&world.draft().header("kid", kid).sign());
    }
}

// Rows B-30 to B-33.
#[test]
fn algorithms_that_jwt_svid_does_not_allow_are_refused() {
    let mut world = World::new();
    for alg in [
        "none", "None", "noNE", "", "HS256", "HS384", "HS512", "ES256K", "ES999", "RSA-OAEP", "es256",
    ] {
        let rejection = world.refused(&world.draft().header("alg", alg).sign());
        assert!(
            matches!(
                rejection,
                Rejection::Credential(CredentialReason::AlgorithmNotAllowed { .. })
            ),
            "{alg}"
        );
    }
    world.refused(&world.draft().without_header("alg").sign());
    let draft = world.draft();
    world.refused(&assemble(
        br#"{"alg":"none"}"#,
        claims_text(&draft).as_bytes(),
        b"",
    ));
    world.a.keys.push(generate_key(Algorithm::EdDSA, Some("ed")));
    let ed = world.a.keys.last().unwrap();
    let rejection = world.refused(&Draft::svid(ed, WORKLOAD, ISSUER, NOW).sign());
    assert!(matches!(
        rejection,
        Rejection::Credential(CredentialReason::AlgorithmNotAllowed { .. })
    ));
}

// Row B-31.
#[test]
fn hmac_keyed_with_the_public_key_is_refused() {
    let world = World::new();
    let public = world.a.key().public_jwk("jwt-svid", false).to_string();
    for secret in [public.as_str(), "x"] {
        let token = world.draft().without_header("kid").mac(secret.as_bytes()).sign();
        assert!(matches!(
            world.refused(&token),
            Rejection::Credential(CredentialReason::AlgorithmNotAllowed { .. })
        ));
    }
}

// Row B-34.
#[test]
fn algorithm_that_does_not_fit_the_key_is_refused() {
    let mut world = World::new();
    world.a.keys.push(generate_key(Algorithm::ES512, Some("ka3")));
    world.a.keys.push(generate_key(Algorithm::RS256, Some("ka2")));
    for (alg, kid) in [
        ("RS256", world.a.key().kid()),
        ("ES384", world.a.key().kid()),
        ("ES256", "ka3"),
        ("ES256", "ka2"),
    ] {
        let rejection = world.refused(&world.draft().header("alg", alg).header("kid", kid).sign());
        assert_eq!(
            rejection,
            Rejection::Credential(CredentialReason::Jose(JoseError::NoKey {
                kid: Some(kid.into())
            })),
            "{alg} {kid}"
        );
    }
}

// Row B-37.
#[test]
fn zero_empty_and_der_signatures_are_refused() {
    let world = World::new();
    let draft = world.draft();
    let (header, claims) = (draft.header.to_string(), claims_text(&draft));
    let with = |signature: &[u8]| assemble(header.as_bytes(), claims.as_bytes(), signature);
    for signature in [
        &[0u8; 64][..],
        &[],
        &[1],
        &[0xff; 64],
        &[0x30, 0x06, 2, 1, 1, 2, 1, 1],
    ] {
        assert_eq!(
            world.refused(&with(signature)),
            Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
        );
    }
}

#[test]
fn svid_is_refused_where_the_keys_of_its_authority_are_no_bundle() {
    let world = World::new();
    let keys = Facts::Keys(AuthorityKeys::Keys(key_set(&[world.a.key()])));
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, world.draft().sign())).unwrap();
    let refused = world.check(credential, &keys);
    assert_eq!(
        refused.unwrap_err(),
        Rejection::Admission(AdmissionReason::CredentialNotAccepted {
            kind: CredentialKind::JwtSvid,
            by: NotAcceptedBy::Authority(Authority::of_key("spiffe://a.example").unwrap())
        })
    );
    world.accepted(&world.draft().sign());
}

// Row B-38.
#[test]
fn changed_payload_or_signature_is_refused() {
    let world = World::new();
    let token = world.draft().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let other = world.draft().claim("sub", "spiffe://a.example/w/2").sign();
    let payload = other.split('.').nth(1).unwrap();
    assert_eq!(
        world.refused(&format!("{}.{payload}.{}", parts[0], parts[2])),
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
    world.refused(&format!("{}.{}.", parts[0], parts[1]));
    world.refused(&format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]));
    for position in [0, 20, 60] {
        let mut signature: Vec<char> = parts[2].chars().collect();
        signature[position] = if signature[position] == 'A' { 'B' } else { 'A' };
        let flipped: String = signature.into_iter().collect();
        world.refused(&format!("{}.{}.{flipped}", parts[0], parts[1]));
    }
}
