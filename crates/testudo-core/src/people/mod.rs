//! People: the identifiers of accounts, of what people granted, and of their sessions.

mod ids;
mod secrets;

pub use ids::{GrantId, PersonId};
pub use secrets::{PresentedSecret, SecretDigest, SessionName};
