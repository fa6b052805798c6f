//! Tests of the proofs of a request.

use super::*;
use crate::identity::{Authority, CredentialKind, Proof};
use crate::policy::NonceUse;
use crate::rejection::ProofReason;
use testudo_protocol::jose::{Algorithm, NoProofKeysKept, SigningKey};
use testudo_protocol::oauth::dpop::DpopClaims;
use testudo_protocol::oauth::server_nonce::NoncePurpose;
use testudo_testkit::generate_key;

const NOW: Timestamp = Timestamp(1_795_000_000);
const URI: &str = "https://as.example/token";

/// An identity whose credential names no key.
fn unconfirmed() -> AttestedIdentity {
    let authority = Authority::of_key("spiffe://a.example").unwrap();
    let proof = Proof::until(Timestamp(NOW.0 + 300));
    AttestedIdentity::proven(authority, "spiffe://a.example/x", CredentialKind::JwtSvid, proof)
}

struct World {
    key: SigningKey,
    policy: Policy,
    identity: AttestedIdentity,
    uris: [RequestUri; 2],
    nonces: ServerNonces,
}

impl World {
    fn new(dpop_nonce: NonceUse) -> World {
        let mut policy = Policy::of_tests();
        policy.tokens.dpop_nonce = dpop_nonce;
        World {
            key: generate_key(Algorithm::ES256, None),
            policy,
            identity: unconfirmed(),
            uris: [URI, "https://mtls.as.example/token"].map(|uri| RequestUri::parse(uri).unwrap()),
            nonces: ServerNonces::new(&[1; 32], "https://as.example"),
        }
    }

    fn proof(&self, nonce: Option<&str>) -> String {
        let claims = DpopClaims {
            jti: "a",
            htm: "POST",
            htu: URI,
            iat: NOW,
            nonce,
        };
        claims.sign(&self.key, None).unwrap()
    }

    fn verify(&self, proofs: Vec<String>) -> Result<Possession, Rejection> {
        let terms = ProofTerms {
            policy: &self.policy,
            identity: Some(&self.identity),
            method: "POST",
            uris: &self.uris,
            access_token: None,
            keys: &NoProofKeysKept,
            nonces: &self.nonces,
            now: NOW,
        };
        Possession::verify(
            &PresentedProofs::new(proofs, Vec::new()),
            terms,
            &mut Trace::off(),
        )
    }

    fn refused(&self, proof: &str) -> Rejection {
        self.verify(vec![proof.to_owned()]).unwrap_err()
    }
}

#[test]
fn proof_binds_the_token_to_its_key_and_is_used_once() {
    let world = World::new(NonceUse::Optional);
    let possession = world.verify(vec![world.proof(None)]).unwrap();
    assert_eq!(possession.dpop_key, Some(world.key.thumbprint()));
    assert_eq!(possession.single_use().writes.len(), 1);

    let mark = possession.marks().next().unwrap().clone();
    let replayed = possession.conflict(&Conflict::Used(mark.key));
    let expected = Resolution::Refuse(ProofReason::DpopReplayed.into());
    assert_eq!(replayed, Some(expected));
    let of_others = possession.conflict(&Conflict::Used([7; 32]));
    assert_eq!(
        of_others, None,
        "the mark of a credential is not that of the proof"
    );
}

#[test]
fn request_without_a_proof_proves_no_key() {
    let possession = World::new(NonceUse::Required).verify(Vec::new()).unwrap();
    assert!(possession.dpop_key.is_none() && possession.single_use().is_empty());
}

// Row F-24.
#[test]
fn rfc9449_4_3_two_dpop_headers_are_refused() {
    let world = World::new(NonceUse::Optional);
    let twice = vec![world.proof(None), world.proof(None)];
    assert_eq!(world.verify(twice).unwrap_err(), ProofReason::DpopRepeated.into());
}

// Row G-07.
#[test]
fn rfc9449_8_nonce_must_be_present_if_required_and_valid_if_present() {
    let required = World::new(NonceUse::Required);
    let optional = World::new(NonceUse::Optional);
    let fresh = required.nonces.issue(NoncePurpose::Dpop, NOW);
    let expired = required.nonces.issue(NoncePurpose::Dpop, Timestamp(NOW.0 - 301));
    let challenge = required.nonces.issue(NoncePurpose::AttestationChallenge, NOW);
    for world in [&required, &optional] {
        assert!(world.verify(vec![world.proof(Some(&fresh))]).is_ok());
        for nonce in [&expired, &challenge, "foreign"] {
            let refused = world.refused(&world.proof(Some(nonce)));
            assert_eq!(refused, ProofReason::DpopNonceNotAccepted.into(), "{nonce}");
        }
    }
    let refused = required.refused(&required.proof(None));
    assert_eq!(refused, ProofReason::DpopNonceMissing.into());
    assert!(optional.verify(vec![optional.proof(None)]).is_ok());
}

#[test]
fn proof_for_the_listener_of_client_certificates_is_accepted_and_one_for_another_server_is_not() {
    let world = World::new(NonceUse::Optional);
    let claims = |htu| DpopClaims {
        jti: "a",
        htm: "POST",
        htu,
        iat: NOW,
        nonce: None,
    };
    let sign = |htu| claims(htu).sign(&world.key, None).unwrap();
    assert!(world.verify(vec![sign("https://mtls.as.example/token")]).is_ok());
    let refused = world.refused(&sign("https://evil.example/token"));
    assert!(
        matches!(refused, Rejection::Proof(ProofReason::Dpop(_))),
        "{refused}"
    );
}
