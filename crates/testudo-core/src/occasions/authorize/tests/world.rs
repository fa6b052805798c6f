//! A server with one rule for identities, one `[[clients]]` entry, open registration, and one person; each visit is decided
//! and written.

use crate::admission::client_name::OpaqueKey;
use crate::admission::governed::CurrentRules;
use crate::decision::Moment;
use crate::doors::Facts;
use crate::entropy::Entropy;
use crate::identity::{Authority, CredentialKind, OccasionKind};
use crate::occasions::Occasion as _;
use crate::occasions::authorize::{
    Arriving, Asked, AskingClient, AuthorizeRequest, Authorized, ConsentAnswer, ConsentAsked, Respond, Shown,
    Visit,
};
use crate::people::{PersonId, SecretDigest, SessionName};
use crate::policy::{ClientMethod, ConfiguredClient, LoginPolicy, OpenPolicy, Policy, Switches};
use crate::records::client_tests::whole;
use crate::records::test_store::TestStore;
use crate::records::{
    BoundTo, Client, GrantedClient, Person, PersonState, PushedRequest, Registration, RequestDetails,
    RequestRef, Session, client_key,
};
use crate::rejection::Rejection;
use crate::rules::{ClaimCaptures, PushedAuthorization, Rule, RuleSet, RuleSpec};
use crate::trace::Trace;
use crate::velocity::Rate;
use testudo_protocol::oauth::authorization::{
    AuthorizationParameters, AuthorizationRequest, KeyThumbprint, PushedRequestUri,
};
use testudo_protocol::oauth::{Form, RedirectUri};
use testudo_protocol::{Seconds, Timestamp};

pub const WEB: &str = "spiffe://a.example/ns/pay/sa/web";
pub const CALLBACK: &str = "https://web.pay.apps.example/callback";
pub const SHOP_CALLBACK: &str = "https://shop.example/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const NOW: i64 = 1_000_000;

pub struct World {
    pub store: TestStore,
    pub now: i64,
    pub spec: RuleSpec,
    pub policy: Policy,
    pub switches: Switches,
    pub answer: ConsentAnswer,
    pub begun: Option<i64>,
    pub session: Option<SessionName>,
    /// The keys of the registered client that signs its requests.
    pub facts: Facts,
    key: OpaqueKey,
    step: u8,
}

pub fn person() -> PersonId {
    PersonId::of_random(&[1; 16])
}

/// The session of the person in the browser with this number.
pub fn session(browser: u8) -> SessionName {
    SessionName::make(person(), &[browser; 32]).1
}

/// The response to the client: the code, or the reason why there is none.
#[track_caller]
pub fn responded(outcome: Result<Authorized, Rejection>) -> Result<String, Rejection> {
    response(outcome).outcome
}

#[track_caller]
pub fn response(outcome: Result<Authorized, Rejection>) -> Respond {
    match outcome {
        Ok(Authorized::Respond(respond)) => *respond,
        other => panic!("{other:?}"),
    }
}

/// The consent page.
#[track_caller]
pub fn page(outcome: Result<Authorized, Rejection>) -> ConsentAsked {
    match outcome {
        Ok(Authorized::Consent(page)) => *page,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn must_sign_in(outcome: Result<Authorized, Rejection>) {
    assert!(matches!(outcome, Ok(Authorized::SignIn(_))), "{outcome:?}");
}

impl World {
    /// The person is signed in since a minute.
    pub fn new() -> World {
        let mut world = World {
            store: TestStore::default(),
            now: NOW,
            spec: RuleSpec {
                name: "web".to_owned(),
                identities: vec!["spiffe://a.example/ns/{namespace}/sa/{service}".to_owned()],
                redirect_uris: vec!["https://{service}.{namespace}.apps.example/callback".to_owned()],
                ..of_people()
            },
            policy: Policy {
                login: Some(LoginPolicy {
                    session_idle_lifetime: Seconds(3600),
                    has_passkeys: true,
                }),
                ..Policy::of_tests()
            },
            switches: Switches::default(),
            answer: ConsentAnswer::None,
            begun: None,
            session: Some(session(1)),
            facts: Facts::Nothing,
            key: OpaqueKey::new(&[7; 32]),
            step: 10,
        };
        let method = ClientMethod::SelfSigned(vec![[0; 32]]);
        world.configure("shop", method, SHOP_CALLBACK);
        let open = RuleSpec {
            name: "registration.open".to_owned(),
            ..of_people()
        };
        world.policy.registration.open = Some(OpenPolicy {
            rule: Rule::compile_for_client(&open).unwrap(),
            per_address: Rate::new(1, None),
            takes_jwks_uri: false,
        });
        world.store.put(&Person {
            id: person(),
            name: Some("alice".to_owned()),
            display: None,
            email: None,
            groups: vec!["staff".to_owned()],
            provider_groups: Default::default(),
            passkeys: Vec::new(),
            links: Vec::new(),
            state: PersonState::Active,
            created: Timestamp(0),
            sessions_from: Timestamp(0),
        });
        world.sign_in(1, NOW - 60, None);
        world
    }

    /// A `[[clients]]` entry, in the place of an earlier one.
    pub fn configure(&mut self, client_id: &str, method: ClientMethod, redirect_uri: &str) {
        let spec = RuleSpec {
            name: client_id.to_owned(),
            redirect_uris: vec![redirect_uri.to_owned()],
            ..of_people()
        };
        let rule = Rule::compile_for_client(&spec).unwrap();
        let entry = ConfiguredClient { method, rule };
        self.policy.clients.insert(client_id.into(), entry);
    }

    pub fn sign_in(&mut self, browser: u8, at: i64, acr: Option<&str>) {
        self.store.put(&Session {
            name: session(browser),
            created: Timestamp(at),
            last_used: Timestamp(at),
            authenticated: Timestamp(at),
            acr: acr.map(str::to_owned),
            method: "passkey".to_owned(),
            passkey: None,
            ends: Timestamp(at + 43_200),
        });
    }

    pub fn change_person(&mut self, change: impl FnOnce(&mut Person)) {
        let mut account: Person = self.store.read(person().key()).unwrap();
        change(&mut account);
        self.store.put(&account);
    }

    /// The id of a public client that registered with this redirect URI.
    pub fn registered(&mut self, redirect_uri: &str) -> String {
        let client_id = self.key.new_client_id(&[3; 16]);
        let mut record = Client {
            subject: client_id.clone(),
            client_id: client_id.clone(),
            expires: None,
            first_credential: CredentialKind::Public,
            last_credential: CredentialKind::Public,
            registration: Some(Box::new(Registration::of_nothing(Timestamp(0)))),
            ..whole()
        };
        record.metadata.redirect_uris = vec![redirect_uri.to_owned()];
        self.store.put(&record);
        client_id
    }

    /// The record of [`WEB`].
    pub fn known(&mut self) -> Client {
        let record = Client {
            authority: "spiffe://a.example".to_owned(),
            subject: WEB.to_owned(),
            client_id: WEB.to_owned(),
            expires: None,
            first_credential: CredentialKind::JwtSvid,
            last_credential: CredentialKind::JwtSvid,
            ..whole()
        };
        self.store.put(&record);
        record
    }

    /// Pushes a request of [`WEB`], which is known, and returns its `request_uri`.
    pub fn pushed(&mut self, more: &str) -> String {
        let client = self.known();
        let parameters = query(WEB, &format!("&redirect_uri={CALLBACK}{more}"));
        let parameters = AuthorizationParameters::parse(&Form::parse(parameters.as_bytes()).unwrap());
        let uri = PushedRequestUri::of_random(&[self.step; 32]);
        self.store.put(&PushedRequest {
            digest: SecretDigest::of_bytes(uri.digest()),
            client: GrantedClient {
                authority: client.authority,
                subject: client.subject,
                client_id: client.client_id,
                generation: Some(client.generation),
            },
            request: AuthorizationRequest::parse(&parameters).unwrap(),
            redirect_uri: RedirectUri::find(None, [CALLBACK]).unwrap(),
            bound_to: BoundTo {
                instance_key: Some(KeyThumbprint([5; 32])),
                ..BoundTo::default()
            },
            expires: Timestamp(self.now + 60),
        });
        uri.as_str().to_owned()
    }

    /// Visits with a right request of this client and further parameters.
    pub fn visit(&mut self, client_id: &str, more: &str) -> Result<Authorized, Rejection> {
        self.send(&query(client_id, more))
    }

    pub fn send(&mut self, sent: &str) -> Result<Authorized, Rejection> {
        self.policy.rules = RuleSet::new(vec![Rule::compile(&self.spec).unwrap()], ClaimCaptures::default());
        let form = Form::parse(sent.as_bytes()).unwrap();
        let asked = match Arriving::parse(&form)? {
            Arriving::Asked(asked) => asked,
            Arriving::Signed(signed) => {
                let parameters = signed.verify(&self.facts, &self.policy, Timestamp(self.now))?;
                Asked::of_signed(&signed, &parameters)
            }
        };
        let loaded = self.store.load(&asked.needs());
        let rules = CurrentRules {
            policy: &self.policy,
            switches: &self.switches,
            opaque_key: &self.key,
        };
        let client = AskingClient::find(&asked, &loaded, rules)?;
        let details = RequestDetails::default();
        let request = AuthorizeRequest::new(Visit {
            asked: &asked,
            client: &client,
            session: self.session.as_ref(),
            begun: self.begun.map(Timestamp),
            answer: self.answer,
            request: RequestRef {
                occasion: OccasionKind::Authorization,
                id: "r",
                details: &details,
            },
        });
        self.step += 1;
        let entropy = Entropy {
            millis: 5,
            sequence: u32::from(self.step),
            random: [self.step; Entropy::RANDOM_BYTES],
        };
        let at = Moment {
            policy: &self.policy,
            entropy: &entropy,
            now: Timestamp(self.now),
        };
        let loaded = self.store.load(&request.needs());
        let decision = request.decide(&loaded, &at, &mut Trace::off())?;
        drop(loaded);
        self.store.commit(decision.batch);
        Ok(decision.outcome)
    }

    /// Visits, and agrees to what the page shows.
    pub fn agree(&mut self, client_id: &str, more: &str) -> Result<Authorized, Rejection> {
        let shown = page(self.visit(client_id, more)).shown;
        self.answered(ConsentAnswer::Accept(shown), client_id, more)
    }

    pub fn answered(
        &mut self,
        answer: ConsentAnswer,
        client_id: &str,
        more: &str,
    ) -> Result<Authorized, Rejection> {
        self.answer = answer;
        let outcome = self.visit(client_id, more);
        self.answer = ConsentAnswer::None;
        outcome
    }

    /// The key of the client [`WEB`].
    pub fn web_key() -> Vec<u8> {
        client_key(Authority::of_key("spiffe://a.example").unwrap().key(), WEB)
    }
}

/// What the page showed, to another session.
pub fn to_session(shown: Shown, browser: u8) -> Shown {
    Shown {
        session: session(browser),
        ..shown
    }
}

fn of_people() -> RuleSpec {
    RuleSpec {
        scopes: vec!["read".to_owned(), "write".to_owned()],
        default_scopes: vec!["read".to_owned()],
        resources: vec![
            "https://api.example".to_owned(),
            "https://other.example".to_owned(),
        ],
        grant_types: Some(vec!["authorization_code".to_owned()]),
        pushed_authorization: Some(PushedAuthorization::Optional),
        ..RuleSpec::default()
    }
}

fn query(client_id: &str, more: &str) -> String {
    format!(
        "client_id={client_id}&response_type=code&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256{more}"
    )
}
