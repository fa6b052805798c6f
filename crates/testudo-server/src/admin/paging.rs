//! The parameters `limit` and `after` of lists.

use std::num::NonZeroU32;
use testudo_store::LIST_MAX;

/// How many entries the page has at most.
pub(super) fn size(limit: Option<NonZeroU32>) -> usize {
    limit.map_or(LIST_MAX, |limit| limit.get() as usize).min(LIST_MAX)
}

/// The key after which the page begins. A text that no page named begins at the first entry.
pub(super) fn start(after: Option<&str>) -> Vec<u8> {
    let key = after.and_then(|after| hex::decode(after).ok());
    key.unwrap_or_default()
}
