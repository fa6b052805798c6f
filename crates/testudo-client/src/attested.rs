//! Client attestations and WIT-SVIDs. Each is of no use without the private key that it attests, so that it comes with
//! the key. [ABCA §4] [SPIFFE-AUTH §3.3]

use crate::{ClientError, PrivateKey};
use std::pin::Pin;
use std::sync::Arc;

/// A client attestation or a WIT-SVID, and the private key of the public key in its `cnf.jwk`.
#[derive(Clone)]
pub struct Attested {
    /// The JWT of the attester.
    pub attestation: String,
    /// The private key. It is never sent.
    pub key: Arc<PrivateKey>,
}

/// What an [`AttestationSource`] answers.
pub type AttestedFuture<'a> = Pin<Box<dyn Future<Output = Result<Attested, ClientError>> + Send + 'a>>;

/// Gets attestations from an attester. For platforms that the SDK does not know.
pub trait AttestationSource: Send + Sync {
    /// An attestation that is valid now, with its key. It may be the one of an earlier call, unless `must_be_new`: the
    /// issuer refused that one as expired or too old. [ABCA §7.4]
    fn attested(&self, must_be_new: bool) -> AttestedFuture<'_>;
}
