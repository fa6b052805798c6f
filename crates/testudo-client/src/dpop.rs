//! DPoP: tokens that are bound to a key of this process. [RFC9449]

use crate::ClientError;
use aws_lc_rs::rand;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use testudo_protocol::jose::SigningKey;
use testudo_protocol::oauth::dpop::DpopClaims;
use testudo_protocol::{Timestamp, base64url};
use url::Url;

/// How many servers the last nonce is remembered of.
const ORIGINS_MAX: usize = 64;
/// A longer nonce or challenge is not repeated in a proof, which must fit into the headers of a request.
const NONCE_BYTES_MAX: usize = 1_024;
/// The last nonce of each server.
#[derive(Default)]
pub(crate) struct Nonces {
    /// Origin and last nonce, the newest first.
    of_origins: Mutex<VecDeque<(String, String)>>,
}

impl Nonces {
    fn of(&self, url: &Url) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        let nonces = self.of_origins.lock().unwrap_or_else(PoisonError::into_inner);
        let found = nonces.iter().find(|(of, _)| *of == origin);
        found.map(|(_, nonce)| nonce.clone())
    }

    /// [RFC9449 §8.2] The nonce of each answer replaces the one before.
    pub(crate) fn keep(&self, url: &Url, nonce: &str) {
        if !is_usable(nonce) {
            return;
        }
        let origin = url.origin().ascii_serialization();
        let mut nonces = self.of_origins.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.retain(|(of, _)| *of != origin);
        nonces.truncate(ORIGINS_MAX - 1);
        nonces.push_front((origin, nonce.to_owned()));
    }
}

/// True if a nonce or a challenge of a server can be repeated in a proof.
pub(crate) fn is_usable(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    !text.is_empty() && text.len() <= NONCE_BYTES_MAX && is_plain
}

/// Makes DPoP proofs with one key.
pub(crate) struct Prover {
    key: Arc<SigningKey>,
    pub(crate) nonces: Arc<Nonces>,
}

impl Prover {
    pub(crate) fn new(key: Arc<SigningKey>, nonces: Arc<Nonces>) -> Prover {
        Prover { key, nonces }
    }

    /// Thumbprint of the key.
    pub(crate) fn thumbprint(&self) -> String {
        base64url::text(&self.key.thumbprint())
    }

    /// A new proof for a request, with the last nonce of the server. [RFC9449 §4.2]
    pub(crate) fn proof(&self, method: &str, url: &Url, token: Option<&str>) -> Result<String, ClientError> {
        let mut htu = url.clone();
        htu.set_query(None);
        htu.set_fragment(None);
        let nonce = self.nonces.of(url);
        let claims = DpopClaims {
            jti: &new_id()?,
            htm: method,
            htu: htu.as_str(),
            iat: Timestamp::from(SystemTime::now()),
            nonce: nonce.as_deref(),
        };
        claims.sign(&self.key, token).map_err(|_| not_signed())
    }
}

/// A new random `jti`.
pub(crate) fn new_id() -> Result<String, ClientError> {
    Ok(base64url::text(&random::<16>()?))
}

/// New random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ClientError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| not_signed())?;
    Ok(bytes)
}

pub(crate) fn not_signed() -> ClientError {
    ClientError::Key("the proof could not be signed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn last_nonce_of_each_origin_is_remembered_for_a_bounded_number_of_origins() {
        let nonces = Nonces::default();
        nonces.keep(&url("https://a.example/token"), "one");
        nonces.keep(&url("https://a.example:443/other"), "two");
        nonces.keep(&url("https://a.example:8443/"), "three");
        assert_eq!(nonces.of(&url("https://a.example/x")).as_deref(), Some("two"));
        assert_eq!(nonces.of(&url("http://a.example/")), None);
        for unusable in ["", "a b", "\u{e9}", &"a".repeat(NONCE_BYTES_MAX + 1)] {
            nonces.keep(&url("https://a.example/"), unusable);
        }
        assert_eq!(nonces.of(&url("https://a.example/")).as_deref(), Some("two"));
        for number in 0..ORIGINS_MAX {
            nonces.keep(&url(&format!("https://{number}.example/")), "n");
        }
        assert_eq!(nonces.of(&url("https://a.example/")), None);
        assert_eq!(nonces.of_origins.lock().unwrap().len(), ORIGINS_MAX);
    }
}
