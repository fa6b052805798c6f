//! Bundle documents with faults and with unusual values, from a source that a running server fetches. A document is used
//! as a whole or not at all; single keys that cannot be used are left out.

use crate::bundles::{Behaviour, Endpoint, ask, refresh, world_of};
use crate::world::{ISSUER, World};
use serde_json::{Value, json};
use std::time::Duration;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::token::Draft;
use testudo_testkit::x509::X509Issuer;
use testudo_testkit::{TestIssuer, generate_key, svid_form};

/// A server that fetches the bundle of z.example.
struct Source {
    endpoint: Endpoint,
    world: World,
    /// Its key is in every document.
    issuer: TestIssuer,
}

impl Source {
    async fn start() -> Source {
        let issuer = TestIssuer::new("z.example");
        let source = Source {
            endpoint: Endpoint::start(Behaviour::Status(500)).await,
            world: World::start().await,
            issuer,
        };
        let text = source.text(&[], "");
        source.endpoint.set(Behaviour::Document(text));
        Source {
            world: world_of(&source.endpoint).await,
            ..source
        }
    }

    /// A document with the key of the issuer, these keys, and these further members.
    fn text(&self, more: &[&Value], members: &str) -> String {
        let mut bundle = self.issuer.bundle();
        let keys = bundle["keys"].as_array_mut().unwrap();
        keys.extend(more.iter().map(|key| (*key).clone()));
        format!("{{\"keys\":{}{members}}}", bundle["keys"])
    }

    /// Publishes this document and has it fetched; returns the status of the answer and what `trust show` states.
    async fn publish(&self, text: &str) -> (u16, Value) {
        self.endpoint.set(Behaviour::Document(text.to_owned()));
        let (status, _) = refresh(&self.world).await;
        let path = "/admin/v1/trust/z.example";
        (status, self.world.admin("GET", path, Value::Null).await)
    }

    /// The status of the answer to a workload whose SVID is signed with this key.
    async fn ask_by(&self, key: &SigningKey) -> u16 {
        let draft = Draft::svid(key, "spiffe://z.example/w/2", ISSUER, self.world.now());
        self.send(&draft).await
    }

    async fn send(&self, draft: &Draft<'_>) -> u16 {
        self.world.send(&svid_form(&draft.sign(), &[])).await.status
    }
}

fn key(kid: &str) -> SigningKey {
    generate_key(Algorithm::ES256, Some(kid))
}

// Rows I-03, I-07, I-08, I-10, I-12, I-22.
#[tokio::test]
async fn document_with_a_fault_is_refused_as_a_whole_and_the_last_good_one_stays() {
    let source = Source::start().await;
    let (new, other) = (key("new"), key("new"));
    let jwk = new.public_jwk("jwt-svid", true);
    let with = |members: &str| source.text(&[&jwk], members);
    let beside = |more: Value| source.text(&[&jwk, &more], "");
    let mut private = key("private").public_jwk("jwt-svid", true);
    private["d"] = json!("AA");
    let good = with("");
    let map = format!("{{\"trust_domains\":{{\"z.example\":{good}}}}}");
    let twice = format!("{{\"trust_domains\":{{\"z.example\":{good},\"z.example\":{good}}}}}");
    for (case, text) in [
        ("I-03 no keys", "{}".to_owned()),
        ("I-03 keys is an object", "{\"keys\":{}}".to_owned()),
        ("I-03 page", "<html>".to_owned()),
        ("I-07 fraction", with(",\"spiffe_sequence\":1.5")),
        ("I-07 negative", with(",\"spiffe_sequence\":-1")),
        ("I-07 text", with(",\"spiffe_sequence\":\"7\"")),
        ("I-07 2^64", with(",\"spiffe_sequence\":18446744073709551616")),
        ("I-07 1e400", with(",\"spiffe_sequence\":1e400")),
        ("I-08 text", with(",\"spiffe_refresh_hint\":\"x\"")),
        ("I-10 two JWT keys", beside(other.public_jwk("jwt-svid", true))),
        ("I-10 JWT and WIT key", beside(other.public_jwk("wit-svid", true))),
        ("I-12 private key", beside(private)),
        ("I-12 symmetric key", beside(json!({ "kty": "oct", "k": "AA" }))),
        (
            "I-12 private AKP key",
            beside(json!({ "kty": "AKP", "priv": "AA" })),
        ),
        ("I-22 bundle map", map),
        ("I-22 trust domain twice", twice),
        ("I-22 keys twice", with(",\"keys\":[]")),
    ] {
        let before = source.world.events("authority.bundle_stale").await.len();
        let (status, shown) = source.publish(&text).await;
        assert_eq!(status, 502, "{case}: {shown}");
        assert!(shown["last_error"].is_string(), "{case}: {shown}");
        assert_eq!(shown["state"], "stale", "{case}: {shown}");
        assert_eq!(ask(&source.world, &source.issuer, "/w/1").await, 200, "{case}");
        assert_eq!(source.ask_by(&new).await, 400, "{case}: nothing of it is used");
        // An event states the first failure after a success.
        assert_eq!(source.publish(&source.text(&[], "")).await.0, 200, "{case}");
        let after = source.world.events("authority.bundle_stale").await.len();
        assert_eq!(after, before + 1, "{case}");
    }
    assert_eq!(source.publish(&good).await.0, 200);
    assert_eq!(source.ask_by(&new).await, 200, "the document without a fault");
}

// Rows I-01, I-09, I-11.
#[tokio::test]
async fn key_that_cannot_be_used_is_left_out_and_the_others_are_used() {
    let source = Source::start().await;
    let (good, unknown_use, no_use, no_kid, wit) = (key("good"), key("u"), key("n"), key("x"), key("w"));
    let without = |key: &SigningKey, used_for: &str, member: &str| {
        let mut jwk = key.public_jwk(used_for, true);
        jwk.as_object_mut().unwrap().remove(member);
        jwk
    };
    let authority = X509Issuer::new("z.example");
    let (x509, leaf) = (authority.jwk(), authority.leaf("spiffe://z.example/w/1", |_| {}));
    let with_x5c = |x5c: Value| {
        let mut jwk = authority.jwk();
        jwk["x5c"] = x5c;
        jwk
    };
    let certificate = x509["x5c"][0].clone();
    let of_leaf = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&leaf.chain[0])
    };
    let mut with_kid = with_x5c(json!([certificate, of_leaf]));
    with_kid["kid"] = json!("x509");
    let keys = [
        good.public_jwk("jwt-svid", true),
        json!({ "kty": "XX", "use": "jwt-svid", "kid": "kty" }),
        unknown_use.public_jwk("new-svid", true),
        without(&no_use, "jwt-svid", "use"),
        without(&no_kid, "jwt-svid", "kid"),
        without(&wit, "wit-svid", "kid"),
        with_kid,
        with_x5c(json!([of_leaf])),
        with_x5c(json!(["-----BEGIN CERTIFICATE-----"])),
        with_x5c(json!(["%%%"])),
        with_x5c(json!([])),
    ];
    let (status, shown) = source.publish(&source.text(&keys.each_ref(), "")).await;
    assert_eq!(status, 200, "{shown}");
    // The certificate of the first value of `x5c`, and not the second one; a `kid` beside it does not matter.
    assert_eq!(shown["x509_authorities"], 1, "{shown}");
    assert_eq!(shown["wit_keys"], json!([]), "{shown}");
    let listed = shown["jwt_keys"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{shown}");
    assert_eq!(shown["ignored"].as_array().unwrap().len(), 9, "{shown}");
    assert_eq!(source.ask_by(&good).await, 200);
    assert_eq!(ask(&source.world, &source.issuer, "/w/1").await, 200);
    for key in [&unknown_use, &no_use, &no_kid, &wit] {
        assert_eq!(source.ask_by(key).await, 400, "{}", key.kid());
    }
    let draft = Draft::svid(&no_kid, "spiffe://z.example/w/2", ISSUER, source.world.now());
    assert_eq!(source.send(&draft.without_header("kid")).await, 400, "no kid");
}

// Row I-07.
#[tokio::test]
async fn sequence_of_64_bits_is_compared_as_a_number() {
    let source = Source::start().await;
    let at = async |sequence: &str| {
        let text = source.text(&[], &format!(",\"spiffe_sequence\":{sequence}"));
        let (status, shown) = source.publish(&text).await;
        (status, shown["sequence"].as_u64(), shown["held_back"].is_string())
    };
    assert_eq!(at("7").await, (200, Some(7), false));
    assert_eq!(at("9223372036854775808").await, (200, Some(1 << 63), false));
    assert_eq!(at("18446744073709551615").await, (200, Some(u64::MAX), false));
    let (_, in_force, is_held_back) = at("9223372036854775808").await;
    assert_eq!((in_force, is_held_back), (Some(u64::MAX), true));
    assert_eq!(ask(&source.world, &source.issuer, "/w/1").await, 200);
}

// Row I-08.
#[tokio::test]
async fn refresh_hint_outside_of_its_limits_is_limited_and_causes_no_busy_loop() {
    let source = Source::start().await;
    for (hint, used) in [
        ("0", 60),
        ("-5", 60),
        ("1", 60),
        ("300", 300),
        ("1000000000000", 86_400),
    ] {
        let text = source.text(&[], &format!(",\"spiffe_refresh_hint\":{hint}"));
        let (status, shown) = source.publish(&text).await;
        assert_eq!(status, 200, "{hint}: {shown}");
        assert_eq!(shown["refresh_hint_seconds"], used, "{hint}");
        assert!(
            shown["refresh_interval_seconds"].as_f64().unwrap() >= 30.0,
            "{hint}: {shown}"
        );
    }
    source
        .publish(&source.text(&[], ",\"spiffe_refresh_hint\":0"))
        .await;
    let before = source.endpoint.requests();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(source.endpoint.requests(), before, "the next fetch is 60 s later");
}
