//! Tests of X.509-SVIDs: section D of the conformance tables (the rows that need no network), and section A for URI
//! names.

use super::*;
use crate::rejection::CLIENT_CERTIFICATE;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType,
};
use testudo_protocol::spiffe::X509Error;
use testudo_testkit::x509::{X509Chain, X509Issuer, key_usage_not_critical, uri_name};

const ID: &str = "spiffe://a.example/w/3";

struct Place {
    a: X509Issuer,
    b: X509Issuer,
    policy: Policy,
}

impl Place {
    fn new() -> Place {
        Place {
            a: X509Issuer::new("a.example").at(in_seconds(0)),
            b: X509Issuer::new("b.example").at(in_seconds(0)),
            policy: World::new().policy,
        }
    }

    fn show(&self, chain: &X509Chain) -> Result<AttestedIdentity, Rejection> {
        let presented = Presented::certificates(Arc::new(PeerCertificates::new(chain.chain.clone())));
        let credential = recognise(&presented)?;
        let Lookup::Authority {
            unverified_authority, ..
        } = credential.lookups()
        else {
            panic!("the door must ask for a bundle")
        };
        let facts = match unverified_authority.name() {
            "a.example" => bundle_of(Bundle::parse(self.a.bundle().to_string().as_bytes()).unwrap()),
            "b.example" => bundle_of(Bundle::parse(self.b.bundle().to_string().as_bytes()).unwrap()),
            _ => Facts::Nothing,
        };
        credential.verify(&facts, terms(&self.policy), &mut Trace::off())
    }

    #[track_caller]
    fn refused(&self, chain: &X509Chain) -> X509Error {
        self.show(&self.a.svid("/w/3"))
            .expect("the credential without the fault is accepted");
        let rejection = refusal(self.show(chain));
        let Rejection::Credential(CredentialReason::Certificate(fault)) = rejection else {
            panic!("{rejection:?}");
        };
        fault
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> X509Chain {
        self.a.leaf(ID, change)
    }
}

// Row D-01.
#[test]
fn valid_certificate_chains_are_accepted() {
    let place = Place::new();
    let identity = place.show(&place.a.svid("/w/3")).unwrap();
    assert_eq!(
        (&*identity.subject, identity.kind),
        (ID, CredentialKind::X509Svid)
    );
    assert!(identity.proof.certificate_thumbprint.is_some());
    assert_eq!(identity.authority, trust_domain("a.example"));
    let below = place.a.intermediate(|_| {});
    place.show(&below.svid("/w/3").followed_by(&below)).unwrap();
    place
        .show(&place.leaf(|p| {
            p.subject_alt_names
                .push(SanType::DnsName("a.example".try_into().unwrap()))
        }))
        .unwrap();
    // Without a subject, rcgen makes the subject alternative name critical, as required.
    place
        .show(&place.leaf(|p| p.distinguished_name = DistinguishedName::new()))
        .unwrap();
    place
        .show(&place.leaf(|p| p.is_ca = IsCa::NoCa))
        .expect("a leaf without basic constraints is accepted");
    place
        .show(&place.leaf(|p| p.extended_key_usages.clear()))
        .expect("extended key usage may be absent");
    place
        .show(&place.leaf(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]))
        .unwrap();
}

// Rows.
#[test]
fn uri_name_that_is_not_a_valid_spiffe_id_is_refused() {
    let place = Place::new();
    for bad in [
        "SPIFFE://a.example/w/3",
        "spiffe://A.example/w/3",
        "https://a.example/w/3",
        "spiffe://a.example//w",
        "spiffe://a.example/w/",
        "spiffe://a.example/%77",
        "spiffe://a.example:443/w",
        "spiffe://a.example/w?x",
    ] {
        assert!(
            matches!(
                place.refused(&place.a.leaf(bad, |_| {})),
                X509Error::NotSpiffeId(_)
            ),
            "{bad}"
        );
    }
    assert_eq!(
        place.refused(&place.a.leaf("spiffe://a.example", |_| {})),
        X509Error::NoPath
    );
}

// Rows D-05 to D-08.
#[test]
fn chain_is_verified_by_the_authorities_of_its_own_trust_domain_only() {
    let place = Place::new();
    let impostor = X509Issuer::new("a.example").at(in_seconds(0));
    assert!(
        matches!(place.refused(&impostor.svid("/w/3")), X509Error::Path(_)),
        "an unknown CA of the same name"
    );
    let crossed = place.a.leaf("spiffe://b.example/w", |_| {});
    assert!(
        matches!(place.refused(&crossed), X509Error::Path(_)),
        "A's CA, an identity of B, both configured"
    );
    let unconfigured = place.a.leaf("spiffe://c.example/w", |_| {});
    assert!(matches!(
        place.show(&unconfigured),
        Err(Rejection::Credential(CredentialReason::UnknownAuthority { .. }))
    ));
    // An authority of the other domain in the chain must have no effect.
    assert!(matches!(
        place.refused(&crossed.followed_by(&place.b)),
        X509Error::Path(_)
    ));
}

// Row D-09.
#[test]
fn expired_and_not_yet_valid_certificates_are_refused() {
    let place = Place::new();
    assert!(matches!(
        place.refused(&place.leaf(|p| p.not_after = in_seconds(-10).into())),
        X509Error::Path(_)
    ));
    let tomorrow = in_seconds(86_400);
    assert!(matches!(
        place.refused(&place.leaf(|p| p.not_before = tomorrow.into())),
        X509Error::Path(_)
    ));
    let below = place.a.intermediate(|p| p.not_after = in_seconds(-10).into());
    assert!(matches!(
        place.refused(&below.svid("/w/3").followed_by(&below)),
        X509Error::Path(_)
    ));
}

// Rows D-10, D-16.
#[test]
fn leaf_that_may_sign_certificates_is_refused() {
    let place = Place::new();
    let ca = place.leaf(|p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        p.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert_eq!(place.refused(&ca), X509Error::LeafIsAuthority);
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        assert_eq!(
            place.refused(&place.leaf(|p| p.key_usages.push(usage))),
            X509Error::KeyUsageSigns
        );
    }
    let below = place.a.intermediate(|p| p.subject_alt_names = vec![uri_name(ID)]);
    let itself = X509Chain {
        chain: vec![below.der().to_vec()],
        key: Vec::new(),
    };
    assert_eq!(place.refused(&itself), X509Error::LeafIsAuthority);
}

// Row D-11.
#[test]
fn leaf_without_digital_signature_usage_is_refused() {
    let place = Place::new();
    assert_eq!(
        place.refused(&place.leaf(|p| p.key_usages.clear())),
        X509Error::KeyUsageMissing
    );
    let wrong = place.leaf(|p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    assert_eq!(place.refused(&wrong), X509Error::KeyUsageNoSignature);
    let lax = place.leaf(|p| {
        p.key_usages.clear();
        p.custom_extensions.push(key_usage_not_critical());
    });
    assert_eq!(place.refused(&lax), X509Error::KeyUsageNotCritical);
}

// Rows D-12, D-13.
#[test]
fn leaf_without_exactly_one_uri_name_is_refused() {
    let place = Place::new();
    for second in ["spiffe://a.example/w/4", "https://a.example/", ID] {
        let two = place.leaf(|p| p.subject_alt_names.push(uri_name(second)));
        assert_eq!(place.refused(&two), X509Error::SeveralUriNames, "{second}");
    }
    assert_eq!(
        place.refused(&place.leaf(|p| p.subject_alt_names.clear())),
        X509Error::NoUriName
    );
    let dns = place.leaf(|p| p.subject_alt_names = vec![SanType::DnsName("a.example".try_into().unwrap())]);
    assert_eq!(place.refused(&dns), X509Error::NoUriName);
}

// Row D-14.
#[test]
fn extended_key_usage_without_client_authentication_is_refused() {
    let place = Place::new();
    for usage in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any] {
        let other = place.leaf(|p| p.extended_key_usages = vec![usage.clone()]);
        assert!(matches!(place.refused(&other), X509Error::Path(_)), "{usage:?}");
    }
}

// Rows D-17, D-18.
#[test]
fn too_large_chains_and_malformed_certificates_are_refused() {
    let place = Place::new();
    let long = format!("spiffe://a.example/{}", "x".repeat(3000));
    assert_eq!(
        place.refused(&place.a.leaf(&long, |_| {})),
        X509Error::NotSpiffeId(SpiffeIdError::TooLong)
    );
    let good = place.a.svid("/w/3");
    let maze = X509Chain {
        chain: vec![good.chain[0].clone(); 100],
        key: Vec::new(),
    };
    assert_eq!(place.refused(&maze), X509Error::TooLong);
    let with = |chain: Vec<Vec<u8>>| {
        place.refused(&X509Chain {
            chain,
            key: Vec::new(),
        })
    };
    assert_eq!(with(vec![]), X509Error::Empty);
    assert_eq!(with(vec![vec![0x30, 0x03, 1, 1, 1]]), X509Error::Malformed);
    assert_eq!(with(vec![vec![0; 17_000]]), X509Error::TooLong);
    let mut trailing = good.chain[0].clone();
    trailing.push(0);
    assert_eq!(with(vec![trailing]), X509Error::Malformed);
    let mut nul = good.chain[0].clone();
    let at = nul
        .windows(ID.len())
        .position(|window| window == ID.as_bytes())
        .unwrap();
    nul[at + ID.len() - 1] = 0;
    assert!(matches!(
        with(vec![nul]),
        X509Error::NotSpiffeId(_) | X509Error::Malformed
    ));
}

// Row D-15.
#[test]
fn empty_subject_with_names_not_critical_is_refused() {
    let place = Place::new();
    // rcgen always makes the names critical in this case, so the flag is changed in the encoding. The signature becomes
    // invalid, but the rules of the leaf are checked first.
    let mut der = place
        .leaf(|p| p.distinguished_name = DistinguishedName::new())
        .chain
        .remove(0);
    let critical_names = [0x06, 0x03, 0x55, 0x1d, 0x11, 0x01, 0x01, 0xff];
    let at = der
        .windows(critical_names.len())
        .position(|window| window == critical_names)
        .unwrap();
    der[at + 7] = 0x00;
    let fault = place.refused(&X509Chain {
        chain: vec![der],
        key: Vec::new(),
    });
    assert!(
        matches!(
            fault,
            X509Error::EmptySubjectNameNotCritical | X509Error::Malformed
        ),
        "{fault:?}"
    );
}

// Rows D-19, D-20.
#[test]
fn uri_name_constraints_are_refused() {
    let place = Place::new();
    for permitted in ["b.example", "a.example"] {
        let below = place.a.intermediate(|p| {
            // NameConstraints { permittedSubtrees [0] { { base [6] IA5String } } }
            let base = [&[0x86, permitted.len() as u8], permitted.as_bytes()].concat();
            let subtree = [&[0x30, base.len() as u8], base.as_slice()].concat();
            let trees = [&[0xa0, subtree.len() as u8], subtree.as_slice()].concat();
            let content = [&[0x30, trees.len() as u8], trees.as_slice()].concat();
            let mut extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 30], content);
            extension.set_criticality(true);
            p.custom_extensions.push(extension);
        });
        let fault = place.refused(&below.svid("/w/3").followed_by(&below));
        assert!(matches!(fault, X509Error::Path(_)), "{permitted}: {fault:?}");
    }
}

// Rows D-02, D-25.
#[test]
fn certificate_needs_client_id_and_no_second_mechanism() {
    let place = Place::new();
    let certificates = Arc::new(PeerCertificates::new(place.a.svid("/w/3").chain));
    let find = |body: &str| {
        let headers = RequestHeaders {
            certificates: Some(certificates.clone()),
            ..RequestHeaders::default()
        };
        Presented::find(&mut Form::parse(body.as_bytes()).unwrap(), headers)
            .map(|(presented, _)| presented.kind)
    };
    assert_eq!(find("client_id=x"), Ok(CredentialKind::X509Svid));
    assert_eq!(find(""), Err(Rejection::Request(RequestReason::ClientIdMissing)));
    let both = format!("client_id=x&client_assertion_type={ASSERTION_TYPE_JWT_SPIFFE}&client_assertion=a");
    let found = vec!["client_assertion", CLIENT_CERTIFICATE];
    assert_eq!(find(&both), Err(RequestReason::TwoMechanisms { found }.into()));
}

/// cert-manager issues certificates for 90 days by default.
#[test]
fn leaf_of_90_days_is_accepted_and_one_beyond_the_longest_lifetime_is_refused() {
    let mut place = Place::new();
    let of_days = |place: &Place, days: i64| {
        let end = in_seconds(days * 86_400);
        place.leaf(|parameters| parameters.not_after = end.into())
    };
    let too_long = |outcome: Result<AttestedIdentity, Rejection>| {
        matches!(
            outcome,
            Err(Rejection::Credential(CredentialReason::LifetimeTooLong { .. }))
        )
    };
    place.show(&of_days(&place, 90)).expect("90 days");
    place.show(&of_days(&place, 400)).expect("400 days");
    assert!(too_long(place.show(&of_days(&place, 401))));
    for domain in place.policy.authorities.values_mut() {
        domain.lifetime_max = Some(Seconds(86_400));
    }
    place
        .show(&of_days(&place, 1))
        .expect("a lifetime that the trust domain allows is accepted");
    assert!(too_long(place.show(&of_days(&place, 2))));
}
