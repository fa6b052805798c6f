//! Requests without a credential.

use super::*;
use crate::identity::Sponsor;

const APP: &str = "app";

/// A world with the public client [`APP`], beside a client with a key.
fn world() -> World {
    let mut world = World::new();
    let rule = Rule::compile_for_client(&RuleSpec::default()).unwrap();
    let method = ClientMethod::Public;
    world
        .policy
        .clients
        .insert(APP.into(), ConfiguredClient { method, rule });
    world
}

fn name(world: &World, client_id: &str, facts: &Facts) -> Result<AttestedIdentity, Rejection> {
    world.check(recognise(&Presented::named(client_id))?, facts)
}

fn sponsor() -> Sponsor {
    Sponsor {
        authority: trust_domain("a.example"),
        subject: WORKLOAD.to_owned(),
        instance: None,
        credential: CredentialKind::JwtSvid,
        ends: None,
        limits: None,
    }
}

#[test]
fn public_client_of_the_configuration_needs_no_credential() {
    let identity = name(&world(), APP, &Facts::Nothing).unwrap();
    assert_eq!(identity.authority, Authority::configuration());
    assert_eq!((&*identity.subject, identity.kind), (APP, CredentialKind::Public));
    assert!(identity.sponsor.is_none() && !identity.has_proven_key());
}

#[test]
fn client_that_registered_as_public_needs_no_credential_and_keeps_its_sponsor() {
    for sponsor in [None, Some(Box::new(sponsor()))] {
        let identity = name(&world(), "c_1", &Facts::Public(sponsor.clone())).unwrap();
        assert_eq!(identity.authority, Authority::registration());
        assert_eq!(
            (&*identity.subject, identity.kind),
            ("c_1", CredentialKind::Public)
        );
        assert_eq!(identity.sponsor, sponsor);
    }
}

/// The reason is the same for all, so that a caller does not learn which clients exist.
#[test]
fn every_other_client_must_send_its_credential() {
    let world = world();
    let of_key = Facts::Keys(AuthorityKeys::Keys(key_set(&[&world.client_key])));
    for (client_id, facts) in [
        ("c6", Facts::Nothing),
        // A registration cannot take over the id of a configured client.
        ("c6", Facts::Public(None)),
        ("c_1", Facts::Nothing),
        ("c_1", Facts::NoKeys),
        ("unknown", Facts::Nothing),
        (WORKLOAD, Facts::Nothing),
        (WORKLOAD, of_key),
        ("App", Facts::Nothing),
        ("", Facts::Nothing),
    ] {
        let refused = name(&world, client_id, &facts).unwrap_err();
        assert_eq!(
            refused,
            CredentialReason::NoCredential.into(),
            "{client_id} {facts:?}"
        );
    }
}

#[test]
fn public_client_that_sends_a_credential_is_refused() {
    let world = world();
    let other = generate_key(Algorithm::ES256, None);
    let assertion = Draft::assertion(&other, APP, ISSUER, "1", NOW).sign();
    let refused = world.show(CredentialKind::PrivateKeyJwt, &assertion).unwrap_err();
    assert_eq!(refused, CredentialReason::UnknownClient.into());
    let refused = world.show(CredentialKind::Public, APP);
    assert!(refused.is_err(), "an assertion is no name of a client");
}
