//! Keys of issuers that are found by a DID, by the metadata of the issuer, or by a certificate.

use super::clients::ask;
use super::{AGENT, CLIENT, INVALID, Site, VCT};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::{generate_key, key_set};

pub(super) const HOST: &str = "issuer3.example";
pub(super) const DID_JSON: &str = "/.well-known/did.json";
pub(super) const METADATA: &str = "/.well-known/jwt-vc-issuer/t/1";

/// A server that trusts one issuer, and the web server of the issuer.
pub(super) struct Issuer {
    pub(super) site: Site,
    pub(super) web: DocumentServer,
    pub(super) name: String,
    pub(super) key: SigningKey,
}

impl Issuer {
    /// An issuer whose name is `name`, with `PORT` for the port of its web server.
    pub(super) async fn start(name: &str, jwks: &str) -> Issuer {
        let (site, web) = (Site::start().await, DocumentServer::start(HOST).await);
        let name = name.replace("PORT", &web.address.port().to_string());
        let issuer = Issuer {
            site,
            web,
            name,
            key: generate_key(Algorithm::ES256, Some("k3")),
        };
        std::fs::write(issuer.site.world.folder.join("ca.pem"), &issuer.web.root_pem).unwrap();
        issuer.configure(jwks).await;
        issuer
    }

    /// A `did:web` whose document has the key.
    async fn of_did(jwks: &str) -> Issuer {
        let issuer = Issuer::start(&format!("did:web:{HOST}%3APORT"), jwks).await;
        issuer.publish(&[&issuer.key]);
        issuer.refresh().await;
        issuer
    }

    pub async fn configure(&self, jwks: &str) {
        let entry = format!(
            "[[issuers]]\nname = \"agents\"\nkind = \"verifiable_credential\"\nuse = [\"registration\"]\n\
             issuer = \"{}\"\njwks = {{ {jwks} }}\ntypes = [\"{VCT}\"]\nlifetime_max = \"1h\"\n",
            self.name
        );
        let outbound = format!("[outbound]\nresolve = {{ \"{HOST}\" = \"127.0.0.1\" }}\n");
        let sections = format!("{outbound}[registration]\n{}{entry}", domains(""));
        let rules = format!("[[rules]]\nname = \"agents\"\nidentities = [\"agents:*\"]\n{RULES}");
        self.site.world.reload_with(&sections, &rules).await;
    }

    /// A verification method of the DID.
    fn method(&self, key: &SigningKey) -> Value {
        json!({ "id": self.kid(key), "type": "JsonWebKey", "controller": self.name,
            "publicKeyJwk": key.public_jwk("sig", false) })
    }

    pub(super) fn kid(&self, key: &SigningKey) -> String {
        format!("{}#{}", self.name, key.kid())
    }

    fn document(&self, keys: &[&SigningKey]) -> Value {
        let methods: Vec<Value> = keys.iter().map(|key| self.method(key)).collect();
        json!({ "id": self.name, "assertionMethod": methods })
    }

    pub(super) fn publish(&self, keys: &[&SigningKey]) {
        let document = self.document(keys).to_string();
        self.web.publishes(DID_JSON, "application/did+json", &document);
    }

    /// Fetches the keys again; returns what `trust show` states.
    pub(super) async fn refresh(&self) -> Value {
        let world = &self.site.world;
        world
            .try_admin("POST", "/admin/v1/trust/agents/refresh", json!({}))
            .await;
        world.admin("GET", "/admin/v1/trust/agents", Value::Null).await
    }

    /// Registers a client with a credential of the issuer, signed by this key.
    async fn register(&self, key: &SigningKey) -> Answer {
        self.register_with(key, |draft| draft).await
    }

    pub(super) async fn register_with(
        &self,
        key: &SigningKey,
        change: impl FnOnce(Draft<'_>) -> Draft<'_>,
    ) -> Answer {
        let (site, names) = (&self.site, [self.name.as_str(), VCT, AGENT]);
        let draft = Draft::sd_jwt_vc(key, names, &site.holder, site.now()).header("kid", self.kid(key));
        site.register(&site.held(&change(draft), &[]).await).await
    }

    /// The paths of the requests since the last call.
    pub(super) fn paths(&self) -> Vec<String> {
        let requests = self.web.take_requests().into_iter();
        requests.map(|seen| seen.path).collect()
    }

    /// A token request of the client that registered.
    pub(super) async fn ask(&self, jti: &str) -> Answer {
        ask(&self.site, &self.site.holder, CLIENT, jti, &[]).await
    }

    async fn events(&self, kind: &str) -> usize {
        self.site.world.events(kind).await.len()
    }
}

// Rows DID-07, DID-11, DID-16, DID-17, DID-20, VC-37.
#[tokio::test]
async fn key_in_the_document_of_a_did_signs_credentials_if_it_is_an_assertion_method() {
    let issuer = Issuer::of_did("did = true, ca = \"ca.pem\"").await;
    let answer = issuer.register(&issuer.key).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let [login, listed] = ["h3", "l3"].map(|kid| generate_key(Algorithm::ES256, Some(kid)));
    let mut document = issuer.document(&[&issuer.key]);
    document["authentication"] = json!([issuer.method(&login)]);
    document["verificationMethod"] = json!([issuer.method(&listed)]);
    issuer
        .web
        .publishes(DID_JSON, "application/json", &document.to_string());
    issuer.refresh().await;
    issuer.web.take_requests();
    for (case, key) in [("authentication only", &login), ("listed only", &listed)] {
        Site::assert_refused(&issuer.register(key).await, INVALID, case);
    }
    for (case, kid) in [
        ("kid of another DID", "did:web:evil.example#k3".to_owned()),
        ("relative kid", "#k3".to_owned()),
        ("plain kid", "k3".to_owned()),
    ] {
        let answer = issuer
            .register_with(&issuer.key, |draft| draft.header("kid", kid))
            .await;
        Site::assert_refused(&answer, INVALID, case);
    }
    let answer = issuer
        .register_with(&issuer.key, |draft| draft.without_header("kid"))
        .await;
    Site::assert_refused(&answer, INVALID, "no kid");
    let answer = issuer
        .register_with(&issuer.key, |draft| draft.claim("iss", "did:web:evil.example"))
        .await;
    Site::assert_refused(&answer, INVALID, "issuer that is not configured");
    let paths = issuer.paths();
    assert!(
        paths.iter().all(|path| path == DID_JSON) && paths.len() <= 1,
        "{paths:?}"
    );
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
}

// Rows DID-12, DID-13, DID-14, DID-15, DID-21.
#[tokio::test]
async fn document_that_is_not_of_the_did_changes_no_key() {
    let issuer = Issuer::of_did("did = true, ca = \"ca.pem\"").await;
    let good = issuer.document(&[&issuer.key]).to_string();
    let named = |name: &str| {
        good.replace(
            &format!("\"id\":\"{}\"", issuer.name),
            &format!("\"id\":\"{name}\""),
        )
    };
    let other = generate_key(Algorithm::ES256, Some("k3"));
    let private = issuer.document(&[&other]).to_string();
    let private = private.replace("\"kty\":", "\"d\":\"AA\",\"kty\":");
    for (case, status, body) in [
        ("other DID", 200, named("did:web:evil.example")),
        ("alias", 200, named(&format!("{}:.well-known", issuer.name))),
        ("slash", 200, named(&format!("{}/", issuer.name))),
        ("upper case", 200, named(&issuer.name.to_uppercase())),
        ("page", 200, "<html>".to_owned()),
        ("member twice", 200, good.replacen('{', "{\"id\":\"x\",", 1)),
        ("private key", 200, private),
        ("large", 200, format!("{good}{}", " ".repeat(64 * 1024))),
        ("error", 500, good.clone()),
        ("forbidden", 403, good.clone()),
    ] {
        issuer.web.answers_at(DID_JSON, status, &body);
        let shown = issuer.refresh().await;
        assert!(shown["last_error"].is_string(), "{case}: {shown}");
        assert_eq!(
            issuer.register(&issuer.key).await.status,
            201,
            "{case}: the last document"
        );
        assert_ne!(issuer.register(&other).await.status, 201, "{case}");
    }
    assert!(issuer.events("authority.bundle_stale").await >= 1);
    let target = DocumentServer::start("evil.example").await;
    for location in [
        format!("https://{}/", target.address),
        "http://127.0.0.1/".to_owned(),
    ] {
        for status in [301, 302, 307, 308] {
            let web = DocumentServer::start(HOST).await;
            web.answers(status, Some(&location), "");
            // A new server of the issuer, which only redirects.
            let moved = Issuer {
                name: format!("did:web:{HOST}%3A{}", web.address.port()),
                key: generate_key(Algorithm::ES256, Some("k3")),
                site: Site::start().await,
                web,
            };
            std::fs::write(moved.site.world.folder.join("ca.pem"), &moved.web.root_pem).unwrap();
            moved.configure("did = true, ca = \"ca.pem\"").await;
            assert_eq!(
                moved.register(&moved.key).await.status,
                503,
                "{status} {location}"
            );
            if location.starts_with("http:") {
                break;
            }
        }
    }
    assert_eq!(target.connections(), 0);
}

// Rows DID-23, DID-24.
#[tokio::test]
async fn removed_key_and_removed_document_end_at_the_next_fetch_and_an_outage_does_not() {
    let issuer = Issuer::of_did("did = true, ca = \"ca.pem\"").await;
    let new = generate_key(Algorithm::ES256, Some("k4"));
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
    issuer.publish(&[&new]);
    issuer.refresh().await;
    Site::assert_refused(&issuer.register(&issuer.key).await, INVALID, "removed key");
    assert_eq!(issuer.register(&new).await.status, 201);
    issuer.web.answers_at(DID_JSON, 500, "");
    issuer.refresh().await;
    assert_eq!(
        issuer.register(&new).await.status,
        201,
        "the last document is used"
    );
    issuer.site.world.running.app.clock.shift(3601);
    let stale = issuer.register(&new).await;
    assert_eq!(
        (stale.status, stale.header("retry-after")),
        (503, Some("5")),
        "{stale:?}"
    );
    for status in [404, 410] {
        issuer.publish(&[&new]);
        issuer.refresh().await;
        assert_eq!(issuer.register(&new).await.status, 201);
        assert_eq!(issuer.ask(&format!("{status} before")).await.status, 200);
        issuer.web.answers_at(DID_JSON, status, "");
        issuer.refresh().await;
        let known = issuer.ask(&format!("{status} after")).await;
        assert_eq!(known.error(), "invalid_client", "registered client: {known:?}");
        Site::assert_refused(&issuer.register(&new).await, INVALID, "deactivated");
    }
}

// Row DID-25.
#[tokio::test]
async fn key_of_a_domain_that_was_taken_over_is_not_used_if_it_is_not_pinned_or_not_accepted() {
    let mut issuer = Issuer::of_did("did = true, ca = \"ca.pem\"").await;
    let shown = issuer.refresh().await;
    let thumbprint = shown["keys"][0]["thumbprint"].as_str().unwrap().to_owned();
    let taken = generate_key(Algorithm::ES256, Some("k9"));

    issuer
        .configure(&format!("did = true, ca = \"ca.pem\", pin = [\"{thumbprint}\"]"))
        .await;
    issuer.publish(&[&issuer.key, &taken]);
    let shown = issuer.refresh().await;
    assert!(
        shown["ignored"][0].as_str().unwrap().contains("is not in `pin`"),
        "{shown}"
    );
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
    Site::assert_refused(&issuer.register(&taken).await, INVALID, "not pinned");

    issuer.publish(&[&issuer.key]);
    issuer
        .configure("did = true, ca = \"ca.pem\", key_change = \"hold\"")
        .await;
    issuer.refresh().await;
    issuer.publish(&[&issuer.key, &taken]);
    let shown = issuer.refresh().await;
    assert!(
        shown["held_back"]
            .as_str()
            .unwrap()
            .contains("not among the keys that were accepted last"),
        "{shown}"
    );
    assert_eq!(issuer.events("authority.bundle_rolled_back").await, 1);
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
    Site::assert_refused(&issuer.register(&taken).await, INVALID, "held back");
    let world = &issuer.site.world;
    world
        .admin("POST", "/admin/v1/trust/agents/accept", json!({}))
        .await;
    assert_eq!(issuer.register(&taken).await.status, 201, "accepted");
    let shown = issuer.refresh().await;
    assert!(shown["held_back"].is_null(), "{shown}");
    // A key that was used before and withdrawn: an attacker may have it.
    issuer.publish(&[&issuer.key]);
    let shown = issuer.refresh().await;
    assert!(shown["held_back"].is_null(), "a key is withdrawn: {shown}");
    Site::assert_refused(&issuer.register(&taken).await, INVALID, "withdrawn");
    issuer.publish(&[&issuer.key, &taken]);
    let shown = issuer.refresh().await;
    assert!(shown["held_back"].is_string(), "{shown}");
    Site::assert_refused(&issuer.register(&taken).await, INVALID, "withdrawn, and back");
    issuer.site.world = issuer.site.world.restart().await;
    let shown = issuer.refresh().await;
    assert!(shown["held_back"].is_string(), "after a restart: {shown}");
    Site::assert_refused(&issuer.register(&taken).await, INVALID, "after a restart");
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
    let world = &issuer.site.world;
    world
        .admin("POST", "/admin/v1/trust/agents/accept", json!({}))
        .await;
    assert_eq!(issuer.register(&taken).await.status, 201, "accepted again");
}

// Row DID-25.
#[tokio::test]
async fn all_keys_of_a_removed_document_are_withdrawn_and_wait_for_an_acceptance_with_hold() {
    let issuer = Issuer::of_did("did = true, ca = \"ca.pem\"").await;
    issuer
        .configure("did = true, ca = \"ca.pem\", key_change = \"hold\"")
        .await;
    let shown = issuer.refresh().await;
    assert!(shown["held_back"].is_null(), "the keys before: {shown}");
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
    issuer.web.answers_at(DID_JSON, 404, "");
    issuer.refresh().await;
    Site::assert_refused(&issuer.register(&issuer.key).await, INVALID, "deactivated");
    issuer.publish(&[&issuer.key]);
    let shown = issuer.refresh().await;
    assert!(shown["held_back"].is_string(), "{shown}");
    Site::assert_refused(&issuer.register(&issuer.key).await, INVALID, "held back");
    issuer
        .site
        .world
        .admin("POST", "/admin/v1/trust/agents/accept", json!({}))
        .await;
    assert_eq!(issuer.register(&issuer.key).await.status, 201);
}

// Rows SD-23, SD-27, SD-28, SD-29.
#[tokio::test]
async fn keys_are_in_the_metadata_of_the_issuer_or_where_it_states() {
    let name = format!("https://{HOST}:PORT/t/1");
    let issuer = Issuer::start(&name, "jwt_vc_issuer = true, ca = \"ca.pem\"").await;
    let with = |issuer: &str, more: Value| {
        let mut document = json!({ "issuer": issuer });
        document
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        document.to_string()
    };
    let register = async |key: &SigningKey| {
        issuer
            .register_with(key, |draft| draft.header("kid", key.kid()))
            .await
    };
    let good = with(&issuer.name, json!({ "jwks": key_set(&[&issuer.key]) }));
    issuer.web.answers_at(METADATA, 200, &good);
    issuer.web.take_requests();
    issuer.refresh().await;
    assert_eq!(issuer.web.take_requests()[0].path, METADATA);
    assert_eq!(register(&issuer.key).await.status, 201);
    // At a URL of the same server.
    let new = generate_key(Algorithm::ES256, Some("new"));
    let port = issuer.web.address.port();
    let url = format!("https://{HOST}:{port}/keys");
    issuer.web.answers_at("/keys", 200, &key_set(&[&new]).to_string());
    issuer
        .web
        .answers_at(METADATA, 200, &with(&issuer.name, json!({ "jwks_uri": url })));
    issuer.web.take_requests();
    // The credential with an unknown `kid` makes the server fetch once.
    assert_eq!(register(&new).await.status, 201);
    let paths = issuer.paths();
    assert_eq!(paths, [METADATA, "/keys"]);
    for number in 0..100 {
        let unknown = generate_key(Algorithm::ES256, Some(&format!("unknown-{number}")));
        Site::assert_refused(&register(&unknown).await, INVALID, "unknown kid");
    }
    assert!(issuer.web.take_requests().is_empty(), "within 30 s");
    Site::assert_refused(&register(&issuer.key).await, INVALID, "no longer published");
    let other = generate_key(Algorithm::ES256, Some("other"));
    let keys = key_set(&[&other]);
    for (case, status, document) in [
        (
            "slash",
            200,
            with(&format!("{}/", issuer.name), json!({ "jwks": keys })),
        ),
        (
            "both",
            200,
            with(&issuer.name, json!({ "jwks": keys, "jwks_uri": url })),
        ),
        ("neither", 200, with(&issuer.name, json!({}))),
        (
            "http",
            200,
            with(&issuer.name, json!({ "jwks_uri": "http://127.0.0.1/keys" })),
        ),
        ("not found", 404, with(&issuer.name, json!({ "jwks": keys }))),
        (
            "2 MiB",
            200,
            with(
                &issuer.name,
                json!({ "jwks": keys, "x": "a".repeat(2 * 1024 * 1024) }),
            ),
        ),
    ] {
        issuer.web.answers_at(METADATA, status, &document);
        let shown = issuer.refresh().await;
        assert!(shown["last_error"].is_string(), "{case}: {shown}");
        assert_ne!(register(&other).await.status, 201, "{case}");
        assert_eq!(register(&new).await.status, 201, "{case}: the last keys");
    }
    issuer.web.take_requests();
    for spelling in [
        format!("{}/", issuer.name),
        issuer.name.replace("https:", "HTTPS:"),
        format!("{}?x", issuer.name),
    ] {
        let answer = issuer
            .register_with(&new, |draft| {
                draft.header("kid", new.kid()).claim("iss", spelling.clone())
            })
            .await;
        Site::assert_refused(&answer, INVALID, &spelling);
    }
    assert!(issuer.web.take_requests().is_empty());
}
