//! What administrators see of every kind of authority: one row for each kind, and the same expectations for all rows.
//!
//! A new kind is one more row in [`KINDS`], and its entry in the configuration of [`Everyone`].

mod explained;
mod rules;
mod shown;

use crate::federation::{BOOTSTRAP, Publisher, SERVER};
use crate::registration;
use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use std::path::PathBuf;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::workload_api::{FakeWorkloadApi, Offer};
use testudo_testkit::x509::X509Issuer;
use testudo_testkit::{TestIssuer, assertion_form, form, generate_key, svid_form};

/// What a rule governs in every authority: segments of an identity.
const GOVERNED: &str = "w/api";
/// What no rule governs.
const UNGOVERNED: &str = "elsewhere/api";

const ISSUERS: &str = r#"
[[issuers]]
name = "cluster"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "cluster.json" }
[[issuers]]
name = "ci"
kind = "jwt"
use = ["client"]
issuer = "https://ci.example"
jwks = { file = "ci.json" }
captures = { repository = "repository" }
[[issuers]]
name = "releases"
kind = "jwt"
use = ["registration"]
issuer = "https://releases.example"
jwks = { file = "releases.json" }
[[issuers]]
name = "agents"
kind = "attester"
use = ["client"]
issuer = "https://agents.example"
jwks = { file = "agents.json" }
challenge = "none"
[[issuers]]
name = "papers"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://papers.example"
jwks = { file = "papers.json" }
types = ["https://vct.example/client"]
attests = ["jwks"]
holder_binding = "none"
"#;

/// How a request carries a credential.
#[derive(Clone, Copy, PartialEq)]
enum Sent {
    Svid,
    Assertion,
    Attestation,
    /// As the software statement of a registration.
    Statement,
}

/// A kind of authority.
struct Kind {
    /// Key of the authority in records, events and metrics.
    key: &'static str,
    /// The kind of its credentials.
    door: &'static str,
    sent: Sent,
    /// A credential for an identity with these segments.
    draft: for<'e> fn(&'e Everyone, &str) -> Draft<'e>,
    /// Why a credential with another signature is refused.
    forged: &'static str,
    /// A part of the source that `trust show` prints.
    source: &'static str,
    /// Makes the source of the keys unusable.
    break_source: fn(&Everyone),
    /// A part of the hint of `doctor` about the broken source.
    remedy: &'static str,
}

const FORGED: &str = "token_malformed_or_forged";
const FORGED_ATTESTATION: &str = "attestation_malformed_or_forged";

const KINDS: &[Kind] = &[
    Kind {
        key: "spiffe://a.example",
        door: "jwt_svid",
        sent: Sent::Svid,
        draft: |e, subject| e.svid(&e.world.a, subject),
        forged: FORGED,
        source: "a.json",
        break_source: |e| e.remove("a.json"),
        remedy: "spire-server bundle show",
    },
    Kind {
        key: "spiffe://w.example",
        door: "jwt_svid",
        sent: Sent::Svid,
        draft: |e, subject| e.svid(&e.web_tokens, subject),
        forged: FORGED,
        source: "https://localhost:",
        break_source: |e| e.web.answers(404, None, ""),
        remedy: "curl --cacert",
    },
    Kind {
        key: "spiffe://z.example",
        door: "jwt_svid",
        sent: Sent::Svid,
        draft: |e, subject| e.svid(&e.endpoint.tokens, subject),
        forged: FORGED,
        source: " of spiffe://z.example/spire/server",
        break_source: |e| {
            e.endpoint
                .server
                .shows(&X509Issuer::new("z.example").leaf(SERVER, |_| {}))
        },
        remedy: "openssl s_client",
    },
    Kind {
        key: "spiffe://l.example",
        door: "jwt_svid",
        sent: Sent::Svid,
        draft: |e, subject| e.svid(&e.local, subject),
        forged: FORGED,
        source: "agent.sock",
        break_source: |e| e.agent.offers(Offer::Status(7), Offer::Status(7)),
        remedy: "the SPIFFE agent must run on this machine",
    },
    Kind {
        key: "cluster:",
        door: "kubernetes",
        sent: Sent::Assertion,
        draft: |e, subject| {
            Draft::service_account(&e.cluster, DEFAULT_ISSUER, subject, ISSUER, e.world.now())
        },
        forged: FORGED,
        source: "cluster.json",
        break_source: |e| e.remove("cluster.json"),
        remedy: "kubectl get --raw /openid/v1/jwks",
    },
    Kind {
        key: "ci:",
        door: "issuer_jwt",
        sent: Sent::Assertion,
        draft: |e, subject| e.token(&e.ci, "https://ci.example", subject),
        forged: FORGED,
        source: "ci.json",
        break_source: |e| e.remove("ci.json"),
        remedy: "the document at the jwks_uri of the issuer",
    },
    Kind {
        key: "releases:",
        door: "issuer_jwt",
        sent: Sent::Statement,
        draft: |e, subject| e.token(&e.releases, "https://releases.example", subject),
        forged: FORGED,
        source: "releases.json",
        break_source: |e| e.remove("releases.json"),
        remedy: "the document at the jwks_uri of the issuer",
    },
    Kind {
        key: "agents:",
        door: "attestation",
        sent: Sent::Attestation,
        draft: |e, subject| {
            Draft::attestation(&e.agents, subject, &e.key, e.world.now())
                .claim("iss", "https://agents.example")
        },
        forged: FORGED_ATTESTATION,
        source: "agents.json",
        break_source: |e| e.remove("agents.json"),
        remedy: "the document at the jwks_uri of the issuer",
    },
    Kind {
        key: "papers:",
        door: "verifiable_credential",
        sent: Sent::Statement,
        draft: |e, subject| {
            let names = ["https://papers.example", "https://vct.example/client", subject];
            let own: Value = serde_json::from_str(&e.key.proof_jwk()).unwrap();
            Draft::sd_jwt_vc(&e.papers, names, &e.key, e.world.now())
                .without_claim("cnf")
                .claim("jwks", json!({ "keys": [own] }))
        },
        forged: "credential_malformed_or_forged",
        source: "papers.json",
        break_source: |e| e.remove("papers.json"),
        remedy: "the document at the jwks_uri of the issuer",
    },
];

/// One more kind of credential of a trust domain.
const WIT: Kind = Kind {
    key: "spiffe://w.example",
    door: "wit_svid",
    sent: Sent::Attestation,
    draft: |e, subject| {
        let subject = format!("spiffe://w.example/{subject}");
        Draft::wit_svid(&e.wit, &subject, &e.key, e.world.now())
    },
    forged: FORGED_ATTESTATION,
    source: "https://localhost:",
    break_source: |e| e.web.answers(404, None, ""),
    remedy: "curl --cacert",
};

impl Kind {
    /// The name by which administrators call the authority.
    fn name(&self) -> &str {
        self.key.trim_start_matches("spiffe://").trim_end_matches(':')
    }

    /// The identity with these segments.
    fn identity(&self, segments: &str) -> String {
        match self.key.ends_with(':') {
            true => format!("{}{segments}", self.key),
            false => format!("{}/{segments}", self.key),
        }
    }
}

/// A server that trusts one authority of each kind.
struct Everyone {
    world: World,
    web: DocumentServer,
    web_tokens: TestIssuer,
    endpoint: Publisher,
    agent: FakeWorkloadApi,
    local: TestIssuer,
    wit: SigningKey,
    cluster: SigningKey,
    ci: SigningKey,
    releases: SigningKey,
    agents: SigningKey,
    papers: SigningKey,
    /// The key of the workload that attestations and WIT-SVIDs name.
    key: SigningKey,
}

impl Everyone {
    async fn start() -> Everyone {
        let key = |kid| generate_key(Algorithm::ES256, Some(kid));
        let of_z = X509Issuer::new("z.example");
        let endpoint = Publisher::start(&of_z.leaf(SERVER, |_| {})).await;
        endpoint.publishes(&[&of_z]);
        let local = TestIssuer::new("l.example");
        let socket = socket();
        let bundle = json!({ "keys": local.bundle()["keys"] }).to_string();
        let offer = Offer::Bundles(vec![("l.example".into(), bundle.into_bytes())]);
        let everyone = Everyone {
            world: World::start().await,
            web: DocumentServer::start("localhost").await,
            web_tokens: TestIssuer::new("w.example"),
            endpoint,
            agent: FakeWorkloadApi::start(&socket, offer, Offer::Status(12)),
            local,
            wit: key("wit"),
            cluster: key("of-cluster"),
            ci: key("of-ci"),
            releases: key("of-releases"),
            agents: key("of-agents"),
            papers: key("of-papers"),
            key: generate_key(Algorithm::ES256, None),
        };
        everyone.publish();
        let first = everyone.world.folder.join("first.json");
        std::fs::write(first, of_z.bundle().to_string()).unwrap();
        everyone
            .world
            .reload_with(&everyone.sections(), &everyone.rules())
            .await;
        for kind in KINDS {
            everyone.refresh(kind).await.unwrap();
        }
        everyone
    }

    /// Publishes the keys of all authorities whose keys are in a file, and of w.example.
    fn publish(&self) {
        for (name, key) in [
            ("cluster", &self.cluster),
            ("ci", &self.ci),
            ("releases", &self.releases),
            ("agents", &self.agents),
            ("papers", &self.papers),
        ] {
            self.world.write_keys(name, &[key]);
        }
        let mut bundle = self.web_tokens.bundle();
        let keys = bundle["keys"].as_array_mut().unwrap();
        keys.push(self.wit.public_jwk("wit-svid", true));
        self.web.answers(200, None, &bundle.to_string());
        std::fs::write(self.world.folder.join("web.pem"), &self.web.root_pem).unwrap();
    }

    fn sections(&self) -> String {
        let of_web = format!(
            "[[trust_domains]]\nname = \"w.example\"\ncredentials = [\"jwt_svid\", \"wit_svid\"]\nchallenge = \"none\"\n\
             bundle = {{ url = \"https://localhost:{}/\", ca = \"web.pem\" }}\n",
            self.web.address.port()
        );
        let of_agent = format!(
            "[[trust_domains]]\nname = \"l.example\"\nbundle = {{ workload_api = \"unix://{}\" }}\n",
            self.agent.socket.display()
        );
        [
            "[registration]\n",
            &domains(""),
            &of_web,
            &self.endpoint.domain(SERVER, BOOTSTRAP),
            &of_agent,
            ISSUERS,
        ]
        .concat()
    }

    fn rules(&self) -> String {
        let patterns: Vec<String> = KINDS
            .iter()
            .map(|kind| format!("{:?}", kind.identity("w/{name}")))
            .collect();
        format!(
            "[[rules]]\nname = \"every\"\nidentities = [{}]\nscopes = [\"r\"]\ndefault_scopes = [\"r\"]\n{RULES}",
            patterns.join(", ")
        )
    }

    fn svid<'k>(&self, issuer: &'k TestIssuer, segments: &str) -> Draft<'k> {
        let subject = format!("spiffe://{}/{segments}", issuer.trust_domain);
        Draft::svid(issuer.key(), &subject, ISSUER, self.world.now())
    }

    fn token<'k>(&self, key: &'k SigningKey, issuer: &str, subject: &str) -> Draft<'k> {
        let draft = Draft::svid(key, subject, ISSUER, self.world.now());
        draft.claim("iss", issuer).claim("repository", "acme/app")
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.world.folder.join(file)).unwrap();
    }

    /// A request with this credential, as its kind is sent.
    async fn send(&self, kind: &Kind, token: &str) -> Answer {
        match kind.sent {
            Sent::Svid => self.world.send(&svid_form(token, &[])).await,
            Sent::Assertion => self.world.send(&assertion_form(token, &[])).await,
            Sent::Statement => registration::post(&self.world, &json!({ "software_statement": token })).await,
            Sent::Attestation => {
                let jti = testudo_protocol::jose::sha256(token.as_bytes());
                let jti = format!("{:?} {}", &jti[..4], self.world.now());
                let pop = Draft::attestation_pop(&self.key, ISSUER, &jti, self.world.now()).sign();
                let headers = [
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("OAuth-Client-Attestation", token),
                    ("OAuth-Client-Attestation-PoP", &pop),
                ];
                let body = form(&[("grant_type", "client_credentials")]);
                let mut connection = self.world.connect().await;
                connection.send("POST", "/token", &headers, body).await
            }
        }
    }

    /// A credential of the kind for these segments.
    fn credential(&self, kind: &Kind, segments: &str) -> String {
        let token = (kind.draft)(self, segments).sign();
        // An SD-JWT without disclosures and without a proof of its holder.
        match kind.door {
            "verifiable_credential" => format!("{token}~"),
            _ => token,
        }
    }

    /// The same with another signature.
    fn forged(&self, kind: &Kind) -> String {
        let token = self.credential(kind, GOVERNED);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{signed}.{other}{}", &signature[1..])
    }

    /// An order about the authority: `disable`, `enable`, `refresh`.
    async fn order(&self, kind: &Kind, verb: &str) -> (u16, Value) {
        let path = format!("/admin/v1/trust/{}/{verb}", kind.name());
        self.world.try_admin("POST", &path, json!({})).await
    }

    /// Fetches the keys of the authority; the error is why that failed.
    async fn refresh(&self, kind: &Kind) -> Result<(), String> {
        match self.order(kind, "refresh").await {
            (200, _) => Ok(()),
            (_, answer) => Err(answer.to_string()),
        }
    }

    /// The authority as `trust show` has it.
    async fn show(&self, kind: &Kind) -> Value {
        let path = format!("/admin/v1/trust/{}", kind.name());
        self.world.admin("GET", &path, Value::Null).await
    }
}

fn socket() -> PathBuf {
    testudo_testkit::scratch::folder("agent").join("agent.sock")
}
