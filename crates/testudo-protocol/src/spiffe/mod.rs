//! SPIFFE: identities, and the bundles with the keys that verify them.

mod bundle;
mod id;
mod x509;

pub use bundle::{Bundle, BundleError, Sequence};
pub use id::{SpiffeId, SpiffeIdError, TrustDomain};
pub use x509::{
    ChainCertificate, PathError, SigningCertificateError, X509Authorities, X509Authority, X509Error,
    X509Svid, check_client_key,
};
