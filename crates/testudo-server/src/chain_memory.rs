//! What one connection has shown: its last refused chain is not verified again.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use testudo_protocol::spiffe::{Bundle, X509Error};

/// What one connection has brought before.
#[derive(Debug, Default)]
pub struct ChainMemory {
    /// The requests of one connection show one chain: the first of them has it verified, the others wait.
    pub(crate) turn: tokio::sync::Mutex<()>,
    refused: Mutex<Option<Refused>>,
}

/// The last chain that was refused, and the bundle by which it was.
#[derive(Debug)]
struct Refused {
    digest: [u8; 32],
    bundle: Weak<Bundle>,
    fault: X509Error,
}

impl ChainMemory {
    /// Why this chain was refused, if the bundle of then is in force.
    pub(crate) fn recall(&self, digest: &[u8; 32], bundle: &Arc<Bundle>) -> Option<X509Error> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.as_ref()?;
        let is_it = refused.digest == *digest && std::ptr::eq(refused.bundle.as_ptr(), Arc::as_ptr(bundle));
        is_it.then(|| refused.fault.clone())
    }

    /// Remembers a refusal, unless time alone may mend it.
    pub(crate) fn remember(&self, digest: [u8; 32], bundle: &Arc<Bundle>, fault: &X509Error) {
        if fault.may_pass() {
            return;
        }
        // The weak reference keeps the address from being used again, and the bundle from nothing else.
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
    fn a_refusal_is_remembered_for_its_chain_and_its_bundle() {
        use testudo_protocol::spiffe::PathError;
        let memory = ChainMemory::default();
        let bundle = || Arc::new(Bundle::parse(b"{\"keys\":[]}").unwrap());
        let (then, later) = (bundle(), bundle());
        let bad = X509Error::Path(PathError::BadSignature);
        memory.remember([1; 32], &then, &bad);
        assert_eq!(memory.recall(&[1; 32], &then), Some(bad));
        assert_eq!(memory.recall(&[2; 32], &then), None);
        assert_eq!(memory.recall(&[1; 32], &later), None);
        // What time alone can mend is asked again.
        let memory = ChainMemory::default();
        memory.remember([1; 32], &then, &X509Error::Path(PathError::NotYetValid));
        memory.remember([1; 32], &then, &X509Error::Path(PathError::NoAuthority));
        assert_eq!(memory.recall(&[1; 32], &then), None);
    }
}
