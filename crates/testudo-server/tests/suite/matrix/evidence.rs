//! A server that accepts every kind of evidence at its registration endpoint, and evidence of every kind spoiled in
//! every way.

use super::credentials::changed;
use super::ways::{ProofFault, Way};
use crate::verifiable_credentials::{self as verifiable, AGENTS, TYPE, VCT};
use crate::world::{ISSUER, World};
use serde_json::json;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;

const ENDPOINT: &str = "https://as.example/register";

const ISSUERS: &str = r#"
[[issuers]]
name = "at1"
kind = "attester"
use = ["client"]
issuer = "https://at1.example"
jwks = { file = "at1.json" }
[[issuers]]
name = "at2"
kind = "attester"
use = ["client"]
issuer = "https://at2.example"
jwks = { file = "at2.json" }
[[issuers]]
name = "j1"
kind = "jwt"
use = ["client", "registration"]
issuer = "https://j1.example"
jwks = { file = "j1.json" }
[[issuers]]
name = "j2"
kind = "jwt"
use = ["client", "registration"]
issuer = "https://j2.example"
jwks = { file = "j2.json" }
"#;

const RULES: &str = r#"
[[rules]]
name = "others"
identities = ["at1:*", "at2:*", "j1:*", "j2:*"]
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    JwtSvid,
    IssuerJwt,
    Attestation,
    SdJwtVc,
    VcJwt,
}

impl Evidence {
    pub const ALL: [Evidence; 5] = [
        Evidence::JwtSvid,
        Evidence::IssuerJwt,
        Evidence::Attestation,
        Evidence::SdJwtVc,
        Evidence::VcJwt,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Evidence::JwtSvid => "JWT-SVID",
            Evidence::IssuerJwt => "token of an issuer",
            Evidence::Attestation => "client attestation",
            Evidence::SdJwtVc => "SD-JWT VC",
            Evidence::VcJwt => "VC-JWT",
        }
    }

    fn typ(self) -> &'static str {
        match self {
            Evidence::JwtSvid | Evidence::IssuerJwt => "JWT",
            Evidence::Attestation => "oauth-client-attestation+jwt",
            Evidence::SdJwtVc => "dc+sd-jwt",
            Evidence::VcJwt => "vc+jwt",
        }
    }

    pub fn is_verifiable_credential(self) -> bool {
        match self {
            Evidence::SdJwtVc | Evidence::VcJwt => true,
            Evidence::JwtSvid | Evidence::IssuerJwt | Evidence::Attestation => false,
        }
    }

    /// Whether the credential has the key of its holder, who must prove it. The others have an audience.
    fn has_holder(self) -> bool {
        self.is_verifiable_credential() || self == Evidence::Attestation
    }
}

/// A registration request before it is sent.
#[derive(Default)]
pub struct Request {
    statement: Option<String>,
    fields: Vec<(&'static str, String)>,
}

/// The signer of a credential, and the number of its subject.
#[derive(Clone, Copy)]
struct By<'k> {
    key: &'k SigningKey,
    number: usize,
}

pub struct Site {
    base: verifiable::Site,
    at1: SigningKey,
    at2: SigningKey,
    j1: SigningKey,
    j2: SigningKey,
    other: SigningKey,
}

impl Site {
    pub async fn start() -> Site {
        // The keys of different issuers have one `kid`, so no key is refused for its name.
        let key = || generate_key(Algorithm::ES256, Some("k1"));
        let site = Site {
            base: verifiable::Site::start_with(ISSUERS, RULES).await,
            at1: key(),
            at2: key(),
            j1: key(),
            j2: key(),
            other: generate_key(Algorithm::ES256, None),
        };
        for (name, key) in [
            ("at1", &site.at1),
            ("at2", &site.at2),
            ("j1", &site.j1),
            ("j2", &site.j2),
        ] {
            site.world().publish_keys(name, &[key]).await;
        }
        site
    }

    pub fn world(&self) -> &World {
        &self.base.world
    }

    pub async fn send(&self, request: &Request) -> Answer {
        let mut fields = vec![("content-type", "application/json")];
        fields.extend(request.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let body = json!({ "software_statement": request.statement }).to_string();
        let mut connection = self.world().connect().await;
        connection.send("POST", "/register", &fields, body).await
    }

    /// The request with this evidence, spoiled in this way. The error is why there is none.
    pub async fn request(
        &self,
        evidence: Evidence,
        way: Way,
        number: usize,
    ) -> Result<Request, &'static str> {
        let credential = self.credential(evidence, way, number)?;
        let fault = if let Way::Proof(fault) = way {
            Some(fault)
        } else {
            None
        };
        Ok(self.present(evidence, credential, fault).await)
    }

    fn issuer_key(&self, evidence: Evidence) -> &SigningKey {
        match evidence {
            Evidence::JwtSvid => self.world().a.key(),
            Evidence::IssuerJwt => &self.j1,
            Evidence::Attestation => &self.at1,
            Evidence::SdJwtVc | Evidence::VcJwt => &self.base.issuer,
        }
    }

    fn draft<'k>(&self, evidence: Evidence, by: By<'k>) -> Draft<'k> {
        let (By { key, number }, now) = (by, self.world().now());
        let agent = format!("urn:example:agent:{number}");
        match evidence {
            Evidence::JwtSvid => Draft::svid(key, &format!("spiffe://a.example/x/{number}"), ENDPOINT, now),
            Evidence::IssuerJwt => {
                Draft::svid(key, &format!("job-{number}"), ENDPOINT, now).claim("iss", "https://j1.example")
            }
            Evidence::Attestation => {
                Draft::attestation(key, &format!("app-{number}"), &self.base.holder, now)
                    .claim("iss", "https://at1.example")
            }
            Evidence::SdJwtVc => Draft::sd_jwt_vc(key, [AGENTS, VCT, &agent], &self.base.holder, now),
            Evidence::VcJwt => Draft::vc_jwt(key, [AGENTS, TYPE, &agent], &self.base.holder, now),
        }
    }

    /// The credential without the proof of its holder.
    fn credential(&self, evidence: Evidence, way: Way, number: usize) -> Result<String, &'static str> {
        let now = self.world().now();
        let key = self.issuer_key(evidence);
        let by = |key| self.draft(evidence, By { key, number });
        let sound = by(key);
        let draft = match way {
            Way::None => sound,
            Way::Cut => return Ok(without_signature(&sound)),
            Way::NoJson => return Ok(sound.sign_text(&sound.header.to_string(), "{")),
            Way::Unsigned => return Ok(format!("{}.", without_signature(&sound.header("alg", "none")))),
            Way::Changed => return Ok(changed(&sound)),
            Way::OtherKey => return Ok(by(&generate_key(Algorithm::ES256, Some(key.kid()))).sign()),
            Way::OtherIssuer => match evidence {
                Evidence::JwtSvid => by(self.world().b.key()),
                Evidence::IssuerJwt => by(&self.j2),
                Evidence::Attestation => by(&self.at2),
                Evidence::SdJwtVc | Evidence::VcJwt => by(&self.base.others),
            },
            Way::KeyOf(other) if other == evidence => return Err(OWN),
            Way::KeyOf(other) if other.is_verifiable_credential() && evidence.is_verifiable_credential() => {
                return Err("one issuer issues verifiable credentials of both formats with one key");
            }
            Way::KeyOf(other) => by(self.issuer_key(other)),
            Way::Typ(typ) if typ == evidence.typ() => return Err(OWN),
            Way::Typ(typ) => sound.header("typ", typ),
            Way::Audience(_) if evidence.has_holder() => {
                return Err(
                    "the credential is for every server that trusts its issuer: the proof of the holder has the audience",
                );
            }
            Way::Audience(audience) => sound.claim("aud", audience),
            Way::Expired => sound.claim("iat", now - 900).claim("exp", now - 600),
            Way::NotYetValid => sound.claim("nbf", now + 600),
            Way::IssuedLater => sound.claim("iat", now + 600).claim("exp", now + 800),
            Way::WithoutExpiry => sound.without_claim("exp"),
            Way::Proof(_) if !evidence.has_holder() => {
                return Err("the token has no key of a holder, so there is no proof: it has an audience");
            }
            Way::Proof(_) => sound,
            Way::CredentialOf(other) if other == evidence => return Err(OWN),
            Way::CredentialOf(other) if !evidence.has_holder() && !other.has_holder() => {
                return Err(
                    "both are a JWT in `software_statement` and nothing else: the issuer decides which it is, and the rows of keys are the test",
                );
            }
            Way::CredentialOf(other) => {
                let key = self.issuer_key(other);
                self.draft(other, By { key, number })
            }
        };
        Ok(draft.sign())
    }

    /// The request with this credential at the place of this evidence, with a proof of the holder where there is one.
    async fn present(&self, evidence: Evidence, credential: String, fault: Option<ProofFault>) -> Request {
        let is_missing = fault == Some(ProofFault::Missing);
        let statement = match evidence {
            Evidence::JwtSvid | Evidence::IssuerJwt => credential,
            Evidence::Attestation => {
                let mut fields = vec![("oauth-client-attestation", credential.clone())];
                if !is_missing {
                    let proof = self.proof(evidence, &credential, fault).await;
                    fields.push(("oauth-client-attestation-pop", proof));
                }
                return Request {
                    fields,
                    ..Request::default()
                };
            }
            Evidence::SdJwtVc => {
                let sd_jwt = format!("{credential}~");
                let proof = self.proof(evidence, &sd_jwt, fault).await;
                if is_missing { sd_jwt } else { sd_jwt + &proof }
            }
            Evidence::VcJwt if is_missing => credential,
            Evidence::VcJwt => self.proof(evidence, &credential, fault).await,
        };
        Request {
            statement: Some(statement),
            ..Request::default()
        }
    }

    /// The proof of the holder, spoiled in this way.
    async fn proof(&self, evidence: Evidence, credential: &str, fault: Option<ProofFault>) -> String {
        let now = self.world().now();
        let is_attestation = evidence == Evidence::Attestation;
        let (challenge, for_registration) = (
            self.base.nonce_named("attestation_challenge").await,
            self.base.nonce().await,
        );
        let (nonce, other_nonce, member) = if is_attestation {
            (challenge, for_registration, "challenge")
        } else {
            (for_registration, challenge, "nonce")
        };
        let key = match fault {
            Some(ProofFault::OtherKey) => &self.other,
            Some(ProofFault::KeyOfIssuer) => self.issuer_key(evidence),
            Some(_) | None => &self.base.holder,
        };
        let sound = match evidence {
            Evidence::VcJwt => Draft::presentation(key, credential, ISSUER, &nonce, now),
            Evidence::SdJwtVc => Draft::key_binding(key, credential, ISSUER, &nonce, now),
            Evidence::JwtSvid | Evidence::IssuerJwt | Evidence::Attestation => {
                // Two challenges of one second are equal: the `jti` is the other nonce, which is unique.
                Draft::attestation_pop(key, ISSUER, &other_nonce, now).claim("challenge", nonce)
            }
        };
        let proof = match fault {
            Some(ProofFault::Typ) => sound.header("typ", "JWT"),
            Some(ProofFault::OtherServer) => sound.claim("aud", "https://other.example"),
            Some(ProofFault::TokenEndpoint) => sound.claim("aud", "https://as.example/token"),
            Some(ProofFault::WithoutNonce) => sound.without_claim(member),
            Some(ProofFault::OwnNonce) => sound.claim(member, "Zk3-9qL0aXw"),
            Some(ProofFault::NonceOfOther) => sound.claim(member, other_nonce),
            Some(ProofFault::Old) => sound.claim("iat", now - 600),
            Some(ProofFault::Early) => sound.claim("iat", now + 600),
            Some(
                ProofFault::Missing | ProofFault::OtherKey | ProofFault::KeyOfIssuer | ProofFault::UsedBefore,
            )
            | None => sound,
        };
        proof.sign()
    }
}

const OWN: &str = "this is the evidence without a fault";

/// Header and payload of the token.
fn without_signature(draft: &Draft<'_>) -> String {
    draft.sign().rsplit_once('.').unwrap().0.to_owned()
}
