//! A server that accepts every kind of credential, and credentials of every kind with every fault.

use super::faults::Fault;
use super::places::{Place, Request};
use crate::wit_svids::{accept, publish};
use crate::world::{MutualTls, RULES, TLS, World, assert_answer_form};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use testudo_testkit::{form, generate_key};
use tokio::sync::Mutex;

pub use crate::world::ISSUER;

pub const URI: &str = "https://as.example/token";
const WORKLOAD: &str = "spiffe://a.example/x/matrix";
const ATTESTED: &str = "matrix";

const MORE: &str = r#"
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
[[clients]]
client_id = "c7"
jwks = { file = "c7.json" }
scopes = ["r"]
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    JwtSvid,
    X509Svid,
    WitSvid,
    Attestation,
    PrivateKeyJwt,
}

impl Door {
    pub const ALL: [Door; 5] = [
        Door::JwtSvid,
        Door::X509Svid,
        Door::WitSvid,
        Door::Attestation,
        Door::PrivateKeyJwt,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Door::JwtSvid => "JWT-SVID",
            Door::X509Svid => "X.509-SVID",
            Door::WitSvid => "WIT-SVID",
            Door::Attestation => "Client attestation",
            Door::PrivateKeyJwt => "`private_key_jwt`",
        }
    }

    pub fn place(self) -> Place {
        match self {
            Door::JwtSvid => Place::SpiffeAssertion,
            Door::X509Svid => Place::Certificate,
            Door::WitSvid | Door::Attestation => Place::Attestation,
            Door::PrivateKeyJwt => Place::BearerAssertion,
        }
    }
}

/// A credential before it has a place in a request.
#[derive(Default)]
pub struct Credential {
    jwt: Option<String>,
    pub chain: Option<X509Chain>,
    pub client_id: Option<String>,
}

impl Credential {
    fn jwt(text: String) -> Credential {
        Credential {
            jwt: Some(text),
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

pub struct Site {
    world: World,
    tls: MutualTls,
    wa1: SigningKey,
    wb1: SigningKey,
    at1: SigningKey,
    at2: SigningKey,
    c7: SigningKey,
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
        let key = |kid| generate_key(Algorithm::ES256, kid);
        let (c7, at1, at2) = (key(Some("c7")), key(Some("at1")), key(Some("at2")));
        let files = [("c7.json", &c7), ("at1.json", &at1), ("at2.json", &at2)];
        let (world, tls) = World::start_with_tls_and(&format!("{RULES}{MORE}"), TLS, |folder| {
            for (name, key) in files {
                let set = json!({ "keys": [key.public_jwk("sig", true)] });
                std::fs::write(folder.join(name), set.to_string()).unwrap();
            }
        })
        .await;
        let (wa1, wb1) = (key(Some("wa1")), key(Some("wb1")));
        accept(&world, "none").await;
        publish(&world, "a", &[&wa1]).await;
        publish(&world, "b", &[&wb1]).await;
        Site {
            world,
            tls,
            wa1,
            wb1,
            at1,
            at2,
            c7,
            own: key(None),
            other: key(None),
            third: key(None),
            count: AtomicUsize::new(0),
            kept: Mutex::default(),
        }
    }

    /// The key that a credential of this kind has, and that a PoP or DPoP proof can be signed with.
    pub fn own_key(&self, door: Door) -> Option<&SigningKey> {
        match door {
            Door::WitSvid | Door::Attestation => Some(&self.own),
            Door::JwtSvid | Door::X509Svid | Door::PrivateKeyJwt => None,
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
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(
            request
                .parameters
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let mut fields = vec![("content-type", "application/x-www-form-urlencoded")];
        fields.extend(request.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let body = hyper::body::Bytes::from(form(&parameters));
        let answer = connection.try_send("POST", "/token", &fields, body).await?;
        assert_answer_form(&answer);
        Some(answer)
    }

    /// A credential of this kind with this fault. The error is why there is none.
    pub fn credential(&self, door: Door, fault: Fault) -> Result<Credential, &'static str> {
        if door == Door::X509Svid {
            return self.certificate(fault);
        }
        self.jwt(door, fault).map(Credential::jwt)
    }

    fn jwt(&self, door: Door, fault: Fault) -> Result<String, &'static str> {
        let (a, now) = (&self.world.a.keys[0], self.world.now());
        let draft = |key| self.draft(door, key);
        let right = match door {
            Door::JwtSvid | Door::X509Svid => a,
            Door::WitSvid => &self.wa1,
            Door::Attestation => &self.at1,
            Door::PrivateKeyJwt => &self.world.c6,
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
            Fault::OtherAudience if door == Door::Attestation => {
                return Err(
                    "an attestation is for every server that trusts the attester: it has no audience",
                );
            }
            Fault::OtherAudience => sound.claim("aud", "https://other.example"),
            Fault::Expired => sound.claim("iat", now - 900).claim("exp", now - 600),
            Fault::NotYetValid => sound.claim("nbf", now + 120),
            Fault::WithoutExpiry => sound.without_claim("exp"),
            Fault::UnknownKid => sound.header("kid", "unknown"),
            Fault::OtherAuthority => match door {
                Door::JwtSvid | Door::X509Svid => draft(&self.world.b.keys[0]),
                Door::WitSvid => draft(&self.wb1),
                Door::Attestation => draft(&self.at2),
                Door::PrivateKeyJwt => draft(&self.c7),
            },
            Fault::KeyOfOtherKind => match door {
                Door::JwtSvid | Door::X509Svid => draft(&self.at1),
                Door::WitSvid | Door::Attestation => draft(a),
                Door::PrivateKeyJwt => draft(&self.at1),
            },
            Fault::UnknownAuthority => match door {
                Door::JwtSvid | Door::X509Svid | Door::WitSvid => {
                    sound.claim("sub", "spiffe://unknown.example/x/matrix")
                }
                Door::Attestation => draft(&self.third),
                Door::PrivateKeyJwt => sound.claim("iss", "unknown").claim("sub", "unknown"),
            },
            Fault::NoSubject => sound.without_claim("sub"),
        };
        Ok(draft.sign())
    }

    fn draft<'k>(&self, door: Door, key: &'k SigningKey) -> Draft<'k> {
        let now = self.world.now();
        match door {
            Door::JwtSvid | Door::X509Svid => Draft::svid(key, WORKLOAD, ISSUER, now),
            Door::WitSvid => Draft::wit_svid(key, WORKLOAD, &self.own, now),
            Door::Attestation => {
                Draft::attestation(key, ATTESTED, &self.own, now).claim("iss", "https://at1.example")
            }
            Door::PrivateKeyJwt => Draft::assertion(key, "c6", ISSUER, &self.jti(), now),
        }
    }

    fn certificate(&self, fault: Fault) -> Result<Credential, &'static str> {
        let year = rcgen::date_time_ymd;
        let leaf =
            |change: &dyn Fn(&mut rcgen::CertificateParams)| self.tls.a.leaf(WORKLOAD, |leaf| change(leaf));
        let chain = match fault {
            Fault::None => leaf(&|_| {}),
            Fault::OtherKey => X509Issuer::new("a.example").leaf(WORKLOAD, |_| {}),
            Fault::Changed => {
                let mut chain = leaf(&|_| {});
                let last = chain.chain[0].last_mut().unwrap();
                *last ^= 1;
                chain
            }
            Fault::Unsigned => return Err("a certificate has a signature"),
            Fault::TypeOfProof => return Err("a certificate has no `typ`"),
            Fault::OtherAudience => return Err("a certificate has no audience"),
            Fault::Expired => leaf(&|leaf| leaf.not_after = year(2020, 1, 1)),
            Fault::NotYetValid => leaf(&|leaf| leaf.not_before = year(2100, 1, 1)),
            Fault::WithoutExpiry => return Err("a certificate has an expiry"),
            Fault::UnknownKid => return Err("a certificate names its authority, not a `kid`"),
            Fault::OtherAuthority => self.tls.b.leaf(WORKLOAD, |_| {}),
            Fault::KeyOfOtherKind => {
                return Err("the keys for JWTs cannot sign certificates: none has a certificate");
            }
            Fault::UnknownAuthority => X509Issuer::new("unknown.example").svid("/x/matrix"),
            Fault::NoSubject => self.tls.a.leaf("https://a.example/x/matrix", |_| {}),
        };
        Ok(Credential {
            chain: Some(chain),
            client_id: Some(match fault {
                Fault::UnknownAuthority => "spiffe://unknown.example/x/matrix".into(),
                _ => WORKLOAD.into(),
            }),
            ..Credential::default()
        })
    }
}

/// The token with one more claim, and the signature of the token without it.
fn changed(sound: &Draft<'_>) -> String {
    let text = sound.sign();
    let (_, signature) = text.rsplit_once('.').unwrap();
    let mut claims = sound.claims.clone();
    claims["more"] = json!(1);
    let other = sound.sign_text(&sound.header.to_string(), &claims.to_string());
    format!("{}.{signature}", other.rsplit_once('.').unwrap().0)
}
