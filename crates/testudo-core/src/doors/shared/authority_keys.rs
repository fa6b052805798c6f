//! The keys by which an authority vouches, and what they can judge.

use crate::identity::JudgedBy;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::Bundle;

/// The keys by which an authority vouches, as they are in force. They are chosen by the authority of the identity that
/// is verified, and never pooled. [decision 0007]
#[derive(Debug, Clone)]
pub enum AuthorityKeys {
    /// The bundle of a trust domain.
    Bundle(Arc<Bundle>),
}

impl AuthorityKeys {
    /// True where they are the very same object: nothing has changed since.
    pub fn are(&self, others: &AuthorityKeys) -> bool {
        match (self, others) {
            (AuthorityKeys::Bundle(ours), AuthorityKeys::Bundle(theirs)) => Arc::ptr_eq(ours, theirs),
        }
    }

    /// True where a signed token that names this key can be judged by them.
    pub fn have_kid(&self, kid: &str) -> bool {
        match self {
            AuthorityKeys::Bundle(bundle) => bundle.jwt_keys.has_kid(kid),
        }
    }

    /// True where there are keys of this kind that are good now: what nothing could judge is not offered.
    pub fn can_judge(&self, by: JudgedBy, now: Timestamp) -> bool {
        let AuthorityKeys::Bundle(bundle) = self;
        match by {
            JudgedBy::TokenKeys => !bundle.jwt_keys.is_empty(),
            JudgedBy::Certificates => bundle.x509_authorities.iter().any(|known| known.is_valid(now)),
            JudgedBy::ClientKeys => false,
        }
    }
}
