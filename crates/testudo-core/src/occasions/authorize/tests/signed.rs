//! Signed requests: each refused one beside the accepted one without the fault.

use super::world::{SHOP_CALLBACK, WEB, World, page, responded};
use crate::doors::{ClientKeys, Facts};
use crate::metadata::keys::key_set;
use crate::occasions::authorize::Authorized;
use crate::policy::ClientMethod;
use crate::records::{Client, Registration};
use crate::rejection::{AuthorizationReason, Rejection};
use serde_json::{Value, json};
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, KeySet, SigningKey};
use testudo_protocol::oauth::request_object::{RequestObjectError, TYP};
use testudo_testkit::generate_key;

const SIGNER: &str = "signer";

/// The claims of a right object of this client.
fn claims(world: &World, client_id: &str) -> Value {
    json!({
        "iss": client_id, "aud": "https://as.example", "exp": world.now + 300, "iat": world.now,
        "client_id": client_id, "response_type": "code", "redirect_uri": SHOP_CALLBACK, "state": "s",
        "scope": "read",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
    })
}

fn keys(key: &SigningKey) -> Arc<KeySet> {
    Arc::new(key_set(&testudo_testkit::key_set(&[key])).unwrap())
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    key.sign_jwt(Some(TYP), claims.to_string().as_bytes()).unwrap()
}

/// A world in which [`SIGNER`] has this key.
fn world() -> (World, SigningKey) {
    let (mut world, key) = (World::new(), generate_key(Algorithm::ES256, Some("k")));
    world.configure(SIGNER, ClientMethod::PrivateKeyJwt(keys(&key)), SHOP_CALLBACK);
    (world, key)
}

fn send(world: &mut World, client_id: &str, object: &str, more: &str) -> Result<Authorized, Rejection> {
    world.send(&format!("client_id={client_id}&request={object}{more}"))
}

#[track_caller]
fn on_page(outcome: Result<Authorized, Rejection>, reason: AuthorizationReason, case: &str) {
    assert_eq!(outcome.unwrap_err(), reason.into(), "{case}");
}

/// The keys of a registered client.
fn facts(record: &Client, key: &SigningKey) -> Facts {
    let mut record = record.clone();
    record.registration = Some(Box::new(Registration::of_nothing(record.created)));
    Facts::Client(Arc::new(ClientKeys::found(&record, keys(key)).unwrap()))
}

// Row AZ-21.
#[test]
fn only_the_parameters_in_the_object_count() {
    let (mut world, key) = world();
    let object = sign(&key, &claims(&world, SIGNER));
    let more = "&scope=write&redirect_uri=https://evil.example&state=other&prompt=none&response_type=token";
    let asked = page(send(&mut world, SIGNER, &object, more));
    let scopes: Vec<&str> = asked.content.scopes.iter().map(|shown| &*shown.scope).collect();
    assert_eq!(scopes, ["read"]);
    assert_eq!(asked.content.client.redirect, "https://shop.example");
}

// Rows AZ-20, AZ-22.
#[test]
fn object_that_is_not_one_of_the_client_for_this_server_is_refused_on_a_page() {
    let (mut world, key) = world();
    let good = claims(&world, SIGNER);
    page(send(&mut world, SIGNER, &sign(&key, &good), ""));
    let refused = AuthorizationReason::ObjectRefused;
    for (member, value, expected) in [
        ("client_id", json!("shop"), RequestObjectError::WrongClient),
        ("iss", json!("shop"), RequestObjectError::WrongIssuer),
        (
            "aud",
            json!("https://other.example"),
            RequestObjectError::WrongAudience,
        ),
        ("sub", json!(SIGNER), RequestObjectError::HasSubject),
        ("exp", json!(world.now), RequestObjectError::Expired),
        ("exp", json!(world.now + 7_200), RequestObjectError::TooLong),
        ("nbf", json!(world.now + 60), RequestObjectError::NotYetValid),
        ("request", json!("e30"), RequestObjectError::Nested),
        ("request_uri", json!("urn:x"), RequestObjectError::Nested),
        (
            "scope",
            json!(["read"]),
            RequestObjectError::Parameter { name: "scope" },
        ),
    ] {
        let mut changed = good.clone();
        changed[member] = value;
        let outcome = send(&mut world, SIGNER, &sign(&key, &changed), "");
        on_page(outcome, refused(expected), member);
    }
    let wrong_type = key.sign_jwt(Some("JWT"), good.to_string().as_bytes()).unwrap();
    let outcome = send(&mut world, SIGNER, &wrong_type, "");
    on_page(outcome, refused(RequestObjectError::WrongType), "typ");
    let other = generate_key(Algorithm::ES256, Some("k"));
    let header = json!({ "alg": "none", "typ": TYP }).to_string();
    let unsigned = testudo_testkit::token::assemble(header.as_bytes(), good.to_string().as_bytes(), b"");
    for (case, object) in [
        ("another key", sign(&other, &good)),
        ("no signature", unsigned),
        ("no JWS", "e30".to_owned()),
    ] {
        let outcome = send(&mut world, SIGNER, &object, "").unwrap_err();
        let is_of_signature = matches!(
            &outcome,
            Rejection::Authorization(AuthorizationReason::ObjectRefused(RequestObjectError::Jose(_)))
        );
        assert!(is_of_signature, "{case}: {outcome:?}");
    }
}

#[test]
fn client_without_keys_of_its_own_must_push() {
    let (mut world, key) = world();
    world.configure("app", ClientMethod::Public, SHOP_CALLBACK);
    for client_id in [WEB, "shop", "app", "unknown"] {
        let object = sign(&key, &claims(&world, client_id));
        let outcome = send(&mut world, client_id, &object, "");
        on_page(outcome, AuthorizationReason::ObjectNotTaken, client_id);
    }
    // The keys of a registration do not verify the requests of a configured client.
    let other = generate_key(Algorithm::ES256, Some("k"));
    let record = world.known();
    world.facts = facts(&record, &other);
    let object = sign(&other, &claims(&world, "shop"));
    let outcome = send(&mut world, "shop", &object, "");
    on_page(outcome, AuthorizationReason::ObjectNotTaken, "shop");
    let why = "no answer".to_owned();
    world.facts = Facts::KeysElsewhere { why: why.clone() };
    let object = sign(&other, &claims(&world, "c_1"));
    let outcome = send(&mut world, "c_1", &object, "");
    on_page(
        outcome,
        AuthorizationReason::ObjectKeysUnavailable { why },
        "jwks_uri",
    );
}

// Row AZ-22. [RFC9101 §10.5]
#[test]
fn client_that_registered_that_it_signs_is_served_only_with_a_signature() {
    let (mut world, _) = world();
    let key = generate_key(Algorithm::ES256, Some("r"));
    let id = world.registered(SHOP_CALLBACK);
    let mut record: Client = world.store.all::<Client>().pop().unwrap();
    record.registration.as_mut().unwrap().must_sign_requests = true;
    world.store.put(&record);
    world.facts = facts(&record, &key);
    let unsigned = responded(world.visit(&id, "")).unwrap_err();
    assert_eq!(unsigned, AuthorizationReason::ObjectMissing.into());
    let object = sign(&key, &claims(&world, &id));
    page(send(&mut world, &id, &object, ""));
    // A signature does not replace the push.
    record.registration.as_mut().unwrap().must_push = true;
    world.store.put(&record);
    let rule = "registration.open".to_owned();
    let refused = responded(send(&mut world, &id, &object, "")).unwrap_err();
    assert_eq!(refused, AuthorizationReason::PushMissing { rule }.into());
}

#[test]
fn error_in_a_signed_request_is_returned_to_the_client() {
    let (mut world, key) = world();
    for (member, value) in [
        ("response_type", json!("token")),
        ("code_challenge", json!("")),
        ("code_challenge_method", json!("plain")),
        ("scope", json!("unknown")),
    ] {
        let mut changed = claims(&world, SIGNER);
        changed[member] = value;
        let outcome = send(&mut world, SIGNER, &sign(&key, &changed), "");
        assert!(responded(outcome).is_err(), "{member}");
    }
    let mut elsewhere = claims(&world, SIGNER);
    elsewhere["redirect_uri"] = json!("https://evil.example/cb");
    let outcome = send(&mut world, SIGNER, &sign(&key, &elsewhere), "");
    assert!(outcome.is_err(), "on a page: {outcome:?}");
}
