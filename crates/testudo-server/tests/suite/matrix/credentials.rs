//! A server that accepts every kind of credential, and credentials of every kind with every fault.

use super::certificates::{CLIENTS, Certificates};
use super::faults::Fault;
use super::places::{Place, Request};
use crate::wit_svids::{accept, publish};
use crate::world::{MutualTls, RULES, TLS, World, assert_answer_form};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::x509::X509Chain;
use testudo_testkit::{form, generate_key, key_set};
use tokio::sync::Mutex;

pub use crate::world::ISSUER;

pub const URI: &str = "https://as.example/token";
pub const WORKLOAD: &str = "spiffe://a.example/x/matrix";
const ATTESTED: &str = "matrix";
/// The client that registers with a verifiable credential.
const HELD: &str = "v1:matrix";

pub const MORE: &str = r#"
[[rules]]
name = "attested"
identities = ["at1:matrix"]
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
issuer = "https://at2.example"
jwks = { file = "at2.json" }
challenge = "none"
[[rules]]
name = "pods"
identities = ["k1:pay/matrix"]
[[issuers]]
name = "k1"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "k1.json" }
[[issuers]]
name = "k2"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "k2.json" }
[[rules]]
name = "jobs"
identities = ["j1:project/matrix"]
[[issuers]]
name = "j1"
kind = "jwt"
use = ["client"]
issuer = "https://j1.example"
jwks = { file = "j1.json" }
[[issuers]]
name = "j2"
kind = "jwt"
use = ["client"]
issuer = "https://j2.example"
jwks = { file = "j2.json" }
[[rules]]
name = "held"
identities = ["v1:matrix"]
scopes = ["r"]
[[issuers]]
name = "v1"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://v1.example"
jwks = { file = "v1.json" }
types = ["Matrix"]
attesters = ["at1"]
[registration]
[[clients]]
client_id = "c7"
jwks = { file = "c7.json" }
scopes = ["r"]
"#;

/// A kind of credential that is a JWT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    JwtSvid,
    WitSvid,
    Attestation,
    /// An attestation of the key of a client that registered with a verifiable credential.
    HeldKey,
    Kubernetes,
    IssuerJwt,
    PrivateKeyJwt,
}

/// A kind of credential that is a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    X509Svid,
    TlsClientAuth,
    SelfSigned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Token(Token),
    Certificate(Certificate),
}

impl Door {
    pub const ALL: [Door; 10] = [
        Door::Token(Token::JwtSvid),
        Door::Certificate(Certificate::X509Svid),
        Door::Token(Token::WitSvid),
        Door::Token(Token::Attestation),
        Door::Token(Token::HeldKey),
        Door::Token(Token::Kubernetes),
        Door::Token(Token::IssuerJwt),
        Door::Token(Token::PrivateKeyJwt),
        Door::Certificate(Certificate::TlsClientAuth),
        Door::Certificate(Certificate::SelfSigned),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Door::Token(Token::JwtSvid) => "JWT-SVID",
            Door::Token(Token::WitSvid) => "WIT-SVID",
            Door::Token(Token::Attestation) => "Client attestation",
            Door::Token(Token::HeldKey) => "Client attestation of the key of a registered client",
            Door::Token(Token::Kubernetes) => "Kubernetes service account token",
            Door::Token(Token::IssuerJwt) => "Token of an issuer",
            Door::Token(Token::PrivateKeyJwt) => "`private_key_jwt`",
            Door::Certificate(Certificate::X509Svid) => "X.509-SVID",
            Door::Certificate(Certificate::TlsClientAuth) => "`tls_client_auth`",
            Door::Certificate(Certificate::SelfSigned) => "`self_signed_tls_client_auth`",
        }
    }

    pub fn place(self) -> Place {
        match self {
            Door::Token(Token::JwtSvid) => Place::SpiffeAssertion,
            Door::Token(Token::Kubernetes | Token::IssuerJwt | Token::PrivateKeyJwt) => {
                Place::BearerAssertion
            }
            Door::Token(Token::WitSvid | Token::Attestation | Token::HeldKey) => Place::Attestation,
            Door::Certificate(_) => Place::Certificate,
        }
    }
}

/// A credential before it has a place in a request.
#[derive(Default)]
pub struct Credential {
    jwt: Option<String>,
    pub chain: Option<X509Chain>,
    pub client_id: Option<&'static str>,
}

impl Credential {
    pub fn jwt(text: String) -> Credential {
        Credential {
            jwt: Some(text),
            ..Credential::default()
        }
    }

    /// A certificate, and the client that the request names.
    pub fn certificate(chain: X509Chain, client_id: &'static str) -> Credential {
        Credential {
            chain: Some(chain),
            client_id: Some(client_id),
            ..Credential::default()
        }
    }

    /// The credential as text, for a place that expects a JWT.
    pub fn text(&self) -> String {
        let chain = self.chain.as_ref();
        let pem = || chain.map(|chain| chain.chain_pem().replace('\n', ""));
        self.jwt.clone().or_else(pem).unwrap_or_default()
    }
}

/// What a site asks for with each credential.
pub struct Asked {
    pub path: &'static str,
    pub parameters: &'static [(&'static str, &'static str)],
}

const TOKEN: Asked = Asked {
    path: "/token",
    parameters: &[("grant_type", "client_credentials")],
};

pub struct Site {
    asked: Asked,
    world: World,
    tls: MutualTls,
    certificates: Certificates,
    wa1: SigningKey,
    wb1: SigningKey,
    at1: SigningKey,
    at2: SigningKey,
    c7: SigningKey,
    k1: SigningKey,
    k2: SigningKey,
    j1: SigningKey,
    j2: SigningKey,
    /// The key in an attestation or a WIT-SVID.
    own: SigningKey,
    /// The key of DPoP proofs.
    pub other: SigningKey,
    /// A key that no credential has.
    pub third: SigningKey,
    count: AtomicUsize,
    /// The connection of all requests without a client certificate.
    kept: Mutex<Option<Connection>>,
}

impl Site {
    pub async fn start() -> Site {
        Site::start_with(TOKEN, TLS, &format!("{RULES}{MORE}{CLIENTS}")).await
    }

    /// A site at which something else is asked. `server`: the section `[server]`, and sections after it.
    pub async fn start_with(asked: Asked, server: &str, rules: &str) -> Site {
        let key = |kid| generate_key(Algorithm::ES256, kid);
        let (c7, at1, at2) = (key(Some("c7")), key(Some("at1")), key(Some("at2")));
        let (k1, k2) = (key(Some("k1")), key(Some("k2")));
        let (j1, j2) = (key(Some("j1")), key(Some("j2")));
        let v1 = key(Some("v1"));
        let certificates = Certificates::new();
        let set = |key: &SigningKey| key_set(&[key]).to_string();
        let mut files = certificates.files().to_vec();
        files.extend([
            ("c7.json", set(&c7)),
            ("at1.json", set(&at1)),
            ("at2.json", set(&at2)),
            ("k1.json", set(&k1)),
            ("k2.json", set(&k2)),
            ("j1.json", set(&j1)),
            ("j2.json", set(&j2)),
            ("v1.json", set(&v1)),
        ]);
        let (world, tls) = World::start_with_tls_and(rules, server, |folder| {
            for (name, text) in files {
                std::fs::write(folder.join(name), text).unwrap();
            }
        })
        .await;
        let (wa1, wb1) = (key(Some("wa1")), key(Some("wb1")));
        accept(&world, "none").await;
        publish(&world, "a", &[&wa1]).await;
        publish(&world, "b", &[&wb1]).await;
        let site = Site {
            asked,
            world,
            tls,
            certificates,
            wa1,
            wb1,
            at1,
            at2,
            c7,
            k1,
            k2,
            j1,
            j2,
            own: key(None),
            other: key(None),
            third: key(None),
            count: AtomicUsize::new(0),
            kept: Mutex::default(),
        };
        site.register_holder(&v1).await;
        site
    }

    /// Registers the client of a verifiable credential, with an attestation of its key.
    async fn register_holder(&self, issuer: &SigningKey) {
        let names = ["https://v1.example", "Matrix", "matrix"];
        let credential = Draft::vc_jwt(issuer, names, &self.own, self.world.now());
        let attestation = self.draft(Token::HeldKey, &self.at1).sign();
        let pop = self.pop(&self.own, ISSUER);
        let fields = [
            ("content-type", "application/json"),
            ("oauth-client-attestation", attestation.as_str()),
            ("oauth-client-attestation-pop", pop.as_str()),
        ];
        let body = json!({ "software_statement": credential.sign() }).to_string();
        let mut connection = self.tls.connect(self.world.address(), None).await.unwrap();
        let answer = connection.send("POST", "/register", &fields, body).await;
        assert_eq!(answer.json()["client_id"], HELD, "{answer:?}");
    }

    /// The key that a credential of this kind has, and that a PoP or DPoP proof can be signed with.
    pub fn own_key(&self, door: Door) -> Option<&SigningKey> {
        match door {
            Door::Token(Token::WitSvid | Token::Attestation | Token::HeldKey) => Some(&self.own),
            Door::Token(Token::JwtSvid | Token::Kubernetes | Token::IssuerJwt | Token::PrivateKeyJwt)
            | Door::Certificate(_) => None,
        }
    }

    fn jti(&self) -> String {
        format!("matrix-{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    pub fn pop(&self, key: &SigningKey, audience: &str) -> String {
        Draft::attestation_pop(key, audience, &self.jti(), self.world.now()).sign()
    }

    pub fn dpop(&self, key: &SigningKey, uri: &str) -> String {
        Draft::dpop(key, uri, &self.jti(), self.world.now()).sign()
    }

    pub fn certificate_of_other(&self) -> X509Chain {
        self.tls.a.svid("/x/other")
    }

    /// Uses a proof in a request whose credential has no fault.
    pub async fn use_up(&self, door: Door, proof: (&'static str, String)) {
        let credential = self.credential(door, Fault::None).unwrap();
        let mut request = door.place().put(credential).unwrap();
        if let (Some(key), true) = (self.own_key(door), proof.0 == "dpop") {
            request
                .fields
                .push(("oauth-client-attestation-pop", self.pop(key, ISSUER)));
        }
        request.fields.push(proof);
        let answer = self.send(&request).await.unwrap();
        assert_eq!(answer.status, 200, "{door:?} {}", answer.json());
    }

    /// The metadata of the server. [RFC8414 §3]
    pub async fn metadata(&self) -> Value {
        let mut connection = self.tls.connect(self.world.address(), None).await.unwrap();
        let answer = connection.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(answer.status, 200);
        answer.json()
    }

    /// Sends a request; `None` if the server ends the TLS handshake.
    pub async fn send(&self, request: &Request) -> Option<Answer> {
        let address = self.world.address();
        let mut kept = self.kept.lock().await;
        let mut own = None;
        let connection = match &request.certificate {
            Some(chain) => own.insert(self.tls.connect(address, Some(chain)).await?),
            None => match &mut *kept {
                Some(connection) => connection,
                none => none.insert(self.tls.connect(address, None).await?),
            },
        };
        let mut parameters = self.asked.parameters.to_vec();
        parameters.extend(
            request
                .parameters
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let mut fields = vec![("content-type", "application/x-www-form-urlencoded")];
        fields.extend(request.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let body = hyper::body::Bytes::from(form(&parameters));
        let answer = connection
            .try_send("POST", self.asked.path, &fields, body)
            .await?;
        // A pushed request is answered with 201. [RFC9126 §2.2]
        if answer.status != 201 {
            assert_answer_form(&answer);
        }
        Some(answer)
    }

    /// A credential of this kind with this fault. The error is why there is none.
    pub fn credential(&self, door: Door, fault: Fault) -> Result<Credential, &'static str> {
        match door {
            Door::Certificate(kind) => self.certificates.credential(&self.tls, kind, fault),
            Door::Token(kind) => self.jwt(kind, fault).map(Credential::jwt),
        }
    }

    fn jwt(&self, kind: Token, fault: Fault) -> Result<String, &'static str> {
        let (a, now) = (&self.world.a.keys[0], self.world.now());
        let draft = |key| self.draft(kind, key);
        let right = match kind {
            Token::JwtSvid => a,
            Token::WitSvid => &self.wa1,
            Token::Attestation | Token::HeldKey => &self.at1,
            Token::Kubernetes => &self.k1,
            Token::IssuerJwt => &self.j1,
            Token::PrivateKeyJwt => &self.world.c6,
        };
        let kid = right.kid().to_owned();
        let sound = draft(right);
        let draft = match fault {
            Fault::None => sound,
            Fault::OtherKey => {
                let key = generate_key(Algorithm::ES256, Some(&kid));
                return Ok(draft(&key).sign());
            }
            Fault::Changed => return Ok(changed(&sound)),
            Fault::Unsigned => {
                let text = sound.header("alg", "none").sign();
                return Ok(format!("{}.", text.rsplit_once('.').unwrap().0));
            }
            Fault::TypeOfProof => sound.header("typ", "dpop+jwt"),
            Fault::OtherAudience if matches!(kind, Token::Attestation | Token::HeldKey) => {
                return Err(
                    "an attestation is for every server that trusts the attester: it has no audience",
                );
            }
            Fault::OtherAudience => sound.claim("aud", "https://other.example"),
            Fault::Expired => sound.claim("iat", now - 900).claim("exp", now - 600),
            Fault::NotYetValid => sound.claim("nbf", now + 120),
            Fault::WithoutExpiry => sound.without_claim("exp"),
            Fault::UnknownKid => sound.header("kid", "unknown"),
            Fault::OtherAuthority => match kind {
                Token::JwtSvid => draft(&self.world.b.keys[0]),
                Token::WitSvid => draft(&self.wb1),
                Token::Attestation | Token::HeldKey => draft(&self.at2),
                // The other cluster has the same issuer string, and no rule for this account.
                Token::Kubernetes => draft(&self.k2),
                // `iss` names the first issuer, whose keys alone verify it.
                Token::IssuerJwt => draft(&self.j2),
                Token::PrivateKeyJwt => draft(&self.c7),
            },
            Fault::KeyOfOtherKind => match kind {
                Token::JwtSvid => draft(&self.wa1),
                Token::WitSvid
                | Token::Attestation
                | Token::HeldKey
                | Token::Kubernetes
                | Token::IssuerJwt => draft(a),
                Token::PrivateKeyJwt => draft(&self.at1),
            },
            Fault::UnknownAuthority => match kind {
                Token::JwtSvid | Token::WitSvid => sound.claim("sub", "spiffe://unknown.example/x/matrix"),
                Token::Attestation | Token::HeldKey => draft(&self.third),
                Token::Kubernetes | Token::IssuerJwt => sound.claim("iss", "https://other.example"),
                Token::PrivateKeyJwt => sound.claim("iss", "unknown").claim("sub", "unknown"),
            },
            Fault::NoSubject => sound.without_claim("sub"),
        };
        Ok(draft.sign())
    }

    fn draft<'k>(&self, kind: Token, key: &'k SigningKey) -> Draft<'k> {
        let now = self.world.now();
        match kind {
            Token::JwtSvid => Draft::svid(key, WORKLOAD, ISSUER, now),
            Token::WitSvid => Draft::wit_svid(key, WORKLOAD, &self.own, now),
            Token::Attestation => {
                Draft::attestation(key, ATTESTED, &self.own, now).claim("iss", "https://at1.example")
            }
            Token::HeldKey => {
                Draft::attestation(key, HELD, &self.own, now).claim("iss", "https://at1.example")
            }
            Token::Kubernetes => {
                let issuer = testudo_testkit::kubernetes::DEFAULT_ISSUER;
                Draft::service_account(key, issuer, "pay/matrix", ISSUER, now)
            }
            Token::IssuerJwt => {
                Draft::svid(key, "project/matrix", ISSUER, now).claim("iss", "https://j1.example")
            }
            Token::PrivateKeyJwt => Draft::assertion(key, "c6", ISSUER, &self.jti(), now),
        }
    }
}

/// The token with one more claim, and the signature of the token without it.
pub fn changed(sound: &Draft<'_>) -> String {
    let text = sound.sign();
    let (_, signature) = text.rsplit_once('.').unwrap();
    let mut claims = sound.claims.clone();
    claims["more"] = json!(1);
    let other = sound.sign_text(&sound.header.to_string(), &claims.to_string());
    format!("{}.{signature}", other.rsplit_once('.').unwrap().0)
}
