//! Initial access tokens that are bound to a key, at the registration endpoint. [RFC9449 §7]

use super::{key, proof, send};
use crate::world::{RULES, World, domains};
use serde_json::{Value, json};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{SigningKey, encode_segment, sha256};
use testudo_protocol::oauth::server_nonce::NoncePurpose;
use testudo_testkit::http::Answer;
use testudo_testkit::svid_form;
use testudo_testkit::token::Draft;

const JOB: &str = "/ci/deployer";
const ENDPOINT: &str = "https://as.example/register";

/// The holder of initial access tokens that are bound to a key.
struct Holder {
    world: World,
    key: SigningKey,
    token: String,
}

impl Holder {
    async fn start(tokens: &str) -> Holder {
        let rules = format!(
            "{RULES}\n[[rules]]\nname = \"ci\"\nidentities = [\"spiffe://a.example/ci/{{job}}\"]\n\
             scopes = [\"client.register\", \"r\"]\nresources = [\"{ENDPOINT}\"]\nsender_constraint = \"dpop\"\n"
        );
        let sections = format!(
            "{tokens}\n[registration]\ninitial_access_tokens = true\n{}",
            domains("")
        );
        let world = World::start_with(&sections, &rules).await;
        let key = key();
        let nonces = &world.running.app.nonces;
        let nonce = nonces.issue(NoncePurpose::Dpop, Timestamp(world.now()));
        let proof = proof(&world, &key, "token").claim("nonce", nonce).sign();
        let body = svid_form(
            &world.svid(JOB),
            &[("scope", "client.register"), ("resource", ENDPOINT)],
        );
        let answer = send(&mut world.connect().await, body, &[&proof]).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        let token = answer.access_token();
        Holder { world, key, token }
    }

    /// A proof for the registration endpoint with the hash of the token.
    fn proof<'k>(&self, key: &'k SigningKey, jti: &str) -> Draft<'k> {
        let mut hash = String::new();
        encode_segment(&sha256(self.token.as_bytes()), &mut hash);
        Draft::dpop(key, ENDPOINT, jti, self.world.now()).claim("ath", hash)
    }

    async fn register(&self, scheme: &str, proofs: &[&str]) -> Answer {
        let authorization = format!("{scheme} {}", self.token);
        let mut headers = vec![
            ("content-type", "application/json"),
            ("authorization", authorization.as_str()),
        ];
        headers.extend(proofs.iter().map(|proof| ("DPoP", *proof)));
        let jwk: Value = serde_json::from_str(&self.key.proof_jwk()).unwrap();
        let body = json!({ "jwks": { "keys": [jwk] }, "grant_types": ["client_credentials"] });
        let mut connection = self.world.connect().await;
        connection
            .send("POST", "/register", &headers, body.to_string())
            .await
    }
}

// Row DR-110.
#[tokio::test]
async fn rfc9449_7_1_bound_initial_access_token_is_refused_without_a_proof_of_its_key() {
    let holder = Holder::start("").await;
    let other = key();
    let good = holder.proof(&holder.key, "1").sign();
    let of_other = holder.proof(&other, "1").sign();
    let without_hash = Draft::dpop(&holder.key, ENDPOINT, "1", holder.world.now()).sign();
    let wrong_hash = holder.proof(&holder.key, "1").claim("ath", "AA").sign();
    let for_tokens = holder
        .proof(&holder.key, "1")
        .claim("htu", "https://as.example/token")
        .sign();
    let rows: [(&str, &str, &[&str], &str); 8] = [
        ("Bearer alone", "Bearer", &[], "invalid_token"),
        ("Bearer with a proof", "Bearer", &[&good], "invalid_token"),
        ("no proof", "DPoP", &[], "invalid_dpop_proof"),
        ("another key", "DPoP", &[&of_other], "invalid_token"),
        ("no ath", "DPoP", &[&without_hash], "invalid_dpop_proof"),
        ("wrong ath", "DPoP", &[&wrong_hash], "invalid_dpop_proof"),
        ("htu of /token", "DPoP", &[&for_tokens], "invalid_dpop_proof"),
        ("two proofs", "DPoP", &[&good, &good], "invalid_dpop_proof"),
    ];
    for (case, scheme, proofs, code) in rows {
        let answer = holder.register(scheme, proofs).await;
        assert_eq!(
            (answer.status, answer.error()),
            (401, code.to_owned()),
            "{case}: {answer:?}"
        );
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with(&format!("{scheme} error=\"{code}\"")),
            "{case}: {challenge}"
        );
    }
    let kept = holder.world.running.app.memory.proof_keys.count();
    assert_eq!(kept, 1, "that of the token request; anyone can send these proofs");
    let answer = holder.register("DPoP", &[&good]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let replayed = holder.register("DPoP", &[&good]).await;
    assert_eq!(
        (replayed.status, replayed.error()),
        (401, "invalid_dpop_proof".to_owned()),
        "the same proof"
    );
}

#[tokio::test]
async fn rfc9449_9_proof_of_an_initial_access_token_needs_a_nonce_if_tokens_do() {
    let holder = Holder::start("[tokens]\ndpop_nonce = \"required\"").await;
    let refused = holder
        .register("DPoP", &[&holder.proof(&holder.key, "1").sign()])
        .await;
    assert_eq!(
        (refused.status, refused.error()),
        (401, "use_dpop_nonce".to_owned()),
        "{refused:?}"
    );
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"use_dpop_nonce\", algs=\"ES256 "),
        "{challenge}"
    );
    let nonce = refused.header("dpop-nonce").unwrap();
    let proof = holder.proof(&holder.key, "1").claim("nonce", nonce).sign();
    let answer = holder.register("DPoP", &[&proof]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn initial_access_token_that_is_not_bound_is_refused_with_the_scheme_of_bound_tokens() {
    let rules = format!(
        "{RULES}\n[[rules]]\nname = \"ci\"\nidentities = [\"spiffe://a.example/ci/{{job}}\"]\n\
         scopes = [\"client.register\"]\nresources = [\"{ENDPOINT}\"]\n"
    );
    let sections = format!("[registration]\ninitial_access_tokens = true\n{}", domains(""));
    let world = World::start_with(&sections, &rules).await;
    let answer = world
        .ask(JOB, &[("scope", "client.register"), ("resource", ENDPOINT)])
        .await;
    let (token, key) = (answer.access_token(), key());
    let holder = Holder { world, key, token };
    let proof = holder.proof(&holder.key, "1").sign();
    let answer = holder.register("DPoP", &[&proof]).await;
    assert_eq!(
        (answer.status, answer.error()),
        (401, "invalid_token".to_owned()),
        "{answer:?}"
    );
    assert_eq!(holder.register("Bearer", &[]).await.status, 201);
}
