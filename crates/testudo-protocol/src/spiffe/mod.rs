//! SPIFFE: identities and the bundles that vouch for them.

mod bundle;
mod id;
mod x509;

pub use bundle::{Bundle, BundleFault, Sequence};
pub use id::{SpiffeId, SpiffeIdFault, TrustDomain};
pub use x509::{
    PathFault, SigningFault, X509Authorities, X509Authority, X509Fault, X509Svid, judge_client_key,
};
