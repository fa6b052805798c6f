//! An attestation beside the client's own authentication, which a rule requires by `attested_by`. [ABCA §7.6]

use super::{ATTESTERS, Attested, ICA, RULES_OF_ATTESTERS, assert_granted, assert_refused};
use crate::clock::{marks, wait_until_calm};
use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_server::upkeep::drop_what_is_over;
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

/// C6 and the workloads of R1 need an attestation of at1.
async fn start() -> Attested {
    let attested = Attested::start().await;
    let rules = RULES.replacen("name = \"R1\"", "name = \"R1\"\nattested_by = [\"at1\"]", 1);
    assert_ne!(rules, RULES);
    let rules = format!("{RULES_OF_ATTESTERS}{rules}");
    attested
        .world
        .reload_with(&format!("{}{ATTESTERS}", domains("")), &rules)
        .await;
    replace(
        &attested.world,
        "client_id = \"c6\"",
        "client_id = \"c6\"\nattested_by = [\"at1\"]",
    )
    .await;
    attested
}

async fn replace(world: &World, from: &str, to: &str) {
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(changed, text, "{from}");
    std::fs::write(&path, changed).unwrap();
    world.admin("POST", "/admin/v1/reload", json!({})).await;
}

impl Attested {
    /// A token request of C6 by `private_key_jwt`, with these header fields.
    async fn as_c6(&self, jti: &str, headers: &[(&str, &str)]) -> Answer {
        let assertion = Draft::assertion(&self.world.c6, "c6", ISSUER, jti, self.world.now()).sign();
        let parameters = [
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
        ];
        self.send(headers, &parameters).await
    }

    /// The same with an attestation and a PoP.
    async fn as_c6_with(&self, jti: &str, attestation: &Draft<'_>, pop: &Draft<'_>) -> Answer {
        let (attestation, pop) = (attestation.sign(), pop.sign());
        let headers = [
            ("OAuth-Client-Attestation", attestation.as_str()),
            ("OAuth-Client-Attestation-PoP", &pop),
        ];
        self.as_c6(jti, &headers).await
    }

    fn of_c6(&self) -> Draft<'_> {
        self.attestation().claim("sub", "c6")
    }
}

// Row J-05.
#[tokio::test]
async fn abca_7_6_client_whose_rule_requires_an_attestation_gets_a_token_with_both() {
    let attested = start().await;
    let missing = attested.as_c6("1", &[]).await;
    assert_refused(&missing, ICA, "private_key_jwt alone");
    let answer = attested
        .as_c6_with("1", &attested.of_c6(), &attested.pop("1"))
        .await;
    assert_granted(&answer, "with the attestation; no refusal used up the assertion");
    let token = claims(&answer.access_token());
    assert_eq!((&token["client_id"], &token["cnf"]), (&json!("c6"), &Value::Null));
    // A workload: the attestation names its SPIFFE ID.
    let svid = attested.world.svid(PAY);
    let own = [
        ("client_assertion_type", JWT_SPIFFE),
        ("client_assertion", svid.as_str()),
    ];
    assert_refused(&attested.send(&[], &own).await, ICA, "a JWT-SVID alone");
    let attestation = attested.attestation().claim("sub", PAY_ID).sign();
    let pop = attested.pop("2").sign();
    let both = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
    ];
    let answer = attested.send(&both, &own).await;
    assert_granted(&answer, "a JWT-SVID and an attestation");
    assert_eq!(claims(&answer.access_token())["client_id"], PAY_ID);
    let events = attested.world.events("client.registered").await;
    let of_workload = events.iter().find(|event| event["identity"] == PAY_ID).unwrap();
    assert_eq!(
        (&of_workload["door"], &of_workload["request"]["attestation"]),
        (&json!("jwt_svid"), &json!(format!("at1:{}", encoded(PAY_ID))))
    );
    let question = json!({ "request_id": of_workload["request_id"] });
    let explained = attested.world.admin("POST", "/admin/v1/explain", question).await;
    assert_eq!(explained["today"]["outcome"], "allowed", "{explained:#}");
}

/// The subject of an identity of an issuer.
fn encoded(sub: &str) -> String {
    sub.replace("//", "/%2F")
}

// Row J-05.
#[tokio::test]
async fn abca_7_6_dpop_proof_with_the_attested_key_proves_the_attestation_beside_another_method() {
    let attested = start().await;
    let attestation = attested.of_c6().sign();
    let other = generate_key(Algorithm::ES256, None);
    let by_other = attested.dpop(&other, "1").sign();
    let headers = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("DPoP", &by_other),
    ];
    assert_refused(&attested.as_c6("1", &headers).await, ICA, "another key");
    let own = attested.dpop(&attested.key, "1").sign();
    let headers = [("OAuth-Client-Attestation", attestation.as_str()), ("DPoP", &own)];
    let answer = attested.as_c6("1", &headers).await;
    assert_granted(&answer, "the attested key");
    let jkt = crate::dpop::thumbprint(&attested.key);
    assert_eq!(claims(&answer.access_token())["cnf"], json!({ "jkt": jkt }));
}

// Row J-06.
#[tokio::test]
async fn abca_7_6_attestation_that_is_not_valid_for_the_client_is_refused_beside_a_valid_method() {
    let attested = start().await;
    let (good, now) = (|| attested.of_c6(), attested.world.now());
    let other = generate_key(Algorithm::ES256, Some("at1-key"));
    let forged = Draft::attestation(&other, "c6", &attested.key, now).claim("iss", "https://at1.example");
    let of_at2 = Draft::attestation(&attested.at2, "c6", &attested.key, now);
    let challenge = {
        let mut connection = attested.world.connect().await;
        let answer = connection.send("POST", "/challenge", &[], "").await;
        answer.json()["attestation_challenge"].clone()
    };
    let with_challenge = attested.pop("1").claim("challenge", challenge);
    let rows = [
        ("forged", forged, attested.pop("1"), ICA),
        (
            "of an attester that the rule does not name",
            of_at2,
            with_challenge,
            ICA,
        ),
        (
            "for another client",
            good().claim("sub", "c5"),
            attested.pop("1"),
            ICA,
        ),
        ("typ", good().header("typ", "JWT"), attested.pop("1"), ICA),
        (
            "expired",
            good().claim("exp", now),
            attested.pop("1"),
            "use_fresh_attestation",
        ),
        (
            "PoP of another key",
            good(),
            Draft::attestation_pop(&other, ISSUER, "1", now),
            ICA,
        ),
        (
            "PoP for another audience",
            good(),
            Draft::attestation_pop(&attested.key, "https://as.example/token", "1", now),
            ICA,
        ),
    ];
    for (case, attestation, pop, code) in rows {
        let answer = attested.as_c6_with("1", &attestation, &pop).await;
        assert_refused(&answer, code, case);
    }
    let alone = good().sign();
    let answer = attested.as_c6("1", &[("OAuth-Client-Attestation", &alone)]).await;
    assert_refused(&answer, ICA, "no proof");
    let two = [
        ("OAuth-Client-Attestation", alone.as_str()),
        ("OAuth-Client-Attestation", &alone),
    ];
    assert_refused(&attested.as_c6("1", &two).await, "invalid_request", "two");
    // The assertion and the PoP were used up by none of these.
    assert_granted(
        &attested.as_c6_with("1", &good(), &attested.pop("1")).await,
        "valid",
    );
    let replayed = attested.as_c6_with("2", &good(), &attested.pop("1")).await;
    assert_refused(&replayed, ICA, "the PoP again");
    let replayed = attested.as_c6_with("1", &good(), &attested.pop("2")).await;
    assert_refused(&replayed, "invalid_client", "the assertion again");
}

#[tokio::test]
async fn attestation_beside_another_method_is_a_second_method_unless_the_rule_requires_it() {
    let attested = Attested::start().await;
    let answer = attested
        .as_c6_with("1", &attested.of_c6(), &attested.pop("1"))
        .await;
    assert_refused(&answer, "invalid_request", "the client needs no attestation");
    assert_granted(&attested.as_c6("1", &[]).await, "without it");
    // A sender that does not prove to be the client learns nothing of the attestation.
    let attested = start().await;
    let other = generate_key(Algorithm::ES256, Some("c6"));
    let wrong = Draft::assertion(&other, "c6", ISSUER, "1", attested.world.now()).sign();
    let (attestation, pop) = (attested.of_c6().sign(), attested.pop("1").sign());
    let headers = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
    ];
    let parameters = [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", wrong.as_str()),
    ];
    let answer = attested.send(&headers, &parameters).await;
    assert_refused(&answer, "invalid_client", "another key of the client");
}

#[tokio::test]
async fn disabled_attester_and_blocked_attestation_refuse_the_client_that_needs_them() {
    let attested = start().await;
    let ask = async |jti: &str| {
        attested
            .as_c6_with(jti, &attested.of_c6(), &attested.pop(jti))
            .await
    };
    let admin = async |path: &str, body: Value| attested.world.admin("POST", path, body).await;
    assert_granted(&ask("1").await, "enabled");
    admin("/admin/v1/trust/at1/disable", json!({})).await;
    assert_refused(&ask("2").await, "invalid_client", "disabled");
    admin("/admin/v1/trust/at1/enable", json!({})).await;
    assert_granted(&ask("2").await, "enabled again");
    admin("/admin/v1/blocks", json!({ "identity": "at1:c6" })).await;
    assert_refused(&ask("3").await, "invalid_client", "blocked");
}

#[tokio::test]
async fn attested_by_that_no_client_could_satisfy_is_refused_by_check() {
    let attested = Attested::start().await;
    let path = attested.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, says) in [
        (
            "client_id = \"c6\"",
            "client_id = \"c6\"\nattested_by = [\"at9\"]",
            "\"at9\" is no attester",
        ),
        (
            "client_id = \"c6\"",
            "client_id = \"c6\"\nattested_by = [\"Not A Name\"]",
            "\"Not A Name\" is not the name of an issuer",
        ),
        (
            "name = \"attested\"\n",
            "name = \"attested\"\nattested_by = [\"at2\"]\n",
            "is of an attester: its clients cannot send a second attestation",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        std::fs::write(&path, changed).unwrap();
        let (status, answer) = attested
            .world
            .try_admin("POST", "/admin/v1/reload", json!({}))
            .await;
        let answer = answer.to_string().replace("\\\"", "\"");
        assert!(status >= 400 && answer.contains(says), "{status} {answer}");
    }
}

// Row J-16.
#[tokio::test]
async fn proof_that_was_used_is_refused_after_the_clock_was_set_back() {
    let attested = Attested::start().await;
    let app = &attested.world.running.app;
    let attestation = attested
        .attestation()
        .claim("iat", attested.world.now() - 7_200)
        .sign();
    let (pop, dpop) = (attested.pop("1").sign(), attested.dpop(&attested.key, "1").sign());
    assert_granted(&attested.ask(&attestation, &pop).await, "PoP");
    assert_granted(&attested.ask_combined(&attestation, &dpop).await, "DPoP");
    for back in [10, 3_590] {
        app.clock.shift(-back);
        let (of_pop, of_dpop) = (
            attested.ask(&attestation, &pop).await,
            attested.ask_combined(&attestation, &dpop).await,
        );
        assert_refused(&of_pop, ICA, "PoP");
        assert_refused(&of_dpop, "invalid_dpop_proof", "DPoP");
        if back == 10 {
            // The proofs are still of this time: they are refused because they were used.
            let reasons = [
                attested.world.reason_of(&of_pop).await,
                attested.world.reason_of(&of_dpop).await,
            ];
            assert_eq!(reasons, ["attestation_pop_replayed", "dpop_replayed"]);
        }
    }
    let fresh = attested.pop("2").sign();
    assert_granted(&attested.ask(&attestation, &fresh).await, "a new PoP");
}

// Row J-16.
#[tokio::test]
async fn proof_whose_mark_was_deleted_is_refused_after_the_clock_was_set_back() {
    let attested = Attested::start().await;
    let (world, app) = (&attested.world, &attested.world.running.app);
    wait_until_calm(world).await;
    let attestation = attested.attestation().sign();
    let (pop, dpop) = (attested.pop("1").sign(), attested.dpop(&attested.key, "1").sign());
    assert_granted(&attested.ask(&attestation, &pop).await, "PoP");
    assert_granted(&attested.ask_combined(&attestation, &dpop).await, "DPoP");
    assert_eq!(marks(world).await, 2);
    app.clock.shift(3_600);
    assert!(drop_what_is_over(app).await.is_some());
    assert_eq!(marks(world).await, 0);
    app.clock.step(-3_600);
    for answer in [
        attested.ask(&attestation, &pop).await,
        attested.ask_combined(&attestation, &dpop).await,
    ] {
        assert_refused(&answer, "invalid_client", "the mark is deleted");
        assert_eq!(world.reason_of(&answer).await, "mark_dropped");
    }
    assert_eq!(marks(world).await, 0);
}

// Row J-17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn store_that_cannot_write_refuses_proofs_and_serves_credentials_that_are_not_single_use() {
    let attested = Attested::start().await;
    let attestation = attested.attestation().sign();
    let ask = async |jti: &str| attested.ask(&attestation, &attested.pop(jti).sign()).await;
    assert_granted(&ask("1").await, "known");
    assert_eq!(attested.world.ask("/x/known", &[]).await.status, 200);
    let lock = rusqlite::Connection::open(attested.world.folder.join("test.db")).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(ask("2").await.status, 503, "PoP");
    let dpop = attested.dpop(&attested.key, "2").sign();
    assert_eq!(
        attested.ask_combined(&attestation, &dpop).await.status,
        503,
        "DPoP"
    );
    assert_eq!(attested.world.ask("/x/known", &[]).await.status, 200);
    lock.execute_batch("ROLLBACK").unwrap();
    assert_granted(&ask("2").await, "the refused request must not use up the PoP");
}
