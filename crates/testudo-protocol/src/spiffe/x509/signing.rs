//! Certificates that sign others: the authorities of a bundle, and the intermediates of a chain. [X509-SVID §4]

use super::super::id::SpiffeId;
use super::error::{SigningCertificateError, X509Error};
use super::parse;
use super::scan::Scan;
use crate::jose::{Algorithm, KeyOwner, PublicKey, sha256};
use crate::time::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use std::fmt;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// The certificates that sign X.509-SVIDs of one trust domain. They are never mixed with those of another trust domain.
/// [SPIFFE-FED §4.2]
#[derive(Default)]
pub struct X509Authorities {
    pub(super) authorities: Vec<X509Authority>,
}

/// A certificate of a bundle that signs X.509-SVIDs, while it is valid.
pub struct X509Authority {
    pub(super) anchor: TrustAnchor<'static>,
    /// The identifier of its key, if it has one.
    pub(super) key_id: Option<Box<[u8]>>,
    /// pathLenConstraint: how many intermediates may follow, if it is limited.
    pub(super) path_length: Option<u32>,
    validity: (Timestamp, Timestamp),
    thumbprint: [u8; 32],
    algorithms: Vec<Algorithm>,
}

impl X509Authority {
    /// The algorithms of its key, by their names in JOSE.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// First second of its validity.
    pub fn valid_from(&self) -> Timestamp {
        self.validity.0
    }

    /// Last second of its validity. [RFC5280 §4.1.2.5] The first and the last second are included.
    pub fn valid_until(&self) -> Timestamp {
        self.validity.1
    }

    /// [X509-SVID §5.1] [RFC5280 §6.1.3] An authority outside its validity period is not used.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.validity.0 <= now && now <= self.validity.1
    }

    /// SHA-256 of the certificate.
    pub fn thumbprint(&self) -> [u8; 32] {
        self.thumbprint
    }
}

impl X509Authorities {
    /// Adds an authority's certificate. [X509-SVID §6.1]
    pub fn push(&mut self, der: &[u8]) -> Result<(), X509Error> {
        let scan = Scan::new(der)?;
        let certificate = parse(der)?;
        let path_length = check(&certificate).map_err(X509Error::Signing)?;
        let key = PublicKey::from_spki(scan.spki, KeyOwner::Authority).map_err(X509Error::Key)?;
        let certificate_der = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&certificate_der).map_err(|_| X509Error::Malformed)?;
        let authority = X509Authority {
            anchor: anchor.to_owned(),
            key_id: scan.key_id.map(Into::into),
            path_length,
            validity: validity(&certificate),
            thumbprint: sha256(der),
            algorithms: key.algorithms().collect(),
        };
        // An authority that is listed twice is added once, so that a chain is not verified with it twice.
        let is_known = |known: &X509Authority| known.thumbprint == authority.thumbprint;
        if !self.authorities.iter().any(is_known) {
            self.authorities.push(authority);
        }
        Ok(())
    }

    /// The authorities, valid now or not.
    pub fn iter(&self) -> impl Iterator<Item = &X509Authority> {
        self.authorities.iter()
    }

    /// Number of authorities, valid now or not.
    pub fn len(&self) -> usize {
        self.authorities.len()
    }

    /// True if there is no authority, so no chain is valid.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }
}

impl fmt::Debug for X509Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X509Authorities({})", self.len())
    }
}

pub(super) fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (
        Timestamp(validity.not_before.timestamp()),
        Timestamp(validity.not_after.timestamp()),
    )
}

/// Checks a certificate by the rules for signing certificates; returns its pathLenConstraint.
pub(super) fn check(certificate: &X509Certificate<'_>) -> Result<Option<u32>, SigningCertificateError> {
    // [X509-SVID §4.1] cA is true.
    let constraints = certificate
        .basic_constraints()
        .map_err(|_| SigningCertificateError::Malformed)?
        .filter(|constraints| constraints.value.ca)
        .ok_or(SigningCertificateError::NotAuthority)?;
    // [X509-SVID §4.3] keyCertSign is set.
    let usage = certificate
        .key_usage()
        .map_err(|_| SigningCertificateError::Malformed)?
        .ok_or(SigningCertificateError::KeyUsageMissing)?;
    if !usage.value.key_cert_sign() {
        return Err(SigningCertificateError::KeyUsageNoCertSign);
    }
    // [X509-SVID §4.3] Key usage is critical in every SVID; an authority without a SPIFFE ID is not an SVID.
    if check_name(certificate)? && !usage.critical {
        return Err(SigningCertificateError::KeyUsageNotCritical);
    }
    Ok(constraints.value.path_len_constraint)
}

/// [X509-SVID §3.2] A SPIFFE ID is not required; if there is one, it has no path. Returns true if there is one.
/// [X509-SVID §2] With a SPIFFE ID, no other URI name is allowed.
fn check_name(certificate: &X509Certificate<'_>) -> Result<bool, SigningCertificateError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| SigningCertificateError::Malformed)?;
    let mut uris: Vec<&str> = Vec::new();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the kinds of names are those of x509-parser"
        )]
        match name {
            GeneralName::URI(uri) => uris.push(uri),
            GeneralName::Invalid(..) => return Err(SigningCertificateError::Malformed),
            _ => {}
        }
    }
    let is_spiffe = |uri: &&&str| {
        let scheme = uri.get(.."spiffe:".len());
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"))
    };
    let Some(id) = uris.iter().find(is_spiffe) else {
        return Ok(false);
    };
    if uris.len() > 1 {
        return Err(SigningCertificateError::SeveralUriNames);
    }
    let id = SpiffeId::parse(id).map_err(SigningCertificateError::NotSpiffeId)?;
    if !id.path().is_empty() {
        return Err(SigningCertificateError::SpiffeIdHasPath);
    }
    Ok(true)
}
