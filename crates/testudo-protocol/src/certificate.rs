//! What is read from any X.509 certificate, of any issuer. What makes one an X509-SVID is in `spiffe`.

use crate::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// When a certificate is valid. [RFC5280 §4.1.2.5]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub not_before: Timestamp,
    /// Until then.
    pub not_after: Timestamp,
}

impl Validity {
    /// Of a certificate in DER. `None` where it is none.
    pub fn of(der: &[u8]) -> Option<Validity> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Validity {
            not_before: Timestamp(validity.not_before.timestamp()),
            not_after: Timestamp(validity.not_after.timestamp()),
        })
    }
}
