//! Signing keys as a set: which one signs, until when each is published, and which are accepted. The private keys stay
//! wrapped: no function here opens one.

mod life;
mod list;

pub use life::{KeyState, Life, PUBLISHED_BEFORE_USE, chosen, lives};
pub use list::{KeyList, Listing};
