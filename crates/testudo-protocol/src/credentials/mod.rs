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
use serde_json::{Map, Value};

/// True for an unverified text in the form of an SD-JWT, of a credential as a JWT, or of a presentation.
pub fn has_form_of_one(text: &str) -> bool {
    if text.contains('~') {
        return true;
    }
    let Ok(jws) = Jws::parse_credential(text) else {
        return false;
    };
    match jws.header.typ.as_deref() {
        Some(typ) if vc_jwt::is_typ(typ) || presentation::is_typ(typ) => true,
        // [VCDM1 §6.3.1] `typ` does not tell a credential of data model 1.1 from other JWTs.
        None | Some("JWT") => {
            let claims = jws.unverified_claims::<Map<String, Value>>();
            claims.is_ok_and(|claims| claims.contains_key("vc") || claims.contains_key("vp"))
        }
        Some(_) => false,
    }
}

/// The keys of the issuer of a credential.
#[derive(Debug, Clone, Copy)]
pub enum IssuerKeys<'k> {
    /// Its key set, from which `kid` chooses.
    Set(&'k KeySet),
    /// The key of its certificate.
    Certificate(&'k PublicKey),
}

impl IssuerKeys<'_> {
    /// Verifies the signature of a credential. `x5c` is allowed only where a certificate names the issuer, so that a sender
    /// cannot choose how the keys of an issuer are found.
    pub fn verify(self, jws: &Jws) -> Result<(), CredentialError> {
        match self {
            IssuerKeys::Set(keys) => {
                refuse_parameters(jws, &["x5c"])?;
                jws.verify(keys)?;
            }
            IssuerKeys::Certificate(key) => {
                refuse_parameters(jws, &[])?;
                jws.verify_with(key)?;
            }
        }
        Ok(())
    }
}

/// Refuses a header with parameters that contain or name a key, which would be one that the sender chose, or that change
/// what is signed; and with the parameters `more`.
fn refuse_parameters(jws: &Jws, more: &[&str]) -> Result<(), CredentialError> {
    const REFUSED: [&str; 5] = ["jwk", "jku", "x5u", "b64", "zip"];
    let is_refused = |name: &&String| REFUSED.contains(&name.as_str()) || more.contains(&name.as_str());
    match jws.header.others.iter().find(is_refused) {
        Some(name) => Err(JoseError::HeaderParameterRefused { name: name.clone() }.into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
