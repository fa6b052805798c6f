//! Trust anchors: the bundle of each authority, kept fresh in the background. [decision 0008]
//!
//! A failed fetch keeps the last good bundle until its maximum age, then the authority is refused. A fetched bundle
//! without keys is applied at once: it means "trust nothing". A lower sequence is never applied, unless an
//! administrator accepts it.

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
pub use look::look;
pub(crate) use look::would_be_taken;
pub(crate) use refresh::{accept, first_bundles, follow, follow_all, keep_fresh, refresh_for};
pub use status::AnchorStatus;
