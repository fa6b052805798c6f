//! Tests of what a client may push, and of what is kept of it.

use super::*;
use crate::admission::attested_by::BesideAttestation;
use crate::grants::tests::world::{CALLBACK, Caller as Sender, START, WEB, World, governed, public, web};
use crate::identity::{CredentialKind, OccasionKind, SenderConstraint};
use crate::possession::Possession;
use crate::records::client_tests::whole;
use crate::records::{Client, ClientMetadata, Kind, Registration, RequestDetails};
use crate::rejection::AdmissionReason;
use crate::rules::Rule;
use testudo_protocol::oauth::Form;
use testudo_protocol::oauth::authorization::AuthorizationParameters;
use testudo_protocol::{Timestamp, base64url};

fn world() -> World {
    let mut world = World::new();
    world.spec.redirect_uris = vec![CALLBACK.to_owned()];
    world
}

fn asked(more: &str) -> AuthorizationRequest {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let text = format!("response_type=code&code_challenge={challenge}&code_challenge_method=S256{more}");
    let form = Form::parse(text.as_bytes()).unwrap();
    AuthorizationRequest::parse(&AuthorizationParameters::parse(&form)).unwrap()
}

fn push(world: &mut World, sender: &Sender, more: &str) -> Result<Pushed, Rejection> {
    let rule = Rule::compile(&world.spec).unwrap();
    let identity = sender.identity();
    let governed = governed(&identity, &rule);
    let dpop_key = sender.dpop_key.map(|key| base64url::text(&key));
    let possession = Possession::of_event(dpop_key.as_deref());
    let details = RequestDetails::default();
    let outcome = world.settle(&PushRequest {
        caller: Caller {
            governed: &governed,
            client_id: None,
            attestation: BesideAttestation::Absent,
            possession: &possession,
        },
        asked: &asked(more),
        is_signed: false,
        request: RequestRef {
            occasion: OccasionKind::PushedAuthorization,
            id: "r",
            details: &details,
        },
    })?;
    match outcome {
        PushOutcome::Pushed(pushed) => Ok(pushed),
        PushOutcome::Refused(rejection, _) => Err(rejection),
    }
}

/// The record of the request with this name.
fn kept(world: &World, pushed: &Pushed) -> PushedRequest {
    let digest = SecretDigest::of_bytes(pushed.request_uri.digest());
    world.read(digest.key()).unwrap()
}

// Row AZ-12.
#[test]
fn request_is_kept_under_the_digest_of_its_name_and_its_client_is_registered_once() {
    let mut world = world();
    let first = push(&mut world, &web(), "&scope=read&state=s").unwrap();
    assert!(first.is_new);
    assert_eq!(first.lifetime, REQUEST_URI_LIFETIME);
    let second = push(&mut world, &web(), "").unwrap();
    assert!(!second.is_new);
    assert_ne!(first.request_uri.as_str(), second.request_uri.as_str());
    assert_eq!(world.count(Kind::Client), 1);
    let record = kept(&world, &first);
    assert_eq!(record.client.client_id, WEB);
    assert_eq!(record.client.generation, Some(1));
    assert_eq!(record.redirect_uri.as_str(), CALLBACK);
    assert_eq!(record.expires, Timestamp(START) + REQUEST_URI_LIFETIME);
    assert_eq!(record.request.state.as_deref(), Some("s"));
    assert_eq!(record.request.scope.unwrap().to_string(), "read");
    assert_eq!(record.request.resources[0].as_str(), "https://api.example");
}

// Row RF-81.
#[test]
fn request_that_is_refused_is_not_kept_and_registers_no_client() {
    let mut world = world();
    for foreign in [
        "https://evil.example/cb",
        "https://web.apps.example/callback/",
        "http://127.0.0.1/",
    ] {
        let refused = push(&mut world, &web(), &format!("&redirect_uri={foreign}")).unwrap_err();
        let is_redirect = matches!(
            refused,
            Rejection::Authorization(AuthorizationReason::RedirectRefused(_))
        );
        assert!(is_redirect, "{foreign}: {refused:?}");
    }
    let refused = push(&mut world, &web(), "&scope=admin").unwrap_err();
    let is_scope = matches!(
        refused,
        Rejection::Admission(AdmissionReason::ScopeNotAllowed { .. })
    );
    assert!(is_scope, "{refused:?}");
    world.spec.grant_types = Some(vec!["client_credentials".to_owned()]);
    push(&mut world, &web(), "").unwrap_err();
    assert_eq!(world.count(Kind::PushedRequest), 0);
    assert!(world.store.all::<Client>().is_empty());
}

// Row G-09.
#[test]
fn code_will_be_bound_to_the_key_of_the_proof_which_must_be_the_named_one() {
    let mut world = world();
    let key = [5; 32];
    let proven = Sender {
        dpop_key: Some(key),
        ..web()
    };
    let named = base64url::text(&key);
    let other = base64url::text(&[6; 32]);
    for (sender, more) in [
        (&proven, String::new()),
        (&proven, format!("&dpop_jkt={named}")),
        (&web(), format!("&dpop_jkt={named}")),
    ] {
        let pushed = push(&mut world, sender, &more).unwrap();
        let bound = kept(&world, &pushed).bound_to;
        assert_eq!(bound.dpop_key, Some(KeyThumbprint(key)), "{more}");
        assert_eq!((bound.certificate, bound.instance_key), (None, None));
    }
    let refused = push(&mut world, &proven, &format!("&dpop_jkt={other}")).unwrap_err();
    assert_eq!(refused, AuthorizationReason::DpopKeyDiffers.into());
    let pushed = push(&mut world, &web(), "").unwrap();
    assert_eq!(kept(&world, &pushed).bound_to, BoundTo::default());
}

// [RFC8705 §4]
#[test]
fn code_will_be_bound_to_the_certificate_of_a_public_client_also_while_its_other_proof_is_missing() {
    let bound = |constraint: SenderConstraint, change: fn(&mut Registration)| {
        let mut registration = Registration::of_nothing(Timestamp(START));
        change(&mut registration);
        let mut world = World::with(&public(), |_| {});
        world.spec.sender_constraint = Some(constraint);
        world.put(&Client {
            expires: None,
            registration: Some(Box::new(registration)),
            metadata: ClientMetadata {
                redirect_uris: vec![CALLBACK.to_owned()],
                ..ClientMetadata::default()
            },
            first_credential: CredentialKind::Public,
            last_credential: CredentialKind::Public,
            ..whole()
        });
        let sender = Sender {
            certificate: Some([7; 32]),
            ..public()
        };
        let pushed = push(&mut world, &sender, "").unwrap();
        kept(&world, &pushed).bound_to.certificate
    };
    let own = Some(KeyThumbprint([7; 32]));
    let (dpop, any) = (SenderConstraint::Dpop, SenderConstraint::Any);
    assert_eq!(bound(SenderConstraint::Mtls, |_| {}), own);
    assert_eq!(bound(dpop, |registered| registered.must_bind_tokens = true), own);
    assert_eq!(bound(any, |_| {}), own);
    // The tokens are bound to a key alone.
    assert_eq!(bound(dpop, |_| {}), None);
    assert_eq!(
        bound(any, |registered| registered.dpop_bound_access_tokens = true),
        None
    );
    assert_eq!(bound(SenderConstraint::None, |_| {}), None);
}

#[test]
fn name_of_a_request_is_not_in_its_debug_output() {
    let pushed = push(&mut world(), &web(), "").unwrap();
    let shown = format!("{pushed:?}");
    assert!(!shown.contains(pushed.request_uri.as_str()), "{shown}");
}
