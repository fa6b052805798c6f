//! Tests of every door with the rows of the conformance tables. For each refused credential, the test first checks that
//! the same credential without the fault is accepted.

mod assertions;
mod chains;
mod changed;
mod claims;
mod forms;
mod issued_changed;
mod kubernetes;
mod mechanisms;
mod public;
mod signatures;
mod subjects;
mod x509;

use super::shared::claims::single_use_mark;
use super::*;
use crate::identity::Authority;
use crate::policy::{AuthorityPolicy, ClientMethod, ConfiguredClient, Policy};
use crate::rejection::{AdmissionReason, CredentialReason, Endpoint, Rejection, RequestReason};
use crate::rules::{Rule, RuleSpec};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testudo_protocol::jose::{Algorithm, JoseError, KeySet, PublicKey, SigningKey};
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_BEARER, ASSERTION_TYPE_JWT_SPIFFE, Form, IssuerUrl};
use testudo_protocol::spiffe::{Bundle, SpiffeIdError, TrustDomain};
use testudo_protocol::{Seconds, Timestamp};
use testudo_testkit::token::{Draft, assemble};
use testudo_testkit::{TestIssuer, generate_key};

const ISSUER: &str = "https://as.example";

const NOW: i64 = 1_795_000_000;

/// The time of the tests and so many seconds, for certificates.
fn in_seconds(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((NOW + seconds).unsigned_abs())
}

const WORKLOAD: &str = "spiffe://a.example/w/1";

struct World {
    a: TestIssuer,
    b: TestIssuer,
    client_key: SigningKey,
    policy: Policy,
}

/// The facts with this bundle.
fn bundle_of(bundle: Bundle) -> Facts {
    Facts::Keys(AuthorityKeys::Bundle(Arc::new(bundle)))
}

/// These keys as the key set of an issuer or of a client.
fn key_set(keys: &[&SigningKey]) -> Arc<KeySet> {
    let mut set = KeySet::default();
    for key in keys {
        let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
        set.push(PublicKey::from_jwk(&jwk).unwrap());
    }
    Arc::new(set)
}

/// The terms of a client that authenticates at the time of the tests.
fn terms(policy: &Policy) -> Terms<'_> {
    Terms {
        policy,
        purpose: Purpose::Authentication,
        now: Timestamp(NOW),
    }
}

/// The reason of the refusal; checks that the answer to the caller does not tell it.
#[track_caller]
fn refusal(result: Result<AttestedIdentity, Rejection>) -> Rejection {
    let rejection = result.expect_err("the credential must be refused");
    let answer = rejection.answer(Endpoint::None);
    assert_eq!(
        (answer.code.name(), &*answer.sentence),
        ("invalid_client", "client authentication failed"),
        "{rejection:?}"
    );
    rejection
}

fn trust_domain(name: &str) -> Authority {
    Authority::from(&TrustDomain::parse(name).unwrap())
}

impl World {
    fn new() -> World {
        let client_key = generate_key(Algorithm::ES256, Some("c6"));
        let keys = key_set(&[&client_key]);
        let rule = Rule::compile_for_client(&RuleSpec {
            name: "c6".into(),
            ..RuleSpec::default()
        })
        .unwrap();
        let policy = Policy {
            issuer: IssuerUrl::parse(ISSUER).unwrap(),
            authorities: HashMap::from([
                (trust_domain("a.example"), AuthorityPolicy::of_tests()),
                (trust_domain("b.example"), AuthorityPolicy::of_tests()),
            ]),
            clients: HashMap::from([(
                "c6".into(),
                ConfiguredClient {
                    method: ClientMethod::PrivateKeyJwt(keys),
                    rule,
                },
            )]),
            ..Policy::of_tests()
        };
        World {
            a: TestIssuer::new("a.example"),
            b: TestIssuer::new("b.example"),
            client_key,
            policy,
        }
    }

    fn bundles(&self, name: &str) -> Option<Bundle> {
        let document = match name {
            "a.example" => self.a.bundle(),
            "b.example" => self.b.bundle(),
            _ => return None,
        };
        Some(Bundle::parse(document.to_string().as_bytes()).unwrap())
    }

    fn show(&self, kind: CredentialKind, token: &str) -> Result<AttestedIdentity, Rejection> {
        let credential = recognise(&Presented::new(kind, token.to_owned()))?;
        let facts = match credential.lookups() {
            Lookup::Certificates { .. } => Facts::Nothing,
            Lookup::Authority {
                unverified_authority, ..
            } => self
                .bundles(unverified_authority.name())
                .map_or(Facts::Nothing, bundle_of),
            Lookup::Attester { .. }
            | Lookup::Issuer { .. }
            | Lookup::CertificateIssuer { .. }
            | Lookup::Clusters { .. }
            | Lookup::Public { .. }
            | Lookup::Client { .. } => Facts::Nothing,
        };
        self.check(credential, &facts)
    }

    /// Verifies the credential with these facts instead of those of the test world.
    fn check(&self, credential: Credential, facts: &Facts) -> Result<AttestedIdentity, Rejection> {
        credential.verify(facts, terms(&self.policy), &mut Trace::off())
    }

    fn draft(&self) -> Draft<'_> {
        Draft::svid(self.a.key(), WORKLOAD, ISSUER, NOW)
    }

    fn assertion(&self) -> Draft<'_> {
        Draft::assertion(&self.client_key, "c6", ISSUER, "jti-1", NOW)
    }

    /// Checks that a valid token is accepted and this one is refused; returns the reason.
    #[track_caller]
    fn refused(&self, token: &str) -> Rejection {
        assert!(
            self.show(CredentialKind::JwtSvid, &self.draft().sign()).is_ok(),
            "the credential without the fault is accepted"
        );
        refusal(self.show(CredentialKind::JwtSvid, token))
    }

    #[track_caller]
    fn accepted(&self, token: &str) -> AttestedIdentity {
        self.show(CredentialKind::JwtSvid, token)
            .expect("the credential must be accepted")
    }

    #[track_caller]
    fn assertion_refused(&self, token: &str) -> Rejection {
        assert!(
            self.show(CredentialKind::PrivateKeyJwt, &self.assertion().sign())
                .is_ok(),
            "the credential without the fault is accepted"
        );
        refusal(self.show(CredentialKind::PrivateKeyJwt, token))
    }
}

fn claims_text(draft: &Draft<'_>) -> String {
    draft.claims.to_string()
}
