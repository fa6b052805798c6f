//! X.509-SVIDs: the leaf's rules, and the path to a trust domain's own authorities. [X509-SVID] [RFC5280 §6]
//!
//! Path building and signatures are webpki's; what SPIFFE demands of a leaf beyond that is here. Chains with
//! URI name constraints are refused by webpki (0.103.12 and later), although [X509-SVID §4.2] allows them.

use super::id::{SpiffeId, SpiffeIdFault};
use crate::jose::sha256;
use crate::limits::{CERTIFICATE_BYTES_MAX, CHAIN_CERTIFICATES_MAX};
use crate::time::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::fmt;
use std::time::Duration;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A client's chain whose leaf keeps the rules of an X.509-SVID. Nobody vouches for it yet.
pub struct X509Svid {
    chain: Vec<CertificateDer<'static>>,
    spiffe_id: SpiffeId,
    expires: Timestamp,
}

/// The certificates that sign X.509-SVIDs of one trust domain. Never mixed with another's. [SPIFFE-FED §4.2]
#[derive(Default)]
pub struct X509Authorities {
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why a certificate or a chain is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum X509Fault {
    Empty,
    TooLong,
    Malformed,
    NoUriName,
    SeveralUriNames,
    NotSpiffeId(SpiffeIdFault),
    NoPath,
    LeafIsAuthority,
    KeyUsageMissing,
    KeyUsageNotCritical,
    KeyUsageNoSignature,
    KeyUsageSigns,
    EmptySubjectNameNotCritical,
    NotAuthority,
    Path(String),
}

impl fmt::Display for X509Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            X509Fault::Empty => f.write_str("there is no certificate"),
            X509Fault::TooLong => write!(
                f,
                "the chain has more than {CHAIN_CERTIFICATES_MAX} certificates, or a very large one"
            ),
            X509Fault::Malformed => f.write_str("a certificate or one of its extensions cannot be read"),
            X509Fault::NoUriName => f.write_str("the leaf has no URI name"),
            X509Fault::SeveralUriNames => f.write_str("the leaf has more than one URI name"),
            X509Fault::NotSpiffeId(fault) => write!(f, "the leaf's URI name is not a SPIFFE ID: it {fault}"),
            X509Fault::NoPath => f.write_str("the leaf's SPIFFE ID names a whole trust domain"),
            X509Fault::LeafIsAuthority => f.write_str("the leaf is a certificate authority"),
            X509Fault::KeyUsageMissing => f.write_str("the leaf has no key usage"),
            X509Fault::KeyUsageNotCritical => f.write_str("the leaf's key usage is not critical"),
            X509Fault::KeyUsageNoSignature => f.write_str("the leaf's key usage has no digitalSignature"),
            X509Fault::KeyUsageSigns => f.write_str("the leaf's key usage has keyCertSign or cRLSign"),
            X509Fault::EmptySubjectNameNotCritical => {
                f.write_str("the leaf has no subject, and its names are not critical")
            }
            X509Fault::NotAuthority => f.write_str("the certificate is not a certificate authority"),
            X509Fault::Path(why) => write!(f, "no valid path to an authority of the trust domain: {why}"),
        }
    }
}

impl X509Svid {
    /// Reads a chain, leaf first, and holds the leaf to [X509-SVID §5.2].
    pub fn parse(chain: &[Vec<u8>]) -> Result<X509Svid, X509Fault> {
        if chain.len() > CHAIN_CERTIFICATES_MAX || chain.iter().any(|der| der.len() > CERTIFICATE_BYTES_MAX) {
            return Err(X509Fault::TooLong);
        }
        let leaf = parse(chain.first().ok_or(X509Fault::Empty)?)?;
        let spiffe_id = spiffe_id(&leaf)?;
        judge_leaf(&leaf)?;
        let mut expires = i64::MAX;
        for der in chain {
            expires = expires.min(parse(der)?.validity().not_after.timestamp());
        }
        Ok(X509Svid {
            chain: chain
                .iter()
                .map(|der| CertificateDer::from(der.clone()))
                .collect(),
            spiffe_id,
            expires: Timestamp(expires),
        })
    }

    /// The identity that the leaf claims.
    pub fn unverified_spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The earliest end among the chain's certificates.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// SHA-256 of the leaf: `x5t#S256`. [RFC8705 §3.1]
    pub fn thumbprint(&self) -> [u8; 32] {
        self.chain.first().map(|leaf| sha256(leaf)).unwrap_or_default()
    }

    /// Validates the path to one of `authorities`, and its times. [X509-SVID §5.1] [RFC5280 §6]
    pub fn verify(&self, authorities: &X509Authorities, now: Timestamp) -> Result<(), X509Fault> {
        let path = |error: webpki::Error| X509Fault::Path(error.to_string());
        let (leaf, intermediates) = self.chain.split_first().ok_or(X509Fault::Empty)?;
        let leaf = webpki::EndEntityCert::try_from(leaf).map_err(path)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &authorities.anchors,
            intermediates,
            time,
            // [X509-SVID §4.4] Extended key usage may be absent; where it is there, clientAuth is among it.
            webpki::KeyUsage::client_auth(),
            None,
            None,
        )
        .map(drop)
        .map_err(path)
    }
}

impl X509Authorities {
    /// Adds an authority's certificate. [X509-SVID §6.1]
    pub fn push(&mut self, der: &[u8]) -> Result<(), X509Fault> {
        let certificate = parse(der)?;
        let is_ca = certificate
            .basic_constraints()
            .map_err(|_| X509Fault::Malformed)?
            .is_some_and(|constraints| constraints.value.ca);
        if !is_ca {
            return Err(X509Fault::NotAuthority);
        }
        let der = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| X509Fault::Malformed)?;
        self.anchors.push(anchor.to_owned());
        Ok(())
    }

    /// Number of authorities.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// True where nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

impl fmt::Debug for X509Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X509Authorities({})", self.len())
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, X509Fault> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(X509Fault::Malformed),
    }
}

/// [X509-SVID §2] Exactly one URI name, whatever other names there are.
fn spiffe_id(leaf: &X509Certificate<'_>) -> Result<SpiffeId, X509Fault> {
    let names = leaf
        .subject_alternative_name()
        .map_err(|_| X509Fault::Malformed)?
        .ok_or(X509Fault::NoUriName)?;
    let mut found = None;
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(_) if found.is_some() => return Err(X509Fault::SeveralUriNames),
            GeneralName::URI(uri) => found = Some(*uri),
            GeneralName::Invalid(..) => return Err(X509Fault::Malformed),
            _ => {}
        }
    }
    let id = SpiffeId::parse(found.ok_or(X509Fault::NoUriName)?).map_err(X509Fault::NotSpiffeId)?;
    // [X509-SVID §3.1] A leaf's SPIFFE ID has a path.
    if id.path().is_empty() {
        return Err(X509Fault::NoPath);
    }
    // [X509-SVID §3.1] Without a subject, the names must be critical.
    if leaf.subject().iter().next().is_none() && !names.critical {
        return Err(X509Fault::EmptySubjectNameNotCritical);
    }
    Ok(id)
}

fn judge_leaf(leaf: &X509Certificate<'_>) -> Result<(), X509Fault> {
    // [X509-SVID §4.1] cA is false; absent counts as false.
    let constraints = leaf.basic_constraints().map_err(|_| X509Fault::Malformed)?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(X509Fault::LeafIsAuthority);
    }
    // [X509-SVID §4.3] Present, critical, digitalSignature, and nothing that signs others.
    let usage = leaf
        .key_usage()
        .map_err(|_| X509Fault::Malformed)?
        .ok_or(X509Fault::KeyUsageMissing)?;
    if !usage.critical {
        return Err(X509Fault::KeyUsageNotCritical);
    }
    if !usage.value.digital_signature() {
        return Err(X509Fault::KeyUsageNoSignature);
    }
    if usage.value.key_cert_sign() || usage.value.crl_sign() {
        return Err(X509Fault::KeyUsageSigns);
    }
    Ok(())
}
