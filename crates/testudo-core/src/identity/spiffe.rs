//! Conversion of SPIFFE trust domains into authorities.

use super::authority::Authority;
use super::scheme::{AuthorityKind, SPIFFE};
use testudo_protocol::spiffe::{SpiffeId, TrustDomain};

impl From<&SpiffeId> for Authority {
    /// The trust domain that a SPIFFE ID names.
    fn from(id: &SpiffeId) -> Authority {
        let whole = id.as_str();
        let end = whole.len() - id.path().len();
        Authority::new(AuthorityKind::Spiffe, whole.get(..end).unwrap_or_default())
    }
}

impl From<&TrustDomain> for Authority {
    fn from(name: &TrustDomain) -> Authority {
        Authority::new(AuthorityKind::Spiffe, &format!("{SPIFFE}{name}"))
    }
}
