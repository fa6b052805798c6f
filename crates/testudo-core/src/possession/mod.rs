//! Proofs that the sender of a request has a private key. They stand beside the credential, and a token can be bound to
//! the key that they prove.
//!
//! One file for each kind of proof. A proof is verified after the credential, and before the rule of the identity is
//! found; that it is used only once is decided when its record is written.

mod attestation_pop;
mod dpop;
mod holder;
mod presented;
mod workload_proof;

#[cfg(test)]
mod tests;

pub use presented::PresentedProofs;

use crate::decision::Resolution;
use crate::identity::{AttestedIdentity, Holder, SingleUse};
use crate::policy::{ChallengeUse, NonceUse, Policy};
use crate::records::{Batch, Conflict};
use crate::rejection::{AttestationReason, ProofReason, Rejection, VerifiableReason, WorkloadProofReason};
use crate::trace::Trace;
use testudo_protocol::jose::ProofKeys;
use testudo_protocol::oauth::RequestUri;
use testudo_protocol::oauth::server_nonce::ServerNonces;
use testudo_protocol::{Timestamp, base64url};

/// The conditions under which the proofs of a request are verified.
#[derive(Clone, Copy)]
pub struct ProofTerms<'a> {
    /// The configuration.
    pub policy: &'a Policy,
    /// The identity that the credential proves, if its key is proved; `None` before the credential is verified.
    pub identity: Option<&'a AttestedIdentity>,
    /// The method of the request.
    pub method: &'a str,
    /// The URIs of the endpoint, from the configuration.
    pub uris: &'a [RequestUri],
    /// The access token that the request has with the scheme DPoP. [RFC9449 §7.1]
    pub access_token: Option<&'a str>,
    /// Keys of DPoP proofs that are imported already.
    pub keys: &'a dyn ProofKeys,
    /// The nonces and challenges of this server.
    pub nonces: &'a ServerNonces,
    /// The time.
    pub now: Timestamp,
}

impl ProofTerms<'_> {
    /// Whether the proof of the key in the credential needs a value of this server.
    fn challenge(&self) -> ChallengeUse {
        let authority = self
            .identity
            .and_then(|identity| self.policy.authority(&identity.authority));
        authority.map_or(ChallengeUse::Required, |authority| authority.challenge)
    }

    /// The same for a key that is attested. Which of the attesters of an issuer of credentials attested it is not known
    /// here, so one that requires a challenge is enough.
    fn challenge_of_attested_key(&self) -> ChallengeUse {
        let authority = self
            .identity
            .and_then(|identity| self.policy.authority(&identity.authority));
        let Some(verifiable) = authority.and_then(|authority| authority.verifiable.as_deref()) else {
            return self.challenge();
        };
        let takes_none = |attester| {
            let attester = self.policy.authority(attester);
            attester.is_some_and(|attester| attester.challenge == ChallengeUse::None)
        };
        match !verifiable.attesters.is_empty() && verifiable.attesters.iter().all(takes_none) {
            true => ChallengeUse::None,
            false => ChallengeUse::Required,
        }
    }
}

/// The keys that the sender of a request proved to have, beside the credential.
#[derive(Debug, Clone, Default)]
pub struct Possession {
    /// Thumbprint of the key of the DPoP proof. [RFC9449 §6.1]
    pub dpop_key: Option<[u8; 32]>,
    /// True if a DPoP proof takes the place of the PoP of an attestation. [ABCA §7.3]
    pub is_combined: bool,
    /// True where the request is only imagined, and is assumed to have the DPoP proof that its token needs.
    is_assumed: bool,
    used: Vec<UsedProof>,
}

/// A proof that may be used only once.
#[derive(Debug, Clone)]
struct UsedProof {
    mark: SingleUse,
    /// The reason to refuse its second use.
    replayed: Rejection,
}

impl Possession {
    /// Verifies the proofs of a request.
    pub fn verify(
        proofs: &PresentedProofs,
        terms: ProofTerms<'_>,
        trace: &mut Trace,
    ) -> Result<Possession, Rejection> {
        let mut possession = Possession::default();
        let (pop, dpop) = (proofs.attestation_pop()?, proofs.dpop()?);
        // The header field is ignored as an unknown one unless the experiment is enabled.
        let workload_proof = match terms.policy.experiments.workload_proof_token {
            true => proofs.workload_proof()?,
            false => None,
        };
        let confirmation = terms
            .identity
            .and_then(|identity| identity.proof.confirmation.as_deref());
        // [ABCA §7.3] Without a PoP, the DPoP proof takes its place. [ABCA §7] Beside a PoP, it may have another key.
        let combined = confirmation.filter(|_| pop.is_none() && workload_proof.is_none());
        possession.is_combined = combined.is_some();
        match (confirmation, pop) {
            (Some(key), Some(pop)) => attestation_pop::verify(pop, key, terms, &mut possession, trace)?,
            (None, Some(_)) => return Err(AttestationReason::ProofWithoutAttestation.into()),
            (_, None) => {}
        }
        match (workload_proof, pop) {
            (Some(_), Some(_)) => return Err(WorkloadProofReason::BesidePop.into()),
            (Some(proof), None) => {
                self::workload_proof::verify(proof, confirmation, terms, &mut possession, trace)?;
            }
            (None, _) => {}
        }
        let held = terms
            .identity
            .and_then(|identity| identity.proof.credential.as_deref());
        let has_certificate = terms.identity.is_some_and(AttestedIdentity::has_certificate);
        let held_by_dpop = match held.map(|held| (&held.holder, held.proven_key())) {
            Some((Holder::Presented(proof), Some(key))) => {
                holder::verify(proof, key, terms, &mut possession, trace)?;
                None
            }
            // An attested key is that of the holder (`doors/shared/attested_holder.rs`), and its proof was verified above,
            // or is the DPoP proof that is verified below. A certificate is that of the holder, too
            // (`doors/shared/holder_certificate.rs`), and the TLS handshake proved its key.
            Some((Holder::Beside, _)) if confirmation.is_some() || has_certificate => None,
            Some((Holder::Beside, _)) => {
                let key = held.and_then(|held| held.key.as_deref());
                Some(key.ok_or(VerifiableReason::HolderProofMissing)?)
            }
            Some((Holder::Unproven | Holder::Presented(_), _)) | None => None,
        };
        let is_nonce_required = terms.policy.tokens.dpop_nonce == NonceUse::Required
            || (combined.is_some() && terms.challenge_of_attested_key() == ChallengeUse::Required)
            || (held_by_dpop.is_some() && terms.challenge() == ChallengeUse::Required);
        let verified =
            dpop.map(|proof| self::dpop::verify(proof, is_nonce_required, terms, &mut possession, trace));
        let verified = verified.transpose()?;
        if let Some(key) = held_by_dpop {
            let proof = verified.as_ref().ok_or(VerifiableReason::HolderProofMissing)?;
            if proof.thumbprint != *key.key.thumbprint() || !key.key.key().accepts(proof.algorithm) {
                return Err(VerifiableReason::HolderKeyNotProven.into());
            }
        }
        match (combined, verified) {
            (Some(_), None) if proofs.has_workload_proof() => return Err(WorkloadProofReason::Off.into()),
            (Some(_), None) => return Err(AttestationReason::ProofMissing.into()),
            (Some(key), Some(proof)) => {
                if proof.thumbprint != *key.thumbprint() || !key.key().accepts(proof.algorithm) {
                    return Err(AttestationReason::KeyNotAttested.into());
                }
            }
            (None, _) => {}
        }
        Ok(possession)
    }

    /// Verifies the DPoP proof of the access token of a request, before any other credential of the request.
    pub fn of_access_token(
        proofs: &PresentedProofs,
        terms: ProofTerms<'_>,
        trace: &mut Trace,
    ) -> Result<Possession, Rejection> {
        let mut possession = Possession::default();
        let proof = proofs.dpop()?.ok_or(ProofReason::DpopMissing)?;
        let is_nonce_required = terms.policy.tokens.dpop_nonce == NonceUse::Required;
        dpop::verify(proof, is_nonce_required, terms, &mut possession, trace)?;
        Ok(possession)
    }

    /// The possession of an imagined request, which has a DPoP proof if its token needs one. Only for explanations.
    pub fn assumed() -> Possession {
        Possession {
            is_assumed: true,
            ..Possession::default()
        }
    }

    /// The key of the DPoP proof, for a token that must be bound to one.
    pub(crate) fn needed_dpop_key(&self) -> Option<[u8; 32]> {
        self.dpop_key.or(self.is_assumed.then_some([0; 32]))
    }

    /// The possession of a request whose event has this thumbprint of a DPoP key, in base64url. It contains no mark: the
    /// proof is not used again.
    pub fn of_event(dpop_key: Option<&str>) -> Possession {
        Possession {
            dpop_key: dpop_key.and_then(base64url::parse),
            ..Possession::default()
        }
    }

    /// The thumbprint of the key of the DPoP proof in base64url, for the event of the request.
    pub fn shown_dpop_key(&self) -> Option<String> {
        self.dpop_key.map(|thumbprint| base64url::text(&thumbprint))
    }

    /// The marks that the proofs were used. They are written when a token is issued, so that a refused request does
    /// not use up a proof.
    pub fn single_use(&self) -> Batch {
        let mut batch = Batch::default();
        for used in &self.used {
            batch.mark(&used.mark);
        }
        batch
    }

    /// The marks of the proofs.
    pub fn marks(&self) -> impl Iterator<Item = &SingleUse> {
        self.used.iter().map(|used| &used.mark)
    }

    /// How a conflict is resolved if it is that one of these proofs was used before; `None` for other conflicts.
    pub fn conflict(&self, on: &Conflict) -> Option<Resolution> {
        let Conflict::Used(key) = on else { return None };
        let used = self.used.iter().find(|used| used.mark.key == *key)?;
        Some(Resolution::Refuse(used.replayed.clone()))
    }

    fn add_used(&mut self, mark: SingleUse, replayed: impl Into<Rejection>) {
        let replayed = replayed.into();
        self.used.push(UsedProof { mark, replayed });
    }
}
