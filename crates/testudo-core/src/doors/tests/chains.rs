//! Chains of certificates: which path is taken, which authority has a say, and what no path may contain.

#![expect(
    clippy::disallowed_methods,
    reason = "the test kit's certificates are made for the real time"
)]

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, RsaKeySize, SignatureAlgorithm,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::KeyFault;
use testudo_protocol::spiffe::{PathFault, SigningFault, X509Authorities, X509Fault, X509Svid};
use testudo_testkit::x509::{X509Chain, X509Issuer, leaf_parameters, uri_name};

const ID: &str = "spiffe://a.example/w/3";

/// When the path of this chain to one of these authorities ends.
fn path(chain: &X509Chain, authorities: &[&[u8]]) -> Result<Timestamp, X509Fault> {
    let mut trusted = X509Authorities::default();
    for der in authorities {
        trusted.push(der).expect("an authority");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    X509Svid::parse(&chain.chain)?.verify(&trusted, Timestamp(now))
}

#[track_caller]
fn good(chain: &X509Chain, authorities: &[&[u8]]) -> Timestamp {
    path(chain, authorities).expect("a good chain")
}

#[track_caller]
fn refused(chain: &X509Chain, authorities: &[&[u8]], expected: PathFault) {
    assert_eq!(path(chain, authorities), Err(X509Fault::Path(expected)));
}

fn root() -> X509Issuer {
    X509Issuer::new("a.example")
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = name.to_owned();
    move |parameters| parameters.distinguished_name.push(DnType::CommonName, name)
}

fn in_seconds(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    match seconds < 0 {
        true => SystemTime::now() - distance,
        false => SystemTime::now() + distance,
    }
}

/// So many intermediates under a root, and a leaf under the last of them with all of them behind it.
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
fn a_leaf_and_four_more_are_a_chain_and_five_more_are_not() {
    let root = root();
    for intermediates in 0..=4 {
        good(&ladder(&root, intermediates), &[root.der()]);
    }
    for intermediates in [5, 9] {
        assert_eq!(
            path(&ladder(&root, intermediates), &[root.der()]),
            Err(X509Fault::TooLong)
        );
    }
}

#[test]
fn a_chain_comes_in_order_and_is_not_sorted() {
    let root = root();
    let mut chain = ladder(&root, 3);
    good(&chain, &[root.der()]);
    chain.chain.swap(1, 2);
    refused(&chain, &[root.der()], PathFault::OutOfOrder);
    let chain = ladder(&root, 1);
    let stray = root.intermediate(named("stray"));
    refused(&chain.followed_by(&stray), &[root.der()], PathFault::OutOfOrder);
    let leaf = root.svid("/w/3");
    let twice = leaf.clone().with(&leaf.chain[0]);
    refused(&twice, &[root.der()], PathFault::OutOfOrder);
}

#[test]
fn a_root_that_is_sent_along_is_no_harm() {
    let root = root();
    for intermediates in 0..=3 {
        good(&ladder(&root, intermediates).followed_by(&root), &[root.der()]);
    }
    // The same root in another certificate: the one of the bundle counts, for its validity, too.
    let until = in_seconds(600);
    let expired = root.reissued(|p| p.not_after = in_seconds(-600).into());
    let ends = good(&ladder(&root, 1).with(&expired), &[root.der()]);
    assert!(ends > Timestamp(in_seconds(0).duration_since(UNIX_EPOCH).unwrap().as_secs() as i64));
    let short = root.reissued(|p| p.not_after = until.into());
    let ends = good(&ladder(&root, 1).followed_by(&root), &[&short]);
    assert_eq!(ends.0, until.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64);
    refused(
        &ladder(&root, 1).followed_by(&root),
        &[&expired],
        PathFault::NoAuthority,
    );
    // A root of the same name and another key, which the bundle does not have.
    let namesake = self::root();
    good(&ladder(&root, 1).followed_by(&namesake), &[root.der()]);
    refused(
        &ladder(&root, 1).followed_by(&root),
        &[namesake.der()],
        PathFault::BadSignature,
    );
}

#[test]
fn a_cross_signed_root_leads_to_either_root() {
    let old = X509Issuer::root("a.example", new_key(), named("old"));
    let new = X509Issuer::root("a.example", new_key(), named("new"));
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
            PathFault::NoAuthority,
        );
    }
    // The same with one name: a new key certified by the old one.
    let (old, new) = (root(), root());
    let chain = ladder(&new, 1).with(&old.cross_certify(&new));
    good(&chain, &[old.der()]);
    good(&chain, &[new.der()]);
    good(&chain, &[old.der(), new.der()]);
}

#[test]
fn an_intermediate_may_have_the_name_of_its_authority() {
    let root = root();
    let nested = root.intermediate(|p| p.distinguished_name = organisation("a.example"));
    good(&nested.svid("/w/3").followed_by(&nested), &[root.der()]);
    let stranger = self::root();
    let forged = stranger.intermediate(|p| p.distinguished_name = organisation("a.example"));
    let chain = forged.svid("/w/3").followed_by(&forged);
    refused(&chain, &[root.der()], PathFault::BadSignature);
}

fn organisation(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, name);
    subject
}

#[test]
fn while_authorities_rotate_each_of_them_is_found() {
    // One name for all, as SPIRE once had it; the leaf does not say whose key signed it.
    let roots: Vec<X509Issuer> = (0..4).map(|_| root()).collect();
    let bundle: Vec<&[u8]> = roots.iter().map(X509Issuer::der).collect();
    for root in &roots {
        good(&root.svid("/w/3"), &bundle);
        good(&ladder(root, 2), &bundle);
    }
    // Where it says so, as SPIRE's do, there may be any number of them.
    let roots: Vec<X509Issuer> = (0..12).map(|_| root()).collect();
    let bundle: Vec<&[u8]> = roots.iter().map(X509Issuer::der).collect();
    for root in &roots {
        good(
            &root.leaf(ID, |p| p.use_authority_key_identifier_extension = true),
            &bundle,
        );
    }
    // Those that are over, and those of another kind of key, do not count among the four that are tried.
    let current = root();
    let expired: Vec<Vec<u8>> = (0..4)
        .map(|_| root().reissued(|p| p.not_after = in_seconds(-60).into()))
        .collect();
    let other_kind: Vec<X509Issuer> = (0..4)
        .map(|_| {
            let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            X509Issuer::root("a.example", key, |_| {})
        })
        .collect();
    let mut bundle: Vec<&[u8]> = expired.iter().map(Vec::as_slice).collect();
    bundle.extend(other_kind.iter().map(X509Issuer::der));
    bundle.push(current.der());
    good(&current.svid("/w/3"), &bundle);
}

#[test]
fn a_stranger_gets_nowhere_with_what_it_can_know() {
    let (root, stranger) = (root(), root());
    let authorities = [root.der()];
    // Everything but the key of the authority: its name, its certificate, a cross-certificate over its key, a
    // genuine intermediate, and the leaf of another workload.
    refused(&stranger.svid("/w/3"), &authorities, PathFault::BadSignature);
    let stolen_name = stranger.svid("/w/3").followed_by(&stranger);
    refused(&stolen_name, &authorities, PathFault::BadSignature);
    refused(
        &stranger.svid("/w/3").followed_by(&root),
        &authorities,
        PathFault::BadSignature,
    );
    let cross = X509Issuer::root("a.example", new_key(), named("stranger")).cross_certify(&root);
    refused(
        &stranger.svid("/w/3").with(&cross),
        &authorities,
        PathFault::BadSignature,
    );
    let genuine = root.intermediate(|_| {});
    let namesake = stranger.intermediate(|_| {});
    refused(
        &namesake.svid("/w/3").followed_by(&genuine),
        &authorities,
        PathFault::BadSignature,
    );
    let leaf = genuine.svid("/w/3");
    good(&leaf.clone().followed_by(&genuine), &authorities);
    let mut tampered = leaf.followed_by(&genuine);
    let last = tampered.chain[0].len() - 1;
    tampered.chain[0][last] ^= 1;
    refused(&tampered, &authorities, PathFault::BadSignature);
}

#[test]
fn no_two_certificates_of_a_path_have_one_name_or_one_key() {
    let root = root();
    let upper = root.intermediate(|_| {});
    let lower = upper.intermediate(|_| {});
    let one_name = lower.svid("/w/3").followed_by(&lower).followed_by(&upper);
    refused(&one_name, &[root.der()], PathFault::SameSubject);

    let made = new_key();
    let key = || KeyPair::try_from(made.serialized_der()).unwrap();
    let upper = root.intermediate_with(key(), named("upper"));
    let lower = upper.intermediate_with(key(), named("lower"));
    let one_key = lower.svid("/w/3").followed_by(&lower).followed_by(&upper);
    refused(&one_key, &[root.der()], PathFault::SameKey);
    let own_key = upper.leaf_with(ID, key(), |_| {}).followed_by(&upper);
    refused(&own_key, &[root.der()], PathFault::SameKey);
}

#[test]
fn e9_an_authority_outside_its_validity_is_none() {
    let root = root();
    let expired = root.reissued(|p| p.not_after = in_seconds(-10).into());
    refused(&root.svid("/w/3"), &[&expired], PathFault::NoAuthority);
    let future = root.reissued(|p| p.not_before = in_seconds(3600).into());
    refused(&root.svid("/w/3"), &[&future], PathFault::NoAuthority);
    good(&root.svid("/w/3"), &[&expired, &future, root.der()]);
    // A verdict does not outlive the authority that it rests on.
    let soon = in_seconds(120);
    let short = root.reissued(|p| p.not_after = soon.into());
    let ends = good(&root.svid("/w/3"), &[&short]);
    assert_eq!(ends.0, soon.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64);
}

#[test]
fn d_09_a_path_ends_with_the_first_certificate_of_it() {
    let root = root();
    let below = root.intermediate(|p| p.not_after = in_seconds(-10).into());
    refused(
        &below.svid("/w/3").followed_by(&below),
        &[root.der()],
        PathFault::Expired,
    );
    let below = root.intermediate(|p| p.not_before = in_seconds(3600).into());
    refused(
        &below.svid("/w/3").followed_by(&below),
        &[root.der()],
        PathFault::NotYetValid,
    );
    let soon = in_seconds(120);
    let below = root.intermediate(|p| p.not_after = soon.into());
    let ends = good(&below.svid("/w/3").followed_by(&below), &[root.der()]);
    assert_eq!(ends.0, soon.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64);
}

#[test]
fn rfc5280_4_2_1_9_path_lengths() {
    let limited = |allowed| {
        move |p: &mut CertificateParams| {
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(allowed));
        }
    };
    for allowed in 0..3u8 {
        let root = X509Issuer::root("a.example", new_key(), limited(allowed));
        for intermediates in 0..4 {
            let judged = path(&ladder(&root, intermediates), &[root.der()]);
            match intermediates <= usize::from(allowed) {
                true => assert!(judged.is_ok(), "{allowed} {intermediates} {judged:?}"),
                false => assert_eq!(judged, Err(X509Fault::Path(PathFault::TooDeep))),
            }
        }
        // An intermediate limits what is below it.
        let root = self::root();
        let upper = root.intermediate(|p| {
            named("upper")(p);
            limited(allowed)(p);
        });
        for intermediates in 0..3 {
            let judged = path(&ladder(&upper, intermediates).followed_by(&upper), &[root.der()]);
            match intermediates <= usize::from(allowed) {
                true => assert!(judged.is_ok(), "{allowed} {intermediates} {judged:?}"),
                false => assert_eq!(judged, Err(X509Fault::Path(PathFault::TooDeep))),
            }
        }
    }
}

/// Breaks the parameters of a certificate.
type Change = fn(&mut CertificateParams);

/// What makes a certificate unfit to sign others, in an intermediate and in a bundle alike.
fn unfit() -> [(SigningFault, Change); 8] {
    [
        (SigningFault::NotAuthority, |p| p.is_ca = IsCa::ExplicitNoCa),
        (SigningFault::NotAuthority, |p| p.is_ca = IsCa::NoCa),
        (SigningFault::KeyUsageMissing, |p| p.key_usages.clear()),
        (SigningFault::KeyUsageNoCertSign, |p| {
            p.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature]
        }),
        (SigningFault::KeyUsageNotCritical, |p| {
            p.key_usages.clear();
            // BIT STRING with keyCertSign, not critical.
            let lax = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![0x03, 0x02, 0x02, 0x04]);
            p.custom_extensions.push(lax);
        }),
        (SigningFault::SpiffeIdHasPath, |p| {
            p.subject_alt_names = vec![uri_name("spiffe://a.example/ca")]
        }),
        (SigningFault::SeveralUriNames, |p| {
            p.subject_alt_names.push(uri_name("https://a.example/"))
        }),
        (
            SigningFault::NotSpiffeId(testudo_protocol::spiffe::SpiffeIdFault::WrongScheme),
            |p| p.subject_alt_names = vec![uri_name("SPIFFE://a.example")],
        ),
    ]
}

#[test]
fn x509_svid_4_intermediates_and_authorities_are_fit_to_sign() {
    let root = root();
    for (fault, change) in unfit() {
        let below = root.intermediate(change);
        let chain = below.svid("/w/3").followed_by(&below);
        refused(&chain, &[root.der()], PathFault::NotAuthority(fault));
        let authority = X509Issuer::root("a.example", new_key(), change);
        let pushed = X509Authorities::default().push(authority.der());
        assert_eq!(pushed, Err(X509Fault::Signing(fault)));
    }
}

#[test]
fn x509_svid_3_2_signing_certificates_may_be_no_svids_and_of_other_domains() {
    let plain = |p: &mut CertificateParams| p.subject_alt_names.clear();
    let other = |p: &mut CertificateParams| p.subject_alt_names = vec![uri_name("spiffe://b.example")];
    let web = |p: &mut CertificateParams| p.subject_alt_names = vec![uri_name("https://ca.example/")];
    let changes: [&dyn Fn(&mut CertificateParams); 3] = [&plain, &other, &web];
    for change in changes {
        let root = X509Issuer::root("a.example", new_key(), change);
        let below = root.intermediate(|p| change(p));
        good(&below.svid("/w/3").followed_by(&below), &[root.der()]);
    }
}

#[test]
fn an_intermediate_that_is_not_for_clients_vouches_for_none() {
    let root = root();
    let below = root.intermediate(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    refused(
        &below.svid("/w/3").followed_by(&below),
        &[root.der()],
        PathFault::NotForClients,
    );
    let below = root.intermediate(|p| {
        p.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
    });
    good(&below.svid("/w/3").followed_by(&below), &[root.der()]);
}

#[test]
fn keys_of_every_kind_make_paths() {
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
    let ec = |algorithm| KeyPair::generate_for(algorithm).unwrap();
    let keys: [&dyn Fn() -> KeyPair; 6] = [
        &|| ec(&rcgen::PKCS_ECDSA_P256_SHA256),
        &|| ec(&rcgen::PKCS_ECDSA_P384_SHA384),
        &|| ec(&rcgen::PKCS_ECDSA_P521_SHA512),
        &|| ec(&rcgen::PKCS_ED25519),
        &|| rsa(RsaKeySize::_2048),
        &|| rsa(RsaKeySize::_4096),
    ];
    for key in keys {
        let root = X509Issuer::root("a.example", key(), |_| {});
        let below = root.intermediate_with(key(), |_| {});
        good(
            &below.leaf_with(ID, key(), |_| {}).followed_by(&below),
            &[root.der()],
        );
    }
}

#[test]
fn decision_23_keys_that_clients_bring_are_judged() {
    let root = root();
    let over = |key: PublicKey| X509Chain {
        chain: vec![root.certify(&leaf_parameters(ID), &key)],
        key: Vec::new(),
    };
    let mut modulus = vec![0xff; 512];
    *modulus.last_mut().unwrap() = 1;
    good(&over(rsa_key(&modulus, &[1, 0, 1])), &[root.der()]);
    let refused = |key, fault| refused(&over(key), &[root.der()], PathFault::Key(fault));
    refused(rsa_key(&modulus, &[1, 0, 3]), KeyFault::ClientRsaExponent);
    refused(rsa_key(&[0xff; 1024], &[1, 0, 1]), KeyFault::ClientRsaSize);
    *modulus.last_mut().unwrap() = 2;
    refused(rsa_key(&modulus, &[1, 0, 1]), KeyFault::RsaEvenModulus);
    let edwards = |y: u8| {
        let mut key = vec![0; 32];
        key[0] = y;
        PublicKey(&rcgen::PKCS_ED25519, key)
    };
    refused(edwards(0), KeyFault::SmallOrder);
    refused(edwards(2), KeyFault::NotOnCurve);
    let point = [&[4][..], &[7; 64]].concat();
    refused(
        PublicKey(&rcgen::PKCS_ECDSA_P256_SHA256, point),
        KeyFault::NotOnCurve,
    );
}

/// A public key alone: no test signs with it.
struct PublicKey(&'static SignatureAlgorithm, Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0
    }
}

/// An RSA key with these numbers; the modulus has its highest bit set.
fn rsa_key(modulus: &[u8], exponent: &[u8]) -> PublicKey {
    let value = |tag: u8, content: &[u8]| {
        let length = (content.len() as u16).to_be_bytes();
        let header = match content.len() {
            0..0x80 => vec![tag, length[1]],
            0x80..0x100 => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        [header, content.to_vec()].concat()
    };
    let numbers = [value(0x02, &[&[0], modulus].concat()), value(0x02, exponent)].concat();
    PublicKey(&rcgen::PKCS_RSA_SHA256, value(0x30, &numbers))
}

#[test]
fn certificates_of_istio_and_of_cert_manager_pass() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    use KeyUsagePurpose::{DigitalSignature, KeyCertSign, KeyEncipherment};
    let rsa = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    // Istio: RSA or P-256; roots of an organisation without SPIFFE ID; leaves without subject.
    for key in [&rsa as &dyn Fn() -> KeyPair, &new_key] {
        let istio = |p: &mut CertificateParams| {
            p.subject_alt_names.clear();
            p.key_usages = vec![KeyCertSign];
            p.distinguished_name = organisation("cluster.local");
            p.use_authority_key_identifier_extension = true;
        };
        let root = X509Issuer::root("a.example", key(), istio);
        let below = root.intermediate_with(key(), |p| {
            istio(p);
            p.distinguished_name.push(DnType::LocalityName, "cluster1");
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        });
        let leaf = |issuer: &X509Issuer| {
            issuer.leaf_with(ID, key(), |p| {
                p.distinguished_name = DistinguishedName::new();
                p.key_usages = vec![DigitalSignature, KeyEncipherment];
                p.extended_key_usages = vec![ServerAuth, ClientAuth];
                p.use_authority_key_identifier_extension = true;
            })
        };
        good(&leaf(&root), &[root.der()]);
        // The gateway of Istio sends the root, too.
        let whole = leaf(&below).followed_by(&below).followed_by(&root);
        good(&whole, &[root.der()]);
    }
    // cert-manager: an authority with usages of a leaf besides, leaves with a common name.
    let root = X509Issuer::root("a.example", new_key(), |p| {
        p.subject_alt_names.clear();
        p.distinguished_name.push(DnType::CommonName, "trust-domain-root");
        p.key_usages = vec![DigitalSignature, KeyEncipherment, KeyCertSign];
    });
    let leaf = root.leaf(ID, |p| {
        p.distinguished_name.push(DnType::CommonName, "workload");
        p.key_usages = vec![DigitalSignature, KeyEncipherment];
        p.extended_key_usages = vec![ServerAuth, ClientAuth];
    });
    good(&leaf, &[root.der()]);
}

#[test]
fn extensions_and_names_are_bounded_at_the_limit_and_one_past() {
    let root = root();
    let extension = |number: u64, bytes: usize| {
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, number], vec![0x05; bytes])
    };
    let own = extensions(&root.svid("/w/3").chain[0]);
    let with = |count: usize, bytes: usize| {
        root.leaf(ID, |p| {
            p.custom_extensions
                .extend((0..count).map(|number| extension(number as u64, bytes)));
        })
    };
    good(&with(20 - own, 8), &[root.der()]);
    let many = with(21 - own, 8);
    assert_eq!(path(&many, &[root.der()]), Err(X509Fault::TooManyExtensions));
    // 4,096 bytes with its header, its identifier and the header of its value.
    let overhead = 4 + 11 + 4;
    good(&with(1, 4096 - overhead), &[root.der()]);
    let large = with(1, 4096 - overhead + 1);
    assert_eq!(path(&large, &[root.der()]), Err(X509Fault::ExtensionTooLarge));
    let many_names = root.leaf(ID, |p| {
        let name = |number: usize| rcgen::SanType::DnsName(format!("{number}.a.example").try_into().unwrap());
        p.subject_alt_names.extend((0..400).map(name));
    });
    assert_eq!(
        path(&many_names, &[root.der()]),
        Err(X509Fault::ExtensionTooLarge)
    );
    let long_name = |bytes: usize| root.leaf(ID, |p| p.distinguished_name = organisation(&"x".repeat(bytes)));
    good(&long_name(1000), &[root.der()]);
    assert_eq!(path(&long_name(1024), &[root.der()]), Err(X509Fault::NameTooLong));
    // The same for every certificate of a chain, before a signature is looked at.
    let padded = root.intermediate(|p| p.custom_extensions.push(extension(1, 5000)));
    let chain = padded.svid("/w/3").followed_by(&padded);
    assert_eq!(path(&chain, &[root.der()]), Err(X509Fault::ExtensionTooLarge));
}

/// How many extensions of the arc 2.5.29 a certificate has.
fn extensions(der: &[u8]) -> usize {
    let arc = [0x06, 0x03, 0x55, 0x1d];
    der.windows(arc.len()).filter(|window| *window == arc).count()
}
