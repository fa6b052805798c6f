//! Tests of assertions that clients sign with their own keys.

use super::*;

// H. private_key_jwt.

// Row H-01.
#[test]
fn valid_assertions_are_accepted() {
    let world = World::new();
    for typ in [
        "client-authentication+jwt",
        "JWT",
        "application/client-authentication+jwt",
    ] {
        assert!(
            world
                .show(
                    CredentialKind::PrivateKeyJwt,
                    &world.assertion().header("typ", typ).sign()
                )
                .is_ok()
        );
    }
    let identity = world
        .show(
            CredentialKind::PrivateKeyJwt,
            &world.assertion().without_header("typ").sign(),
        )
        .unwrap();
    assert_eq!(
        (&*identity.subject, identity.authority),
        ("c6", Authority::configuration())
    );
    assert!(identity.proof.single_use.is_some());
}

// Rows H-02, H-03. [RFC10070 §4]
#[test]
fn assertion_audience_is_the_issuer_alone() {
    let world = World::new();
    for audience in [
        json!("https://as.example/token"),
        json!([ISSUER, "https://as.example/token"]),
        json!("https://as.example/par"),
        json!("https://evil.example"),
    ] {
        let rejection = world.assertion_refused(&world.assertion().claim("aud", audience).sign());
        assert!(matches!(
            rejection,
            Rejection::Credential(CredentialReason::AudienceMismatch { .. })
        ));
    }
    assert!(
        world
            .show(
                CredentialKind::PrivateKeyJwt,
                &world.assertion().claim("aud", json!([ISSUER])).sign()
            )
            .is_ok()
    );
}

// Row H-04. [RFC7523 §3]
#[test]
fn assertion_issuer_and_subject_are_the_client() {
    let world = World::new();
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("iss", "other").sign()),
        Rejection::Credential(CredentialReason::IssuerIsNotSubject)
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("sub", "other").sign()),
        Rejection::Credential(CredentialReason::UnknownClient)
    );
    world.assertion_refused(&world.assertion().without_claim("iss").sign());
    world.assertion_refused(&world.assertion().without_claim("sub").sign());
}

// Rows H-05, H-06.
#[test]
fn assertion_without_usable_jti_or_with_a_long_lifetime_is_refused() {
    let world = World::new();
    assert_eq!(
        world.assertion_refused(&world.assertion().without_claim("jti").sign()),
        Rejection::Credential(CredentialReason::JwtIdMissing)
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("jti", "").sign()),
        Rejection::Credential(CredentialReason::JwtIdMissing)
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().claim("jti", "x".repeat(513)).sign()),
        Rejection::Credential(CredentialReason::JwtIdTooLong)
    );
    for hidden in ["a\u{1b}[2J", "a\u{9b}", "a\u{202e}b", "a\u{200b}b"] {
        assert_eq!(
            world.assertion_refused(&world.assertion().claim("jti", hidden).sign()),
            Rejection::Credential(CredentialReason::JwtIdUnprintable)
        );
    }
    assert!(
        world
            .show(
                CredentialKind::PrivateKeyJwt,
                &world.assertion().claim("exp", NOW + 600).sign()
            )
            .is_ok()
    );
    for exp in [NOW + 601, NOW + 315_360_000] {
        let rejection = world.assertion_refused(&world.assertion().claim("exp", exp).sign());
        assert!(matches!(
            rejection,
            Rejection::Credential(CredentialReason::LifetimeTooLong { .. })
        ));
    }
    let expired = world.assertion_refused(&world.assertion().claim("exp", NOW).sign());
    assert!(matches!(
        expired,
        Rejection::Credential(CredentialReason::AssertionExpired { .. })
    ));
}

// Row H-08.
#[test]
fn jwts_of_other_types_are_refused_as_assertions() {
    let world = World::new();
    for typ in [
        "at+jwt",
        "dpop+jwt",
        "wit+jwt",
        "logout+jwt",
        "secevent+jwt",
        "oauth-client-attestation+jwt",
        "oauth-client-attestation-pop+jwt",
        "vc+jwt",
        "CLIENT-AUTHENTICATION+JWT",
    ] {
        let rejection = world.assertion_refused(&world.assertion().header("typ", typ).sign());
        assert!(
            matches!(
                rejection,
                Rejection::Credential(CredentialReason::TypeNotAllowed { .. })
            ),
            "{typ}"
        );
    }
    let attacker = generate_key(Algorithm::ES256, Some("c6"));
    let forged = Draft::assertion(&attacker, "c6", ISSUER, "jti-1", NOW)
        .header("jwk", attacker.public_jwk("sig", true));
    assert_eq!(
        world.assertion_refused(&forged.sign()),
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
    assert_eq!(
        world.assertion_refused(&world.assertion().header("b64", false).sign()),
        Rejection::Credential(CredentialReason::Jose(JoseError::HeaderParameterRefused {
            name: "b64".to_owned()
        }))
    );
    let crit = world.assertion().header("crit", json!(["foo"])).header("foo", 1);
    assert_eq!(
        world.assertion_refused(&crit.sign()),
        Rejection::Credential(CredentialReason::Jose(JoseError::CriticalExtension))
    );
    let impostor = Draft::assertion(&attacker, "c6", ISSUER, "jti-1", NOW).sign();
    assert_eq!(
        world.assertion_refused(&impostor),
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
}

#[test]
fn single_use_marks_do_not_collide_across_parts() {
    let mark = |subject: &str, jti: &str| {
        single_use_mark(CredentialKind::PrivateKeyJwt, subject, jti, Timestamp(NOW)).key
    };
    assert_ne!(mark("ab", "c"), mark("a", "bc"));
    assert_eq!(mark("a", "b"), mark("a", "b"));
}
