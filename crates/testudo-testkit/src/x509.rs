//! Valid and broken X.509 authorities and SVIDs of a trust domain.

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// A certificate authority of a trust domain.
pub struct X509Issuer {
    /// The trust domain's name.
    pub trust_domain: String,
    parameters: CertificateParams,
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    /// The time at which leaves are issued.
    now: SystemTime,
}

/// A chain, leaf first, and the leaf's private key (PKCS #8).
#[derive(Clone)]
pub struct X509Chain {
    /// DER certificates.
    pub chain: Vec<Vec<u8>>,
    /// DER private key.
    pub key: Vec<u8>,
}

impl X509Issuer {
    /// A root authority.
    pub fn new(trust_domain: &str) -> X509Issuer {
        X509Issuer::root(trust_domain, KeyPair::generate().expect("a key"), |_| {})
    }

    /// A root authority with this key; `change` modifies the certificate.
    pub fn root(trust_domain: &str, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> X509Issuer {
        let mut parameters = authority(trust_domain);
        change(&mut parameters);
        let der = parameters
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .to_vec();
        X509Issuer::of(trust_domain, parameters, key, der)
    }

    /// The authority issues leaves at this time, for tests without a clock.
    pub fn at(self, now: SystemTime) -> X509Issuer {
        X509Issuer { now, ..self }
    }

    /// An intermediate authority, signed by this one; `change` modifies the certificate.
    pub fn intermediate(&self, change: impl FnOnce(&mut CertificateParams)) -> X509Issuer {
        self.intermediate_with(KeyPair::generate().expect("a key"), change)
    }

    /// An intermediate authority with this key, signed by this one; `change` modifies the certificate.
    pub fn intermediate_with(&self, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> X509Issuer {
        let mut parameters = authority(&self.trust_domain);
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "intermediate");
        change(&mut parameters);
        let der = self.certify(&parameters, &key);
        X509Issuer::of(&self.trust_domain, parameters, key, der).at(self.now)
    }

    /// A cross-certificate: a certificate for the name and the key of another authority, signed by this one.
    pub fn cross_certify(&self, other: &X509Issuer) -> Vec<u8> {
        self.certify(&other.parameters, other.issuer.key())
    }

    fn of(trust_domain: &str, parameters: CertificateParams, key: KeyPair, der: Vec<u8>) -> X509Issuer {
        X509Issuer {
            trust_domain: trust_domain.into(),
            issuer: Issuer::new(parameters.clone(), key),
            parameters,
            der,
            now: SystemTime::now(),
        }
    }

    /// A certificate, DER, that this authority signs for a key.
    pub fn certify(&self, parameters: &CertificateParams, key: &impl rcgen::PublicKeyData) -> Vec<u8> {
        let certificate = parameters.signed_by(key, &self.issuer).expect("a certificate");
        certificate.der().to_vec()
    }

    /// The authority's own certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The authority's own certificate with its key, as a server would show it.
    pub fn as_chain(&self) -> X509Chain {
        X509Chain {
            chain: vec![self.der.clone()],
            key: self.issuer.key().serialize_der(),
        }
    }

    /// An X.509-SVID with the fields that SPIRE writes.
    pub fn svid(&self, path: &str) -> X509Chain {
        let id = format!("spiffe://{}{path}", self.trust_domain);
        self.leaf(&id, |_| {})
    }

    /// A leaf with this URI name; `change` modifies the certificate.
    pub fn leaf(&self, uri: &str, change: impl FnOnce(&mut CertificateParams)) -> X509Chain {
        self.leaf_with(uri, KeyPair::generate().expect("a key"), change)
    }

    /// A leaf with this URI name and this key; `change` modifies the certificate.
    pub fn leaf_with(
        &self,
        uri: &str,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> X509Chain {
        let mut parameters = leaf_parameters(uri, self.now);
        change(&mut parameters);
        let der = self.certify(&parameters, &key);
        X509Chain {
            chain: vec![der],
            key: key.serialize_der(),
        }
    }

    /// Another certificate of the same authority, with its name and its key; `change` modifies it.
    pub fn reissued(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut parameters = self.parameters.clone();
        change(&mut parameters);
        let certificate = parameters.self_signed(self.issuer.key()).expect("a certificate");
        certificate.der().to_vec()
    }

    /// The JWK that publishes this authority in a bundle.
    pub fn jwk(&self) -> Value {
        jwk_of(&self.der)
    }

    /// A bundle with only this authority.
    pub fn bundle(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }
}

impl X509Chain {
    /// The chain with the certificate of `authority` appended.
    pub fn followed_by(self, authority: &X509Issuer) -> X509Chain {
        self.with(&authority.der)
    }

    /// The chain with one more certificate appended.
    pub fn with(mut self, der: &[u8]) -> X509Chain {
        self.chain.push(der.to_vec());
        self
    }

    /// PEM of the chain.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }

    /// PEM of the key.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}

/// The JWK that publishes a certificate in a bundle.
pub fn jwk_of(der: &[u8]) -> Value {
    let der = base64::engine::general_purpose::STANDARD.encode(der);
    json!({ "kty": "EC", "crv": "P-256", "use": "x509-svid", "x5c": [der] })
}

/// A web server's certificate for `host`, and the root that it chains to.
pub fn web_certificate(host: &str) -> (X509Chain, X509Chain) {
    let web = X509Issuer::new("web");
    let leaf = web.leaf(&format!("https://{host}/"), |parameters| {
        let name = host.to_owned().try_into().unwrap();
        parameters.subject_alt_names.push(SanType::DnsName(name));
    });
    let root = X509Chain {
        chain: vec![web.der().to_vec()],
        key: Vec::new(),
    };
    (leaf, root)
}

/// The fields that SPIRE writes into a leaf that it issues at this time.
pub fn leaf_parameters(uri: &str, now: SystemTime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "SPIRE");
    parameters.subject_alt_names = vec![uri_name(uri)];
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    parameters.not_before = (now - Duration::from_secs(60)).into();
    parameters.not_after = (now + Duration::from_secs(3600)).into();
    parameters
}

/// A URI name.
pub fn uri_name(uri: &str) -> SanType {
    SanType::URI(uri.try_into().expect("an ASCII URI"))
}

/// A key usage extension that is not critical, which the certificate builder cannot write.
pub fn key_usage_not_critical() -> CustomExtension {
    // BIT STRING with digitalSignature.
    CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![0x03, 0x02, 0x07, 0x80])
}

fn authority(trust_domain: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, trust_domain);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.subject_alt_names = vec![uri_name(&format!("spiffe://{trust_domain}"))];
    parameters
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
