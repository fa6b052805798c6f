//! SDK for resource servers: verify an access token from the issuer's metadata and keys, and a tower layer that
//! answers 401 and 403 with the right challenge. [RFC9068 §4] [RFC6750 §3]
//!
//! ```no_run
//! # async fn example() -> Result<(), String> {
//! use std::sync::Arc;
//! use testudo_resource::{RequireToken, Verifier};
//! let verifier = Arc::new(Verifier::new("https://as.example.net", "https://api.example.net/orders")?);
//! let layer = RequireToken::new(verifier).scope("orders.read")?;
//! # let _ = layer; Ok(()) }
//! ```

#![warn(clippy::wildcard_enum_match_arm)]

mod kept_keys;
mod layer;
mod verifier;

pub use layer::{ClientCertificate, RequireToken, RequireTokenService};
pub use testudo_protocol::oauth::ScopeSet;
pub use testudo_protocol::oauth::access_token::{TokenError, VerifiedToken};
pub use verifier::{Verifier, VerifyError};
