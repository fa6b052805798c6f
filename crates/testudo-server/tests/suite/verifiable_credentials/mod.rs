//! Verifiable credentials of `[[issuers]]` entries with `kind = "verifiable_credential"`, as software statements.

mod attested;
mod certificates;
mod clients;
mod configuration;
mod disclosed;
mod fetches;
mod held_keys;
mod holders;
mod keys;
mod lists;
mod nodes;
mod page;
mod refused;
mod registration;
mod sponsors;
mod sponsors_judged;
mod standard_list;
mod status;
mod unbound;
mod unknown;
mod withdrawn;

use crate::registration::post;
use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;

pub const AGENTS: &str = "https://issuer.example";
pub const VCT: &str = "https://vct.example/oauth-client/1";
pub const TYPE: &str = "OAuthClientCredential";
const AGENT: &str = "urn:example:agent:7";
const CLIENT: &str = "agents:urn:example:agent:7";

/// Four issuers: `agents` requires a proof of the holder, `papers` requires none, `loose` accepts nonces of the
/// holder's own, and `copies` issues credentials without keys.
const ISSUERS: &str = r#"
[[issuers]]
name = "agents"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://issuer.example"
jwks = { file = "agents.json" }
formats = ["dc+sd-jwt", "vc+jwt", "vc1-jwt"]
types = ["https://vct.example/oauth-client/1", "OAuthClientCredential"]
attests = ["client_name", "redirect_uris", "grant_types", "scope"]
captures = { tier = "tier" }
lifetime_max = "1h"
[[issuers]]
name = "papers"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://papers.example"
jwks = { file = "papers.json" }
types = ["https://vct.example/oauth-client/1", "OAuthClientCredential"]
attests = ["redirect_uris", "jwks"]
holder_binding = "none"
[[issuers]]
name = "loose"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://loose.example"
jwks = { file = "loose.json" }
formats = ["dc+sd-jwt"]
types = ["https://vct.example/oauth-client/1"]
attests = ["client_name", "redirect_uris"]
challenge = "none"
[[issuers]]
name = "copies"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://copies.example"
jwks = { file = "copies.json" }
types = ["https://vct.example/oauth-client/1"]
unbound = "allow"
"#;

const RULES_OF_CREDENTIALS: &str = r#"
[[rules]]
name = "gold"
identities = ["agents:gold/*"]
claims = { tier = "gold" }
scopes = ["r"]
default_scopes = ["r"]
client_name = "{tier} agent"
[[rules]]
name = "renamed"
identities = ["agents:renamed/*"]
client_id = "opaque"
[[rules]]
name = "agents"
identities = ["agents:*"]
scopes = ["r", "w"]
default_scopes = ["r"]
grant_types = ["client_credentials", "authorization_code"]
redirect_uri_hosts = ["app.example"]
[[rules]]
name = "papers"
identities = ["papers:*"]
scopes = ["r", "w"]
grant_types = ["client_credentials", "authorization_code"]
redirect_uri_hosts = ["app.example"]
[[rules]]
name = "loose"
identities = ["loose:*"]
redirect_uri_hosts = ["app.example"]
[[rules]]
name = "copies"
identities = ["copies:*"]
scopes = ["r", "w"]
default_scopes = ["r"]
redirect_uri_hosts = ["app.example"]
"#;

/// A server with the four issuers, and a holder.
pub struct Site {
    pub world: World,
    /// The key of `agents`, and of the three others.
    pub issuer: SigningKey,
    pub others: SigningKey,
    pub holder: SigningKey,
}

impl Site {
    async fn start() -> Site {
        Site::start_with("", "").await
    }

    /// The same server with more issuers and more rules.
    pub async fn start_with(issuers: &str, rules: &str) -> Site {
        let sections = format!("[registration]\n{}{ISSUERS}{issuers}", domains(""));
        let rules = format!("{rules}{RULES_OF_CREDENTIALS}{RULES}");
        let site = Site::of_world(World::start_with(&sections, &rules).await);
        site.world.publish_keys("agents", &[&site.issuer]).await;
        site.world.publish_keys("papers", &[&site.others]).await;
        site.world.publish_keys("loose", &[&site.others]).await;
        site.world.publish_keys("copies", &[&site.others]).await;
        site
    }

    /// Reloads with these entries and rules beside the four of every server.
    async fn reload(&self, issuers: &str, rules: &str) {
        let sections = format!("[registration]\n{}{ISSUERS}{issuers}", domains(""));
        let rules = format!("{rules}{RULES_OF_CREDENTIALS}{RULES}");
        self.world.reload_with(&sections, &rules).await;
    }

    fn now(&self) -> i64 {
        self.world.now()
    }

    /// The JWT of an SD-JWT VC of `agents`.
    fn sd_jwt_vc(&self) -> Draft<'_> {
        self.of([AGENTS, VCT, AGENT])
    }

    fn of(&self, names: [&str; 3]) -> Draft<'_> {
        let key = if names[0] == AGENTS {
            &self.issuer
        } else {
            &self.others
        };
        Draft::sd_jwt_vc(key, names, &self.holder, self.now()).claim("client_name", "Agent 7")
    }

    /// A credential of data model 2.0 of `agents`.
    fn vc_jwt(&self) -> Draft<'_> {
        let subject = json!({
            "id": AGENT, "client_name": "Agent 7", "redirect_uris": ["https://app.example/cb"],
        });
        Draft::vc_jwt(&self.issuer, [AGENTS, TYPE, AGENT], &self.holder, self.now())
            .claim("credentialSubject", subject)
    }

    /// A new nonce of the server for the proof of a holder.
    pub async fn nonce(&self) -> String {
        self.nonce_named("registration_nonce").await
    }

    /// This member of the answer of the challenge endpoint.
    pub async fn nonce_named(&self, member: &str) -> String {
        let mut connection = self.world.connect().await;
        let answer = connection.send("POST", "/challenge", &[], Vec::<u8>::new()).await;
        answer.json()[member].as_str().unwrap().to_owned()
    }

    /// A credential without a proof of its holder.
    fn bare(credential: &Draft<'_>, disclosures: &[&str]) -> String {
        let parts = disclosures.iter().flat_map(|text| [*text, "~"]);
        format!("{}~{}", credential.sign(), parts.collect::<String>())
    }

    /// The same with a proof of its holder.
    async fn held(&self, credential: &Draft<'_>, disclosures: &[&str]) -> String {
        self.held_with(credential, disclosures, |proof| proof).await
    }

    /// The same with a changed proof.
    async fn held_with(
        &self,
        credential: &Draft<'_>,
        disclosures: &[&str],
        change: impl FnOnce(Draft<'_>) -> Draft<'_>,
    ) -> String {
        let sd_jwt = Site::bare(credential, disclosures);
        let nonce = self.nonce().await;
        let proof = Draft::key_binding(&self.holder, &sd_jwt, ISSUER, &nonce, self.now());
        format!("{sd_jwt}{}", change(proof).sign())
    }

    /// A presentation of a credential of data model 2.0.
    async fn presented(&self, credential: &Draft<'_>) -> String {
        self.presented_with(credential, |proof| proof).await
    }

    async fn presented_with(
        &self,
        credential: &Draft<'_>,
        change: impl FnOnce(Draft<'_>) -> Draft<'_>,
    ) -> String {
        let nonce = self.nonce().await;
        let token = credential.sign();
        let proof = Draft::presentation(&self.holder, &token, ISSUER, &nonce, self.now());
        change(proof).sign()
    }

    /// Registers with this statement.
    async fn register(&self, statement: &str) -> Answer {
        self.register_with(statement, json!({})).await
    }

    /// Registers with this statement and these members.
    async fn register_with(&self, statement: &str, mut members: Value) -> Answer {
        members["software_statement"] = statement.into();
        post(&self.world, &members).await
    }

    /// Registers with a good credential; returns the answer.
    async fn registered(&self) -> Value {
        let answer = self.register(&self.held(&self.sd_jwt_vc(), &[]).await).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    /// What the admin API shows of a client.
    async fn shown(&self, client_id: &str) -> Value {
        let client = json!({ "client_id": client_id });
        self.world.admin("POST", "/admin/v1/clients/show", client).await
    }

    /// This server, with new keys.
    fn of_world(world: World) -> Site {
        Site {
            world,
            issuer: generate_key(Algorithm::ES256, Some("k1")),
            others: generate_key(Algorithm::ES256, Some("k1")),
            holder: generate_key(Algorithm::ES256, None),
        }
    }

    /// Checks that the statement is refused with this code, and that no client exists.
    #[track_caller]
    fn assert_refused(answer: &Answer, code: &str, case: &str) {
        let found = (answer.status, answer.json()["error"].clone());
        assert_eq!(found, (400, json!(code)), "{case}: {answer:?}");
    }
}

/// The error code of a statement that is not valid.
const INVALID: &str = "invalid_software_statement";
/// The error code of a valid statement that the server does not approve.
const UNAPPROVED: &str = "unapproved_software_statement";
