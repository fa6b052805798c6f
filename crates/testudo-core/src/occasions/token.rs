//! A token request: the identity is a client or becomes one, and receives a token. The checks and their order are in
//! the table of `occasions/mod.rs`.

use super::observed::would_register;
use super::occasion::Occasion;
use crate::admission::attested_by::{BesideAttestation, attestation_agrees};
use crate::admission::conflicts::conflict_of_client;
use crate::admission::create::{Creation, Lifetimes, create, single_use};
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::{StoredClient, client_id_agrees, is_not_frozen};
use crate::admission::limits::limits;
use crate::decision::{ClientMemory, Decision, Moment, Resolution};
use crate::doors::end_of_credential;
use crate::grants::{GrantRequest, Granted, Refusal, Requester};
use crate::identity::{AttestedIdentity, AuthMethod};
use crate::metadata::resolve::metadata_at_first_use;
use crate::possession::Possession;
use crate::records::RequestRef;
use crate::records::{Client, ClientCredential, Conflict, Event, Loaded, Needs, Registration, Versioned};
use crate::rejection::{AdmissionReason, NotAcceptedBy, Rejection};
use crate::rules::FirstUse;
use crate::trace::Trace;
use testudo_protocol::Timestamp;

/// A token request of a proven identity whose rule is known.
#[derive(Debug, Clone, Copy)]
pub struct TokenRequest<'a> {
    /// The identity that requests the token.
    pub governed: &'a GovernedIdentity<'a>,
    /// `client_id` as sent.
    pub client_id: Option<&'a str>,
    /// The grant.
    pub grant: &'a GrantRequest,
    /// The attestation beside the client's own authentication.
    pub attestation: BesideAttestation<'a>,
    /// The keys that the request proved.
    pub possession: &'a Possession,
    /// For events.
    pub request: RequestRef<'a>,
}

/// The outcome.
#[derive(Debug)]
pub enum TokenOutcome {
    /// The client may have a token.
    Granted(TokenGrant),
    /// The request is refused, and the batch is committed nevertheless. Where first use is only observed, the event
    /// records what would have happened.
    Refused(Rejection, Option<Box<Event>>),
}

/// The content of the token.
#[derive(Debug)]
pub struct TokenGrant {
    /// The claims that depend on the request.
    pub granted: Granted,
    /// True where the client is new.
    pub is_new: bool,
    /// The client's id, if the rule of today would give another one; otherwise the id follows from the identity.
    pub earlier_client_id: Option<String>,
}

impl Occasion for TokenRequest<'_> {
    type Outcome = TokenOutcome;

    fn needs(&self) -> Needs<'_> {
        self.grant.needs(StoredClient::needs(self.governed).from_memory())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        match self.admit(loaded, at, trace) {
            Err(rejection) => self.give_up(rejection, None, loaded),
            Ok(Decision {
                outcome: TokenOutcome::Refused(rejection, event),
                batch,
                ..
            }) if batch.is_empty() => self.give_up(rejection, event, loaded),
            decided => decided,
        }
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        let of_own = self.possession.conflict(on).or_else(|| self.grant.conflict(on));
        of_own.unwrap_or_else(|| conflict_of_client(self.governed, on))
    }

    /// A guess saves a read: the write detects existing records anyway, and many first uses can arrive at the same
    /// moment.
    /// [decision 0003]
    fn may_guess(&self) -> bool {
        true
    }
}

impl<'a> TokenRequest<'a> {
    /// Refuses the request. Whatever the reason is, a code whose redemption is refused must not be tried again.
    fn give_up(
        &self,
        rejection: Rejection,
        event: Option<Box<Event>>,
        loaded: &Loaded<'_>,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        let batch = self.grant.given_up(loaded);
        if batch.is_empty() && event.is_none() {
            return Err(rejection);
        }
        Ok(Decision {
            batch,
            ..Decision::of(TokenOutcome::Refused(rejection, event))
        })
    }

    fn admit(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        let stored = StoredClient::of(self.governed, loaded);
        let alive = stored.alive(at.now);
        let client_id = alive.map_or(&*self.governed.name.client_id, |client| &client.record.client_id);
        client_id_agrees(self.client_id, client_id, &self.governed.name)?;
        trace.passed("client_id agrees", || format!("client `{client_id}`"));
        attestation_agrees(self.governed, client_id, self.attestation, trace)?;
        match alive {
            Some(client) => self.admit_known(client, loaded, at, trace),
            None => self.admit_new(stored, loaded, at, trace),
        }
    }

    fn requester(
        &self,
        registration: Option<&'a Registration>,
        credential_ends: Option<Timestamp>,
        generation: u32,
    ) -> Requester<'a> {
        Requester {
            governed: self.governed,
            registration,
            credential_ends,
            generation,
            possession: self.possession,
        }
    }

    /// The client exists.
    fn admit_known(
        &self,
        client: &Versioned<Client>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        let (governed, client) = (self.governed, &client.record);
        is_not_frozen(client)?;
        let registration = client.registration_at(at.now);
        let of_issuer = client
            .credential
            .as_deref()
            .and_then(ClientCredential::auth_method);
        let methods = [of_issuer, registration.and_then(Registration::auth_method)];
        for method in methods.into_iter().flatten() {
            method_is_registered(governed.identity, method, self.possession)?;
        }
        trace.passed("client known", || format!("first seen {}", client.created));
        let ends = end_of_credential(client, at.policy.authority(&governed.identity.authority));
        let requester = self.requester(registration, ends, client.generation);
        let (granted, of_grant) = match self.grant.decide(requester, loaded, at) {
            Ok(decided) => decided,
            Err(refusal) => return refused(refusal),
        };
        trace.passed("request allowed", || granted.to_string());
        let mut batch = single_use(governed.identity);
        batch.extend(self.possession.single_use());
        batch.extend(of_grant);
        let is_named_so = *client.client_id == *governed.name.client_id;
        Ok(Decision {
            batch,
            memory: ClientMemory::Used(governed.identity.kind),
            ..Decision::of(TokenOutcome::Granted(TokenGrant {
                granted,
                is_new: false,
                earlier_client_id: (!is_named_so).then(|| client.client_id.clone()),
            }))
        })
    }

    /// The client does not exist, or its lifetime has ended.
    fn admit_new(
        &self,
        stored: StoredClient<'_>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        let governed = self.governed;
        let rule = governed.found.rule;
        let (first_use, by) = at.policy.first_use(&governed.identity.authority, rule);
        if first_use == FirstUse::Off {
            return Err(AdmissionReason::FirstUseOff { by }.into());
        }
        let outcome = metadata_at_first_use(governed.identity, &governed.found);
        let outcome = outcome.map_err(Refusal::from).and_then(|metadata| {
            trace.passed("metadata resolves", || {
                metadata.labels.text("client_name").unwrap_or_default().to_owned()
            });
            let requester = self.requester(None, None, stored.next_generation());
            let (granted, of_grant) = self.grant.decide(requester, loaded, at)?;
            trace.passed("request allowed", || granted.to_string());
            Ok((metadata, granted, of_grant))
        });
        if first_use == FirstUse::Observe {
            let outcome = outcome
                .map(|(metadata, granted, _)| (metadata, granted))
                .map_err(|refusal| refusal.rejection);
            let event = would_register(governed, self.request, &outcome, at);
            return Ok(Decision::of(TokenOutcome::Refused(
                AdmissionReason::FirstUseObserved { by }.into(),
                Some(Box::new(event)),
            )));
        }
        trace.passed("first use is on", || by);
        let (metadata, granted, of_grant) = match outcome {
            Ok(decided) => decided,
            Err(refusal) => return refused(refusal),
        };
        let limits = limits(governed, at.policy);
        let creation = Creation {
            metadata,
            registration: None,
            scope: Some(granted.scope.to_string()),
            resource: Some(granted.resource.to_string()),
            management: None,
            lifetimes: Lifetimes::by(rule),
        };
        let (client, mut batch) = create(governed, stored, self.request, creation, at);
        batch.extend(self.possession.single_use());
        batch.extend(of_grant);
        Ok(Decision {
            outcome: TokenOutcome::Granted(TokenGrant {
                granted,
                is_new: true,
                earlier_client_id: None,
            }),
            batch,
            limits,
            memory: ClientMemory::Made(Box::new(client)),
        })
    }
}

/// Refuses the request, with the writes that the grant makes for a refusal.
fn refused(refusal: Refusal) -> Result<Decision<TokenOutcome>, Rejection> {
    let Refusal { rejection, batch } = refusal;
    if batch.is_empty() {
        return Err(rejection);
    }
    Ok(Decision {
        batch,
        ..Decision::of(TokenOutcome::Refused(rejection, None))
    })
}

/// Step 6 as well: a client that registered an authentication method, or whose issuer stated one, may use only this
/// method.
fn method_is_registered(
    identity: &AttestedIdentity,
    method: AuthMethod,
    possession: &Possession,
) -> Result<(), Rejection> {
    let is_shown = |kind| kind == identity.kind;
    if method.is_used(is_shown, possession.is_combined) {
        return Ok(());
    }
    Err(AdmissionReason::CredentialNotAccepted {
        kind: identity.kind,
        by: NotAcceptedBy::Registration,
    }
    .into())
}
