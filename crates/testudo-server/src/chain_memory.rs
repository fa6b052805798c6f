//! The last refused certificate chain of a connection, so that it is not verified again.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use testudo_protocol::spiffe::{Bundle, X509Error};

/// The last refused certificate chain of a connection.
#[derive(Debug, Default)]
pub struct ChainMemory {
    /// Held while the chain of the handshake is verified: of several requests on one connection, the first has the
    /// chain verified and the others wait for the result.
    pub(crate) turn: tokio::sync::Mutex<()>,
    refused: Mutex<Option<Refused>>,
}

/// A chain that was refused, and the bundle with which it was verified.
#[derive(Debug)]
struct Refused {
    digest: [u8; 32],
    bundle: Weak<Bundle>,
    fault: X509Error,
}

impl ChainMemory {
    /// Why this chain was refused, if it was and the same bundle is still in force.
    pub(crate) fn recall(&self, digest: &[u8; 32], bundle: &Arc<Bundle>) -> Option<X509Error> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.as_ref()?;
        let is_it = refused.digest == *digest && std::ptr::eq(refused.bundle.as_ptr(), Arc::as_ptr(bundle));
        is_it.then(|| refused.fault.clone())
    }

    /// Remembers a refusal, unless the chain may become valid as time passes.
    pub(crate) fn remember(&self, digest: [u8; 32], bundle: &Arc<Bundle>, fault: &X509Error) {
        if fault.may_pass() {
            return;
        }
        // The weak reference does not keep the bundle in memory, but keeps its address from being used for another
        // bundle.
        let refused = Refused {
            digest,
            bundle: Arc::downgrade(bundle),
            fault: fault.clone(),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_remembered_for_the_same_chain_and_bundle_only() {
        use testudo_protocol::Timestamp;
        use testudo_protocol::spiffe::{ChainCertificate, PathError};
        let memory = ChainMemory::default();
        let bundle = || Arc::new(Bundle::parse(b"{\"keys\":[]}").unwrap());
        let (then, later) = (bundle(), bundle());
        let bad = X509Error::Path(PathError::BadSignature);
        memory.remember([1; 32], &then, &bad);
        assert_eq!(memory.recall(&[1; 32], &then), Some(bad));
        assert_eq!(memory.recall(&[2; 32], &then), None);
        assert_eq!(memory.recall(&[1; 32], &later), None);
        // A chain that may become valid as time passes is verified again.
        let memory = ChainMemory::default();
        let not_yet_valid = PathError::NotYetValid {
            certificate: ChainCertificate::Leaf,
            valid_from: Timestamp(1),
        };
        memory.remember([1; 32], &then, &X509Error::Path(not_yet_valid));
        memory.remember([1; 32], &then, &X509Error::Path(PathError::NoAuthority));
        assert_eq!(memory.recall(&[1; 32], &then), None);
    }
}
