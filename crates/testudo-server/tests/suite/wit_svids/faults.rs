//! WIT-SVIDs with a fault are refused, each beside the same WIT-SVID without it.

use super::{WORKLOAD, Wits};
use crate::attestation::{ICA, assert_granted, assert_refused};
use crate::world::ISSUER;
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;

/// Each draft is refused, and the WIT-SVID without a fault is accepted before and after it with the same proof.
async fn each_is_refused(wits: &Wits, rows: Vec<(&str, Draft<'_>)>) {
    for (name, draft) in rows {
        assert_refused(&wits.show(&draft, name).await, ICA, name);
        assert_granted(&wits.show(&wits.wit(), name).await, name);
    }
}

// Rows E-03, E-05, E-07.
#[tokio::test]
async fn wit_svid_2_header_must_have_typ_kid_and_one_of_nine_algorithms() {
    let wits = Wits::start().await;
    let edwards = generate_key(Algorithm::EdDSA, Some("wa1"));
    let unknown = generate_key(Algorithm::ES256, Some("wa9"));
    let rows = vec![
        ("typ JWT", wits.wit().header("typ", "JWT")),
        ("typ missing", wits.wit().without_header("typ")),
        ("typ in capitals", wits.wit().header("typ", "WIT+JWT")),
        (
            "typ with a prefix",
            wits.wit().header("typ", "application/wit+jwt"),
        ),
        ("kid missing", wits.wit().without_header("kid")),
        ("kid unknown", wits.signed_by(&unknown)),
        ("kid of another key", wits.wit().header("kid", wits.b.kid())),
        ("alg EdDSA", wits.signed_by(&edwards)),
        ("alg HS256", wits.wit().header("alg", "HS256")),
        ("alg none", wits.wit().header("alg", "none")),
        ("alg ES384", wits.wit().header("alg", "ES384")),
        ("crit", wits.wit().header("crit", json!(["exp"]))),
        ("jwk in the header", {
            let jwk = unknown.public_jwk("wit-svid", true);
            wits.signed_by(&unknown).header("jwk", jwk)
        }),
    ];
    each_is_refused(&wits, rows).await;
    // Also where the bundle has the key: EdDSA is none of the nine.
    wits.publish("a", &[&wits.b, &edwards]).await;
    assert_refused(
        &wits.show(&wits.signed_by(&edwards), "1").await,
        ICA,
        "EdDSA in the bundle",
    );
    assert_granted(
        &wits.show(&wits.signed_by(&wits.b), "1").await,
        "ES256 in the bundle",
    );
    // [WIT-SVID §2.4] Unknown header parameters have no effect.
    let more = wits.signed_by(&wits.b).header("x", "y");
    assert_granted(&wits.show(&more, "2").await, "an unknown header parameter");
}

// Rows E-08, E-14, E-16, E-17, E-21.
#[tokio::test]
async fn wit_svid_3_claims_must_name_a_workload_and_its_times_and_no_audience() {
    let wits = Wits::start().await;
    let now = wits.world.now();
    let rows = vec![
        ("aud", wits.wit().claim("aud", ISSUER)),
        ("aud empty", wits.wit().claim("aud", json!([]))),
        ("aud null", wits.wit().claim("aud", Value::Null)),
        ("exp missing", wits.wit().without_claim("exp")),
        ("exp a text", wits.wit().claim("exp", (now + 60).to_string())),
        ("nbf in the future", wits.wit().claim("nbf", now + 120)),
        ("iat in the future", wits.wit().claim("iat", now + 120)),
        ("sub missing", wits.wit().without_claim("sub")),
        (
            "sub without a path",
            wits.wit().claim("sub", "spiffe://a.example"),
        ),
        (
            "sub in capitals",
            wits.wit().claim("sub", "spiffe://A.example/x/4"),
        ),
        (
            "sub with a dot segment",
            wits.wit().claim("sub", "spiffe://a.example/x/../4"),
        ),
        (
            "sub of another scheme",
            wits.wit().claim("sub", "wimse://a.example/x/4"),
        ),
        (
            "sub of domain b",
            wits.wit().claim("sub", "spiffe://b.example/x/4"),
        ),
        ("key of domain b", wits.signed_by(&wits.b)),
        ("unknown domain with an iss", {
            let unknown = wits.wit().claim("sub", "spiffe://c.example/x");
            unknown.claim("iss", "https://as.example")
        }),
    ];
    each_is_refused(&wits, rows).await;
    for (name, good) in [
        ("nbf a little ahead", wits.wit().claim("nbf", now + 10)),
        ("iat missing", wits.wit().without_claim("iat")),
        ("any iss", wits.wit().claim("iss", "https://as.example")),
    ] {
        assert_granted(&wits.show(&good, name).await, name);
    }
    let last = wits.wit().claim("exp", now + 600).claim("iat", now - 60);
    assert_granted(&wits.show(&last, "not expired").await, "not expired");
    wits.world.running.app.clock.shift(600);
    let expired = wits.show(&last, "expired").await;
    assert_refused(&expired, "use_fresh_attestation", "expired, and remembered");
}

#[tokio::test]
async fn lifetime_of_wit_svids_is_limited_as_that_of_jwt_svids() {
    let wits = Wits::start().await;
    let (month, now) = (30 * 86_400, wits.world.now());
    let lives = |seconds: i64| wits.wit().claim("iat", now).claim("exp", now + seconds);
    assert_granted(&wits.show(&lives(month), "1").await, "30 days");
    assert_refused(&wits.show(&lives(month + 1), "2").await, ICA, "one second more");
}

// Rows E-09 to E-13.
#[tokio::test]
async fn wit_svid_3_2_cnf_must_have_one_public_key_with_its_algorithm() {
    let wits = Wits::start().await;
    let with = |cnf: Value| wits.wit().claim("cnf", cnf);
    let of = |member: &str, value: Value| with(json!({ "jwk": wits.jwk(member, value) }));
    let key_of = |algorithm: Algorithm| {
        let key = generate_key(algorithm, None);
        Draft::wit_svid(&wits.a, WORKLOAD, &key, 0).claims["cnf"]["jwk"].clone()
    };
    let rsa = |member: &str, value: Value| {
        let mut jwk = key_of(Algorithm::RS256);
        jwk[member] = value;
        with(json!({ "jwk": jwk }))
    };
    let mut without_alg = wits.jwk("alg", Value::Null);
    without_alg.as_object_mut().unwrap().remove("alg");
    let other = generate_key(Algorithm::ES256, None);
    let rows = vec![
        ("cnf missing", wits.wit().without_claim("cnf")),
        ("cnf a text", with(json!("x"))),
        (
            "jwk missing",
            with(json!({ "jkt": crate::dpop::thumbprint(&wits.key) })),
        ),
        ("jwk a text", with(json!({ "jwk": "x" }))),
        ("alg missing", with(json!({ "jwk": without_alg }))),
        ("alg HS256", of("alg", json!("HS256"))),
        ("alg none", of("alg", json!("none"))),
        ("alg EdDSA", of("alg", json!("EdDSA"))),
        ("alg of another curve", of("alg", json!("ES384"))),
        ("alg a number", of("alg", json!(7))),
        ("Ed25519", with(json!({ "jwk": key_of(Algorithm::EdDSA) }))),
        ("private EC key", of("d", json!("AA"))),
        ("private RSA key", rsa("p", json!("AA"))),
        (
            "symmetric key",
            with(json!({ "jwk": { "kty": "oct", "k": "AA", "alg": "HS256" } })),
        ),
        ("point off the curve", of("y", json!("A".repeat(43)))),
        ("RSA exponent 1", rsa("e", json!("AQ"))),
        ("RSA of 512 bits", rsa("n", json!("w".repeat(86)))),
        ("jkt of another key", {
            with(json!({ "jwk": wits.jwk("kid", json!("k")), "jkt": crate::dpop::thumbprint(&other) }))
        }),
        (
            "key that the workload does not have",
            Draft::wit_svid(&wits.a, WORKLOAD, &other, wits.world.now()),
        ),
    ];
    each_is_refused(&wits, rows).await;
    let same = with(json!({ "jwk": wits.jwk("kid", json!("k")), "jkt": crate::dpop::thumbprint(&wits.key) }));
    assert_granted(&wits.show(&same, "jkt").await, "jkt of the same key");
}
