//! Attestation-based client authentication at the token endpoint. Rows of sections E and F.

mod attestations;
mod beside;
mod challenges;
mod clients;
mod combined;
mod configuration;
mod instances;
mod metadata;
mod nodes;
mod pops;
mod registration;

use crate::world::{ISSUER, RULES, World, assert_answer_form, assert_granted, assert_refused, domains};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key};

const C5: &str = "c5";

const ATTESTERS: &str = r#"
[[issuers]]
name = "at1"
kind = "attester"
use = ["client"]
issuer = "https://at1.example"
jwks = { file = "at1.json" }
challenge = "none"
[[issuers]]
name = "at2"
kind = "attester"
use = ["client"]
jwks = { file = "at2.json" }
"#;

const RULES_OF_ATTESTERS: &str = r#"
[[rules]]
name = "attested"
identities = ["at1:c5", "at1:app/{app}", "at1:https:/%2Fapp.example/c5.json"]
scopes = ["r"]
default_scopes = ["r"]
resources = ["https://api.example/"]
[[rules]]
name = "attested-with-challenge"
identities = ["at2:*"]
scopes = ["r"]
"#;

/// A server with two attesters, of which the second requires challenges; and a client whose key `at1` attests.
struct Attested {
    world: World,
    at1: SigningKey,
    at2: SigningKey,
    key: SigningKey,
}

impl Attested {
    async fn start() -> Attested {
        Attested::start_with(ATTESTERS, "").await
    }

    async fn start_with(attesters: &str, tokens: &str) -> Attested {
        let sections = format!("{tokens}\n{}{attesters}", domains(""));
        let rules = format!("{RULES_OF_ATTESTERS}{RULES}");
        let attested = Attested {
            world: World::start_with(&sections, &rules).await,
            at1: generate_key(Algorithm::ES256, Some("at1-key")),
            at2: generate_key(Algorithm::ES256, Some("at2-key")),
            key: generate_key(Algorithm::ES256, None),
        };
        attested.world.publish_keys("at1", &[&attested.at1]).await;
        attested.world.publish_keys("at2", &[&attested.at2]).await;
        attested
    }

    fn attestation(&self) -> Draft<'_> {
        Draft::attestation(&self.at1, C5, &self.key, self.world.now()).claim("iss", "https://at1.example")
    }

    fn pop(&self, jti: &str) -> Draft<'_> {
        Draft::attestation_pop(&self.key, ISSUER, jti, self.world.now())
    }

    fn dpop<'k>(&self, key: &'k SigningKey, jti: &str) -> Draft<'k> {
        Draft::dpop(key, "https://as.example/token", jti, self.world.now())
    }

    /// A token request with these header fields and parameters.
    async fn send(&self, headers: &[(&str, &str)], parameters: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("content-type", "application/x-www-form-urlencoded")];
        fields.extend(headers);
        let parameters = [&[("grant_type", "client_credentials")], parameters].concat();
        let mut connection = self.world.connect().await;
        let answer = connection
            .send("POST", "/token", &fields, form(&parameters))
            .await;
        assert_answer_form(&answer);
        answer
    }

    /// A token request with this attestation and this PoP.
    async fn ask(&self, attestation: &str, pop: &str) -> Answer {
        let headers = [
            ("OAuth-Client-Attestation", attestation),
            ("OAuth-Client-Attestation-PoP", pop),
        ];
        self.send(&headers, &[]).await
    }

    /// A token request with this attestation and this DPoP proof.
    async fn ask_combined(&self, attestation: &str, dpop: &str) -> Answer {
        let headers = [("OAuth-Client-Attestation", attestation), ("DPoP", dpop)];
        self.send(&headers, &[]).await
    }

    /// A token request with this attestation and a valid PoP.
    async fn attest(&self, attestation: &Draft<'_>, jti: &str) -> Answer {
        self.ask(&attestation.sign(), &self.pop(jti).sign()).await
    }

    /// The detail in the event of a refused request.
    async fn detail_of(&self, refused: &Answer) -> String {
        let event = self.world.refusal(refused).await;
        event["detail"].as_str().unwrap().to_owned()
    }

    /// A token request with a valid attestation and this PoP.
    async fn prove(&self, pop: &Draft<'_>) -> Answer {
        self.ask(&self.attestation().sign(), &pop.sign()).await
    }
}

pub const ICA: &str = "invalid_client_attestation";
