//! Credentials that are refused, each beside the same credential without the fault.

use super::{AGENT, AGENTS, INVALID, Site, TYPE, VCT};
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::token::{Draft, assemble};

/// Registers a presentation of each credential, which must be refused; then the credential without a fault.
async fn all_are_refused(site: &Site, credentials: Vec<(&str, Draft<'_>)>) {
    for (case, credential) in credentials {
        let answer = site.register(&site.presented(&credential).await).await;
        Site::assert_refused(&answer, INVALID, case);
    }
    assert!(site.world.client_ids().await.is_empty());
    let answer = site.register(&site.presented(&site.vc_jwt()).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

// Rows VC-08, VC-09, VC-11, VC-12, VC-13, VC-14, VC-19, DR-71, DR-72.
#[tokio::test]
async fn credential_with_another_algorithm_key_issuer_or_subject_is_refused() {
    let site = Site::start().await;
    let (attacker, good) = (generate_key(Algorithm::ES256, Some("k1")), || site.vc_jwt());
    let jwk: Value = serde_json::from_str(&attacker.proof_jwk()).unwrap();
    let public = site.issuer.public_jwk("sig", true).to_string();
    let of_attacker = || Draft::vc_jwt(&attacker, [AGENTS, TYPE, AGENT], &site.holder, site.now());
    let subject = |value: Value| good().claim("credentialSubject", value);
    all_are_refused(
        &site,
        vec![
            ("alg none", good().header("alg", "none")),
            ("alg noNE", good().header("alg", "noNE")),
            ("HS256", good().mac(public.as_bytes())),
            ("key of an attacker", of_attacker()),
            ("jwk", of_attacker().header("jwk", jwk)),
            ("jku", of_attacker().header("jku", "https://127.0.0.1:1/jwks")),
            ("x5u", good().header("x5u", "https://127.0.0.1:1/c.pem")),
            ("x5c", good().header("x5c", json!(["AA=="]))),
            ("crit", good().header("crit", json!(["exp"]))),
            ("unknown kid", good().header("kid", "k2")),
            ("both models", good().claim("vc", json!({}))),
            ("vp", good().claim("vp", json!({}))),
            ("other iss", good().claim("iss", "https://papers.example")),
            ("no context", good().without_claim("@context")),
            ("no subject", good().without_claim("credentialSubject")),
            (
                "two subjects",
                subject(json!([{ "id": AGENT }, { "id": "urn:example:agent:8" }])),
            ),
            ("empty subject", subject(json!({ "id": "" }))),
            ("bearer", subject(json!({ "client_name": "Agent 7" }))),
            ("other sub", good().claim("sub", "urn:example:agent:8")),
        ],
    )
    .await;
}

// Rows VC-16, VC-17, VC-18, DR-137.
#[tokio::test]
async fn credential_that_is_not_valid_now_or_valid_for_too_long_is_refused() {
    let site = Site::start().await;
    let (now, good) = (site.now(), || site.vc_jwt());
    all_are_refused(
        &site,
        vec![
            ("exp", good().claim("exp", now)),
            ("exp as text", good().claim("exp", (now + 60).to_string())),
            ("validUntil", good().claim("validUntil", "2020-01-01T00:00:00Z")),
            (
                "validUntil without offset",
                good().claim("validUntil", "2020-01-01T00:00:00"),
            ),
            ("validFrom", good().claim("validFrom", "2099-01-01T00:00:00Z")),
            ("no date", good().claim("validUntil", "tomorrow")),
            ("nbf", good().claim("nbf", now + 3600)),
            ("iat", good().claim("iat", now + 3600).claim("exp", now + 3700)),
            ("too long", good().claim("exp", now + 3601)),
            ("no times", good().without_claim("iat").without_claim("exp")),
        ],
    )
    .await;
    // A credential without an end gets the longest lifetime.
    let endless = site
        .register(&site.presented(&good().without_claim("exp")).await)
        .await;
    assert_eq!(endless.status, 201, "{endless:?}");
}

// Rows VC-32, VC-37, VC-43, DR-73, DR-74, DR-138, SD-23.
#[tokio::test]
async fn text_that_is_no_credential_of_a_configured_issuer_is_refused() {
    let site = Site::start().await;
    let good = site.held(&site.sd_jwt_vc(), &[]).await;
    let other = generate_key(Algorithm::ES256, Some("k1"));
    let unknown = |issuer: &str| {
        let credential = Draft::sd_jwt_vc(&other, [issuer, VCT, AGENT], &site.holder, site.now());
        Site::bare(&credential, &[])
    };
    let list = site.vc_jwt().claim(
        "type",
        json!(["VerifiableCredential", "BitstringStatusListCredential", TYPE]),
    );
    let nested = site.presented(&site.vc_jwt()).await;
    let nonce = site.nonce().await;
    let of_nested = Draft::presentation(&site.holder, &nested, super::ISSUER, &nonce, site.now());
    let twice = |member: &str| {
        let claims = site.vc_jwt().claims.to_string();
        let claims = format!("{{{member},{}", &claims[1..]);
        let header = site.vc_jwt().header.to_string();
        site.vc_jwt().sign_text(&header, &claims)
    };
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for (case, statement) in [
        ("unknown issuer", unknown("https://unknown.example")),
        ("issuer with a slash", unknown("https://issuer.example/")),
        ("issuer in upper case", unknown("https://ISSUER.example")),
        (
            "no issuer",
            Site::bare(&site.sd_jwt_vc().without_claim("iss"), &[]),
        ),
        (
            "vc+sd-jwt",
            Site::bare(&site.sd_jwt_vc().header("typ", "vc+sd-jwt"), &[]),
        ),
        ("no typ", Site::bare(&site.sd_jwt_vc().without_header("typ"), &[])),
        ("access token", site.sd_jwt_vc().header("typ", "at+jwt").sign()),
        (
            "status list token",
            site.sd_jwt_vc().header("typ", "statuslist+jwt").sign(),
        ),
        ("SD-JWT without tilde", site.sd_jwt_vc().sign()),
        ("status list credential", site.presented(&list).await),
        ("presentation in a presentation", of_nested.sign()),
        ("tilde alone", "~".to_owned()),
        ("dots and a tilde", "..~".to_owned()),
        ("dot at the end", format!("{}.~", site.sd_jwt_vc().sign())),
        ("too many tildes", good.replacen('~', &"~".repeat(70), 1)),
        (
            "too large",
            format!("{}~{}~", site.sd_jwt_vc().sign(), "a".repeat(33 * 1024)),
        ),
        ("padding", good.replacen('.', "=.", 1)),
        (
            "JSON form",
            json!({ "payload": "", "signatures": [] }).to_string(),
        ),
        ("issuer twice", twice(r#""issuer":"https://issuer.example""#)),
        ("depth 100", twice(&format!(r#""x":{deep}"#))),
        (
            "parts that are no JSON",
            format!("{}~", assemble(b"{", b"{", b"-")),
        ),
    ] {
        let answer = site.register(&statement).await;
        Site::assert_refused(&answer, INVALID, case);
    }
    assert!(site.world.client_ids().await.is_empty());
    assert_eq!(site.register(&good).await.status, 201);
}

// Row VC-23.
#[tokio::test]
async fn credential_is_neither_a_client_assertion_nor_an_attestation() {
    let site = Site::start().await;
    site.registered().await;
    for (case, token) in [
        ("JWT", site.vc_jwt().sign()),
        ("SD-JWT", Site::bare(&site.sd_jwt_vc(), &[])),
        ("JWT of the SD-JWT", site.sd_jwt_vc().sign()),
        ("without typ", site.sd_jwt_vc().without_header("typ").sign()),
    ] {
        let answer = site
            .world
            .send(&testudo_testkit::assertion_form(&token, &[]))
            .await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_client".to_owned()),
            "{case}"
        );
        let mut connection = site.world.connect().await;
        let fields = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("oauth-client-attestation", token.as_str()),
        ];
        let body = "grant_type=client_credentials".to_owned();
        let answer = connection.send("POST", "/token", &fields, body).await;
        assert!(
            answer.status == 400 && answer.error().starts_with("invalid_"),
            "{case}: {answer:?}"
        );
    }
}
