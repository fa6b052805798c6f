//! Tests of the certificates of a chain: which may sign others, which keys are accepted, and bounds of extensions and
//! names.

use super::*;
use rcgen::{
    CustomExtension, ExtendedKeyUsagePurpose, KeyUsagePurpose, PublicKeyData, RsaKeySize, SignatureAlgorithm,
};
use testudo_protocol::jose::KeyError;
use testudo_protocol::spiffe::SigningCertificateError;
use testudo_testkit::x509::{leaf_parameters, uri_name};

/// Changes the parameters of a certificate.
type Change = fn(&mut CertificateParams);

/// Changes after which a certificate may not sign others, as an intermediate or in a bundle.
fn unfit() -> [(SigningCertificateError, Change); 8] {
    [
        (SigningCertificateError::NotAuthority, |p| {
            p.is_ca = IsCa::ExplicitNoCa
        }),
        (SigningCertificateError::NotAuthority, |p| p.is_ca = IsCa::NoCa),
        (SigningCertificateError::KeyUsageMissing, |p| p.key_usages.clear()),
        (SigningCertificateError::KeyUsageNoCertSign, |p| {
            p.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature]
        }),
        (SigningCertificateError::KeyUsageNotCritical, |p| {
            p.key_usages.clear();
            // BIT STRING with keyCertSign, not critical.
            let lax = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![0x03, 0x02, 0x02, 0x04]);
            p.custom_extensions.push(lax);
        }),
        (SigningCertificateError::SpiffeIdHasPath, |p| {
            p.subject_alt_names = vec![uri_name("spiffe://a.example/ca")]
        }),
        (SigningCertificateError::SeveralUriNames, |p| {
            p.subject_alt_names.push(uri_name("https://a.example/"))
        }),
        (
            SigningCertificateError::NotSpiffeId(testudo_protocol::spiffe::SpiffeIdError::WrongScheme),
            |p| p.subject_alt_names = vec![uri_name("SPIFFE://a.example")],
        ),
    ]
}

// [X509-SVID §4]
#[test]
fn intermediates_and_authorities_without_the_right_to_sign_are_refused() {
    let root = root();
    for (fault, change) in unfit() {
        let below = root.intermediate(change);
        let chain = below.svid("/w/3").followed_by(&below);
        refused(&chain, &[root.der()], PathError::NotAuthority(fault));
        let authority = root_with(new_key(), change);
        let pushed = X509Authorities::default().push(authority.der());
        assert_eq!(pushed, Err(X509Error::Signing(fault)));
    }
}

// [X509-SVID §3.2]
#[test]
fn signing_certificates_need_no_spiffe_id_and_may_be_of_another_domain() {
    let plain = |p: &mut CertificateParams| p.subject_alt_names.clear();
    let other = |p: &mut CertificateParams| p.subject_alt_names = vec![uri_name("spiffe://b.example")];
    let web = |p: &mut CertificateParams| p.subject_alt_names = vec![uri_name("https://ca.example/")];
    let changes: [&dyn Fn(&mut CertificateParams); 3] = [&plain, &other, &web];
    for change in changes {
        let root = root_with(new_key(), change);
        let below = root.intermediate(|p| change(p));
        good(&below.svid("/w/3").followed_by(&below), &[root.der()]);
    }
}

#[test]
fn intermediate_without_client_authentication_is_refused() {
    let root = root();
    let below = root.intermediate(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    refused(
        &below.svid("/w/3").followed_by(&below),
        &[root.der()],
        PathError::NotForClients,
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
fn certificate_paths_with_every_key_algorithm_are_accepted() {
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
        let root = root_with(key(), |_| {});
        let below = root.intermediate_with(key(), |_| {});
        good(
            &below.leaf_with(ID, key(), |_| {}).followed_by(&below),
            &[root.der()],
        );
    }
}

// Decision 0015.
#[test]
fn weak_keys_in_client_certificates_are_refused() {
    let root = root();
    let over = |key: PublicKey| X509Chain {
        chain: vec![root.certify(&leaf_parameters(ID, in_seconds(0)), &key)],
        key: Vec::new(),
    };
    let mut modulus = vec![0xff; 512];
    *modulus.last_mut().unwrap() = 1;
    good(&over(rsa_key(&modulus, &[1, 0, 1])), &[root.der()]);
    let refused = |key, fault| refused(&over(key), &[root.der()], PathError::Key(fault));
    refused(rsa_key(&modulus, &[1, 0, 3]), KeyError::ClientRsaExponent);
    refused(rsa_key(&[0xff; 1024], &[1, 0, 1]), KeyError::ClientRsaSize);
    *modulus.last_mut().unwrap() = 2;
    refused(rsa_key(&modulus, &[1, 0, 1]), KeyError::RsaEvenModulus);
    let edwards = |y: u8| {
        let mut key = vec![0; 32];
        key[0] = y;
        PublicKey(&rcgen::PKCS_ED25519, key)
    };
    refused(edwards(0), KeyError::SmallOrder);
    refused(edwards(2), KeyError::NotOnCurve);
    let point = [&[4][..], &[7; 64]].concat();
    refused(
        PublicKey(&rcgen::PKCS_ECDSA_P256_SHA256, point),
        KeyError::NotOnCurve,
    );
}

/// A public key without a private key, since no test signs with it.
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
fn certificates_of_istio_and_cert_manager_are_accepted() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    use KeyUsagePurpose::{DigitalSignature, KeyCertSign, KeyEncipherment};
    let rsa = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    // Istio: RSA or P-256, roots with an organisation name and without SPIFFE ID, leaves without subject.
    for key in [&rsa as &dyn Fn() -> KeyPair, &new_key] {
        let istio = |p: &mut CertificateParams| {
            p.subject_alt_names.clear();
            p.key_usages = vec![KeyCertSign];
            p.distinguished_name = organisation("cluster.local");
            p.use_authority_key_identifier_extension = true;
        };
        let root = root_with(key(), istio);
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
        // The gateway of Istio also sends the root.
        let whole = leaf(&below).followed_by(&below).followed_by(&root);
        good(&whole, &[root.der()]);
    }
    // cert-manager: an authority that also has the usages of a leaf, and leaves with a common name.
    let root = root_with(new_key(), |p| {
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
    assert_eq!(path(&many, &[root.der()]), Err(X509Error::TooManyExtensions));
    // 4,096 bytes together with the headers and the identifier of the extension.
    let overhead = 4 + 11 + 4;
    good(&with(1, 4096 - overhead), &[root.der()]);
    let large = with(1, 4096 - overhead + 1);
    assert_eq!(path(&large, &[root.der()]), Err(X509Error::ExtensionTooLarge));
    let many_names = root.leaf(ID, |p| {
        let name = |number: usize| rcgen::SanType::DnsName(format!("{number}.a.example").try_into().unwrap());
        p.subject_alt_names.extend((0..400).map(name));
    });
    assert_eq!(
        path(&many_names, &[root.der()]),
        Err(X509Error::ExtensionTooLarge)
    );
    let long_name = |bytes: usize| root.leaf(ID, |p| p.distinguished_name = organisation(&"x".repeat(bytes)));
    good(&long_name(1000), &[root.der()]);
    assert_eq!(path(&long_name(1024), &[root.der()]), Err(X509Error::NameTooLong));
    // The bounds apply to every certificate of a chain, before any signature is verified.
    let padded = root.intermediate(|p| p.custom_extensions.push(extension(1, 5000)));
    let chain = padded.svid("/w/3").followed_by(&padded);
    assert_eq!(path(&chain, &[root.der()]), Err(X509Error::ExtensionTooLarge));
}

/// Number of extensions of a certificate whose identifiers begin with 2.5.29.
fn extensions(der: &[u8]) -> usize {
    let arc = [0x06, 0x03, 0x55, 0x1d];
    der.windows(arc.len()).filter(|window| *window == arc).count()
}
