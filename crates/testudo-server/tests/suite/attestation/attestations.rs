//! Attestations that are refused, each beside the one without the fault, which is accepted.

use super::{ATTESTERS, Attested, C5, ICA, assert_granted, assert_refused};
use crate::client_certificates::self_signed_by;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

fn jwk(key: &SigningKey) -> Value {
    serde_json::from_str(&key.proof_jwk()).unwrap()
}

// Rows E-02, E-22.
#[tokio::test]
async fn abca_7_client_with_attestation_and_pop_gets_tokens_and_the_attestation_may_be_used_again() {
    let attested = Attested::start().await;
    let attestation = attested.attestation().sign();
    for jti in ["1", "2"] {
        let answer = attested.ask(&attestation, &attested.pop(jti).sign()).await;
        assert_granted(&answer, jti);
        let token = claims(&answer.access_token());
        assert_eq!((&token["sub"], &token["client_id"]), (&json!(C5), &json!(C5)));
        assert_eq!((&token["cnf"], &token["scope"]), (&Value::Null, &json!("r")));
    }
    let remembered = attested.world.running.app.metrics.assertions_remembered.get();
    assert_eq!(remembered, 1, "the second request used the verdict of the first");
}

// Rows E-04, E-09 to E-14, E-21, E-27.
#[tokio::test]
async fn abca_7_1_attestation_with_a_fault_is_refused() {
    let attested = Attested::start().await;
    let (good, now) = (|| attested.attestation(), attested.world.now());
    let mut private = jwk(&attested.key);
    private["d"] = json!("AA");
    let mut off_the_curve = jwk(&attested.key);
    off_the_curve["y"] = off_the_curve["x"].clone();
    let mut private_rsa = jwk(&generate_key(Algorithm::RS256, None));
    private_rsa["p"] = json!("AA");
    // The text of the key that the server knows.
    let public = attested.at1.public_jwk("sig", true).to_string();
    let cnf = |jwk: Value| json!({ "jwk": jwk });
    let one = jwk(&attested.key);
    // Odd, without leading zeros: 342 characters are 2048 bits, 86 are 512.
    let rsa = |characters: usize, e: &str| {
        let n = format!("{}w", "_".repeat(characters - 1));
        json!({ "kty": "RSA", "n": n, "e": e })
    };
    let other = generate_key(Algorithm::ES256, Some("at1-key"));
    let rows = vec![
        ("typ JWT", good().header("typ", "JWT"), "typ is not"),
        ("typ missing", good().without_header("typ"), "typ is not"),
        (
            "typ of a WIT",
            good().header("typ", "wit+jwt"),
            "sub is not a SPIFFE ID",
        ),
        (
            "typ in capitals",
            good().header("typ", "OAUTH-CLIENT-ATTESTATION+JWT"),
            "typ is not",
        ),
        ("alg none", good().header("alg", "none"), "the alg is not"),
        ("alg HS256", good().mac(public.as_bytes()), "the alg is not"),
        ("crit", good().header("crit", json!(["x"])), "crit"),
        (
            "cnf missing",
            good().without_claim("cnf"),
            "the member `cnf` is missing",
        ),
        ("cnf no object", good().claim("cnf", "x"), "member `cnf`"),
        (
            "cnf without jwk",
            good().claim("cnf", json!({ "jkt": "x" })),
            "its member `jwk` is missing",
        ),
        (
            "cnf.jwk no object",
            good().claim("cnf", cnf(json!("x"))),
            "member `cnf`",
        ),
        (
            "cnf.jwk private",
            good().claim("cnf", cnf(private)),
            "private or symmetric material",
        ),
        (
            "cnf.jwk RSA with p",
            good().claim("cnf", cnf(private_rsa)),
            "private or symmetric material",
        ),
        (
            "cnf.jwk symmetric",
            good().claim("cnf", cnf(json!({ "kty": "oct", "k": "AA" }))),
            "private or symmetric material",
        ),
        (
            "cnf.jwk off the curve",
            good().claim("cnf", cnf(off_the_curve)),
            "not on the curve",
        ),
        (
            "cnf.jwk with e=1",
            good().claim("cnf", cnf(rsa(342, "AQ"))),
            "RSA exponent",
        ),
        (
            "cnf.jwk of 512 bits",
            good().claim("cnf", cnf(rsa(86, "AQAB"))),
            "not between 2048",
        ),
        (
            "cnf.jkt of another key",
            good().claim("cnf", json!({ "jwk": one, "jkt": "AA" })),
            "not the thumbprint",
        ),
        (
            "nbf in the future",
            good().claim("nbf", now + 120),
            "is valid from",
        ),
        (
            "iat in the future",
            good().claim("iat", now + 120),
            "was issued at",
        ),
        (
            "exp missing",
            good().without_claim("exp"),
            "the member `exp` is missing",
        ),
        (
            "sub missing",
            good().without_claim("sub"),
            "the member `sub` is missing",
        ),
        (
            "sub empty",
            good().claim("sub", ""),
            "sub of the attestation is not",
        ),
        (
            "sub no VSCHAR",
            good().claim("sub", "c\u{e9}"),
            "sub of the attestation is not",
        ),
        (
            "another key",
            Draft::attestation(&other, C5, &attested.key, now).claim("iss", "https://at1.example"),
            "the signature does not verify",
        ),
    ];
    for (name, draft, fault) in rows {
        let answer = attested.attest(&draft, name).await;
        assert_refused(&answer, ICA, name);
        assert_eq!(
            answer.json()["error_description"],
            "client authentication failed",
            "{name}"
        );
        // The caller gets the same answer for every fault, also for a PoP that is not signed with the key in `cnf`.
        let detail = attested.detail_of(&answer).await;
        assert!(detail.contains(fault), "{name}: {detail}");
        // No refused request used up the PoP.
        assert_granted(&attested.attest(&good(), name).await, name);
    }
    let jkt = crate::dpop::thumbprint(&attested.key);
    let both = good().claim("cnf", json!({ "jwk": jwk(&attested.key), "jkt": jkt }));
    assert_granted(
        &attested.attest(&both, "jwk and its jkt").await,
        "jwk and its jkt",
    );
}

// Rows E-14, E-15.
#[tokio::test]
async fn abca_7_4_expired_attestation_and_one_older_than_the_policy_are_answered_with_use_fresh_attestation()
{
    let attested = Attested::start().await;
    let (good, now) = (|| attested.attestation(), attested.world.now());
    let day = 86_400;
    for (name, draft, is_fresh) in [
        ("expired", good().claim("exp", now), false),
        ("25 hours old", good().claim("iat", now - 25 * 3600), false),
        ("a day old", good().claim("iat", now - day + 60), true),
        (
            "no iat, for a day",
            good().without_claim("iat").claim("exp", now + day - 60),
            true,
        ),
        (
            "no iat, for more than a day",
            good().without_claim("iat").claim("exp", now + day + 60),
            false,
        ),
    ] {
        let answer = attested.attest(&draft, name).await;
        match is_fresh {
            true => assert_granted(&answer, name),
            false => assert_refused(&answer, "use_fresh_attestation", name),
        }
    }
}

#[tokio::test]
async fn attestation_that_was_remembered_is_refused_when_it_becomes_too_old() {
    let attesters = ATTESTERS.replacen(
        "challenge = \"none\"",
        "challenge = \"none\"\nattestation_age_max = \"10m\"",
        1,
    );
    let attested = Attested::start_with(&attesters, "").await;
    let attestation = attested.attestation().sign();
    let ask = async |jti: &str| attested.ask(&attestation, &attested.pop(jti).sign()).await;
    assert_granted(&ask("1").await, "new");
    attested.world.running.app.clock.shift(590);
    assert_granted(&ask("2").await, "after 590 s");
    attested.world.running.app.clock.shift(20);
    assert_refused(&ask("3").await, "use_fresh_attestation", "after 610 s");
}

// Row E-18.
#[tokio::test]
async fn abca_10_8_attestation_of_an_attester_that_is_not_configured_is_refused_whatever_its_header_names() {
    let attested = Attested::start().await;
    let pair = rcgen::KeyPair::generate().unwrap();
    let unknown = SigningKey::from_pkcs8(Algorithm::ES256, &pair.serialize_der(), Some("at1-key")).unwrap();
    let certificate = STANDARD.encode(&self_signed_by(&pair, |_| {}).chain[0]);
    let now = attested.world.now();
    let by = |issuer: &str| Draft::attestation(&unknown, C5, &attested.key, now).claim("iss", issuer);
    let url = format!("http://{}/jwks", attested.world.address());
    let rows = [
        ("iss of no attester", by("https://at9.example")),
        ("iss of an attester", by("https://at1.example")),
        ("jwk", by("https://at1.example").header("jwk", jwk(&unknown))),
        (
            "x5c",
            by("https://at1.example").header("x5c", json!([certificate])),
        ),
        ("jku", by("https://at1.example").header("jku", url)),
    ];
    for (name, draft) in rows {
        assert_refused(&attested.attest(&draft, name).await, ICA, name);
    }
    assert_granted(
        &attested.attest(&attested.attestation(), "1").await,
        "the attester",
    );
    let is_fetched = async || {
        attested.world.metrics().await.lines().any(|line| {
            line.starts_with("testudo_requests_total")
                && line.contains("route=\"jwks\"")
                && !line.ends_with(" 0")
        })
    };
    assert!(!is_fetched().await, "jku of the header must not be fetched");
    // For comparison: the metric shows a fetch.
    assert_eq!(attested.world.connect().await.get("/jwks").await.status, 200);
    assert!(is_fetched().await);
}

#[tokio::test]
async fn attester_is_chosen_by_iss_or_else_by_a_kid_that_only_it_has() {
    let attested = Attested::start().await;
    let plain = |key| Draft::attestation(key, C5, &attested.key, attested.world.now());
    assert_granted(&attested.attest(&plain(&attested.at1), "1").await, "kid of at1");
    let without_kid = plain(&attested.at1).without_header("kid");
    assert_refused(
        &attested.attest(&without_kid, "2").await,
        ICA,
        "neither iss nor kid",
    );
    let named = plain(&attested.at1)
        .without_header("kid")
        .claim("iss", "https://at1.example");
    assert_granted(&attested.attest(&named, "2").await, "iss of at1");
    let other_issuer = plain(&attested.at1).claim("iss", "https://at2.example");
    assert_refused(
        &attested.attest(&other_issuer, "3").await,
        ICA,
        "iss of no attester",
    );
    // A key of another attester, under the name of the first.
    let confused = plain(&attested.at2).claim("iss", "https://at1.example");
    assert_refused(&attested.attest(&confused, "3").await, ICA, "key of at2");
    // Both attesters have a key with this id.
    let same_kid = generate_key(Algorithm::ES256, Some("at1-key"));
    attested
        .world
        .publish_keys("at2", &[&attested.at2, &same_kid])
        .await;
    assert_refused(
        &attested.attest(&plain(&attested.at1), "3").await,
        ICA,
        "kid of both",
    );
    assert_granted(&attested.attest(&named, "3").await, "iss of at1");
}

// Rows E-25, E-26.
#[tokio::test]
async fn abca_7_1_attestation_headers_must_be_one_line_each_with_one_jwt() {
    let attested = Attested::start().await;
    let attestation = attested.attestation().sign();
    let pop = attested.pop("1").sign();
    let (header, of_pop) = ("OAuth-Client-Attestation", "OAuth-Client-Attestation-PoP");
    let joined = format!("{attestation},{attestation}");
    let with_parameter = format!("{attestation};p=1");
    let pops = format!("{pop}, {pop}");
    let rows: [(&str, &[(&str, &str)]); 6] = [
        (
            "two lines",
            &[(header, &attestation), (header, &attestation), (of_pop, &pop)],
        ),
        ("joined", &[(header, &joined), (of_pop, &pop)]),
        ("parameter", &[(header, &with_parameter), (of_pop, &pop)]),
        ("empty", &[(header, ""), (of_pop, &pop)]),
        (
            "two PoPs",
            &[(header, &attestation), (of_pop, &pop), (of_pop, &pop)],
        ),
        ("joined PoPs", &[(header, &attestation), (of_pop, &pops)]),
    ];
    for (name, headers) in rows {
        assert_refused(&attested.send(headers, &[]).await, "invalid_request", name);
    }
    let mixed = [
        ("oauth-CLIENT-attestation", attestation.as_str()),
        ("OAUTH-client-ATTESTATION-pop", &pop),
    ];
    assert_granted(&attested.send(&mixed, &[]).await, "mixed case");
}

// Rows E-23, E-24, B-52.
#[tokio::test]
async fn attestation_is_no_bearer_credential_and_stands_beside_no_other_mechanism() {
    let attested = Attested::start().await;
    let attestation = attested.attestation().sign();
    let alone = [("OAuth-Client-Attestation", attestation.as_str())];
    assert_refused(&attested.send(&alone, &[]).await, ICA, "no proof");
    let bearer = format!("Bearer {attestation}");
    let answer = attested.send(&[("authorization", &bearer)], &[]).await;
    assert_eq!(
        (answer.status, answer.error()),
        (401, "invalid_client".to_owned())
    );
    for kind in ["jwt-bearer", "jwt-spiffe"] {
        let kind = format!("urn:ietf:params:oauth:client-assertion-type:{kind}");
        let assertion = [
            ("client_assertion_type", kind.as_str()),
            ("client_assertion", &attestation),
        ];
        assert_refused(&attested.send(&[], &assertion).await, "invalid_client", &kind);
    }
    let pop = attested.pop("1").sign();
    let both = [alone[0], ("OAuth-Client-Attestation-PoP", &pop)];
    for parameter in [("client_secret", "x"), ("client_assertion", "x")] {
        let answer: Answer = attested.send(&both, &[parameter]).await;
        assert_refused(&answer, "invalid_request", parameter.0);
    }
    let svid = testudo_testkit::svid_form(&attested.world.svid("/x/1"), &[]);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("OAuth-Client-Attestation-PoP", pop.as_str()),
    ];
    let mut connection = attested.world.connect().await;
    let answer = connection.send("POST", "/token", &headers, svid).await;
    assert_refused(&answer, "invalid_request", "a PoP beside a JWT-SVID");
    assert_granted(&attested.send(&both, &[]).await, "both headers");
}
