//! The keys of an authority, and what they can verify.

use crate::identity::VerifiedBy;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::Bundle;

/// The current keys of an authority. A credential is verified only with the keys of its own authority. [decision 0007]
#[derive(Debug, Clone)]
pub enum AuthorityKeys {
    /// The bundle of a trust domain.
    Bundle(Arc<Bundle>),
}

impl AuthorityKeys {
    /// True if both are the same object in memory, so the keys have not changed.
    pub fn are(&self, others: &AuthorityKeys) -> bool {
        match (self, others) {
            (AuthorityKeys::Bundle(ours), AuthorityKeys::Bundle(theirs)) => Arc::ptr_eq(ours, theirs),
        }
    }

    /// True if a signed token with this `kid` can be verified with these keys.
    pub fn have_kid(&self, kid: &str) -> bool {
        match self {
            AuthorityKeys::Bundle(bundle) => bundle.jwt_keys.has_kid(kid),
        }
    }

    /// True if there are valid keys for this kind of credential. Metadata lists only kinds that can be verified.
    pub fn can_verify(&self, by: VerifiedBy, now: Timestamp) -> bool {
        let AuthorityKeys::Bundle(bundle) = self;
        match by {
            VerifiedBy::TokenKeys => !bundle.jwt_keys.is_empty(),
            VerifiedBy::Certificates => bundle.x509_authorities.iter().any(|known| known.is_valid(now)),
            VerifiedBy::ClientKeys => false,
        }
    }
}
