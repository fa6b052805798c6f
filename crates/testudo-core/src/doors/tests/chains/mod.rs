//! Tests of certificate chains: which path is validated, which authorities are used, and which paths are refused.

mod certificates;

use super::{NOW, in_seconds};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use std::time::SystemTime;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::{ChainCertificate, PathError, X509Authorities, X509Error, X509Svid};
use testudo_testkit::x509::{X509Chain, X509Issuer};

const ID: &str = "spiffe://a.example/w/3";

/// When the path of this chain to one of these authorities expires.
fn path(chain: &X509Chain, authorities: &[&[u8]]) -> Result<Timestamp, X509Error> {
    let mut trusted = X509Authorities::default();
    for der in authorities {
        trusted.push(der).expect("an authority");
    }
    X509Svid::parse(&chain.chain)?.verify(&trusted, Timestamp(NOW))
}

#[track_caller]
fn good(chain: &X509Chain, authorities: &[&[u8]]) -> Timestamp {
    path(chain, authorities).expect("a good chain")
}

#[track_caller]
fn refused(chain: &X509Chain, authorities: &[&[u8]], expected: PathError) {
    assert_eq!(path(chain, authorities), Err(X509Error::Path(expected)));
}

fn root() -> X509Issuer {
    root_with(new_key(), |_| {})
}

/// A root authority with this key; `change` modifies the certificate.
fn root_with(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> X509Issuer {
    X509Issuer::root("a.example", key, change).at(in_seconds(0))
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = name.to_owned();
    move |parameters| parameters.distinguished_name.push(DnType::CommonName, name)
}

/// A chain with this number of intermediates between a root and a leaf.
fn ladder(root: &X509Issuer, intermediates: usize) -> X509Chain {
    let mut line: Vec<X509Issuer> = Vec::new();
    for number in 0..intermediates {
        let below = line.last().unwrap_or(root);
        line.push(below.intermediate(named(&format!("intermediate {number}"))));
    }
    let leaf = line.last().unwrap_or(root).svid("/w/3");
    line.iter()
        .rev()
        .fold(leaf, |chain, above| chain.followed_by(above))
}

#[test]
fn chain_of_five_certificates_is_accepted_and_of_six_refused() {
    let root = root();
    for intermediates in 0..=4 {
        good(&ladder(&root, intermediates), &[root.der()]);
    }
    for intermediates in [5, 9] {
        assert_eq!(
            path(&ladder(&root, intermediates), &[root.der()]),
            Err(X509Error::TooLong)
        );
    }
}

#[test]
fn chain_that_is_out_of_order_is_refused() {
    let root = root();
    let mut chain = ladder(&root, 3);
    good(&chain, &[root.der()]);
    chain.chain.swap(1, 2);
    refused(&chain, &[root.der()], PathError::OutOfOrder);
    let chain = ladder(&root, 1);
    let stray = root.intermediate(named("stray"));
    refused(&chain.followed_by(&stray), &[root.der()], PathError::OutOfOrder);
    let leaf = root.svid("/w/3");
    let twice = leaf.clone().with(&leaf.chain[0]);
    refused(&twice, &[root.der()], PathError::OutOfOrder);
}

#[test]
fn root_certificate_in_the_chain_is_accepted() {
    let root = root();
    for intermediates in 0..=3 {
        good(&ladder(&root, intermediates).followed_by(&root), &[root.der()]);
    }
    // The same root in another certificate: the certificate in the bundle is used, with its validity.
    let until = in_seconds(600);
    let expired = root.reissued(|p| p.not_after = in_seconds(-600).into());
    let ends = good(&ladder(&root, 1).with(&expired), &[root.der()]);
    assert!(ends > Timestamp(NOW));
    let short = root.reissued(|p| p.not_after = until.into());
    let ends = good(&ladder(&root, 1).followed_by(&root), &[&short]);
    assert_eq!(ends.0, NOW + 600);
    refused(
        &ladder(&root, 1).followed_by(&root),
        &[&expired],
        PathError::NoAuthority,
    );
    // A root with the same name and another key, which is not in the bundle.
    let namesake = self::root();
    good(&ladder(&root, 1).followed_by(&namesake), &[root.der()]);
    refused(
        &ladder(&root, 1).followed_by(&root),
        &[namesake.der()],
        PathError::BadSignature,
    );
}

#[test]
fn cross_signed_root_is_verified_under_either_root() {
    let old = root_with(new_key(), named("old"));
    let new = root_with(new_key(), named("new"));
    let cross = old.cross_certify(&new);
    for intermediates in [0, 1, 2] {
        let chain = ladder(&new, intermediates).with(&cross);
        good(&chain, &[old.der()]);
        good(&chain, &[new.der()]);
        good(&chain, &[new.der(), old.der()]);
        good(&chain.followed_by(&old), &[old.der()]);
        let unknown = root();
        refused(
            &ladder(&new, intermediates).with(&cross),
            &[unknown.der()],
            PathError::NoAuthority,
        );
    }
    // Roots with the same name: the old key certifies the new one.
    let (old, new) = (root(), root());
    let chain = ladder(&new, 1).with(&old.cross_certify(&new));
    good(&chain, &[old.der()]);
    good(&chain, &[new.der()]);
    good(&chain, &[old.der(), new.der()]);
}

#[test]
fn intermediate_with_the_name_of_its_authority_is_accepted() {
    let root = root();
    let nested = root.intermediate(|p| p.distinguished_name = organisation("a.example"));
    good(&nested.svid("/w/3").followed_by(&nested), &[root.der()]);
    let unknown_issuer = self::root();
    let forged = unknown_issuer.intermediate(|p| p.distinguished_name = organisation("a.example"));
    let chain = forged.svid("/w/3").followed_by(&forged);
    refused(&chain, &[root.der()], PathError::BadSignature);
}

fn organisation(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, name);
    subject
}

#[test]
fn each_authority_is_found_during_a_rotation() {
    // All authorities have the same name, as in earlier versions of SPIRE, and the leaf has no authority key
    // identifier.
    let roots: Vec<X509Issuer> = (0..4).map(|_| root()).collect();
    let bundle: Vec<&[u8]> = roots.iter().map(X509Issuer::der).collect();
    for root in &roots {
        good(&root.svid("/w/3"), &bundle);
        good(&ladder(root, 2), &bundle);
    }
    // If the leaf has the identifier, as those of SPIRE have, any number of authorities is possible.
    let roots: Vec<X509Issuer> = (0..12).map(|_| root()).collect();
    let bundle: Vec<&[u8]> = roots.iter().map(X509Issuer::der).collect();
    for root in &roots {
        good(
            &root.leaf(ID, |p| p.use_authority_key_identifier_extension = true),
            &bundle,
        );
    }
    // Expired authorities, and those with another kind of key, do not count among the four that are tried.
    let current = root();
    let expired: Vec<Vec<u8>> = (0..4)
        .map(|_| root().reissued(|p| p.not_after = in_seconds(-60).into()))
        .collect();
    let other_kind: Vec<X509Issuer> = (0..4)
        .map(|_| {
            let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            root_with(key, |_| {})
        })
        .collect();
    let mut bundle: Vec<&[u8]> = expired.iter().map(Vec::as_slice).collect();
    bundle.extend(other_kind.iter().map(X509Issuer::der));
    bundle.push(current.der());
    good(&current.svid("/w/3"), &bundle);
}

#[test]
fn chain_forged_from_public_data_of_the_authority_is_refused() {
    let (root, unknown_issuer) = (root(), root());
    let authorities = [root.der()];
    // An attacker has all public data of the authority: its name, its certificate, a cross-certificate for its key, a
    // genuine intermediate, and the leaf of another workload.
    refused(
        &unknown_issuer.svid("/w/3"),
        &authorities,
        PathError::BadSignature,
    );
    let stolen_name = unknown_issuer.svid("/w/3").followed_by(&unknown_issuer);
    refused(&stolen_name, &authorities, PathError::BadSignature);
    refused(
        &unknown_issuer.svid("/w/3").followed_by(&root),
        &authorities,
        PathError::BadSignature,
    );
    let cross = root_with(new_key(), named("unknown")).cross_certify(&root);
    refused(
        &unknown_issuer.svid("/w/3").with(&cross),
        &authorities,
        PathError::BadSignature,
    );
    let genuine = root.intermediate(|_| {});
    let namesake = unknown_issuer.intermediate(|_| {});
    refused(
        &namesake.svid("/w/3").followed_by(&genuine),
        &authorities,
        PathError::BadSignature,
    );
    let leaf = genuine.svid("/w/3");
    good(&leaf.clone().followed_by(&genuine), &authorities);
    let mut tampered = leaf.followed_by(&genuine);
    let last = tampered.chain[0].len() - 1;
    tampered.chain[0][last] ^= 1;
    refused(&tampered, &authorities, PathError::BadSignature);
}

#[test]
fn path_with_the_same_subject_or_key_twice_is_refused() {
    let root = root();
    let upper = root.intermediate(|_| {});
    let lower = upper.intermediate(|_| {});
    let one_name = lower.svid("/w/3").followed_by(&lower).followed_by(&upper);
    refused(&one_name, &[root.der()], PathError::SameSubject);

    let made = new_key();
    let key = || KeyPair::try_from(made.serialized_der()).unwrap();
    let upper = root.intermediate_with(key(), named("upper"));
    let lower = upper.intermediate_with(key(), named("lower"));
    let one_key = lower.svid("/w/3").followed_by(&lower).followed_by(&upper);
    refused(&one_key, &[root.der()], PathError::SameKey);
    let own_key = upper.leaf_with(ID, key(), |_| {}).followed_by(&upper);
    refused(&own_key, &[root.der()], PathError::SameKey);
}

// A certificate authority is used only within its own validity period. [RFC5280 §6.1.3]
#[test]
fn authority_outside_its_validity_is_refused() {
    let root = root();
    let expired = root.reissued(|p| p.not_after = in_seconds(-10).into());
    refused(&root.svid("/w/3"), &[&expired], PathError::NoAuthority);
    let future = root.reissued(|p| p.not_before = in_seconds(3600).into());
    refused(&root.svid("/w/3"), &[&future], PathError::NoAuthority);
    good(&root.svid("/w/3"), &[&expired, &future, root.der()]);
    // The result expires with the authority, if it expires before the leaf.
    let soon = in_seconds(120);
    let short = root.reissued(|p| p.not_after = soon.into());
    let ends = good(&root.svid("/w/3"), &[&short]);
    assert_eq!(ends.0, NOW + 120);
}

// Row D-09.
#[test]
fn path_ends_when_its_first_certificate_expires() {
    let root = root();
    let seconds = |time: SystemTime| Timestamp::from(time);
    let (past, future) = (in_seconds(-10), in_seconds(3600));
    let intermediate = ChainCertificate::Intermediate { position: 2 };
    let below = root.intermediate(|p| p.not_after = past.into());
    refused(
        &below.svid("/w/3").followed_by(&below),
        &[root.der()],
        PathError::Expired {
            certificate: intermediate,
            expired: seconds(past),
        },
    );
    let below = root.intermediate(|p| p.not_before = future.into());
    refused(
        &below.svid("/w/3").followed_by(&below),
        &[root.der()],
        PathError::NotYetValid {
            certificate: intermediate,
            valid_from: seconds(future),
        },
    );
    let certificate = ChainCertificate::Leaf;
    let expired = seconds(past);
    let leaf = root.leaf("spiffe://a.example/w/3", |p| p.not_after = past.into());
    refused(&leaf, &[root.der()], PathError::Expired { certificate, expired });
    let valid_from = seconds(future);
    let leaf = root.leaf("spiffe://a.example/w/3", |p| p.not_before = future.into());
    refused(
        &leaf,
        &[root.der()],
        PathError::NotYetValid {
            certificate,
            valid_from,
        },
    );
    let soon = in_seconds(120);
    let below = root.intermediate(|p| p.not_after = soon.into());
    let ends = good(&below.svid("/w/3").followed_by(&below), &[root.der()]);
    assert_eq!(ends.0, NOW + 120);
}

#[test]
fn rfc5280_4_2_1_9_path_length_constraints_are_enforced() {
    let limited = |allowed| {
        move |p: &mut CertificateParams| {
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(allowed));
        }
    };
    for allowed in 0..3u8 {
        let root = root_with(new_key(), limited(allowed));
        for intermediates in 0..4 {
            let checked = path(&ladder(&root, intermediates), &[root.der()]);
            match intermediates <= usize::from(allowed) {
                true => assert!(checked.is_ok(), "{allowed} {intermediates} {checked:?}"),
                false => assert_eq!(checked, Err(X509Error::Path(PathError::TooDeep))),
            }
        }
        // The constraint of an intermediate applies to the certificates below it.
        let root = self::root();
        let upper = root.intermediate(|p| {
            named("upper")(p);
            limited(allowed)(p);
        });
        for intermediates in 0..3 {
            let checked = path(&ladder(&upper, intermediates).followed_by(&upper), &[root.der()]);
            match intermediates <= usize::from(allowed) {
                true => assert!(checked.is_ok(), "{allowed} {intermediates} {checked:?}"),
                false => assert_eq!(checked, Err(X509Error::Path(PathError::TooDeep))),
            }
        }
    }
}
