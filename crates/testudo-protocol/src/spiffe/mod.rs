//! SPIFFE: identities and the bundles that vouch for them.

mod bundle;
mod id;

pub use bundle::{Bundle, BundleFault, Sequence};
pub use id::{SpiffeId, SpiffeIdFault, TrustDomain};
