//! Client metadata that an attester states in the claims of its attestations.

use super::registration::start_with_key;
use super::{ATTESTERS, Attested, RULES_OF_ATTESTERS, assert_granted, assert_refused};
use crate::registration::each_claim::{check_each, every_member};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_testkit::http::Answer;
use testudo_testkit::token::claims;

/// The attester `at1` may state these members.
async fn trusting(listed: &str) -> Attested {
    let attested = Attested::start().await;
    let attesters = ATTESTERS.replacen("challenge", &format!("{listed}\nchallenge"), 1);
    let rules = format!(
        "{}{RULES}",
        RULES_OF_ATTESTERS.replacen("scopes = [\"r\"]", "scopes = [\"r\", \"w\"]", 1)
    );
    attested
        .world
        .reload_with(&format!("{}{attesters}", domains("")), &rules)
        .await;
    attested
}

impl Attested {
    /// A token request with an attestation that has these claims.
    async fn ask_with(&self, claims: Value, jti: &str) -> Answer {
        self.attest(&self.attestation().more_claims(&claims), jti).await
    }
}

// Rows RF-95 to RF-98.
#[tokio::test]
async fn each_claim_of_an_attestation_has_its_effect_if_it_is_listed_and_none_otherwise() {
    for (listed, is_listed) in [(every_member(), true), (String::new(), false)] {
        let attested = start_with_key(&listed).await;
        let mut number = 0;
        check_each(is_listed, async |claims, body| {
            number += 1;
            let attestation = attested.attestation().more_claims(&claims);
            let pop = attested.pop(&format!("{number}"));
            attested.register_by(&attestation, &pop, &body).await
        })
        .await;
    }
}

#[tokio::test]
async fn claims_of_an_attestation_narrow_its_tokens_and_name_its_client() {
    let listed =
        "attested_metadata = [\"client_name\", \"scope\", \"grant_types\", \"dpop_bound_access_tokens\"]";
    let attested = trusting(listed).await;
    let answer = attested
        .ask_with(json!({ "client_name": "Fleet", "scope": "r admin" }), "1")
        .await;
    assert_granted(&answer, "a wider scope has no effect");
    assert_eq!(claims(&answer.access_token())["scope"], "r");
    assert_eq!(
        attested.world.clients().await[0]["metadata"]["client_name"],
        "Fleet"
    );
    let narrowed = attested.ask_with(json!({ "scope": "w" }), "2").await;
    assert_granted(&narrowed, "narrowed");
    assert!(claims(&narrowed.access_token())["scope"].is_null());
    let refused = attested
        .ask_with(json!({ "grant_types": ["authorization_code"] }), "3")
        .await;
    assert_refused(&refused, "unauthorized_client", "grant");
    for (number, malformed) in [
        json!({ "scope": 7 }),
        json!({ "grant_types": "client_credentials" }),
        json!({ "dpop_bound_access_tokens": "true" }),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = attested.ask_with(malformed.clone(), &format!("m{number}")).await;
        assert_refused(&answer, "invalid_client", &malformed.to_string());
        let reason = attested.world.reason_of(&answer).await;
        assert_eq!(reason, "attested_claim_malformed", "{malformed}");
    }
    // Demanded by the attester: without a DPoP proof there is no token.
    let demand = json!({ "dpop_bound_access_tokens": true });
    let refused = attested.ask_with(demand.clone(), "4").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let explained = json!({ "request_id": refused.header("request-id").unwrap() });
    let explained = attested.world.admin("POST", "/admin/v1/explain", explained).await;
    assert_eq!(explained["then"]["outcome"], "refused", "{explained:#}");
    let attestation = attested.attestation().more_claims(&demand).sign();
    let (pop, proof) = (attested.pop("5").sign(), attested.dpop(&attested.key, "5").sign());
    let headers = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
        ("DPoP", &proof),
    ];
    let bound = attested.send(&headers, &[]).await;
    assert_granted(&bound, "with a DPoP proof");
    assert!(claims(&bound.access_token())["cnf"]["jkt"].is_string());
    // The same claims have no effect where they are not listed.
    let silent = trusting("").await;
    for (number, claimed) in [demand, json!({ "scope": 7 }), json!({ "grant_types": [] })]
        .into_iter()
        .enumerate()
    {
        let answer = silent.ask_with(claimed.clone(), &format!("{number}")).await;
        assert_granted(&answer, &claimed.to_string());
        assert_eq!(claims(&answer.access_token())["scope"], "r");
    }
}
