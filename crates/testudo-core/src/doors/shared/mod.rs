//! Code that the doors share: how credentials arrive, which facts their verification needs, and the checks of claims.

pub(crate) mod attested_claims;
pub mod attested_holder;
pub mod audience;
pub mod authority_keys;
pub mod claims;
pub mod client_assertion;
pub mod client_chain;
pub mod client_keys;
pub mod confirmation;
pub mod credential_status;
pub mod facts;
pub mod holder_certificate;
pub mod issued_token;
pub mod issuer_certificates;
pub mod known_credential;
pub mod presented;
pub mod published_keys;
