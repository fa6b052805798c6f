//! The part of JOSE that an authorization server needs: compact JWS and public keys. Symmetric algorithms and
//! encryption are not supported. [RFC7515] [RFC7517] [RFC7518] [RFC8725]

mod algorithm;
mod edwards;
mod jws;
mod key;
mod key_error;
mod key_set;
mod material;
mod proof_key;
mod sign;
#[cfg(test)]
pub(crate) mod test_keys;
mod thumbprint;

pub use algorithm::Algorithm;
pub use jws::{Header, JoseError, Jws, unverified_type};
pub use key::{Jwk, PublicKey};
pub use key_error::KeyError;
pub use key_set::KeySet;
pub use material::KeyOwner;
pub use proof_key::{NoProofKeysKept, ProofKey, ProofKeys};
pub use sign::{SigningFault, SigningKey, encode_segment};

use aws_lc_rs::digest;

/// SHA-256, mostly of whole tokens.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// The parts one after the other, each preceded by its length, so that two different lists of parts never give the same
/// input of a digest or MAC.
pub fn length_prefixed<'p>(parts: impl IntoIterator<Item = &'p [u8]> + Clone) -> Vec<u8> {
    let length = parts.clone().into_iter().map(|part| part.len() + 8).sum();
    let mut bytes = Vec::with_capacity(length);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}
