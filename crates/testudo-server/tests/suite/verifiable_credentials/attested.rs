//! Attesters of an issuer of credentials: an attestation of the key that the credential names proves at the registration
//! that the sender is the holder, and authenticates the client later.

use super::clients::ask;
use super::{INVALID, ISSUER, Site, TYPE, VCT};
use crate::world::assert_answer_form;
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims, disclosure};
use testudo_testkit::{form, generate_key};

const HELD: &str = "https://held.example";
const AGENT: &str = "urn:example:agent:7";
const CLIENT: &str = "held:urn:example:agent:7";
const ICA: &str = "invalid_client_attestation";

/// An issuer with an attester, and one with none; `wallets` accepts proofs without a challenge, `phones` is listed by no
/// issuer.
const ENTRIES: &str = r#"
[[issuers]]
name = "held"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://held.example"
jwks = { file = "held.json" }
formats = ["dc+sd-jwt", "vc+jwt"]
types = ["https://vct.example/oauth-client/1", "OAuthClientCredential"]
attests = ["client_name", "scope", "token_endpoint_auth_method"]
attesters = ["wallets"]
captures = { tier = "tier" }
[[issuers]]
name = "alone"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://alone.example"
jwks = { file = "held.json" }
types = ["OAuthClientCredential"]
attests = ["token_endpoint_auth_method"]
[[issuers]]
name = "wallets"
kind = "attester"
use = ["client"]
issuer = "https://wallets.example"
jwks = { file = "wallets.json" }
challenge = "none"
[[issuers]]
name = "phones"
kind = "attester"
use = ["client"]
issuer = "https://phones.example"
jwks = { file = "phones.json" }
challenge = "none"
"#;

const RULES_HERE: &str = r#"
[[rules]]
name = "held-gold"
identities = ["held:gold/*"]
claims = { tier = "gold" }
scopes = ["r"]
default_scopes = ["r"]
[[rules]]
name = "held"
identities = ["held:*"]
scopes = ["r", "w"]
default_scopes = ["r"]
[[rules]]
name = "alone"
identities = ["alone:*"]
scopes = ["r"]
[[rules]]
name = "wallets"
identities = ["wallets:*"]
scopes = ["r"]
default_scopes = ["r"]
"#;

/// The server with these issuers, and the keys of the attesters.
struct Attested {
    site: Site,
    wallets: SigningKey,
    phones: SigningKey,
    number: std::cell::Cell<u32>,
}

impl Attested {
    async fn start() -> Attested {
        let site = Site::start_with(ENTRIES, RULES_HERE).await;
        let attested = Attested {
            wallets: generate_key(Algorithm::ES256, Some("w1")),
            phones: generate_key(Algorithm::ES256, Some("p1")),
            site,
            number: std::cell::Cell::new(0),
        };
        let world = &attested.site.world;
        world.publish_keys("held", &[&attested.site.others]).await;
        world.publish_keys("wallets", &[&attested.wallets]).await;
        world.publish_keys("phones", &[&attested.phones]).await;
        attested
    }

    fn now(&self) -> i64 {
        self.site.world.now()
    }

    /// A credential of data model 2.0 of `held` for the holder.
    fn credential(&self) -> Draft<'_> {
        self.credential_about(AGENT, json!({}))
    }

    /// The same about another subject, with these members of `credentialSubject`.
    fn credential_about(&self, subject: &str, mut members: Value) -> Draft<'_> {
        members["id"] = subject.into();
        let site = &self.site;
        Draft::vc_jwt(&site.others, [HELD, TYPE, subject], &site.holder, self.now())
            .claim("credentialSubject", members)
    }

    /// An attestation of `wallets` that the client has the key of the holder.
    fn attestation(&self) -> Draft<'_> {
        self.attestation_of(CLIENT, &self.site.holder)
    }

    fn attestation_of(&self, client_id: &str, key: &SigningKey) -> Draft<'_> {
        Draft::attestation(&self.wallets, client_id, key, self.now()).claim("iss", "https://wallets.example")
    }

    /// The same of `phones`.
    fn attestation_of_phones(&self) -> Draft<'_> {
        Draft::attestation(&self.phones, CLIENT, &self.site.holder, self.now())
            .claim("iss", "https://phones.example")
    }

    fn next(&self, what: &str) -> String {
        self.number.set(self.number.get() + 1);
        format!("{what}-{}", self.number.get())
    }

    /// A proof with this key.
    fn pop(&self, key: &SigningKey) -> String {
        Draft::attestation_pop(key, ISSUER, &self.next("pop"), self.now()).sign()
    }

    /// The attestation with a proof by the key of the holder.
    fn shown(&self, attestation: &Draft<'_>) -> Vec<(&'static str, String)> {
        vec![
            ("OAuth-Client-Attestation", attestation.sign()),
            ("OAuth-Client-Attestation-PoP", self.pop(&self.site.holder)),
        ]
    }

    /// A request with these header fields.
    async fn send(&self, path: &str, shown: &[(&str, String)], body: String) -> Answer {
        let media_type = match path {
            "/token" => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        let mut fields = vec![("content-type", media_type)];
        fields.extend(shown.iter().map(|(name, value)| (*name, value.as_str())));
        let mut connection = self.site.world.connect().await;
        connection.send("POST", path, &fields, body).await
    }

    /// Registers with this statement, these header fields and these members.
    async fn register(&self, statement: &str, shown: &[(&str, String)], mut members: Value) -> Answer {
        members["software_statement"] = statement.into();
        self.send("/register", shown, members.to_string()).await
    }

    /// Registers with this credential and a valid attestation.
    async fn registered(&self, credential: &Draft<'_>) -> Answer {
        let answer = self
            .register(&credential.sign(), &self.shown(&self.attestation()), json!({}))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    /// Registers with a presentation, without an attestation.
    async fn present(&self, credential: &Draft<'_>, members: Value) -> Answer {
        let statement = self.site.presented(credential).await;
        self.register(&statement, &[], members).await
    }

    /// A token request with these header fields.
    async fn ask_with(&self, shown: &[(&str, String)], more: &[(&str, &str)]) -> Answer {
        let parameters = [&[("grant_type", "client_credentials")], more].concat();
        let answer = self.send("/token", shown, form(&parameters)).await;
        assert_answer_form(&answer);
        answer
    }

    /// A token request with this attestation and a valid proof.
    async fn ask(&self, attestation: &Draft<'_>) -> Answer {
        self.ask_with(&self.shown(attestation), &[]).await
    }

    /// A token request by `private_key_jwt` with the key of the holder.
    async fn ask_by_key(&self) -> Answer {
        ask(&self.site, &self.site.holder, CLIENT, &self.next("jti"), &[]).await
    }

    async fn assert_refused(&self, answer: &Answer, code: &str, reason: &str) {
        let found = (answer.status, answer.error());
        assert_eq!(found, (400, code.to_owned()), "{reason}: {answer:?}");
        assert_eq!(self.site.world.reason_of(answer).await, reason, "{answer:?}");
    }
}

// Row VC-02: the attestation in the place of the DPoP proof.
#[tokio::test]
async fn attestation_of_the_holders_key_registers_a_jwt_credential_without_a_presentation() {
    let it = Attested::start().await;
    let answer = it.registered(&it.credential()).await;
    let answer = answer.json();
    assert_eq!(answer["client_id"], CLIENT);
    assert_eq!(answer["token_endpoint_auth_method"], "private_key_jwt");
    assert!(answer.get("client_secret").is_none());
    let own: Value = serde_json::from_str(&it.site.holder.proof_jwk()).unwrap();
    assert_eq!(answer["jwks"]["keys"][0]["x"], own["x"]);
    assert_eq!(it.site.world.client_ids().await, [CLIENT]);
    assert_eq!(it.ask_by_key().await.status, 200);
}

#[tokio::test]
async fn dpop_proof_of_the_attested_key_takes_the_place_of_the_attestation_pop() {
    let it = Attested::start().await;
    let dpop = |key| Draft::dpop(key, "https://as.example/register", &it.next("dpop"), it.now()).sign();
    let by = |key| {
        vec![
            ("OAuth-Client-Attestation", it.attestation().sign()),
            ("DPoP", dpop(key)),
        ]
    };
    let statement = it.credential().sign();
    let other = generate_key(Algorithm::ES256, None);
    let answer = it.register(&statement, &by(&other), json!({})).await;
    it.assert_refused(&answer, ICA, "dpop_key_not_attested").await;
    let method = json!({ "token_endpoint_auth_method": "attest_jwt_client_auth_dpop" });
    let answer = it.register(&statement, &by(&it.site.holder), method).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // From now on, only this method.
    it.assert_refused(
        &it.ask(&it.attestation()).await,
        "invalid_client",
        "credential_not_accepted",
    )
    .await;
    it.assert_refused(
        &it.ask_by_key().await,
        "invalid_client",
        "credential_not_accepted",
    )
    .await;
    let dpop = Draft::dpop(
        &it.site.holder,
        "https://as.example/token",
        &it.next("dpop"),
        it.now(),
    )
    .sign();
    let shown = [
        ("OAuth-Client-Attestation", it.attestation().sign()),
        ("DPoP", dpop),
    ];
    let answer = it.ask_with(&shown, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["token_type"], "DPoP");
}

#[tokio::test]
async fn attestation_beside_a_credential_must_be_of_its_client_its_key_and_a_listed_attester() {
    let it = Attested::start().await;
    let (statement, other) = (it.credential().sign(), generate_key(Algorithm::ES256, None));
    let with =
        async |attestation: Draft<'_>| it.register(&statement, &it.shown(&attestation), json!({})).await;
    let answer = with(it.attestation_of(CLIENT, &other)).await;
    it.assert_refused(&answer, ICA, "other_key_attested").await;
    for client_id in [
        "held:urn:example:agent:8",
        AGENT,
        "app",
        "alone:urn:example:agent:7",
    ] {
        let answer = with(it.attestation_of(client_id, &it.site.holder)).await;
        it.assert_refused(&answer, ICA, "other_client_attested").await;
    }
    let answer = with(it.attestation_of_phones()).await;
    it.assert_refused(&answer, ICA, "attester_not_of_issuer").await;
    // The key of the attester is not that of another one.
    let forged = Draft::attestation(&it.phones, CLIENT, &it.site.holder, it.now())
        .claim("iss", "https://wallets.example")
        .header("kid", "w1");
    it.assert_refused(&with(forged).await, INVALID, "attestation_malformed_or_forged")
        .await;
    // A presentation beside it does not make up for it.
    let presented = it.site.presented(&it.credential()).await;
    let shown = it.shown(&it.attestation_of(CLIENT, &other));
    let answer = it.register(&presented, &shown, json!({})).await;
    it.assert_refused(&answer, ICA, "other_key_attested").await;
    assert!(it.site.world.client_ids().await.is_empty());
    let presented = it.site.presented(&it.credential()).await;
    let answer = it
        .register(&presented, &it.shown(&it.attestation()), json!({}))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn attestation_without_its_proof_registers_nothing_and_a_proof_registers_once() {
    let it = Attested::start().await;
    let statement = it.credential().sign();
    let attestation = || ("OAuth-Client-Attestation", it.attestation().sign());
    let proof = |proof: String| ("OAuth-Client-Attestation-PoP", proof);
    let answer = it.register(&statement, &[attestation()], json!({})).await;
    it.assert_refused(&answer, ICA, "attestation_proof_missing").await;
    for key in [&it.wallets, &it.site.others] {
        let shown = [attestation(), proof(it.pop(key))];
        let answer = it.register(&statement, &shown, json!({})).await;
        it.assert_refused(&answer, ICA, "attestation_pop_refused").await;
    }
    let answer = it
        .register(&statement, &[proof(it.pop(&it.site.holder))], json!({}))
        .await;
    it.assert_refused(&answer, "invalid_request", "attestation_pop_alone")
        .await;
    // The KB-JWT of an SD-JWT states which disclosures the holder sent, so an attestation cannot take its place.
    let sd_jwt = Draft::sd_jwt_vc(&it.site.others, [HELD, VCT, AGENT], &it.site.holder, it.now());
    let shown = it.shown(&it.attestation());
    let answer = it.register(&Site::bare(&sd_jwt, &[]), &shown, json!({})).await;
    it.assert_refused(&answer, INVALID, "holder_proof_missing").await;
    assert!(it.site.world.client_ids().await.is_empty());
    let shown = it.shown(&it.attestation());
    assert_eq!(it.register(&statement, &shown, json!({})).await.status, 201);
    let answer = it.register(&statement, &shown, json!({})).await;
    it.assert_refused(&answer, ICA, "attestation_pop_replayed").await;
}

#[tokio::test]
async fn challenge_is_required_if_one_listed_attester_requires_it() {
    let entries = ENTRIES
        .replace(
            "attesters = [\"wallets\"]",
            "attesters = [\"wallets\", \"phones\"]",
        )
        .replacen(
            "challenge = \"none\"\n[[issuers]]\nname = \"phones\"",
            "[[issuers]]\nname = \"phones\"",
            1,
        );
    let site = Site::start_with(&entries, RULES_HERE).await;
    let it = Attested {
        wallets: generate_key(Algorithm::ES256, Some("w1")),
        phones: generate_key(Algorithm::ES256, Some("p1")),
        site,
        number: std::cell::Cell::new(0),
    };
    it.site.world.publish_keys("held", &[&it.site.others]).await;
    it.site.world.publish_keys("wallets", &[&it.wallets]).await;
    it.site.world.publish_keys("phones", &[&it.phones]).await;
    let statement = it.credential().sign();
    for attestation in [it.attestation(), it.attestation_of_phones()] {
        let answer = it.register(&statement, &it.shown(&attestation), json!({})).await;
        it.assert_refused(
            &answer,
            "use_attestation_challenge",
            "attestation_challenge_missing",
        )
        .await;
        let challenge = it.site.nonce_named("attestation_challenge").await;
        let pop = Draft::attestation_pop(&it.site.holder, ISSUER, &it.next("pop"), it.now());
        let shown = [
            ("OAuth-Client-Attestation", attestation.sign()),
            (
                "OAuth-Client-Attestation-PoP",
                pop.claim("challenge", challenge).sign(),
            ),
        ];
        let answer = it.register(&statement, &shown, json!({})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

#[tokio::test]
async fn registered_client_authenticates_by_an_attestation_of_its_key() {
    let it = Attested::start().await;
    it.assert_refused(
        &it.ask(&it.attestation()).await,
        "invalid_client",
        "unknown_client",
    )
    .await;
    it.registered(&it.credential()).await;
    let answer = it.ask(&it.attestation()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = claims(&answer.access_token());
    assert_eq!(
        (&token["client_id"], &token["sub"]),
        (&json!(CLIENT), &json!(CLIENT))
    );
    let named = it
        .ask_with(&it.shown(&it.attestation()), &[("client_id", CLIENT)])
        .await;
    assert_eq!(named.status, 200, "{named:?}");
    // Both methods are of one client, as long as it registered none of them.
    assert_eq!(it.ask_by_key().await.status, 200);
    assert_eq!(it.site.world.client_ids().await, [CLIENT]);
    // An attester also names clients of its own.
    let own = it.ask(&it.attestation_of("app", &it.site.holder)).await;
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(claims(&own.access_token())["client_id"], "app");
}

#[tokio::test]
async fn attestation_of_another_key_client_or_attester_authenticates_no_client_of_a_credential() {
    let it = Attested::start().await;
    it.registered(&it.credential()).await;
    let other = generate_key(Algorithm::ES256, None);
    let by_other = [
        (
            "OAuth-Client-Attestation",
            it.attestation_of(CLIENT, &other).sign(),
        ),
        ("OAuth-Client-Attestation-PoP", it.pop(&other)),
    ];
    it.assert_refused(&it.ask_with(&by_other, &[]).await, ICA, "other_key_attested")
        .await;
    let unknown = it.attestation_of("held:urn:example:agent:8", &it.site.holder);
    it.assert_refused(&it.ask(&unknown).await, "invalid_client", "unknown_client")
        .await;
    it.assert_refused(
        &it.ask(&it.attestation_of_phones()).await,
        ICA,
        "attester_not_of_issuer",
    )
    .await;
    // An issuer that lists no attesters: the id is one that no attester may name.
    let alone = it.attestation_of("alone:urn:example:agent:7", &it.site.holder);
    it.assert_refused(&it.ask(&alone).await, "invalid_client", "client_id_reserved")
        .await;
    let mismatch = it
        .ask_with(&it.shown(&it.attestation()), &[("client_id", "app")])
        .await;
    it.assert_refused(&mismatch, "invalid_client", "client_id_mismatch")
        .await;
    let alone = [("OAuth-Client-Attestation", it.attestation().sign())];
    it.assert_refused(&it.ask_with(&alone, &[]).await, ICA, "attestation_proof_missing")
        .await;
    let stolen = [
        ("OAuth-Client-Attestation", it.attestation().sign()),
        ("OAuth-Client-Attestation-PoP", it.pop(&other)),
    ];
    it.assert_refused(&it.ask_with(&stolen, &[]).await, ICA, "attestation_pop_refused")
        .await;
    let old = it.attestation().claim("exp", it.now() - 1);
    it.assert_refused(
        &it.ask(&old).await,
        "use_fresh_attestation",
        "attestation_expired",
    )
    .await;
    assert_eq!(it.site.world.client_ids().await, [CLIENT]);
    assert_eq!(it.ask(&it.attestation()).await.status, 200);
}

// Row VC-41.
#[tokio::test]
async fn disabled_attester_or_issuer_and_frozen_client_are_refused_at_once() {
    let it = Attested::start().await;
    it.registered(&it.credential()).await;
    let switch = async |path: &str, body: Value| it.site.world.admin("POST", path, body).await;
    for (on, off, body, reason) in [
        (
            "trust/wallets/disable",
            "trust/wallets/enable",
            json!({}),
            "authority_disabled",
        ),
        (
            "trust/held/disable",
            "trust/held/enable",
            json!({}),
            "authority_disabled",
        ),
        (
            "clients/freeze",
            "clients/thaw",
            json!({ "client_id": CLIENT }),
            "client_frozen",
        ),
    ] {
        switch(&format!("/admin/v1/{on}"), body.clone()).await;
        it.assert_refused(&it.ask(&it.attestation()).await, "invalid_client", reason)
            .await;
        let shown = it.shown(&it.attestation());
        let answer = it.register(&it.credential().sign(), &shown, json!({})).await;
        assert_eq!(answer.status, 400, "{on}: {answer:?}");
        assert_eq!(it.site.world.reason_of(&answer).await, reason, "{on}");
        switch(&format!("/admin/v1/{off}"), body).await;
        assert_eq!(it.ask(&it.attestation()).await.status, 200, "{off}");
    }
}

#[tokio::test]
async fn client_ends_with_its_credential_whatever_its_method() {
    let it = Attested::start().await;
    it.registered(&it.credential().claim("exp", it.now() + 100)).await;
    it.site.world.running.app.clock.shift(50);
    let answer = it.ask(&it.attestation()).await;
    let token = claims(&answer.access_token());
    let (from, to) = (token["iat"].as_i64().unwrap(), token["exp"].as_i64().unwrap());
    assert!(to - from <= 50, "{token}");
    it.site.world.running.app.clock.shift(51);
    it.assert_refused(
        &it.ask(&it.attestation()).await,
        "invalid_client",
        "first_use_off",
    )
    .await;
}

// Rows VC-40, DR-102.
#[tokio::test]
async fn what_the_issuer_stated_limits_the_tokens_and_what_the_attester_states_does_not_widen_them() {
    let it = Attested::start().await;
    it.registered(&it.credential_about(AGENT, json!({ "scope": "r" })))
        .await;
    let wider = it.attestation().claim("scope", "r w");
    let answer = it.ask_with(&it.shown(&wider), &[("scope", "w")]).await;
    assert_eq!(answer.error(), "invalid_scope", "{answer:?}");
    assert_eq!(it.ask(&wider).await.status, 200);
    let gold = it.credential_about("gold/2", json!({})).claim("tier", "gold");
    let attestation = it.attestation_of("held:gold/2", &it.site.holder);
    let answer = it
        .register(&gold.sign(), &it.shown(&attestation), json!({}))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // Only the rule `held` gives `w`, and the rule `held-gold` governs by the claim of the credential.
    let answer = it.ask_with(&it.shown(&attestation), &[("scope", "w")]).await;
    assert_eq!(answer.error(), "invalid_scope", "{answer:?}");
    assert_eq!(it.ask(&attestation).await.status, 200);
}

#[tokio::test]
async fn method_that_the_credential_states_is_the_only_one() {
    let it = Attested::start().await;
    for (stated, other) in [
        ("attest_jwt_client_auth", "private_key_jwt"),
        ("private_key_jwt", "attest_jwt_client_auth"),
    ] {
        let it = Attested::start().await;
        let credential = it.credential_about(AGENT, json!({ "token_endpoint_auth_method": stated }));
        // The request cannot change it; the presentation shows no attestation.
        for members in [json!({}), json!({ "token_endpoint_auth_method": other })] {
            let answer = it.present(&credential, members).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            assert_eq!(answer.json()["token_endpoint_auth_method"], stated);
        }
        let (by_attestation, by_key) = (it.ask(&it.attestation()).await, it.ask_by_key().await);
        let (good, bad) = match stated {
            "private_key_jwt" => (by_key, by_attestation),
            _ => (by_attestation, by_key),
        };
        assert_eq!(good.status, 200, "{stated}: {good:?}");
        it.assert_refused(&bad, "invalid_client", "credential_not_accepted")
            .await;
    }
    let of = |method: &str| it.credential_about(AGENT, json!({ "token_endpoint_auth_method": method }));
    for method in ["none", "client_secret_basic", "tls_client_auth"] {
        let answer = it.present(&of(method), json!({})).await;
        it.assert_refused(&answer, "invalid_client_metadata", "attested_claim_malformed")
            .await;
    }
    // The entry lists no attesters, so this client could never authenticate.
    let alone = of("attest_jwt_client_auth")
        .claim("iss", "https://alone.example")
        .claim("issuer", "https://alone.example");
    let answer = it.present(&alone, json!({})).await;
    assert_eq!(
        it.site.world.reason_of(&answer).await,
        "credential_not_accepted",
        "{answer:?}"
    );
    assert!(it.site.world.client_ids().await.is_empty());
}

// The holder of an SD-JWT must not withhold the method to which its issuer limits the client.
#[tokio::test]
async fn method_that_the_issuer_may_state_must_be_disclosed() {
    let it = Attested::start().await;
    let (text, digest) = disclosure(&json!([
        "salt",
        "token_endpoint_auth_method",
        "attest_jwt_client_auth"
    ]));
    let credential = Draft::sd_jwt_vc(&it.site.others, [HELD, VCT, AGENT], &it.site.holder, it.now())
        .claim("scope", "r")
        .claim("_sd", json!([digest]));
    let answer = it.site.register(&it.site.held(&credential, &[]).await).await;
    it.assert_refused(&answer, INVALID, "credential_claim_concealed")
        .await;
    let answer = it.site.register(&it.site.held(&credential, &[&text]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        answer.json()["token_endpoint_auth_method"],
        "attest_jwt_client_auth"
    );
    it.assert_refused(
        &it.ask_by_key().await,
        "invalid_client",
        "credential_not_accepted",
    )
    .await;
    assert_eq!(it.ask(&it.attestation()).await.status, 200);
}

#[tokio::test]
async fn known_client_is_served_by_an_attestation_without_a_read_of_the_store() {
    let it = Attested::start().await;
    it.registered(&it.credential()).await;
    assert_eq!(it.ask(&it.attestation()).await.status, 200);
    let reads = it
        .site
        .world
        .reads_of(async || {
            let answer = it.ask(&it.attestation()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        })
        .await;
    assert_eq!(reads, 0);
}

#[tokio::test]
async fn client_registers_the_method_that_its_request_shows_and_no_other() {
    let it = Attested::start().await;
    let by_attestation = json!({ "token_endpoint_auth_method": "attest_jwt_client_auth" });
    let answer = it.present(&it.credential(), by_attestation.clone()).await;
    it.assert_refused(&answer, "invalid_client_metadata", "auth_method_not_shown")
        .await;
    assert!(it.site.world.client_ids().await.is_empty());
    let shown = it.shown(&it.attestation());
    let answer = it.register(&it.credential().sign(), &shown, by_attestation).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        answer.json()["token_endpoint_auth_method"],
        "attest_jwt_client_auth"
    );
    assert_eq!(it.ask(&it.attestation()).await.status, 200);
    it.assert_refused(
        &it.ask_by_key().await,
        "invalid_client",
        "credential_not_accepted",
    )
    .await;
    let by_key = json!({ "token_endpoint_auth_method": "private_key_jwt" });
    let answer = it
        .present(&it.credential().claim("iat", it.now() + 1), by_key)
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(it.ask_by_key().await.status, 200);
    it.assert_refused(
        &it.ask(&it.attestation()).await,
        "invalid_client",
        "credential_not_accepted",
    )
    .await;
}

#[tokio::test]
async fn explain_finds_the_client_of_an_attestation_and_decides_its_request_again() {
    let it = Attested::start().await;
    it.registered(&it.credential()).await;
    let attestation = it.attestation().sign();
    let explain = json!({ "credential": attestation });
    let answer = it.site.world.admin("POST", "/admin/v1/explain", explain).await;
    assert_eq!(answer["outcome"], "allowed", "{answer}");
    assert!(answer.to_string().contains(CLIENT), "{answer}");
    let refused = it
        .ask_with(&it.shown(&it.attestation()), &[("scope", "admin.write")])
        .await;
    assert_eq!(refused.error(), "invalid_scope");
    let id = refused.header("request-id").unwrap();
    let explain = json!({ "request_id": id });
    let answer = it.site.world.admin("POST", "/admin/v1/explain", explain).await;
    assert_eq!(answer["today"]["rejection"], "scope_not_allowed", "{answer}");
}
