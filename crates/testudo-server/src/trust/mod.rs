//! Trust anchors: the bundle of each authority, refreshed in the background. [decision 0008]
//!
//! After a failed fetch, the last good bundle is used until its maximum age; then identities of the authority are
//! refused. A fetched bundle without keys is put in force at once: it means "trust nothing". A bundle with a lower
//! sequence is put in force only where an administrator accepts it.

mod accepted_keys;
mod anchor;
mod authorities;
mod bundle_keys;
mod certificate_issuers;
mod clusters;
pub(crate) mod discovery;
mod first_seen;
mod floor;
mod issuer_documents;
mod own_keys;
pub mod providers;
mod refresh;
pub(crate) mod remote_keys;
mod shared;
pub(crate) mod source;
mod source_check;
mod status;
pub mod status_lists;
pub(crate) mod token_reviews;
mod workload_api;

pub(crate) use anchor::join_verifiers;
pub use anchor::{Anchor, BundleChanges, Refreshed};
pub use authorities::AuthorityStatus;
pub(crate) use authorities::authorities;
pub use bundle_keys::KeyStatus;
pub use certificate_issuers::CertificateIssuers;
pub(crate) use certificate_issuers::Found;
pub use clusters::ClusterGroup;
pub(crate) use refresh::{accept, first_bundles, follow, follow_all, forget, keep_fresh, refresh_for};
pub(crate) use source_check::{Asking, NoKeys, SourceKeys, check_sequence, fetch_once};
pub use status::AnchorStatus;
