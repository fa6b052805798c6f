//! Verifiable credentials of issuers that an administrator configured: SD-JWT VCs, credentials as JWTs, the DIDs of
//! issuers and holders, and status lists.
//!
//! Everything here is parsed as hostile input: it may come from a client, or from an issuer that was taken over. No
//! document is processed as JSON-LD, and nothing in a credential causes a fetch.

pub mod claims;
pub mod did;
pub mod disclosures;
mod error;
pub mod issuer_metadata;
pub mod key_binding;
pub mod presentation;
pub mod sd_jwt;
pub mod status;
pub mod vc_jwt;
pub mod x5c;

pub use error::CredentialError;

use crate::jose::{JoseError, Jws, KeySet, PublicKey};

/// The keys of the issuer of a credential.
#[derive(Debug, Clone, Copy)]
pub enum IssuerKeys<'k> {
    /// Its key set, from which `kid` chooses.
    Set(&'k KeySet),
    /// The key of its certificate.
    Certificate(&'k PublicKey),
}

impl IssuerKeys<'_> {
    /// Verifies the signature of a credential. A header that names or contains another key is refused: `x5c` is allowed
    /// only where a certificate names the issuer, so that a sender cannot choose how its keys are found.
    pub fn verify(self, jws: &Jws) -> Result<(), CredentialError> {
        const REFUSED: [&str; 5] = ["jwk", "jku", "x5u", "b64", "zip"];
        let is_refused = |name: &&String| {
            let is_chain = *name == "x5c" && matches!(self, IssuerKeys::Set(_));
            is_chain || REFUSED.contains(&name.as_str())
        };
        if let Some(name) = jws.header.others.iter().find(is_refused) {
            return Err(JoseError::HeaderParameterRefused { name: name.clone() }.into());
        }
        match self {
            IssuerKeys::Set(keys) => jws.verify(keys)?,
            IssuerKeys::Certificate(key) => jws.verify_with(key)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
