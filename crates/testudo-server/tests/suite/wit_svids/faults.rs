//! WIT-SVIDs with a fault are refused, each beside the same WIT-SVID without it.

use super::{POP, WORKLOAD, Wits};
use crate::attestation::ICA;
use crate::nodes::until;
use crate::world::{ISSUER, assert_granted, assert_refused, assert_same_answers};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

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
        ("alg HS256", {
            let public = wits.a.public_jwk("wit-svid", true).to_string();
            wits.wit().mac(public.as_bytes())
        }),
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
    let elsewhere = DocumentServer::start("localhost").await;
    let iss = format!("https://localhost:{}", elsewhere.address.port());
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
            unknown.claim("iss", iss.as_str())
        }),
    ];
    each_is_refused(&wits, rows).await;
    for (name, good) in [
        ("nbf a little ahead", wits.wit().claim("nbf", now + 10)),
        ("iat missing", wits.wit().without_claim("iat")),
        ("any iss", wits.wit().claim("iss", iss.as_str())),
    ] {
        assert_granted(&wits.show(&good, name).await, name);
    }
    assert_eq!(elsewhere.connections(), 0, "iss must not be fetched");
    // For comparison: the listener counts a connection.
    let _connection = tokio::net::TcpStream::connect(elsewhere.address).await.unwrap();
    until(async || elsewhere.connections() == 1).await;
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
    let ed = generate_key(Algorithm::EdDSA, None);
    let rs = generate_key(Algorithm::RS256, None);
    let cnf_of = |key: &SigningKey| Draft::wit_svid(&wits.a, WORKLOAD, key, 0).claims["cnf"]["jwk"].clone();
    let rsa = |member: &str, value: Value| {
        let mut jwk = cnf_of(&rs);
        jwk[member] = value;
        with(json!({ "jwk": jwk }))
    };
    let mut without_alg = wits.jwk("alg", Value::Null);
    without_alg.as_object_mut().unwrap().remove("alg");
    let other = generate_key(Algorithm::ES256, None);
    let symmetric = json!({ "kty": "oct", "k": "AA", "alg": "HS256" });
    let (jkt, other_jkt) = (
        crate::dpop::thumbprint(&wits.key),
        crate::dpop::thumbprint(&other),
    );
    let with_jkt = |jkt: &str| with(json!({ "jwk": wits.jwk("kid", json!("k")), "jkt": jkt }));
    let (alg, secret) = ("has no alg, or one that", "private or symmetric material");
    let unfit = "alg does not fit its type";
    // Each with a PoP of the key in `cnf`, where that is possible, and with the fault in the event of the refusal.
    let rows = [
        (
            "cnf missing",
            wits.wit().without_claim("cnf"),
            &wits.key,
            "the member `cnf` is missing",
        ),
        (
            "cnf a text",
            with(json!("x")),
            &wits.key,
            "member `cnf`: must be an object",
        ),
        (
            "jwk missing",
            with(json!({ "jkt": jkt })),
            &wits.key,
            "its member `jwk` is missing",
        ),
        (
            "jwk a text",
            with(json!({ "jwk": "x" })),
            &wits.key,
            "member `cnf`",
        ),
        ("alg missing", with(json!({ "jwk": without_alg })), &wits.key, alg),
        ("alg HS256", of("alg", json!("HS256")), &wits.key, unfit),
        ("alg none", of("alg", json!("none")), &wits.key, unfit),
        ("alg EdDSA", of("alg", json!("EdDSA")), &wits.key, unfit),
        (
            "alg of another curve",
            of("alg", json!("ES384")),
            &wits.key,
            unfit,
        ),
        (
            "alg a number",
            of("alg", json!(7)),
            &wits.key,
            "member `cnf`: must be a string",
        ),
        ("Ed25519", with(json!({ "jwk": cnf_of(&ed) })), &ed, alg),
        ("private EC key", of("d", json!("AA")), &wits.key, secret),
        ("private RSA key", rsa("p", json!("AA")), &rs, secret),
        (
            "symmetric key",
            with(json!({ "jwk": symmetric })),
            &wits.key,
            secret,
        ),
        (
            "point off the curve",
            of("y", json!("A".repeat(43))),
            &wits.key,
            "not on the curve",
        ),
        ("RSA exponent 1", rsa("e", json!("AQ")), &rs, "RSA exponent"),
        (
            "RSA of 512 bits",
            rsa("n", json!("w".repeat(86))),
            &rs,
            "not between 2048",
        ),
        (
            "jkt of another key",
            with_jkt(&other_jkt),
            &wits.key,
            "not the thumbprint",
        ),
        (
            "key that the workload does not have",
            Draft::wit_svid(&wits.a, WORKLOAD, &other, wits.world.now()),
            &wits.key,
            "PoP is refused: the signature does not verify",
        ),
    ];
    let prove = async |wit: &Draft<'_>, key: &SigningKey, jti: &str| {
        let pop = Draft::attestation_pop(key, ISSUER, jti, wits.world.now());
        wits.prove(wit, &[(POP, &pop)]).await
    };
    for (name, draft, key, fault) in rows {
        let refused = prove(&draft, key, name).await;
        assert_refused(&refused, ICA, name);
        let detail = wits.world.refusal(&refused).await["detail"].to_string();
        assert!(detail.contains(fault), "{name}: {detail}");
        assert_granted(&wits.show(&wits.wit(), name).await, name);
    }
    let of_rsa = prove(&with(json!({ "jwk": cnf_of(&rs) })), &rs, "RSA").await;
    assert_granted(&of_rsa, "the RSA key without a fault");
    assert_granted(&wits.show(&with_jkt(&jkt), "jkt").await, "jkt of the same key");
}

// Row J-12.
#[tokio::test]
async fn answers_to_refused_wit_svids_do_not_tell_the_fault() {
    let wits = Wits::start().await;
    let other = generate_key(Algorithm::ES256, Some("wa1"));
    let sub = |sub: &str| wits.wit().claim("sub", sub);
    let (frozen, blocked) = ("spiffe://a.example/x/frozen", "spiffe://a.example/x/blocked");
    for known in [frozen, blocked] {
        assert_granted(&wits.show(&sub(known), known).await, known);
    }
    let frozen_client = json!({ "client_id": frozen });
    wits.world
        .admin("POST", "/admin/v1/clients/freeze", frozen_client)
        .await;
    wits.world
        .admin("POST", "/admin/v1/blocks", json!({ "identity": blocked }))
        .await;
    let expired = wits.signed_by(&other).claim("exp", wits.world.now() - 300);
    let faults = [
        (
            "unknown domain",
            wits.show(&sub("spiffe://c.example/x"), "1").await,
        ),
        ("signature", wits.show(&wits.signed_by(&other), "1").await),
        ("kid", wits.show(&wits.wit().header("kid", "zz"), "1").await),
        ("alg", wits.show(&wits.wit().header("alg", "ES384"), "1").await),
        ("aud", wits.show(&wits.wit().claim("aud", ISSUER), "1").await),
        ("expired, by another key", wits.show(&expired, "1").await),
    ];
    assert_same_answers(ICA, &faults);
    let (text, proof) = (wits.wit().sign(), wits.pop("1").sign());
    let headers = [(super::WIT, text.as_str()), (POP, proof.as_str())];
    let faults = [
        ("no rule", wits.show(&sub("spiffe://a.example/none"), "2").await),
        ("frozen", wits.show(&sub(frozen), "3").await),
        ("blocked", wits.show(&sub(blocked), "4").await),
        (
            "unknown client",
            wits.send(&headers, &[("client_id", "unknown")]).await,
        ),
    ];
    assert_same_answers("invalid_client", &faults);
    assert_granted(&wits.send(&headers, &[]).await, "without a fault");
}
