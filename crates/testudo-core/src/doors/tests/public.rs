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

/// A certificate that the client created, valid for an hour around the time of the tests.
fn certificate(from: i64, until: i64) -> Vec<u8> {
    let mut parameters = rcgen::CertificateParams::default();
    parameters.not_before = in_seconds(from).into();
    parameters.not_after = in_seconds(until).into();
    let key = rcgen::KeyPair::generate().unwrap();
    parameters.self_signed(&key).unwrap().der().to_vec()
}

/// The client that `client_id` names, over a connection with this certificate.
fn connect(
    world: &World,
    client_id: &str,
    certificate: &[u8],
    facts: &Facts,
) -> Result<AttestedIdentity, Rejection> {
    let mut form = Form::parse(format!("client_id={client_id}").as_bytes()).unwrap();
    let headers = RequestHeaders {
        certificates: Some(Arc::new(PeerCertificates::new(vec![certificate.to_vec()]))),
        ..RequestHeaders::default()
    };
    let (presented, _) = Presented::find(&mut form, headers)?;
    let is_registered = |client_id: &str| client_id.starts_with("c_");
    let presented = presented.of_client(Some(client_id), &world.policy, is_registered);
    world.check(recognise(&presented)?, facts)
}

fn name(world: &World, client_id: &str, facts: &Facts) -> Result<AttestedIdentity, Rejection> {
    world.check(recognise(&Presented::named(client_id))?, facts)
}

fn public(sponsor: Option<Box<Sponsor>>) -> Facts {
    Facts::Public(Arc::new(PublicRegistration {
        sponsor,
        sponsor_credential: None,
    }))
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
        let identity = name(&world(), "c_1", &public(sponsor.clone())).unwrap();
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
        ("c6", public(None)),
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

// [RFC8705 §4]
#[test]
fn certificate_of_a_public_client_is_what_its_tokens_may_be_bound_to() {
    let (world, own) = (world(), certificate(-60, 3_600));
    let registered = public(Some(Box::new(sponsor())));
    for (client_id, facts, authority) in [
        (APP, Facts::Nothing, Authority::configuration()),
        ("c_1", public(None), Authority::registration()),
        ("c_1", registered, Authority::registration()),
    ] {
        let identity = connect(&world, client_id, &own, &facts).unwrap();
        assert_eq!(identity.authority, authority);
        assert_eq!(
            (&*identity.subject, identity.kind),
            (client_id, CredentialKind::Public)
        );
        let thumbprint = testudo_protocol::jose::sha256(&own);
        assert_eq!(identity.proof.certificate_thumbprint, Some(thumbprint));
        assert_eq!(identity.proof.expires, Timestamp(NOW + 3_600));
        assert_eq!(
            identity.sponsor.is_some(),
            matches!(&facts, Facts::Public(client) if client.sponsor.is_some())
        );
        assert!(!identity.shows(CredentialKind::X509Svid), "it proves no workload");
    }
}

/// It proves nothing about the client, so it is not refused for it: what needs a certificate finds none.
#[test]
fn certificate_that_is_not_valid_now_or_malformed_is_left_out_of_the_identity_of_a_public_client() {
    let world = world();
    let bad = [
        ("expired", certificate(-3_600, -1)),
        ("not yet valid", certificate(60, 3_600)),
        ("no certificate", vec![0x30, 0x00]),
        ("empty", Vec::new()),
    ];
    for (client_id, facts) in [(APP, Facts::Nothing), ("c_1", public(None))] {
        let valid = connect(&world, client_id, &certificate(-60, 60), &facts).unwrap();
        assert!(valid.proof.certificate_thumbprint.is_some());
        let without = name(&world, client_id, &facts).unwrap();
        for (case, bad) in &bad {
            let identity = connect(&world, client_id, bad, &facts).unwrap();
            assert_eq!(identity.proof.certificate_thumbprint, None, "{case}");
            assert_eq!(identity.proof.expires, without.proof.expires, "{case}");
        }
    }
}

#[test]
fn certificate_that_is_not_valid_now_or_malformed_is_refused_of_every_client_that_is_not_public() {
    let world = world();
    let known = certificate(-3_600, -1);
    for bad in [known, certificate(60, 3_600), vec![0x30, 0x00], Vec::new()] {
        for facts in [Facts::Nothing, Facts::NoKeys] {
            refusal(connect(&world, "c_1", &bad, &facts));
        }
        refusal(connect(&world, "c6", &bad, &public(None)));
    }
}

#[test]
fn certificate_makes_no_public_client_of_one_that_has_a_credential_or_does_not_exist() {
    let (world, own) = (world(), certificate(-60, 3_600));
    for (client_id, facts) in [
        // A registration cannot take over the id of a configured client.
        ("c6", public(None)),
        ("c6", Facts::Nothing),
        ("c_1", Facts::Nothing),
        ("unknown", Facts::Nothing),
        (WORKLOAD, Facts::Nothing),
        ("App", Facts::Nothing),
    ] {
        refusal(connect(&world, client_id, &own, &facts));
    }
}
