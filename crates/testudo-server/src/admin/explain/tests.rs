//! For every reason to refuse a request: the refusal, its event, and the explanation of the event.

use super::unproven::Today;
use super::{of_request, then};
use crate::audit::{RequestTrail, refuse};
use crate::state::test_app::app;
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
use testudo_protocol::Timestamp;

#[path = "../../../../testudo-core/src/rejection/tests/examples.rs"]
mod examples;

const AT_TOKEN: Endpoint = Endpoint::Token {
    authorization: Authorization::Absent,
};

#[tokio::test]
async fn explanation_of_a_refused_request_names_each_reason_what_happened_and_the_remedy() {
    let app = app().await;
    for rejection in examples::reasons() {
        // The number of events per minute is limited, so each refusal has its own minute.
        app.clock.shift(61);
        let id = app.clock.request_id();
        let trail = RequestTrail::of(OccasionKind::Token, &id);
        let answer = refuse(&app, &trail, &rejection, AT_TOKEN, None).await;
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
        refuse(&app, &trail, &rejection, AT_TOKEN, None).await;
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
async fn refusal_of_a_code_or_refresh_token_is_not_decided_again_and_a_malformed_one_remains_refused() {
    let app = app().await;
    for rejection in examples::reasons() {
        let name = rejection.name();
        let (is_secret, is_malformed) = match &rejection {
            Rejection::Grant(GrantReason::GrantMissing(_) | GrantReason::VerifierMalformed(_)) => {
                (false, true)
            }
            // Of the revocation endpoint, whose requests are not decided again either.
            Rejection::Grant(GrantReason::TokenOfOtherClient | GrantReason::TokenNotRevocable) => {
                (false, false)
            }
            Rejection::Grant(_) => (true, false),
            Rejection::Request(_)
            | Rejection::Credential(_)
            | Rejection::Metadata(_)
            | Rejection::Proof(_)
            | Rejection::Attestation(_)
            | Rejection::Authorization(_)
            | Rejection::SignIn(_)
            | Rejection::Admission(_) => continue,
        };
        assert_eq!(then::ABOUT_SECRETS.contains(&name), is_secret, "{name}");
        let mut event = Event::new(
            String::new(),
            Timestamp(0),
            EventKind::ClientRefused,
            Timestamp(1),
        );
        event.reason = Some(name.to_owned());
        let (today, _) = Today::of(&app, &event).verdict(&then::verdict(&event));
        assert_eq!(today.is_some(), is_malformed, "{name}");
    }
}

#[test]
fn refusal_because_of_the_session_or_the_person_is_not_one_of_the_client() {
    for rejection in examples::reasons() {
        let Rejection::Authorization(reason) = &rejection else {
            assert!(!then::ABOUT_PEOPLE.contains(&rejection.name()), "{rejection:?}");
            continue;
        };
        let is_about_people = match reason {
            AuthorizationReason::SignInNeeded
            | AuthorizationReason::ConsentNeeded
            | AuthorizationReason::AcrUnmet
            | AuthorizationReason::GroupMissing { .. }
            | AuthorizationReason::ConsentRefused
            | AuthorizationReason::ConsentDiffers
            | AuthorizationReason::SessionDiffers => true,
            AuthorizationReason::ParametersWrong(_)
            | AuthorizationReason::AskingClientUnknown
            | AuthorizationReason::RedirectRefused(_)
            | AuthorizationReason::PushedRequestUnknown
            | AuthorizationReason::PushedRequestOfOther
            | AuthorizationReason::PushMissing { .. }
            | AuthorizationReason::ObjectMissing
            | AuthorizationReason::ObjectNotTaken
            | AuthorizationReason::ObjectRefused(_)
            | AuthorizationReason::ObjectKeysUnavailable { .. }
            | AuthorizationReason::DpopKeyDiffers
            | AuthorizationReason::PushShareUsed { .. } => false,
        };
        assert_eq!(
            then::ABOUT_PEOPLE.contains(&rejection.name()),
            is_about_people,
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn authorization_request_whose_signature_was_refused_is_not_decided_again_for_a_reason_of_its_own() {
    let app = app().await;
    for rejection in examples::reasons() {
        for (occasion, endpoint) in [
            (OccasionKind::Authorization, Endpoint::Authorization),
            (OccasionKind::PushedAuthorization, AT_TOKEN),
        ] {
            app.clock.shift(61);
            let id = app.clock.request_id();
            let mut trail = RequestTrail::of(occasion, &id);
            trail.details.client_id = Some("signer".to_owned());
            refuse(&app, &trail, &rejection, endpoint, None).await;
            let explained = of_request(&app, &id).await.unwrap();
            let is_signed = match &rejection {
                Rejection::Authorization(reason) => matches!(
                    reason,
                    AuthorizationReason::ObjectRefused(_)
                        | AuthorizationReason::ObjectKeysUnavailable { .. }
                        | AuthorizationReason::ObjectNotTaken
                ),
                Rejection::Request(_)
                | Rejection::Credential(_)
                | Rejection::Metadata(_)
                | Rejection::Grant(_)
                | Rejection::SignIn(_)
                | Rejection::Admission(_)
                | Rejection::Attestation(_)
                | Rejection::Proof(_) => false,
            };
            let notes = explained.notes.join("; ");
            let says_so = explained.today.is_none() && notes.contains("does not contain what was signed");
            assert_eq!(says_so, is_signed, "{rejection:?}: {notes}");
        }
    }
}

/// The tokens of such a client are bound to its certificate, also if it does not authenticate with it.
#[tokio::test]
async fn identity_of_a_client_that_this_server_named_is_read_with_its_certificate() {
    let mut proven = AttestedIdentity::named_here("c_1", CredentialKind::Public, None);
    let app = app().await;
    for certificate in [None, Some([7; 32])] {
        proven.proof.certificate_thumbprint = certificate;
        let kind = EventKind::ClientRegistered;
        let mut event = Event::new(String::new(), Timestamp(0), kind, Timestamp(1));
        event.identity = Some("c_1".to_owned());
        event.door = Some(CredentialKind::Public.name().to_owned());
        event.authority = Some(proven.authority.key().to_owned());
        event.request = Some(
            RequestDetails {
                client_id: Some("c_1".to_owned()),
                ..RequestDetails::default()
            }
            .proven(Some(&proven))
            .unwrap(),
        );
        let read = then::identity(&event, &app.in_force.load().policy).unwrap();
        assert_eq!(read.proof.certificate_thumbprint, certificate);
        assert_eq!(read.authority, Authority::registration());
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
