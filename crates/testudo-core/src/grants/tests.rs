//! Rules for every grant, shown with a grant of the tests: a ticket is used once, the answer contains the next one, and
//! a second use deletes it. It is one file and one row, like every grant.

mod bound_later;
mod codes;
mod refresh_tokens;
pub(crate) mod world;

use super::grant::{Allowed, Grant, Refusal};
use super::*;
use crate::admission::attested_by::BesideAttestation;
use crate::admission::client_name::ClientName;
use crate::admission::governed::GovernedIdentity;
use crate::decision::Decision;
use crate::identity::{AttestedIdentity, CredentialKind, OccasionKind, Proof};
use crate::occasions::token::{TokenOutcome, TokenRequest};
use crate::occasions::{Caller, Occasion};
use crate::policy::Policy;
use crate::possession::Possession;
use crate::records::{Announced, Kind, Record, RequestDetails, RequestRef, Write};
use crate::rejection::{AdmissionReason, RequestReason};
use crate::rules::{Match, Rule, RuleSpec};
use crate::{Authority, Entropy, Trace};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::{GRANT_CLIENT_CREDENTIALS, ScopeSet};

const TICKET: &str = "urn:example:ticket";

/// A request that contains a ticket.
#[derive(Debug, Clone)]
pub struct Ticket {
    asked: ScopeAndResource,
    key: Vec<u8>,
}

/// One ticket. The kinds of records are a closed list, so the test uses the kind of another record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Issued {
    name: String,
    is_used: bool,
}

impl Record for Issued {
    const KIND: Kind = Kind::SharedBundle;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }
}

impl Grant for Ticket {
    const NAME: &'static str = TICKET;

    fn parse(form: &Form) -> Result<Ticket, Rejection> {
        let key = form.get("ticket").ok_or(RequestReason::MissingGrantType)?;
        Ok(Ticket {
            asked: ScopeAndResource::parse(form)?,
            key: key.as_bytes().to_vec(),
        })
    }

    fn recorded(_asked: ScopeAndResource) -> Option<Ticket> {
        None
    }

    fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        needs.and::<Issued>(&self.key)
    }

    fn decide(
        &self,
        requester: &Requester<'_>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Allowed, Refusal> {
        let refused = || Rejection::from(AdmissionReason::NoRule);
        let presented = loaded.find::<Issued>(&self.key).ok_or_else(refused)?;
        let mut batch = Batch::default();
        if presented.record.is_used {
            batch.delete(&presented.record, presented.version);
            let rejection = refused();
            return Err(Refusal { rejection, batch });
        }
        let name = presented.record.name.clone();
        batch.replace(&Issued { name, is_used: true }, presented.version);
        Ok(Allowed {
            scope: self.asked.scope(requester)?,
            resource: self.asked.resource(requester, at.policy)?,
            members: Members::default().with("ticket", at.entropy.jwt_id()),
            person: None,
            batch,
        })
    }

    fn asked(&self) -> &ScopeAndResource {
        &self.asked
    }
}

/// Decides a request with a ticket; `stored` is its record.
fn decide(stored: Option<Issued>) -> Result<Decision<TokenOutcome>, Rejection> {
    let rule = Rule::compile(&RuleSpec {
        name: "x".into(),
        identities: vec!["spiffe://a.example/x".into()],
        grant_types: Some(vec![TICKET.into()]),
        ..RuleSpec::default()
    })
    .unwrap();
    let subject = "spiffe://a.example/x";
    let authority = Authority::of_key("spiffe://a.example").unwrap();
    let proof = Proof::until(Timestamp(99));
    let identity = AttestedIdentity::proven(authority, subject, CredentialKind::JwtSvid, proof);
    let governed = GovernedIdentity {
        identity: &identity,
        found: Match::plain(&rule),
        name: ClientName {
            client_id: subject.into(),
            subject: subject.into(),
            folded_instance: None,
            id_of_all_instances: None,
        },
        client_key: b"client".to_vec(),
    };
    let form = Form::parse(format!("grant_type={TICKET}&ticket=first").as_bytes()).unwrap();
    let grant = GrantRequest::parse(&form).unwrap();
    let details = RequestDetails::default();
    let request = TokenRequest {
        caller: Caller {
            governed: &governed,
            client_id: None,
            attestation: BesideAttestation::Absent,
            possession: &Possession::default(),
        },
        grant: &grant,
        request: RequestRef {
            occasion: OccasionKind::Token,
            id: "r",
            details: &details,
        },
    };
    let needs = request.needs();
    let mut loaded = Loaded::nothing();
    for wanted in needs.to_read(None).filter(|wanted| wanted.kind == Issued::KIND) {
        assert_eq!(&*wanted.key, b"first");
        if let Some(stored) = &stored {
            loaded
                .add(&wanted, &serde_json::to_vec(stored).unwrap(), 7)
                .unwrap();
        }
    }
    let policy = Policy::of_tests();
    let entropy = Entropy {
        millis: 5,
        sequence: 1,
        random: [3; Entropy::RANDOM_BYTES],
    };
    let at = Moment {
        policy: &policy,
        entropy: &entropy,
        now: Timestamp(5),
    };
    request.decide(&loaded, &at, &mut Trace::off())
}

fn ticket(is_used: bool) -> Issued {
    let name = "first".to_owned();
    Issued { name, is_used }
}

#[test]
fn grant_changes_its_record_with_the_client_in_one_batch_and_adds_a_member_to_the_answer() {
    let decision = decide(Some(ticket(false))).unwrap();
    let TokenOutcome::Granted(grant) = decision.outcome else {
        panic!("{:?}", decision.outcome)
    };
    let members = serde_json::to_value(&grant.granted.members).unwrap();
    assert_eq!(members, serde_json::json!({ "ticket": "AwMDAwMDAwMDAwMDAwMDAw" }));
    assert_eq!(
        format!("{:?}", grant.granted.members),
        "{\"ticket\"}",
        "no secret"
    );
    assert!(decision.batch.inserts(Kind::Client));
    let is_replaced = |write: &Write| matches!(write, Write::Replace(ticket, 7) if ticket.key == b"first");
    assert!(
        decision.batch.writes.iter().any(is_replaced),
        "{:?}",
        decision.batch
    );
}

#[test]
fn refusal_of_a_grant_commits_its_writes_and_registers_no_client() {
    let decision = decide(Some(ticket(true))).unwrap();
    let refused = Rejection::from(AdmissionReason::NoRule);
    assert!(matches!(&decision.outcome, TokenOutcome::Refused(why, None) if *why == refused));
    let ended = Write::Delete(Issued::KIND, b"first".to_vec(), 7);
    assert_eq!(decision.batch.writes, [ended]);
    assert!(decision.limits.is_empty(), "no client is registered");
    assert_eq!(decide(None).err(), Some(refused), "nothing to write");
}

#[test]
fn request_of_an_event_has_the_grant_that_the_event_names() {
    let asked = ScopeAndResource {
        scope: Some(ScopeSet::parse("read").unwrap()),
        resource: None,
    };
    let again = GrantRequest::recorded(GRANT_CLIENT_CREDENTIALS, asked.clone()).unwrap();
    assert_eq!(again.name(), GRANT_CLIENT_CREDENTIALS);
    assert_eq!(again.asked().scope, asked.scope);
    assert!(
        GrantRequest::recorded(TICKET, asked.clone()).is_none(),
        "no event contains the ticket"
    );
    assert!(GrantRequest::recorded("password", asked).is_none());
}

#[test]
fn every_grant_in_the_metadata_is_parsed_under_its_name() {
    assert!(is_served(GRANT_CLIENT_CREDENTIALS));
    for name in served() {
        let form = Form::parse(format!("grant_type={name}").as_bytes()).unwrap();
        // A required parameter of the grant may be missing here, but the grant must be known.
        match GrantRequest::parse(&form) {
            Ok(request) => assert_eq!(request.name(), name),
            Err(refusal) => assert_ne!(refusal.name(), "unsupported_grant_type", "{name}"),
        }
    }
    for name in ["password", "implicit", "CLIENT_CREDENTIALS"] {
        let form = Form::parse(format!("grant_type={name}").as_bytes()).unwrap();
        let refusal = GrantRequest::parse(&form).unwrap_err();
        let found = name.to_owned();
        assert_eq!(
            refusal,
            RequestReason::UnsupportedGrantType { found }.into(),
            "{name}"
        );
        assert!(!is_served(name), "{name}");
    }
}
