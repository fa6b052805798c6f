//! The proof of the holder: what it must state, that it is used once, and what follows without one.

use super::{AGENT, AGENTS, CLIENT, INVALID, ISSUER, Site, TYPE, VCT};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;

const ENDPOINT: &str = "https://as.example/register";

// Rows SD-02, SD-15, SD-16, SD-17, SD-18.
#[tokio::test]
async fn sd_jwt_without_a_valid_proof_of_its_holder_is_refused() {
    let site = Site::start().await;
    let (now, credential) = (site.now(), site.sd_jwt_vc());
    let dpop_nonce = site.world.running.app.nonces.issue(
        testudo_protocol::oauth::server_nonce::NoncePurpose::Dpop,
        site.world.running.app.now(),
    );
    type Change<'c> = Box<dyn Fn(Draft<'_>) -> Draft<'_> + 'c>;
    let changes: Vec<(&str, Change<'_>)> = vec![
        (
            "other audience",
            Box::new(|proof| proof.claim("aud", "https://b.example")),
        ),
        (
            "token endpoint",
            Box::new(|proof| proof.claim("aud", format!("{ISSUER}/token"))),
        ),
        ("array", Box::new(|proof| proof.claim("aud", json!([ISSUER])))),
        ("no nonce", Box::new(|proof| proof.without_claim("nonce"))),
        ("own nonce", Box::new(|proof| proof.claim("nonce", "Zk3-9qL0aXw"))),
        (
            "DPoP nonce",
            Box::new(|proof| proof.claim("nonce", dpop_nonce.clone())),
        ),
        ("old", Box::new(move |proof| proof.claim("iat", now - 600))),
        ("future", Box::new(move |proof| proof.claim("iat", now + 300))),
        ("no iat", Box::new(|proof| proof.without_claim("iat"))),
        ("expired", Box::new(move |proof| proof.claim("exp", now))),
        (
            "other hash",
            Box::new(|proof| proof.claim("sd_hash", "4dvEnufshdITo4Bp9ZxfSOectJ4CZrW3QdWtS578ajw")),
        ),
        ("no hash", Box::new(|proof| proof.without_claim("sd_hash"))),
        ("other typ", Box::new(|proof| proof.header("typ", "JWT"))),
        (
            "own key in the header",
            Box::new(|proof| proof.header("jwk", json!({ "kty": "OKP" }))),
        ),
    ];
    for (case, change) in changes {
        let answer = site
            .register(&site.held_with(&credential, &[], change).await)
            .await;
        Site::assert_refused(&answer, INVALID, case);
    }
    let of_other_key = async |key: &SigningKey| {
        let sd_jwt = Site::bare(&credential, &[]);
        let proof = Draft::key_binding(key, &sd_jwt, ISSUER, &site.nonce().await, now);
        site.register(&format!("{sd_jwt}{}", proof.sign())).await
    };
    Site::assert_refused(&of_other_key(&site.issuer).await, INVALID, "key of the issuer");
    let answer = site.register(&Site::bare(&credential, &[])).await;
    Site::assert_refused(&answer, INVALID, "no proof");
    assert_eq!(site.world.reason_of(&answer).await, "holder_proof_missing");
    let without_key = site.sd_jwt_vc().without_claim("cnf");
    let answer = site.register(&site.held(&without_key, &[]).await).await;
    Site::assert_refused(&answer, INVALID, "no key");
    assert!(site.world.client_ids().await.is_empty());
    assert_eq!(of_other_key(&site.holder).await.status, 201);
}

// Rows SD-17, VC-22.
#[tokio::test]
async fn nonce_is_used_up_by_a_registration_and_not_by_a_refused_one() {
    let site = Site::start().await;
    let nonce = site.nonce().await;
    let with_nonce = |nonce: &str| {
        let sd_jwt = Site::bare(&site.sd_jwt_vc(), &[]);
        let proof = Draft::key_binding(&site.holder, &sd_jwt, ISSUER, nonce, site.now());
        format!("{sd_jwt}{}", proof.sign())
    };
    // Another fault of the request: the nonce is not used up.
    let refused = site
        .register_with(&with_nonce(&nonce), json!({ "grant_types": ["password"] }))
        .await;
    Site::assert_refused(&refused, "invalid_client_metadata", "other grant");
    assert_eq!(site.register(&with_nonce(&nonce)).await.status, 201);
    for case in ["another proof", "again"] {
        let answer = site.register(&with_nonce(&nonce)).await;
        Site::assert_refused(&answer, INVALID, case);
        assert_eq!(site.world.reason_of(&answer).await, "holder_proof_replayed");
    }
    let late = site.nonce().await;
    site.world.running.app.clock.shift(301);
    let answer = site.register(&with_nonce(&late)).await;
    Site::assert_refused(&answer, INVALID, "late");
    assert_eq!(site.world.reason_of(&answer).await, "holder_nonce_not_accepted");
}

// Row SD-01.
#[tokio::test]
async fn entry_that_requires_no_challenge_accepts_a_proof_with_an_own_nonce_once() {
    let site = Site::start().await;
    let credential = site.of(["https://loose.example", VCT, AGENT]);
    let statement = site
        .held_with(&credential, &[], |proof| proof.claim("nonce", "Zk3-9qL0aXw"))
        .await;
    assert_eq!(site.register(&statement).await.status, 201);
    let again = site.register(&statement).await;
    Site::assert_refused(&again, INVALID, "again");
    assert_eq!(site.world.reason_of(&again).await, "holder_proof_replayed");
}

#[tokio::test]
async fn proof_with_a_nonce_of_the_server_is_accepted_once_also_after_the_nonce_ended() {
    let site = Site::start().await;
    let credential = site.of(["https://loose.example", VCT, AGENT]);
    let nonce = site.nonce().await;
    site.world.running.app.clock.shift(200);
    let statement = site
        .held_with(&credential, &[], |proof| proof.claim("nonce", nonce.clone()))
        .await;
    assert_eq!(site.register(&statement).await.status, 201);
    for (case, later) in [("at once", 0), ("after the nonce ended", 150)] {
        site.world.running.app.clock.shift(later);
        let again = site.register(&statement).await;
        Site::assert_refused(&again, INVALID, case);
        assert_eq!(
            site.world.reason_of(&again).await,
            "holder_proof_replayed",
            "{case}"
        );
    }
}

// Rows VC-20, VC-22.
#[tokio::test]
async fn presentation_that_the_holder_did_not_make_for_this_server_is_refused() {
    let site = Site::start().await;
    let (now, credential) = (site.now(), site.vc_jwt());
    let nonce = |purpose| {
        let app = &site.world.running.app;
        app.nonces.issue(purpose, app.now())
    };
    use testudo_protocol::oauth::server_nonce::NoncePurpose::{AttestationChallenge, Dpop};
    let (dpop, challenge) = (nonce(Dpop), nonce(AttestationChallenge));
    let token = credential.sign();
    let envelope = |media: &str| json!({ "type": "EnvelopedVerifiableCredential", "id": format!("data:{media},{token}") });
    type Change<'c> = Box<dyn Fn(Draft<'_>) -> Draft<'_> + 'c>;
    let changes: Vec<(&str, Change<'_>)> = vec![
        (
            "token endpoint",
            Box::new(|proof| proof.claim("aud", format!("{ISSUER}/token"))),
        ),
        (
            "two audiences",
            Box::new(|proof| proof.claim("aud", json!([ISSUER, "x"]))),
        ),
        ("own nonce", Box::new(|proof| proof.claim("nonce", "abc"))),
        ("DPoP nonce", Box::new(|proof| proof.claim("nonce", dpop.clone()))),
        (
            "attestation challenge",
            Box::new(|proof| proof.claim("nonce", challenge.clone())),
        ),
        ("old", Box::new(move |proof| proof.claim("iat", now - 600))),
        (
            "other holder",
            Box::new(|proof| proof.claim("holder", "urn:example:agent:8")),
        ),
        (
            "other iss",
            Box::new(|proof| proof.claim("iss", "urn:example:agent:8")),
        ),
        (
            "two credentials",
            Box::new(|proof| {
                let one = envelope("application/vc+jwt");
                proof.claim("verifiableCredential", json!([one, one]))
            }),
        ),
        (
            "SD-JWT in it",
            Box::new(|proof| proof.claim("verifiableCredential", json!([envelope("application/vc+sd-jwt")]))),
        ),
    ];
    for (case, change) in changes {
        let answer = site
            .register(&site.presented_with(&credential, change).await)
            .await;
        Site::assert_refused(&answer, INVALID, case);
    }
    let by = async |key: &SigningKey| {
        let proof = Draft::presentation(key, &token, ISSUER, &site.nonce().await, now);
        site.register(&proof.sign()).await
    };
    Site::assert_refused(&by(&site.issuer).await, INVALID, "key of the issuer");
    let bare = site.register(&token).await;
    Site::assert_refused(&bare, INVALID, "no presentation");
    assert_eq!(site.world.reason_of(&bare).await, "holder_proof_missing");
    assert!(site.world.client_ids().await.is_empty());
    assert_eq!(by(&site.holder).await.status, 201);
}

/// Registers with a DPoP proof beside the statement.
async fn with_dpop(site: &Site, statement: &str, key: &SigningKey, nonce: Option<&str>) -> Answer {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut proof = Draft::dpop(key, ENDPOINT, &format!("jti-{number}"), site.now());
    if let Some(nonce) = nonce {
        proof = proof.claim("nonce", nonce);
    }
    let proof = proof.sign();
    let fields = [("content-type", "application/json"), ("dpop", proof.as_str())];
    let body = json!({ "software_statement": statement }).to_string();
    let mut connection = site.world.connect().await;
    connection.send("POST", "/register", &fields, body).await
}

// Row VC-02.
#[tokio::test]
async fn dpop_proof_of_the_holder_takes_the_place_of_a_presentation_but_not_of_a_kb_jwt() {
    let site = Site::start().await;
    let statement = site.vc_jwt().sign();
    let without = with_dpop(&site, &statement, &site.holder, None).await;
    assert_eq!(
        (without.status, without.error()),
        (400, "use_dpop_nonce".to_owned())
    );
    let nonce = without.header("dpop-nonce").unwrap().to_owned();
    let other = generate_key(Algorithm::ES256, None);
    let answer = with_dpop(&site, &statement, &other, Some(&nonce)).await;
    Site::assert_refused(&answer, INVALID, "key of another");
    assert_eq!(site.world.reason_of(&answer).await, "holder_key_not_proven");
    let sd_jwt = Site::bare(&site.sd_jwt_vc(), &[]);
    let answer = with_dpop(&site, &sd_jwt, &site.holder, Some(&nonce)).await;
    Site::assert_refused(&answer, INVALID, "SD-JWT");
    assert!(site.world.client_ids().await.is_empty());
    let answer = with_dpop(&site, &statement, &site.holder, Some(&nonce)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["client_id"], CLIENT);
}

// Rows VC-21, DR-135.
#[tokio::test]
async fn credential_of_a_bearer_registers_neither_the_key_nor_the_redirect_uri_of_an_attacker() {
    let site = Site::start().await;
    let own: Value = serde_json::from_str(&site.holder.proof_jwk()).unwrap();
    let keyless = || {
        site.of(["https://papers.example", VCT, AGENT])
            .without_claim("cnf")
    };
    let stated = keyless().claim("jwks", json!({ "keys": [own] }));
    let statement = Site::bare(&stated, &[]);
    let attacker: Value = serde_json::from_str(&generate_key(Algorithm::ES256, None).proof_jwk()).unwrap();
    for (case, members) in [
        (
            "redirect URI",
            json!({ "redirect_uris": ["https://evil.example/cb"] }),
        ),
        (
            "redirect URI on the host",
            json!({ "redirect_uris": ["https://app.example/evil"] }),
        ),
        ("jwks", json!({ "jwks": { "keys": [attacker] } })),
        ("jwks_uri", json!({ "jwks_uri": "https://evil.example/jwks" })),
        ("method", json!({ "token_endpoint_auth_method": "none" })),
    ] {
        let answer = site.register_with(&statement, members).await;
        let code = answer.error();
        let is_of_member = code == "invalid_client_metadata" || code == "invalid_redirect_uri";
        assert!(answer.status == 400 && is_of_member, "{case}: {answer:?}");
    }
    let answer = site
        .register_with(
            &Site::bare(&keyless(), &[]),
            json!({ "jwks": { "keys": [attacker] } }),
        )
        .await;
    Site::assert_refused(
        &answer,
        "invalid_client_metadata",
        "no key, and one in the request",
    );
    let answer = site.register(&Site::bare(&keyless(), &[])).await;
    Site::assert_refused(&answer, "invalid_client_metadata", "no key");
    assert_eq!(site.world.reason_of(&answer).await, "credential_without_key");
    assert!(site.world.client_ids().await.is_empty());
    let answer = site.register(&statement).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["jwks"]["keys"][0]["x"], own["x"]);
    // A proof that is sent must be valid, also where none is required.
    let with_key = site.of(["https://papers.example", VCT, AGENT]);
    let other = site
        .held_with(&with_key, &[], |proof| proof.claim("aud", "https://b.example"))
        .await;
    Site::assert_refused(&site.register(&other).await, INVALID, "proof for another server");
}

/// DIDs of RFC 8032's key of test 2, of P-256, and DIDs that contain no usable key.
const K2: &str = "did:key:z6MkiaMbhXHNA4eJVCCj8dbzKzTgYDKf6crKgHVHid1F1WCT";

// Rows DID-03, DID-06, DID-28.
#[tokio::test]
async fn subject_that_is_a_did_names_the_key_of_its_holder_and_nothing_else() {
    let site = Site::start().await;
    let of_subject =
        |subject: &str| Draft::vc_jwt(&site.issuer, [AGENTS, TYPE, subject], &site.holder, site.now());
    for (case, subject) in [
        ("other key than cnf", K2),
        (
            "small order",
            "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj",
        ),
        (
            "X25519",
            "did:key:z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p",
        ),
        (
            "secp256k1",
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        ),
        (
            "base64url",
            "did:key:u7QHXWpgBgrEKt9VL_tPJZAc6DuFy89qmIyWvAhpo9wdRGg",
        ),
        ("unknown method", "did:example:1"),
    ] {
        let answer = site.register(&site.presented(&of_subject(subject)).await).await;
        Site::assert_refused(&answer, INVALID, case);
    }
    // The key in the DID, without `cnf`. The holder has another one, so its presentation does not verify.
    let alone = of_subject(K2).without_claim("cnf");
    let answer = site.register(&site.presented(&alone).await).await;
    Site::assert_refused(&answer, INVALID, "presentation by another key");
    assert_eq!(site.world.reason_of(&answer).await, "holder_proof_refused");
    let jwk = site.holder.proof_jwk();
    use base64::Engine as _;
    let own = format!(
        "did:jwk:{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(jwk)
    );
    for credential in [of_subject(&own), of_subject(&own).without_claim("cnf")] {
        let answer = site.register(&site.presented(&credential).await).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(site.world.client_ids().await, [format!("agents:{own}")]);
}
