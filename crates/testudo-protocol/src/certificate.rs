//! The validity period of any X.509 certificate. The rules of X.509-SVIDs are in `spiffe/x509/`.

use crate::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

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
        let validity = certificate.validity();
        Some(Validity {
            not_before: Timestamp(validity.not_before.timestamp()),
            not_after: Timestamp(validity.not_after.timestamp()),
        })
    }
}
