//! Tests that only the bundle of the trust domain in `sub` is used.

use super::*;

// A. SPIFFE IDs, as `sub`. The syntax itself is tested in `protocol::spiffe`; these tests show that the door checks it.

// Rows.
#[test]
fn sub_that_is_not_a_valid_spiffe_id_is_refused() {
    let world = World::new();
    let at = |sub: &str| Draft::svid(world.a.key(), sub, ISSUER, NOW).sign();
    assert_eq!(
        &*world.accepted(&at("spiffe://a.example/w/A-b_c.9")).subject,
        "spiffe://a.example/w/A-b_c.9"
    );
    let long = |bytes: usize| format!("spiffe://a.example/{}", "x".repeat(bytes - 19));
    world.accepted(&at(&long(2048)));
    assert_eq!(
        world.refused(&at(&long(2049))),
        Rejection::Credential(CredentialReason::SubjectNotSpiffeId(SpiffeIdError::TooLong))
    );
    for bad in [
        "SPIFFE://a.example/w/1",
        "spiffe://A.example/w/1",
        "https://a.example/w/1",
        "spiffe:///w/1",
        "spiffe://",
        "spiffe://u@a.example/w/1",
        "spiffe://a.example:443/w/1",
        "spiffe://a.example:/w/1",
        "spiffe://a.example/w/1?x=1",
        "spiffe://a.example/w/1#f",
        "spiffe://a.example/w/%31",
        "spiffe://%61.example/w/1",
        "spiffe://a.example//w/1",
        "spiffe://a.example/w/./1",
        "spiffe://a.example/w/../w/1",
        "spiffe://a.example/w/1/",
        "spiffe://a.example/w/*",
        "spiffe://a.example/w 1",
        "spiffe://a.example/w/\u{0}",
        "spiffe://a.example/w/\u{e9}",
        "spiffe://\u{430}.example/w/1",
        "spiffe://[::1]/w",
    ] {
        assert!(
            matches!(
                world.refused(&at(bad)),
                Rejection::Credential(CredentialReason::SubjectNotSpiffeId(_))
            ),
            "{bad}"
        );
    }
}

// Row A-22.
#[test]
fn sub_without_a_path_is_refused() {
    let world = World::new();
    let token = Draft::svid(world.a.key(), "spiffe://a.example", ISSUER, NOW).sign();
    assert_eq!(
        world.refused(&token),
        Rejection::Credential(CredentialReason::SubjectHasNoPath)
    );
}

// Rows A-23, C-04.
#[test]
fn similar_and_unconfigured_trust_domains_are_refused() {
    let world = World::new();
    for sub in ["spiffe://a.example.evil/w/1", "spiffe://c.example/w/1"] {
        let token = Draft::svid(world.a.key(), sub, ISSUER, NOW).sign();
        assert!(
            matches!(
                world.refused(&token),
                Rejection::Credential(CredentialReason::UnknownAuthority { .. })
            ),
            "{sub}"
        );
    }
}

// Row B-49.
#[test]
fn bundle_keys_of_another_use_verify_no_svid() {
    let world = World::new();
    let oidc = generate_key(Algorithm::ES256, Some("oidc"));
    let mut document = world.a.bundle();
    document["keys"]
        .as_array_mut()
        .unwrap()
        .push(oidc.public_jwk("sig", true));
    let bundle = Bundle::parse(document.to_string().as_bytes()).unwrap();
    let token = Draft::svid(&oidc, WORKLOAD, ISSUER, NOW).sign();
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, token)).unwrap();
    let facts = bundle_of(bundle);
    let rejection = world.check(credential, &facts).unwrap_err();
    assert_eq!(
        rejection,
        Rejection::Credential(CredentialReason::Jose(JoseError::NoKey {
            kid: Some(oidc.kid().to_owned())
        }))
    );
}

// Rows C-01, C-02.
#[test]
fn keys_of_one_trust_domain_verify_no_svid_of_another() {
    let mut world = World::new();
    let crossed = Draft::svid(world.a.key(), "spiffe://b.example/w/1", ISSUER, NOW).sign();
    world.refused(&crossed);
    world
        .a
        .keys
        .insert(0, generate_key(Algorithm::ES256, Some("shared")));
    world
        .b
        .keys
        .insert(0, generate_key(Algorithm::ES256, Some("shared")));
    let same_kid = Draft::svid(world.a.key(), "spiffe://b.example/w/1", ISSUER, NOW).sign();
    assert_eq!(
        world.refused(&same_kid),
        Rejection::Credential(CredentialReason::Jose(JoseError::BadSignature))
    );
}

// Row I-02.
#[test]
fn svid_is_refused_under_an_empty_bundle() {
    let world = World::new();
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, world.draft().sign())).unwrap();
    let facts = bundle_of(Bundle::parse(b"{\"keys\":[]}").unwrap());
    let rejection = world.check(credential, &facts).unwrap_err();
    assert_eq!(
        rejection,
        Rejection::Credential(CredentialReason::Jose(JoseError::NoKey {
            kid: Some(world.a.key().kid().to_owned())
        }))
    );
}

#[test]
fn svid_without_a_usable_bundle_is_answered_bundle_unavailable() {
    let world = World::new();
    let credential = recognise(&Presented::new(CredentialKind::JwtSvid, world.draft().sign())).unwrap();
    let rejection = world.check(credential, &Facts::NoKeys).unwrap_err();
    assert!(matches!(
        rejection,
        Rejection::Credential(CredentialReason::BundleUnavailable { .. })
    ));
}

#[test]
fn trust_domains_are_compared_as_whole_names() {
    assert_ne!(
        TrustDomain::parse("a.example").unwrap(),
        TrustDomain::parse("a.example.evil").unwrap()
    );
}
