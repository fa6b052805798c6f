//! Tests of the claims of a JWT-SVID: audience, times, identifiers, and attested metadata.

use super::*;

// Rows B-02 to B-09.
#[test]
fn svid_audience_is_the_issuer_and_nothing_else() {
    let world = World::new();
    world.accepted(&world.draft().claim("aud", ISSUER).sign());
    world.accepted(&world.draft().claim("aud", json!([ISSUER])).sign());
    for audience in [
        json!([ISSUER, "https://other"]),
        json!([ISSUER, ISSUER]),
        json!("https://as.example/token"),
        json!("https://as.example/"),
        json!("HTTPS://AS.EXAMPLE"),
        json!("https://as.example:443"),
        json!("https://other.example"),
        json!("https://evil"),
        json!([]),
        json!(""),
    ] {
        let rejection = world.refused(&world.draft().claim("aud", audience.clone()).sign());
        assert!(
            matches!(
                rejection,
                Rejection::Credential(CredentialReason::AudienceMismatch { .. })
            ),
            "{audience}"
        );
    }
    for audience in [json!(7), json!([ISSUER, 7]), json!(null), json!({}), json!(true)] {
        let rejection = world.refused(&world.draft().claim("aud", audience.clone()).sign());
        assert!(
            matches!(
                rejection,
                Rejection::Credential(CredentialReason::Jose(JoseError::Claims(_)))
            ),
            "{audience}"
        );
    }
    world.refused(&world.draft().without_claim("aud").sign());
    let crowd: Vec<String> = (0..100_000).map(|n| format!("{n}")).collect();
    world.refused(&world.draft().claim("aud", crowd).sign());
}

#[test]
fn further_audiences_are_exact_and_off_by_default() {
    let mut world = World::new();
    let token = world.draft().claim("aud", "https://old.example").sign();
    world.refused(&token);
    world
        .policy
        .authorities
        .get_mut(&trust_domain("a.example"))
        .unwrap()
        .accept_audiences = vec!["https://old.example".into()];
    world.accepted(&token);
    world.refused(&world.draft().claim("aud", "https://old.example/").sign());
}

// Rows B-11 to B-15.
#[test]
fn expired_svid_and_malformed_exp_are_refused() {
    let world = World::new();
    let with = |exp: &str| {
        let claims = claims_text(&world.draft().without_claim("exp"));
        world.draft().sign_text(
            &world.draft().header.to_string(),
            &claims.replacen('{', &format!("{{\"exp\":{exp},"), 1),
        )
    };
    world.accepted(&with("1795000300"));
    world.accepted(&with("1795000300.5"));
    world.accepted(&with("1.7950003e9"));
    world.accepted(&with(&(NOW + 1).to_string()));
    for over in [(NOW - 300).to_string(), NOW.to_string(), "-1".into(), "0".into()] {
        assert!(
            matches!(
                world.refused(&with(&over)),
                Rejection::Credential(CredentialReason::AssertionExpired { .. })
            ),
            "{over}"
        );
    }
    for malformed in ["\"1795000300\"", "1e400", "null", "true", "[]"] {
        assert!(
            matches!(
                world.refused(&with(malformed)),
                Rejection::Credential(CredentialReason::Jose(JoseError::Claims(_)))
            ),
            "{malformed}"
        );
    }
    world.refused(&world.draft().without_claim("exp").sign());
}

// Rows B-16 to B-18.
#[test]
fn svid_from_the_future_is_refused_beyond_the_leeway() {
    let world = World::new();
    world.accepted(&world.draft().claim("nbf", NOW + 8).claim("iat", NOW + 8).sign());
    world.accepted(&world.draft().without_claim("iat").sign());
    let late = world.refused(&world.draft().claim("nbf", NOW + 300).sign());
    assert!(matches!(
        late,
        Rejection::Credential(CredentialReason::AssertionNotYetValid { .. })
    ));
    let early = world.refused(&world.draft().claim("iat", NOW + 120).sign());
    assert!(matches!(
        early,
        Rejection::Credential(CredentialReason::AssertionFromTheFuture { .. })
    ));
}

// Rows B-19 to B-22.
#[test]
fn sub_is_required_and_iss_and_jti_are_optional() {
    let world = World::new();
    world.refused(&world.draft().without_claim("sub").sign());
    for sub in [json!(""), json!(true), json!(7), json!([WORKLOAD])] {
        world.refused(&world.draft().claim("sub", sub).sign());
    }
    world.accepted(&world.draft().claim("iss", "https://oidc.a.example").sign());
    world.accepted(&world.draft().claim("iss", 7).sign());
    for _ in 0..3 {
        world.accepted(&world.draft().sign());
    }
    assert!(
        world
            .accepted(&world.draft().claim("jti", "x").sign())
            .proof
            .single_use
            .is_none()
    );
}

#[test]
fn single_use_credential_needs_jti_and_its_use_is_recorded() {
    let mut world = World::new();
    world
        .policy
        .authorities
        .get_mut(&trust_domain("a.example"))
        .unwrap()
        .single_use = true;
    let missing = world
        .show(CredentialKind::JwtSvid, &world.draft().sign())
        .unwrap_err();
    assert_eq!(missing, Rejection::Credential(CredentialReason::JwtIdMissing));
    let first = world
        .accepted(&world.draft().claim("jti", "x").sign())
        .proof
        .single_use
        .unwrap();
    let same = world
        .accepted(&world.draft().claim("jti", "x").claim("iat", NOW - 1).sign())
        .proof
        .single_use
        .unwrap();
    let other = world
        .accepted(&world.draft().claim("jti", "y").sign())
        .proof
        .single_use
        .unwrap();
    assert_eq!(first.key, same.key);
    assert_ne!(first.key, other.key);
}

#[test]
fn jti_with_control_characters_is_refused() {
    let world = World::new();
    for hidden in ["a\u{1b}[2J", "a\u{7f}", "a\u{9b}", "a\u{2066}b"] {
        let token = world.draft().claim("jti", hidden).sign();
        assert_eq!(
            world.refused(&token),
            Rejection::Credential(CredentialReason::JwtIdUnprintable)
        );
    }
}

// Rows RF-95, RF-96.
#[test]
fn only_listed_claims_are_attested() {
    let mut world = World::new();
    let token = world
        .draft()
        .claim("client_name", "Pay")
        .claim("scope", "admin")
        .sign();
    assert!(world.accepted(&token).proof.attested_claims.is_empty());
    world
        .policy
        .authorities
        .get_mut(&trust_domain("a.example"))
        .unwrap()
        .attested_metadata = vec!["client_name".into()];
    let claims: Vec<String> = world.accepted(&token).proof.attested_claims.into_keys().collect();
    assert_eq!(claims, ["client_name"]);
}
