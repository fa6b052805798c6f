//! A second kind of authority for tests: an issuer of signed tokens whose subjects are `ci:TEAM/JOB`. Its door is
//! `test_token` of the core, which no release has; its policy and the source of its keys are what a section of the
//! configuration would make.

use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_core::policy::{ATTESTATION_AGE_MAX, AuthorityPolicy, AuthorityUse, ChallengeUse, StatusPolicy};
use testudo_core::rules::FirstUse;
use testudo_core::velocity::Rate;
use testudo_core::{Authority, CredentialKind};
use testudo_protocol::Seconds;
use testudo_server::config::{self, BundleOrigin, BundleSource, KeyChanges};
use testudo_server::reload::put_in_force;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, svid_form};

const ENDPOINT: &str = "https://as.example/register";

const RULES_OF_CI: &str = r#"
[[rules]]
name = "claimed"
identities = ["ci:claimed/*"]
scopes = ["r", "w"]
grant_types = ["client_credentials", "authorization_code"]
redirect_uris = ["https://ci.example/cb"]
redirect_uri_hosts = ["app.example"]
[[rules]]
name = "ci"
identities = ["ci:{team}/{job}"]
scopes = ["r", "w", "client.register"]
default_scopes = ["r"]
resources = ["https://api.example/", "https://as.example/register"]
client_name = "{job} of {team}"
[[rules]]
name = "runners"
identities = ["ci:{team}/runners/{instance}"]
scopes = ["client.register"]
resources = ["https://as.example/register", "https://as.example"]
[[rules]]
name = "pods"
identities = ["ci:pods/each/{name}"]
client = "instance"
registrations_per_minute = 6
registrations_burst = 3
[[rules]]
name = "named"
identities = ["ci:named/{group}/{job}"]
client_id = "ci/{group}/{job}"
[[rules]]
name = "opaque"
identities = ["ci:opaque/*/*"]
client_id = "opaque"
"#;

/// The rules of the test server, preceded by those for the made-up issuer.
pub fn rules() -> String {
    format!(
        "{RULES_OF_CI}{}",
        RULES.replace("name = \"opaque\"", "name = \"opaque-svid\"")
    )
}

/// The form of a token request that sends the token as one of the made-up kind.
fn test_token_form(token: &str, more: &[(&str, &str)]) -> String {
    let spiffe = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-spiffe";
    let form = svid_form(token, more);
    assert!(form.contains(spiffe), "{form}");
    form.replace(spiffe, "urn%3Atestudo%3Atest-token")
}

pub fn ci() -> Authority {
    Authority::issuer("ci").unwrap()
}

/// A server that trusts the made-up issuer and the usual trust domains of the tests.
pub struct MadeUp {
    pub world: World,
    pub issuer: TestIssuer,
}

impl MadeUp {
    pub async fn start() -> MadeUp {
        MadeUp::start_with("", |_| {}).await
    }

    pub async fn start_with(server: &str, change: impl FnOnce(&mut AuthorityPolicy)) -> MadeUp {
        let world = World::start_with(&format!("{server}\n{}", domains("")), &rules()).await;
        let made_up = MadeUp {
            world,
            issuer: TestIssuer::new("ci"),
        };
        made_up.publish();
        made_up.reload(change).await;
        made_up
    }

    /// The same server after a restart.
    pub async fn restart(self) -> MadeUp {
        let made_up = MadeUp {
            world: self.world.restart().await,
            issuer: self.issuer,
        };
        made_up.reload(|_| {}).await;
        made_up
    }

    /// Writes the keys of the issuer to its file, as a JWK Set.
    pub fn publish(&self) {
        let keys: Vec<_> = self.issuer.keys.iter().collect();
        self.world.write_keys("ci", &keys);
    }

    /// Reloads the configuration and adds the issuer, as its section would.
    pub async fn reload(&self, change: impl FnOnce(&mut AuthorityPolicy)) {
        let app = &self.world.running.app;
        let generation = app.in_force.load().policy.generation + 1;
        let path = self.world.folder.join("testudo.toml");
        let (mut configuration, _) = config::load(&path, generation).unwrap();
        let mut policy = AuthorityPolicy {
            credentials: vec![CredentialKind::TestToken],
            uses: vec![AuthorityUse::Client, AuthorityUse::Registration],
            subject_claim: None,
            first_use: FirstUse::On,
            accept_audiences: Vec::new(),
            single_use: false,
            lifetime_max: None,
            attested_metadata: Vec::new(),
            issuer: None,
            challenge: ChallengeUse::Required,
            attestation_age_max: ATTESTATION_AGE_MAX,
            statement_issuer: None,
            review: None,
            takes_default_accounts: false,
            status: StatusPolicy::default(),
            verifiable: None,
            registrations: Rate::new(600, None),
            registrations_per_prefix: None,
            velocity_prefix_segments: 1,
            clients_max: Some(100),
        };
        change(&mut policy);
        configuration.policy.authorities.insert(ci(), policy);
        configuration.bundles.push(BundleSource {
            authority: ci(),
            origin: BundleOrigin::File(self.world.folder.join("ci.json")),
            max_staleness: Seconds(3600),
            key_changes: KeyChanges::default(),
        });
        put_in_force(app, configuration).await;
    }

    pub fn token(&self, subject: &str) -> String {
        self.token_by(&self.issuer, subject)
    }

    pub fn token_by(&self, issuer: &TestIssuer, subject: &str) -> String {
        self.sign(issuer, subject, ISSUER, &json!({}))
    }

    /// A token request of one instance of a job, which a claim of its token names.
    pub async fn ask_as(&self, subject: &str, instance: &str, more: &[(&str, &str)]) -> Answer {
        let instance = json!({ "instance": instance });
        let token = self.sign(&self.issuer, subject, ISSUER, &instance);
        self.show(&token, more).await
    }

    /// A token for the registration endpoint.
    pub fn statement(&self, issuer: &TestIssuer, subject: &str) -> String {
        self.sign(issuer, subject, ENDPOINT, &json!({}))
    }

    /// The same with further claims.
    pub fn statement_with(&self, subject: &str, more: &Value) -> String {
        self.sign(&self.issuer, subject, ENDPOINT, more)
    }

    /// Signs the claims of a valid token and these further ones.
    fn sign(&self, issuer: &TestIssuer, subject: &str, audience: &str, more: &Value) -> String {
        let draft = Draft::svid(issuer.key(), subject, audience, self.world.now());
        let draft = draft.claim("iss", "https://ci.example").claim("aud", audience);
        draft.more_claims(more).sign()
    }

    /// A token request of a job.
    pub async fn ask(&self, subject: &str, more: &[(&str, &str)]) -> Answer {
        self.show(&self.token(subject), more).await
    }

    /// A token request with this token.
    pub async fn show(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        self.world.send(&test_token_form(token, more)).await
    }

    /// Reasons of the refusals that have an event.
    pub async fn refused_for(&self, reason: &str) -> bool {
        let events = self.world.events("client.refused").await;
        events
            .iter()
            .any(|event| event["reason"] == reason && event["authority"] == "ci:")
    }
}
