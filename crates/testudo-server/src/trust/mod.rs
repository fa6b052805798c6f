//! Trust anchors: the bundle of each authority, refreshed in the background. [decision 0008]
//!
//! After a failed fetch, the last good bundle is used until its maximum age; then identities of the authority are
//! refused. A fetched bundle without keys is put in force at once: it means "trust nothing". A bundle with a lower
//! sequence is put in force only where an administrator accepts it.

mod anchor;
mod authorities;
mod floor;
mod look;
mod refresh;
pub(crate) mod remote_keys;
mod source;
mod status;
mod workload_api;

pub use anchor::{Anchor, Refreshed};
pub use authorities::AuthorityStatus;
pub(crate) use authorities::authorities;
pub(crate) use look::{Looked, NoKeys, look, would_be_taken};
pub(crate) use refresh::{accept, first_bundles, follow, follow_all, keep_fresh, refresh_for};
pub use status::AnchorStatus;
