//! What the doors have in common: how evidence arrives, which outside facts it needs, and the checks of claims.

pub mod audience;
pub mod authority_keys;
pub mod claims;
pub mod client_assertion;
pub mod client_keys;
pub mod facts;
pub mod presented;
