//! DPoP at a resource server: the sender of a token proves the key to which the token is bound. [RFC9449 §7]

use crate::replays::{KeptProofs, ProofUse, Replays, UsedProof};
use crate::verifier::{Proofs, Verifier, VerifyError};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::sha256;
use testudo_protocol::oauth::RequestUri;
use testudo_protocol::oauth::access_token::VerifiedToken;
use testudo_protocol::oauth::dpop::{DpopError, DpopExpectation, DpopProof, VerifiedDpop};
use testudo_protocol::oauth::server_nonce::{NoncePurpose, ServerNonces};

/// Verifies DPoP proofs for one resource.
///
/// ```
/// # fn example() -> Result<(), String> {
/// use testudo_resource::Dpop;
/// let dpop = Dpop::at("https://api.example.net")?.nonces(&[0x5a; 32]);
/// # let _ = dpop; Ok(()) }
/// ```
pub struct Dpop {
    base: Box<str>,
    replays: Arc<dyn Replays>,
    nonces: Option<ServerNonces>,
}

/// A request with a DPoP-bound token. Its `Debug` prints neither the token nor the proof.
#[derive(Clone, Copy)]
pub struct DpopRequest<'a> {
    /// The token after `Authorization: DPoP`.
    pub token: &'a str,
    /// The value of the only `DPoP` header field.
    pub proof: &'a str,
    /// Method of the request.
    pub method: &'a str,
    /// Path of the request, as the client sent it.
    pub path: &'a str,
    /// The client's leaf certificate, DER, of the connection, if it sent one.
    pub certificate: Option<&'a [u8]>,
}

impl fmt::Debug for DpopRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DpopRequest({} {})", self.method, self.path)
    }
}

/// Why a request with a DPoP-bound token is refused.
#[derive(Debug)]
pub enum DpopRefusal {
    /// The proof is not valid: answer 401 with `invalid_dpop_proof`.
    Proof(DpopError),
    /// The proof was used before: answer 401 with `invalid_dpop_proof`.
    Replayed,
    /// The proof has no nonce of this server that is valid now: answer 401 with `use_dpop_nonce` and a `DPoP-Nonce`.
    NonceNeeded,
    /// The token is refused, or the keys of its issuer cannot be fetched.
    Token(VerifyError),
    /// The key used its share of proofs: answer 429.
    TooMany,
    /// The record of used proofs cannot be used: answer 503.
    Unavailable,
}

impl Dpop {
    /// Verifies proofs for the resource with this base URL: its scheme and host, and the path below which it is served.
    /// `htu` must be the base URL followed by the path of the request. `Host` and `Forwarded` have no effect, because
    /// the sender of the request chooses them. [RFC9449 §4.3]
    pub fn at(base_url: &str) -> Result<Dpop, String> {
        let base = base_url.strip_suffix('/').unwrap_or(base_url);
        if base.contains(['?', '#']) || RequestUri::parse(base).is_none() {
            return Err(format!(
                "the base URL {base_url:?} is not an http or https URL without user, query and fragment"
            ));
        }
        Ok(Dpop {
            base: base.into(),
            replays: Arc::new(KeptProofs::default()),
            nonces: None,
        })
    }

    /// Requires a nonce of this server in each proof, so that no proof can be made in advance. All nodes of the resource
    /// need the same secret key. [RFC9449 §9]
    #[must_use]
    pub fn nonces(mut self, key: &[u8; 32]) -> Dpop {
        self.nonces = Some(ServerNonces::new(key, &self.base));
        self
    }

    /// Records used proofs in `replays` instead of the memory of this process. A resource with several nodes needs it.
    #[must_use]
    pub fn replays(mut self, replays: Arc<dyn Replays>) -> Dpop {
        self.replays = replays;
        self
    }

    /// A nonce for `DPoP-Nonce`, if nonces are required.
    pub fn nonce(&self) -> Option<String> {
        let now = Timestamp::from(SystemTime::now());
        Some(self.nonces.as_ref()?.issue(NoncePurpose::Dpop, now))
    }

    /// Verifies the proof and the token. The proof is recorded as used last, so that only the holder of a valid token
    /// can fill the record.
    pub async fn verify(
        &self,
        verifier: &Verifier,
        request: DpopRequest<'_>,
    ) -> Result<VerifiedToken, DpopRefusal> {
        let now = Timestamp::from(SystemTime::now());
        let proof = self.check_proof(request, now).map_err(DpopRefusal::Proof)?;
        let proofs = Proofs {
            certificate: request.certificate,
            dpop_key: Some(&proof.thumbprint),
        };
        let verified = verifier
            .verify_with_proofs(request.token, proofs)
            .await
            .map_err(DpopRefusal::Token)?;
        self.check_nonce(&proof, now)?;
        let used = UsedProof {
            id: sha256(&[&proof.thumbprint, proof.jwt_id.as_bytes()].concat()),
            key: proof.thumbprint,
            now,
            accepted_until: proof.accepted_until(),
        };
        match self.replays.use_once(used).await {
            ProofUse::First => Ok(verified),
            ProofUse::Repeated => Err(DpopRefusal::Replayed),
            ProofUse::TooMany => Err(DpopRefusal::TooMany),
            ProofUse::Unavailable => Err(DpopRefusal::Unavailable),
        }
    }

    fn check_proof(&self, request: DpopRequest<'_>, now: Timestamp) -> Result<VerifiedDpop, DpopError> {
        // A path without `/` (`OPTIONS *`) would change the host or the last segment of the base URL.
        let is_path = request.path.starts_with('/');
        let uri = is_path.then(|| format!("{}{}", self.base, request.path));
        let uri = uri.as_deref().and_then(RequestUri::parse);
        let expected = DpopExpectation {
            method: request.method,
            uris: uri.as_slice(),
            access_token: Some(request.token),
        };
        DpopProof::parse(request.proof)?.verify(expected, now)
    }

    fn check_nonce(&self, proof: &VerifiedDpop, now: Timestamp) -> Result<(), DpopRefusal> {
        let Some(nonces) = &self.nonces else {
            return Ok(());
        };
        let nonce = proof.nonce.as_deref().unwrap_or_default();
        if nonces.accepts(NoncePurpose::Dpop, nonce, now) {
            return Ok(());
        }
        Err(DpopRefusal::NonceNeeded)
    }
}
