//! Validity and issuer of any X.509 certificate. The rules of X.509-SVIDs are in `spiffe/x509/`.

use crate::Timestamp;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

/// When a certificate is valid. [RFC5280 §4.1.2.5]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`: the first second at which the certificate is valid.
    pub not_before: Timestamp,
    /// `notAfter`: the last second at which the certificate is valid.
    pub not_after: Timestamp,
}

impl Validity {
    /// Reads the validity of a certificate in DER; `None` if the bytes are not a certificate.
    pub fn of(der: &[u8]) -> Option<Validity> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Validity::read(&certificate))
    }

    fn read(certificate: &X509Certificate<'_>) -> Validity {
        let validity = certificate.validity();
        Validity {
            not_before: Timestamp(validity.not_before.timestamp()),
            not_after: Timestamp(validity.not_after.timestamp()),
        }
    }
}

/// Which certificate issued which, by their names and key identifiers. No signature is verified: this finds mistakes
/// in the administrator's own files, and trusts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// When the certificate is valid.
    pub validity: Validity,
    /// The subject is the issuer.
    pub is_self_issued: bool,
    /// `cA` of the basic constraints. [RFC5280 §4.2.1.9]
    pub is_authority: bool,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
}

impl Issuance {
    /// Reads a certificate in DER; `None` if the bytes are not a certificate.
    pub fn of(der: &[u8]) -> Option<Issuance> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let (mut key_id, mut issuer_key_id) = (None, None);
        for extension in certificate.extensions() {
            let extension = extension.parsed_extension();
            if let ParsedExtension::SubjectKeyIdentifier(id) = extension {
                key_id = Some(id.0.to_vec());
            }
            if let ParsedExtension::AuthorityKeyIdentifier(id) = extension {
                issuer_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
        }
        Some(Issuance {
            validity: Validity::read(&certificate),
            is_self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            is_authority: certificate.is_ca(),
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            key_id,
            issuer_key_id,
        })
    }

    /// True unless the names or the key identifiers say that another one issued it. [RFC5280 §4.2.1.1]
    pub fn may_be_issued_by(&self, upper: &Issuance) -> bool {
        let same_key = match (&self.issuer_key_id, &upper.key_id) {
            (Some(wanted), Some(own)) => wanted == own,
            (None, _) | (_, None) => true,
        };
        self.issuer == upper.subject && same_key
    }
}
