//! Issuers that are named by a certificate.

use super::super::x5c::key_of_chain;
use super::*;
use crate::client_certificate::{ClientAuthorities, ExpectedName};
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

const ISSUER: &str = "https://issuer4.example";

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(uri: &str, change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    change(&mut params);
    (params, KeyPair::generate().unwrap())
}

/// A token with this chain in its header; its signature is not evaluated.
fn token(chain: &[Vec<u8>]) -> String {
    let chain: Vec<String> = chain.iter().map(|der| STANDARD.encode(der)).collect();
    let header = serde_json::json!({"alg": "ES256", "typ": "dc+sd-jwt", "x5c": chain});
    Signer::Issuer.jws(&header.to_string(), "{}")
}

// Rows SD-20, SD-21, SD-22.
#[test]
fn chain_leads_to_the_configured_authority_and_its_leaf_has_the_name_of_the_issuer() {
    let (ca, other_ca) = (authority("CA-V"), authority("CA-W"));
    let authorities = ClientAuthorities::new(&[ca.der().to_vec()]).unwrap();
    let name = ExpectedName::Uri(ISSUER.to_owned());
    let verify = |chain: &[Vec<u8>]| {
        let jws = Jws::parse_credential(&token(chain))?;
        key_of_chain(&jws, &authorities, &name, NOW)
    };
    let signed = |(params, key): (CertificateParams, KeyPair), by: &CertifiedIssuer<'_, KeyPair>| {
        params.signed_by(&key, by).unwrap().der().to_vec()
    };
    let good = signed(leaf(ISSUER, |_| {}), &ca);
    verify(std::slice::from_ref(&good)).unwrap();
    for (case, chain) in [
        (
            "neighbour",
            vec![signed(leaf("https://issuer9.example", |_| {}), &ca)],
        ),
        ("unknown authority", vec![signed(leaf(ISSUER, |_| {}), &other_ca)]),
        (
            "expired",
            vec![signed(
                leaf(ISSUER, |params| params.not_after = date_time_ymd(2026, 11, 1)),
                &ca,
            )],
        ),
        (
            "authority as leaf",
            vec![signed(
                leaf(ISSUER, |params| {
                    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
                }),
                &ca,
            )],
        ),
        ("eleven", vec![good.clone(); 11]),
        ("none", vec![]),
        ("no certificate", vec![vec![1, 2, 3]]),
    ] {
        assert!(verify(&chain).is_err(), "{case}");
    }
    let without = Signer::Issuer.jws(r#"{"alg":"ES256"}"#, "{}");
    let without = Jws::parse_credential(&without).unwrap();
    assert!(
        key_of_chain(&without, &authorities, &name, NOW).is_err(),
        "no x5c"
    );
}

// Row SD-22.
#[test]
fn certificate_of_a_web_server_is_no_certificate_of_an_issuer_that_is_named_by_its_host() {
    use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, Other, ServerAuth};
    const HOST: &str = "issuer4.example";
    let ca = authority("CA-V");
    let authorities = ClientAuthorities::new(&[ca.der().to_vec()]).unwrap();
    // The usage of certificates that sign mobile documents (ISO 18013-5), which issuers use for SD-JWT VCs as well.
    let documents = || Other(vec![1, 0, 18013, 5, 1, 2]);
    let verify = |name: &ExpectedName, usages: Vec<rcgen::ExtendedKeyUsagePurpose>| {
        let (params, key) = leaf(ISSUER, |params| {
            let host = SanType::DnsName(HOST.try_into().unwrap());
            params.subject_alt_names.push(host);
            params.extended_key_usages = usages;
        });
        let leaf = params.signed_by(&key, &ca).unwrap().der().to_vec();
        key_of_chain(
            &Jws::parse_credential(&token(&[leaf])).unwrap(),
            &authorities,
            name,
            NOW,
        )
    };
    let by_host = ExpectedName::Dns(HOST.to_owned());
    let by_uri = ExpectedName::Uri(ISSUER.to_owned());
    for (case, usages) in [
        ("server", vec![ServerAuth]),
        ("client", vec![ClientAuth]),
        ("server and client", vec![ServerAuth, ClientAuth]),
    ] {
        let refused = verify(&by_host, usages.clone()).unwrap_err().to_string();
        assert!(refused.contains("for TLS only"), "{case}: {refused}");
        assert!(verify(&by_uri, usages).is_ok(), "{case}: named by its URI");
    }
    for (case, usages) in [
        ("no extension", vec![]),
        ("any", vec![Any]),
        ("documents", vec![documents()]),
        ("server and documents", vec![ServerAuth, documents()]),
    ] {
        assert!(verify(&by_host, usages).is_ok(), "{case}");
    }
}
