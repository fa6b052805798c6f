//! For every reason to refuse a request: the refusal, its event, and the explanation of the event.

use super::unproven::Today;
use super::{of_request, then};
use crate::audit::{RequestTrail, refuse};
use crate::config::parse;
use crate::key_encryption::KeyEncryption;
use crate::state::app::{App, AppParts};
use crate::state::certificates::Certificates;
use crate::state::keys::Keyring;
use std::path::Path;
use std::sync::Arc;
use testudo_core::identity::{CredentialFormat, Proof, SenderConstraint};
use testudo_core::records::{Event, EventKind, RequestDetails};
use testudo_core::rejection::{
    AdmissionReason, AttestationReason, Authorization, AuthorizationReason, CertificateUse, ClaimDifference,
    CredentialReason, Endpoint, GrantReason, MetadataReason, NotAcceptedBy, PasskeyFault, PasskeyReason,
    Presented, ProofReason, Rejection, RequestReason, ServiceAccountReason, SignInReason, StatusEntry,
    StatusReason, VerifiableReason, WorkloadProofReason,
};
use testudo_core::{AttestedIdentity, Authority, CredentialKind, OccasionKind};
use testudo_fetch::Network;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;
use testudo_store::Store;

#[path = "../../../../testudo-core/src/rejection/tests/examples.rs"]
mod examples;

async fn app() -> App {
    let text = "issuer = \"https://as.example\"\n[store]\nurl = \"memory:\"\n";
    let (configuration, _) = parse(text, Path::new("/nowhere"), 1).unwrap();
    let (store, encryption) = (Store::memory(), KeyEncryption::new(&[7; 32]).unwrap());
    let keys = Keyring::load(&store, &encryption, Algorithm::ES256, Timestamp(0))
        .await
        .unwrap();
    let fetcher = configuration.outbound.fetcher(Network::default()).unwrap();
    let parts = AppParts {
        store,
        keys,
        encryption,
        fetcher,
        network: Network::default(),
        certificates: Certificates::default(),
        config_path: None,
        observer: None,
    };
    App::new(configuration, parts).await.unwrap()
}

#[tokio::test]
async fn explanation_of_a_refused_request_names_each_reason_what_happened_and_the_remedy() {
    let app = app().await;
    let endpoint = Endpoint::Token {
        authorization: Authorization::Absent,
    };
    for rejection in examples::reasons() {
        // The number of events per minute is limited, so each refusal has its own minute.
        app.clock.shift(61);
        let id = app.clock.request_id();
        let trail = RequestTrail::of(OccasionKind::Token, &id);
        let answer = refuse(&app, &trail, &rejection, endpoint, None).await;
        let explained = of_request(&app, &id).await.unwrap();
        let verdict = &explained.verdict;
        assert_eq!(
            (
                verdict.outcome.as_str(),
                verdict.rejection.as_deref(),
                verdict.error.as_deref()
            ),
            ("refused", Some(rejection.name()), Some(answer.code.name())),
            "{rejection:?}"
        );
        assert_eq!(verdict.detail, Some(rejection.to_string()), "{rejection:?}");
        assert_eq!(verdict.hint, Some(rejection.hint()), "{rejection:?}");
    }
}

#[tokio::test]
async fn refusal_of_a_proof_is_not_decided_again_for_a_proven_identity() {
    let app = app().await;
    let endpoint = Endpoint::Token {
        authorization: Authorization::Absent,
    };
    let authority = Authority::of_key("spiffe://a.example").unwrap();
    let subject = "spiffe://a.example/x";
    let proof = Proof::until(Timestamp(i64::MAX));
    let identity = Arc::new(AttestedIdentity::proven(
        authority,
        subject,
        CredentialKind::JwtSvid,
        proof,
    ));
    for rejection in examples::reasons() {
        app.clock.shift(61);
        let id = app.clock.request_id();
        let mut trail = RequestTrail::of(OccasionKind::Token, &id);
        trail.identity = Some(identity.clone());
        refuse(&app, &trail, &rejection, endpoint, None).await;
        let explained = of_request(&app, &id).await.unwrap();
        let is_of_proof = match &rejection {
            Rejection::Proof(ProofReason::ShareUsed { .. }) => false,
            Rejection::Proof(_) => true,
            Rejection::Attestation(reason) => matches!(
                reason,
                AttestationReason::ProofMissing
                    | AttestationReason::ProofWithoutAttestation
                    | AttestationReason::Pop(_)
                    | AttestationReason::PopReplayed
                    | AttestationReason::ChallengeMissing
                    | AttestationReason::ChallengeNotAccepted
                    | AttestationReason::KeyNotAttested
                    | AttestationReason::WorkloadProof(_)
            ),
            // A PoP that is sent twice.
            Rejection::Request(RequestReason::AttestationNotOne) => true,
            Rejection::Credential(CredentialReason::Verifiable(reason)) => matches!(
                **reason,
                VerifiableReason::HolderProofMissing
                    | VerifiableReason::HolderKeyNotProven
                    | VerifiableReason::HolderCertificateDiffers
                    | VerifiableReason::HolderProof(_)
                    | VerifiableReason::NonceNotAccepted
                    | VerifiableReason::ProofReplayed
            ),
            Rejection::Request(_)
            | Rejection::Credential(_)
            | Rejection::Metadata(_)
            | Rejection::Grant(_)
            | Rejection::SignIn(_)
            | Rejection::Admission(_) => false,
            Rejection::Authorization(reason) => *reason == AuthorizationReason::DpopKeyDiffers,
        };
        let is_undecided =
            explained.today.is_none() && explained.notes == ["the proof of the request was not recorded"];
        assert_eq!(is_undecided, is_of_proof, "{rejection:?}: {:?}", explained.notes);
    }
}

#[tokio::test]
async fn refused_grant_is_compared_with_the_grants_that_are_supported_now() {
    let app = app().await;
    let today = |grant_type: Option<&'static str>| {
        let kind = EventKind::ClientRefused;
        let mut event = Event::new(String::new(), Timestamp(0), kind, Timestamp(1));
        event.reason = Some("unsupported_grant_type".to_owned());
        event.request = Some(Box::new(RequestDetails {
            grant_type: grant_type.map(Into::into),
            ..RequestDetails::default()
        }));
        Today::of(&app, &event).verdict(&then::verdict(&event))
    };
    assert!(
        today(Some("urn:ietf:params:oauth:grant-type:device_code"))
            .0
            .is_some()
    );
    let (verdict, notes) = today(Some("client_credentials"));
    assert!(verdict.is_none() && notes[0].starts_with("the grant `client_credentials` is supported now"));
    assert_eq!(today(None), (None, Vec::new()), "an event of an earlier version");
}
