//! A store with one person, one code and the clients that redeem it; each request is decided and written.

use crate::admission::attested_by::BesideAttestation;
use crate::admission::client_name::ClientName;
use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::entropy::Entropy;
use crate::grants::{GrantRequest, Granted};
use crate::identity::{AttestedIdentity, Authority, CredentialKind, OccasionKind, Proof};
use crate::occasions::token::{TokenOutcome, TokenRequest};
use crate::occasions::{self, Occasion};
use crate::people::{GrantId, PersonId, PresentedSecret};
use crate::policy::Policy;
use crate::possession::Possession;
use crate::records::client_tests::whole;
use crate::records::test_store::TestStore;
use crate::records::{
    AuthorizationCode, BoundTo, Client, Grant, GrantTerms, GrantedClient, Kind, Person, PersonState, Record,
    RequestDetails, RequestRef, client_key,
};
use crate::rejection::Rejection;
use crate::rules::{Match, Rule, RuleSpec};
use crate::trace::Trace;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Jwk, ProofKey};
use testudo_protocol::oauth::pkce::CodeChallenge;
use testudo_protocol::oauth::redirect_uri::RedirectUri;
use testudo_protocol::oauth::{Form, Resource, ScopeSet};

/// [RFC7636 B]
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const CALLBACK: &str = "https://web.apps.example/callback";
pub const WEB: &str = "spiffe://a.example/web";
pub const DAY: i64 = 86_400;

/// When the code is issued.
pub const START: i64 = 1_000_000;

/// Public keys of the examples of RFC 7515 and RFC 7517.
pub const KEYS: [(&str, &str); 2] = [
    (
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    ),
    (
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    ),
];

pub struct World {
    pub store: TestStore,
    pub now: i64,
    step: u8,
    pub spec: RuleSpec,
}

/// Who sends a request, and what the request proves.
#[derive(Clone)]
pub struct Caller {
    pub subject: &'static str,
    pub kind: CredentialKind,
    pub dpop_key: Option<[u8; 32]>,
    /// One of [`KEYS`].
    pub confirmation: Option<usize>,
    /// SHA-256 of the certificate of the connection.
    pub certificate: Option<[u8; 32]>,
}

/// The workload for which the code was issued.
pub fn web() -> Caller {
    Caller {
        subject: WEB,
        kind: CredentialKind::JwtSvid,
        dpop_key: None,
        confirmation: None,
        certificate: None,
    }
}

/// The public client `c_1`.
pub fn public() -> Caller {
    Caller {
        subject: "c_1",
        kind: CredentialKind::Public,
        ..web()
    }
}

impl Caller {
    pub fn identity(&self) -> AttestedIdentity {
        let confirmation = self.confirmation.map(|position| {
            let (x, y) = KEYS[position];
            let jwk: Jwk =
                serde_json::from_value(json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})).unwrap();
            Arc::new(ProofKey::from_jwk(&jwk).unwrap())
        });
        let authority = if self.kind == CredentialKind::Public {
            Authority::registration()
        } else {
            Authority::of_key("spiffe://a.example").unwrap()
        };
        let proof = Proof {
            confirmation,
            certificate_thumbprint: self.certificate,
            ..Proof::until(Timestamp(START * 100))
        };
        AttestedIdentity::proven(authority, self.subject, self.kind, proof)
    }
}

/// An identity that this rule governs.
pub fn governed<'a>(identity: &'a AttestedIdentity, rule: &'a Rule) -> GovernedIdentity<'a> {
    GovernedIdentity {
        client_key: client_key(identity.authority.key(), &identity.subject),
        identity,
        found: Match::plain(rule),
        name: ClientName {
            client_id: identity.subject.clone(),
            subject: identity.subject.clone(),
            folded_instance: None,
            id_of_all_instances: None,
        },
    }
}

pub fn person() -> PersonId {
    PersonId::of_random(&[1; 16])
}

pub fn grant_id() -> GrantId {
    GrantId::new(person(), &[2; 16])
}

/// The text of the code.
pub fn code() -> String {
    PresentedSecret::make(grant_id(), &[3; 32]).0
}

impl World {
    /// A code for [`web`] with the scope `read write`, of a person in the group `staff`.
    pub fn new() -> World {
        World::with(&web(), |_| {})
    }

    /// A code for this client, changed so.
    pub fn with(client: &Caller, change: impl FnOnce(&mut AuthorizationCode)) -> World {
        let mut world = World {
            store: TestStore::default(),
            now: START,
            step: 10,
            spec: RuleSpec {
                name: "web".to_owned(),
                identities: vec!["spiffe://a.example/{service}".to_owned()],
                scopes: vec!["read".to_owned(), "write".to_owned()],
                resources: vec![
                    "https://api.example".to_owned(),
                    "https://other.example".to_owned(),
                ],
                grant_types: Some(vec!["authorization_code".to_owned(), "refresh_token".to_owned()]),
                ..RuleSpec::default()
            },
        };
        let identity = client.identity();
        let (_, name) = PresentedSecret::make(grant_id(), &[3; 32]);
        let mut code = AuthorizationCode {
            name,
            client: GrantedClient {
                authority: identity.authority.key().to_owned(),
                subject: client.subject.to_owned(),
                client_id: client.subject.to_owned(),
                generation: None,
            },
            rule: "web".to_owned(),
            redirect_uri: RedirectUri::find(None, [CALLBACK]).unwrap(),
            code_challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
            bound_to: BoundTo::default(),
            terms: GrantTerms {
                scope: ScopeSet::parse("read write").unwrap(),
                resources: vec![Resource::parse("https://api.example").unwrap()],
                ends: Some(Timestamp(START + 90 * DAY)),
                auth_time: Timestamp(START - 60),
                acr: Some("phr".to_owned()),
                consent: None,
            },
            expires: Timestamp(START + 60),
            is_redeemed: false,
        };
        change(&mut code);
        world.put(&code);
        world.put(&Person {
            id: person(),
            name: None,
            display: None,
            email: None,
            groups: vec!["staff".to_owned()],
            provider_groups: BTreeMap::new(),
            passkeys: Vec::new(),
            links: Vec::new(),
            state: PersonState::Active,
            created: Timestamp(0),
            sessions_from: Timestamp(0),
        });
        if client.kind == CredentialKind::Public {
            let record = Client {
                expires: None,
                first_credential: CredentialKind::Public,
                last_credential: CredentialKind::Public,
                ..whole()
            };
            world.put(&record);
        }
        world
    }

    pub fn put<R: Record>(&mut self, record: &R) {
        self.store.put(record);
    }

    pub fn read<R: Record>(&self, key: &[u8]) -> Option<R> {
        self.store.read(key)
    }

    pub fn grant(&self) -> Option<Grant> {
        self.read(grant_id().key())
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.store.count(kind)
    }

    /// Changes the account of the person.
    pub fn change_person(&mut self, change: impl FnOnce(&mut Person)) {
        let mut account: Person = self.read(person().key()).unwrap();
        change(&mut account);
        self.put(&account);
    }

    /// Redeems the code with the right verifier and these further parameters.
    pub fn redeem(&mut self, caller: &Caller, more: &str) -> Result<Granted, Rejection> {
        self.redeem_with(caller, &format!("&code_verifier={VERIFIER}{more}"))
    }

    pub fn redeem_with(&mut self, caller: &Caller, more: &str) -> Result<Granted, Rejection> {
        self.send(
            caller,
            &format!("grant_type=authorization_code&code={}{more}", code()),
        )
    }

    pub fn refresh(&mut self, caller: &Caller, token: &str, more: &str) -> Result<Granted, Rejection> {
        self.send(
            caller,
            &format!("grant_type=refresh_token&refresh_token={token}{more}"),
        )
    }

    pub fn send(&mut self, caller: &Caller, form: &str) -> Result<Granted, Rejection> {
        let rule = Rule::compile(&self.spec).unwrap();
        let identity = caller.identity();
        let governed = governed(&identity, &rule);
        let form = Form::parse(form.as_bytes()).unwrap();
        let grant = GrantRequest::parse(&form)?;
        let details = RequestDetails::default();
        let dpop_key = caller.dpop_key.map(|key| URL_SAFE_NO_PAD.encode(key));
        let possession = Possession::of_event(dpop_key.as_deref());
        let request = TokenRequest {
            caller: occasions::Caller {
                governed: &governed,
                client_id: None,
                attestation: BesideAttestation::Absent,
                possession: &possession,
            },
            grant: &grant,
            request: RequestRef {
                occasion: OccasionKind::Token,
                id: "r",
                details: &details,
            },
        };
        match self.settle(&request)? {
            TokenOutcome::Granted(grant) => Ok(grant.granted),
            TokenOutcome::Refused(rejection, _) => Err(rejection),
        }
    }

    /// Loads what a request needs, decides and writes.
    pub fn settle<O: Occasion>(&mut self, request: &O) -> Result<O::Outcome, Rejection> {
        let needs = request.needs();
        let loaded = self.store.load(&needs);
        self.step += 1;
        let entropy = Entropy {
            millis: 5,
            sequence: u32::from(self.step),
            random: [self.step; Entropy::RANDOM_BYTES],
        };
        let policy = Policy::of_tests();
        let at = Moment {
            policy: &policy,
            entropy: &entropy,
            now: Timestamp(self.now),
        };
        let decision = request.decide(&loaded, &at, &mut Trace::off())?;
        drop(loaded);
        self.store.commit(decision.batch);
        Ok(decision.outcome)
    }
}

/// The refresh token of an answer.
pub fn refresh_token(granted: &Granted) -> String {
    let token = granted.members.get("refresh_token").unwrap();
    token.as_str().unwrap().to_owned()
}

/// A member of an answer that is a number of seconds.
pub fn seconds(granted: &Granted, name: &str) -> Option<i64> {
    granted.members.get(name)?.as_i64()
}
