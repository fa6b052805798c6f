//! Registration by attestation. [RFC7591 §3] [ABCA §9]

use super::combined::combine;
use super::{ATTESTERS, Attested, C5, ICA, RULES_OF_ATTESTERS, assert_granted};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

const ENDPOINT: &str = "https://as.example/register";
const METHOD: &str = "token_endpoint_auth_method";

/// The rule of C5 lets it register redirect URIs on a host.
async fn start() -> Attested {
    start_with_key("").await
}

/// The same, with a further key of the attester `at1`.
pub async fn start_with_key(key: &str) -> Attested {
    let sections = "[registration]\ninitial_access_tokens = true";
    let attesters = ATTESTERS.replacen("challenge", &format!("{key}\nchallenge"), 1);
    let attested = Attested::start_with(ATTESTERS, sections).await;
    let redirecting = RULES_OF_ATTESTERS.replacen(
        "scopes = [\"r\"]\ndefault_scopes = [\"r\"]",
        "scopes = [\"r\", \"w\"]\ndefault_scopes = [\"r\"]\ngrant_types = [\"client_credentials\", \"authorization_code\"]\n\
         redirect_uri_hosts = [\"app.example\"]",
        1,
    );
    let sections = format!("{sections}\n{}{attesters}", domains(""));
    let rules = format!("{redirecting}{RULES}");
    attested.world.reload_with(&sections, &rules).await;
    attested
}

impl Attested {
    async fn register(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut fields = vec![("content-type", "application/json")];
        fields.extend(headers);
        let mut connection = self.world.connect().await;
        let answer = connection
            .send("POST", "/register", &fields, body.to_string())
            .await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        answer
    }

    /// Registers with this attestation and this PoP.
    pub async fn register_by(&self, attestation: &Draft<'_>, pop: &Draft<'_>, body: &Value) -> Answer {
        let (attestation, pop) = (attestation.sign(), pop.sign());
        let headers = [
            ("OAuth-Client-Attestation", attestation.as_str()),
            ("OAuth-Client-Attestation-PoP", &pop),
        ];
        self.register(&headers, body).await
    }

    /// A DPoP proof for the registration endpoint.
    fn dpop_here<'k>(&self, key: &'k SigningKey, jti: &str) -> Draft<'k> {
        Draft::dpop(key, ENDPOINT, jti, self.world.now())
    }

    async fn register_combined(&self, dpop: &Draft<'_>, body: &Value) -> Answer {
        let (attestation, dpop) = (self.attestation().sign(), dpop.sign());
        let headers = [
            ("OAuth-Client-Attestation", attestation.as_str()),
            ("DPoP", &dpop),
        ];
        self.register(&headers, body).await
    }
}

#[track_caller]
fn assert_code(answer: &Answer, status: u16, code: &str, case: &str) {
    assert_eq!(
        (answer.status, answer.error()),
        (status, code.to_owned()),
        "{case}: {answer:?}"
    );
}

#[tokio::test]
async fn attested_client_registers_without_secret_and_is_the_client_of_its_first_use() {
    let attested = start().await;
    let asked = json!({ "client_name": "Fleet", "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["client_credentials", "authorization_code"], "scope": "r" });
    let answer = attested
        .register_by(&attested.attestation(), &attested.pop("1"), &asked)
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        (&body["client_id"], &body[METHOD], &body["redirect_uris"]),
        (
            &json!(C5),
            &json!("attest_jwt_client_auth"),
            &json!(["https://app.example/cb"])
        )
    );
    for absent in [
        "client_secret",
        "registration_access_token",
        "registration_client_uri",
        "spiffe_id",
    ] {
        assert!(body[absent].is_null(), "{absent}: {body}");
    }
    // What it registered applies to its token requests, with the same attestation.
    let wide = attested.attestation().sign();
    let pop = attested.pop("2").sign();
    let headers = [
        ("OAuth-Client-Attestation", wide.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
    ];
    let answer = attested.send(&headers, &[("scope", "w")]).await;
    assert_code(&answer, 400, "invalid_scope", "the registered scope is narrower");
    assert_granted(&attested.attest(&attested.attestation(), "2").await, "scope r");
    let clients = attested.world.clients().await;
    let [client] = clients.as_slice() else {
        panic!("{clients:?}")
    };
    assert_eq!(
        (&client["occasion"], &client["subject"]),
        (&json!("registration"), &json!("at1:c5"))
    );
    assert!(
        client["registration"]["until"].is_null(),
        "a proven key registers limits without an end: {client}"
    );
    let events = attested.world.events("client.registered").await;
    assert_eq!(
        (&events[0]["door"], &events[0]["instance"]),
        (
            &json!("attestation"),
            &json!(crate::dpop::thumbprint(&attested.key))
        )
    );
    let id = events[0]["request_id"].as_str().unwrap();
    let explained = attested
        .world
        .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
        .await;
    assert_eq!(explained["today"]["outcome"], "allowed", "{explained:#}");
}

#[tokio::test]
async fn attestation_without_its_proof_registers_nothing() {
    let attested = start().await;
    let good = || attested.attestation();
    let other = generate_key(Algorithm::ES256, None);
    let now = attested.world.now();
    let asked = json!({ "scope": "r" });
    let alone = good().sign();
    let answer = attested
        .register(&[("OAuth-Client-Attestation", &alone)], &asked)
        .await;
    assert_code(&answer, 400, ICA, "no proof");
    let pop = attested.pop("1").sign();
    let answer = attested
        .register(&[("OAuth-Client-Attestation-PoP", &pop)], &asked)
        .await;
    assert_eq!(answer.status, 401, "a PoP is no evidence: {answer:?}");
    let rows = [
        (
            "key that is not attested",
            good(),
            Draft::attestation_pop(&other, crate::world::ISSUER, "1", now),
        ),
        (
            "audience is the endpoint",
            good(),
            Draft::attestation_pop(&attested.key, ENDPOINT, "1", now),
        ),
        (
            "unknown attester",
            good().claim("iss", "https://at9.example"),
            attested.pop("1"),
        ),
        ("typ", good().header("typ", "JWT"), attested.pop("1")),
    ];
    for (case, attestation, pop) in rows {
        let answer = attested.register_by(&attestation, &pop, &asked).await;
        assert_code(&answer, 400, ICA, case);
    }
    let expired = good().claim("exp", now);
    let answer = attested.register_by(&expired, &attested.pop("1"), &asked).await;
    assert_code(&answer, 400, "use_fresh_attestation", "expired");
    let named = good().claim("sub", "c6");
    let answer = attested.register_by(&named, &attested.pop("1"), &asked).await;
    assert_code(&answer, 400, "invalid_client", "no rule names this client");
    let answer = attested
        .register_combined(&attested.dpop_here(&other, "1"), &asked)
        .await;
    assert_code(&answer, 400, ICA, "DPoP proof of another key");
    let token_endpoint = attested.dpop(&attested.key, "1");
    let answer = attested.register_combined(&token_endpoint, &asked).await;
    assert_code(&answer, 400, "invalid_dpop_proof", "proof for the token endpoint");
    assert!(attested.world.client_ids().await.is_empty());
    // No refusal used up the PoP; after a success it cannot be used again.
    let answer = attested.register_by(&good(), &attested.pop("1"), &asked).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let again = attested.register_by(&good(), &attested.pop("1"), &asked).await;
    assert_code(&again, 400, ICA, "the same PoP");
    assert_code(
        &attested.attest(&good(), "1").await,
        400,
        ICA,
        "the same PoP at the token endpoint",
    );
    assert_granted(&attested.attest(&good(), "2").await, "another PoP");
}

#[tokio::test]
async fn registration_with_an_attester_that_requires_challenges_gets_one_in_the_refusal() {
    let attested = start().await;
    let now = attested.world.now();
    let at2 = || Draft::attestation(&attested.at2, "x", &attested.key, now);
    let refused = attested.register_by(&at2(), &attested.pop("1"), &json!({})).await;
    assert_code(&refused, 400, "use_attestation_challenge", "no challenge");
    let challenge = refused.header("oauth-client-attestation-challenge").unwrap();
    let pop = attested.pop("1").claim("challenge", challenge);
    let answer = attested.register_by(&at2(), &pop, &json!({})).await;
    assert_eq!(
        (answer.status, &answer.json()["client_id"]),
        (201, &json!("x")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn evidence_of_two_identities_is_refused() {
    let attested = start().await;
    let svid = Draft::svid(
        attested.world.a.key(),
        "spiffe://a.example/ns/pay/sa/api",
        ENDPOINT,
        attested.world.now(),
    );
    let body = json!({ "software_statement": svid.sign() });
    let answer = attested
        .register_by(&attested.attestation(), &attested.pop("1"), &body)
        .await;
    assert_code(&answer, 400, "invalid_software_statement", "two identities");
    assert!(attested.world.client_ids().await.is_empty());
}

#[tokio::test]
async fn members_that_an_attested_client_must_not_set_are_refused() {
    let attested = start().await;
    let jwk: Value = serde_json::from_str(&attested.key.proof_jwk()).unwrap();
    for (member, value, code) in [
        ("jwks", json!({ "keys": [jwk] }), "invalid_client_metadata"),
        (
            "jwks_uri",
            json!("https://app.example/jwks"),
            "invalid_client_metadata",
        ),
        (
            "spiffe_id",
            json!("spiffe://a.example/x/1"),
            "invalid_client_metadata",
        ),
        (METHOD, json!("spiffe_jwt"), "invalid_client_metadata"),
        (METHOD, json!("private_key_jwt"), "invalid_client_metadata"),
        (METHOD, json!("client_secret_basic"), "invalid_client_metadata"),
        (METHOD, json!("none"), "invalid_client_metadata"),
        (
            "tls_client_certificate_bound_access_tokens",
            json!(true),
            "invalid_client_metadata",
        ),
        ("client_id", json!("c6"), "invalid_client_metadata"),
        (
            "redirect_uris",
            json!(["https://evil.example/cb"]),
            "invalid_redirect_uri",
        ),
    ] {
        let mut asked = json!({ "grant_types": ["client_credentials", "authorization_code"] });
        asked[member] = value;
        let answer = attested
            .register_by(&attested.attestation(), &attested.pop("1"), &asked)
            .await;
        assert_eq!(answer.status, 400, "{asked}: {answer:?}");
        assert_eq!(answer.error(), code, "{asked}");
    }
    assert!(attested.world.client_ids().await.is_empty());
    let own = json!({ "client_id": C5 });
    let answer = attested
        .register_by(&attested.attestation(), &attested.pop("1"), &own)
        .await;
    assert_eq!(answer.status, 201, "its own id: {answer:?}");
}

#[tokio::test]
async fn abca_9_client_that_registered_one_of_the_two_methods_uses_only_that_one() {
    for (method, is_combined) in [
        ("attest_jwt_client_auth", false),
        ("attest_jwt_client_auth_dpop", true),
    ] {
        let attested = start().await;
        let asked = json!({ METHOD: method });
        let (by_pop, by_dpop) = (attested.pop("1"), attested.dpop_here(&attested.key, "1"));
        let with_pop = async || {
            attested
                .register_by(&attested.attestation(), &by_pop, &asked)
                .await
        };
        let with_dpop = async || attested.register_combined(&by_dpop, &asked).await;
        // The request must use the method that it registers.
        let (wrong, right) = match is_combined {
            true => (with_pop().await, with_dpop().await),
            false => (with_dpop().await, with_pop().await),
        };
        assert_code(&wrong, 400, "invalid_client_metadata", method);
        assert_eq!(
            (right.status, &right.json()[METHOD]),
            (201, &json!(method)),
            "{right:?}"
        );
        let pop = attested.attest(&attested.attestation(), "2").await;
        let proof = attested.dpop(&attested.key, "2");
        let combined = combine(&attested, &attested.attestation(), &proof).await;
        let (refused, granted) = match is_combined {
            true => (pop, combined),
            false => (combined, pop),
        };
        assert_code(&refused, 400, "invalid_client", method);
        assert_granted(&granted, method);
    }
}

#[tokio::test]
async fn attested_client_that_registered_bound_tokens_gets_no_other() {
    let attested = start().await;
    let asked = json!({ "dpop_bound_access_tokens": true });
    let answer = attested
        .register_by(&attested.attestation(), &attested.pop("1"), &asked)
        .await;
    assert_eq!(
        (answer.status, &answer.json()["dpop_bound_access_tokens"]),
        (201, &json!(true)),
        "{answer:?}"
    );
    assert_code(
        &attested.attest(&attested.attestation(), "2").await,
        400,
        "invalid_dpop_proof",
        "without a DPoP proof",
    );
    let proof = attested.dpop(&attested.key, "2");
    let answer = combine(&attested, &attested.attestation(), &proof).await;
    assert_granted(&answer, "with a DPoP proof");
    assert!(claims(&answer.access_token())["cnf"]["jkt"].is_string());
}
