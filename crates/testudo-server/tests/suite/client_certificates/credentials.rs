//! The client certificate that a verifiable credential names proves at the registration that the sender is its holder, and
//! authenticates the client later. [RFC8705 §2.2] [RFC8705 §3.1]

use super::*;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;

const ISSUER_OF_CREDENTIALS: &str = "https://issuer.example";
const TYPE: &str = "OAuthClientCredential";
const AGENT: &str = "urn:example:agent:7";
const INVALID: &str = "invalid_software_statement";

const ENTRIES: &str = r#"
[registration]
[[issuers]]
name = "agents"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://issuer.example"
jwks = { file = "agents.json" }
formats = ["dc+sd-jwt", "vc+jwt"]
types = ["OAuthClientCredential"]
attests = ["jwks"]
[[rules]]
name = "agents"
identities = ["agents:*"]
scopes = ["r"]
"#;

struct Holder {
    world: World,
    tls: MutualTls,
    issuer: SigningKey,
    /// The certificate of the holder.
    own: X509Chain,
}

impl Holder {
    async fn start() -> Holder {
        let (world, tls) = World::start_with_tls_and(&format!("{RULES}{ENTRIES}"), TLS, |_| {}).await;
        let issuer = generate_key(Algorithm::ES256, Some("k1"));
        world.publish_keys("agents", &[&issuer]).await;
        let own = self_signed(|_| {});
        Holder {
            world,
            tls,
            issuer,
            own,
        }
    }

    /// The JWK of the certificate's key, without the certificate.
    fn own_key(&self) -> Value {
        let mut key = jwk(&self.own);
        key.as_object_mut().unwrap().remove("x5c");
        key
    }

    /// A credential with this `cnf`, which states the key of the certificate in `jwks`.
    fn credential(&self, cnf: &Value) -> Draft<'_> {
        let subject = json!({ "id": AGENT, "jwks": { "keys": [self.own_key()] } });
        let names = [ISSUER_OF_CREDENTIALS, TYPE, AGENT];
        Draft::vc_jwt(&self.issuer, names, &self.issuer, self.world.now())
            .claim("credentialSubject", subject)
            .claim("cnf", cnf.clone())
    }

    /// Registers over a connection with this certificate.
    async fn register(&self, client: Option<&X509Chain>, credential: &Draft<'_>) -> Answer {
        let body = json!({ "software_statement": credential.sign() }).to_string();
        let fields = [("content-type", "application/json")];
        let mut connection = self.tls.connect(self.world.address(), client).await.unwrap();
        connection.send("POST", "/register", &fields, body).await
    }

    async fn assert_refused(&self, answer: &Answer, reason: &str, case: &str) {
        assert_eq!(answer.status, 400, "{case}: {answer:?}");
        assert_eq!(self.world.reason_of(answer).await, reason, "{case}: {answer:?}");
        assert!(self.world.client_ids().await.is_empty(), "{case}");
    }
}

#[tokio::test]
async fn certificate_that_the_credential_names_takes_the_place_of_a_presentation() {
    let site = Holder::start().await;
    let named = thumbprint(&site.own);
    let alone = json!({ "x5t#S256": named });
    let credential = site.credential(&alone);
    let answer = site.register(None, &credential).await;
    site.assert_refused(&answer, "holder_proof_missing", "no certificate")
        .await;
    assert_eq!(answer.error(), INVALID);
    let other = self_signed(|_| {});
    let answer = site.register(Some(&other), &credential).await;
    site.assert_refused(&answer, "holder_certificate_differs", "another certificate")
        .await;
    assert_eq!(answer.error(), INVALID);
    let svid = site.tls.a.leaf("spiffe://a.example/x/1", |_| {});
    let answer = site.register(Some(&svid), &credential).await;
    site.assert_refused(&answer, "holder_certificate_differs", "an SVID")
        .await;
    let answer = site.register(Some(&site.own), &credential).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["client_id"], format!("agents:{AGENT}"));
    assert_eq!(answer["jwks"]["keys"][0]["x"], site.own_key()["x"]);
    assert!(answer.get("client_secret").is_none());
}

#[tokio::test]
async fn certificate_must_have_the_key_that_the_credential_names_beside_it() {
    let site = Holder::start().await;
    let named = thumbprint(&site.own);
    let other: Value = serde_json::from_str(&generate_key(Algorithm::ES256, None).proof_jwk()).unwrap();
    let both = |key: &Value| json!({ "x5t#S256": named, "jwk": key });
    let answer = site
        .register(Some(&site.own), &site.credential(&both(&other)))
        .await;
    site.assert_refused(&answer, "credential_keys_differ", "other key")
        .await;
    let answer = site
        .register(Some(&site.own), &site.credential(&both(&site.own_key())))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn certificate_that_is_not_named_or_not_valid_now_proves_nothing() {
    let site = Holder::start().await;
    let named = thumbprint(&site.own);
    // A credential with a key and no certificate: the certificate is evidence of its own, and is none.
    let of_key = site.credential(&json!({ "jwk": site.own_key() }));
    let answer = site.register(Some(&site.own), &of_key).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(site.world.client_ids().await.is_empty());
    let old = self_signed(|parameters| {
        (parameters.not_before, parameters.not_after) = (before(120).into(), before(60).into());
    });
    let of_old = site.credential(&json!({ "x5t#S256": thumbprint(&old) }));
    let answer = site.register(Some(&old), &of_old).await;
    site.assert_refused(&answer, "client_certificate_refused", "expired")
        .await;
    for (case, cnf) in [
        ("too short", json!({ "x5t#S256": &named[..42] })),
        ("too long", json!({ "x5t#S256": format!("{named}AA") })),
        ("no text", json!({ "x5t#S256": 7 })),
        ("null", json!({ "x5t#S256": null })),
        ("padded", json!({ "x5t#S256": format!("{named}=") })),
        ("another member", json!({ "x5t#S256": named, "kid": "1" })),
    ] {
        let answer = site.register(Some(&site.own), &site.credential(&cnf)).await;
        site.assert_refused(&answer, "credential_malformed_or_forged", case)
            .await;
    }
    let names = [ISSUER_OF_CREDENTIALS, TYPE, AGENT];
    // The KB-JWT of an SD-JWT is signed with a key.
    let sd_jwt = Draft::sd_jwt_vc(&site.issuer, names, &site.issuer, site.world.now())
        .claim("cnf", json!({ "x5t#S256": named }));
    let body = json!({ "software_statement": format!("{}~", sd_jwt.sign()) }).to_string();
    let mut connection = site
        .tls
        .connect(site.world.address(), Some(&site.own))
        .await
        .unwrap();
    let fields = [("content-type", "application/json")];
    let answer = connection.send("POST", "/register", &fields, body).await;
    site.assert_refused(&answer, "credential_malformed_or_forged", "SD-JWT")
        .await;
}

impl Holder {
    /// A credential that names this certificate and nothing else.
    fn naming(&self, certificate: &X509Chain) -> Draft<'_> {
        let names = [ISSUER_OF_CREDENTIALS, TYPE, AGENT];
        Draft::vc_jwt(&self.issuer, names, &self.issuer, self.world.now())
            .claim("cnf", json!({ "x5t#S256": thumbprint(certificate) }))
    }

    async fn send(&self, client: Option<&X509Chain>, parameters: &[(&str, &str)]) -> Answer {
        let parameters = [&[("grant_type", "client_credentials")], parameters].concat();
        let mut connection = self.tls.connect(self.world.address(), client).await.unwrap();
        let answer = connection.post("/token", form(&parameters)).await;
        assert_answer_form(&answer);
        answer
    }

    /// A token request of the client, or of the one with another id, over a connection with this certificate.
    async fn ask(&self, client: &X509Chain, client_id: &str) -> Answer {
        self.send(Some(client), &[("client_id", client_id)]).await
    }
}

const CLIENT: &str = "agents:urn:example:agent:7";

#[tokio::test]
async fn client_authenticates_with_the_certificate_or_its_key_if_its_credential_names_no_other_key() {
    let site = Holder::start().await;
    assert_refused(&site.ask(&site.own, CLIENT).await, "invalid_client", "before");
    let answer = site.register(Some(&site.own), &site.naming(&site.own)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let registered = answer.json();
    assert_eq!(registered["jwks"]["keys"][0]["x5c"], jwk(&site.own)["x5c"]);
    let answer = site.ask(&site.own, CLIENT).await;
    assert_granted(&answer, "its certificate");
    assert_eq!(claims(&answer.access_token())["client_id"], CLIENT);
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &site.own.key, None).unwrap();
    let assertion = Draft::assertion(&key, CLIENT, ISSUER, "1", site.world.now()).sign();
    let by_key = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    assert_granted(&site.send(None, &by_key).await, "the key of its certificate");
    for (case, certificate, client_id) in [
        ("another certificate", &self_signed(|_| {}), CLIENT),
        ("an SVID", &site.tls.a.svid("/x/1"), CLIENT),
        ("another client", &site.own, "agents:urn:example:agent:8"),
        ("another issuer", &site.own, "papers:urn:example:agent:7"),
    ] {
        assert_refused(&site.ask(certificate, client_id).await, "invalid_client", case);
    }
    let none = site.send(None, &[("client_id", CLIENT)]).await;
    assert_refused(&none, "invalid_client", "no certificate");
}

#[tokio::test]
async fn certificate_authenticates_the_client_until_a_credential_names_another_or_its_issuer_withdraws_it() {
    let site = Holder::start().await;
    let answer = site.register(Some(&site.own), &site.naming(&site.own)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_granted(&site.ask(&site.own, CLIENT).await, "first");
    // Withdrawn, published again.
    let other = generate_key(Algorithm::ES256, Some("k2"));
    site.world.publish_keys("agents", &[&other]).await;
    let refused = site.ask(&site.own, CLIENT).await;
    assert_refused(&refused, "invalid_client", "withdrawn");
    assert_eq!(site.world.reason_of(&refused).await, "credential_key_withdrawn");
    site.world.publish_keys("agents", &[&site.issuer]).await;
    assert_granted(&site.ask(&site.own, CLIENT).await, "published again");
    // Renewed: the old certificate is refused.
    site.world.running.app.clock.shift(2);
    let next = self_signed(|_| {});
    let answer = site.register(Some(&next), &site.naming(&next)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_granted(&site.ask(&next, CLIENT).await, "new certificate");
    assert_refused(
        &site.ask(&site.own, CLIENT).await,
        "invalid_client",
        "old certificate",
    );
    site.world
        .admin("POST", "/admin/v1/clients/freeze", json!({ "client_id": CLIENT }))
        .await;
    assert_refused(&site.ask(&next, CLIENT).await, "invalid_client", "frozen");
}

#[tokio::test]
async fn client_can_register_its_certificate_as_the_only_method_only_over_a_connection_with_it() {
    let site = Holder::start().await;
    let with_method = async |method: &str, client: Option<&X509Chain>, credential: &Draft<'_>| {
        let body = json!({
            "software_statement": credential.sign(), "token_endpoint_auth_method": method,
        });
        let fields = [("content-type", "application/json")];
        let mut connection = site.tls.connect(site.world.address(), client).await.unwrap();
        connection
            .send("POST", "/register", &fields, body.to_string())
            .await
    };
    let own = "self_signed_tls_client_auth";
    let credential = site.naming(&site.own);
    let answer = with_method(own, Some(&site.own), &credential).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["token_endpoint_auth_method"], own);
    assert_granted(&site.ask(&site.own, CLIENT).await, "its certificate");
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &site.own.key, None).unwrap();
    let assertion = Draft::assertion(&key, CLIENT, ISSUER, "1", site.world.now()).sign();
    let by_key = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    assert_refused(
        &site.send(None, &by_key).await,
        "invalid_client",
        "not its method",
    );
    // Without the certificate in the request, it is not shown that the client has one.
    let presented = with_method(own, None, &credential).await;
    assert_eq!(presented.status, 400, "{presented:?}");
}
