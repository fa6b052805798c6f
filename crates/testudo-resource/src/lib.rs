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
//!
//! Tokens that are bound to a key (DPoP) are accepted with their proof if the layer has the base URL of the API:
//! `.dpop(Arc::new(Dpop::at("https://api.example.net")?))`. [RFC9449 §7] Tokens that are bound to a client certificate
//! are accepted if the code that terminates TLS gives the layer a [`ClientCertificate`]. [RFC8705 §3] A token that is
//! bound to anything else is refused.
//!
//! The verified token is in the extensions of the request. [`VerifiedToken::person`] is the person for whom the client
//! acts, and is absent where the client acts for itself; [`VerifiedToken::client_id`] is the client in both cases:
//!
//! ```
//! use testudo_resource::VerifiedToken;
//! fn owner_of_order(token: &VerifiedToken) -> Result<&str, &'static str> {
//!     token.person().ok_or("orders are placed by people only")
//! }
//! ```

#![warn(clippy::wildcard_enum_match_arm)]

mod challenge;
mod dpop;
mod kept_keys;
mod layer;
mod replays;
mod verifier;

pub use dpop::{Dpop, DpopRefusal, DpopRequest};
pub use layer::{ClientCertificate, RequireToken, RequireTokenService};
pub use replays::{
    KeptProofs, PROOFS_MAX, PROOFS_OF_ONE_KEY_MAX, ProofUse, ProofUseFuture, Replays, UsedProof,
};
pub use testudo_protocol::oauth::ScopeSet;
pub use testudo_protocol::oauth::access_token::{SubjectType, TokenError, VerifiedToken};
pub use testudo_protocol::oauth::dpop::DpopError;
pub use verifier::{Proofs, Verifier, VerifyError};
