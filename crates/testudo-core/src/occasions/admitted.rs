//! Steps 5 to 10 for a client that exists, or that becomes one with this request, because it gets something: a token, or
//! the name of its pushed authorization request.

use super::caller::{Caller, known_client_may_act};
use super::observed::would_register;
use crate::admission::attested_by::attestation_agrees;
use crate::admission::create::{Creation, Lifetimes, create};
use crate::admission::known::{StoredClient, client_id_agrees};
use crate::admission::limits::limits;
use crate::decision::{ClientMemory, Decision, Moment};
use crate::doors::end_of_credential;
use crate::grants::{Refusal, Requester};
use crate::metadata::resolve::metadata_at_first_use;
use crate::records::{Batch, Client, ClientMetadata, Event, Loaded, RequestRef, Versioned};
use crate::rejection::{AdmissionReason, Rejection};
use crate::rules::FirstUse;
use crate::trace::Trace;

/// A request of a client, with the records that it needs.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a, 'c> {
    pub(super) caller: Caller<'a>,
    /// For events.
    pub(super) request: RequestRef<'a>,
    pub(super) loaded: &'c Loaded<'c>,
    pub(super) at: &'c Moment<'c>,
}

/// What an admitted client gets.
pub(super) struct Given<T> {
    pub(super) value: T,
    /// Its records.
    pub(super) batch: Batch,
    /// For the event of a new client.
    pub(super) scope: String,
    pub(super) resource: String,
}

/// The outcome of an admission.
pub(super) enum Admitted<T> {
    /// The client gets it.
    Given {
        value: T,
        /// True where the client is new.
        is_new: bool,
        /// The client's id, if the rule of today would give another one.
        earlier_client_id: Option<String>,
    },
    /// The request is refused, and the batch is committed nevertheless. Where first use is only observed, the event
    /// records what would have happened.
    Refused(Rejection, Option<Box<Event>>),
}

impl<'a> Admission<'a, '_> {
    /// Admits the client. `give` decides step 9 for the client and its metadata, which a new one gets from its rule.
    pub(super) fn admit<T: ToString>(
        &self,
        trace: &mut Trace,
        give: impl Fn(Requester<'_>, &ClientMetadata) -> Result<Given<T>, Refusal>,
    ) -> Result<Decision<Admitted<T>>, Rejection> {
        let governed = self.caller.governed;
        let stored = StoredClient::of(governed, self.loaded);
        let alive = stored.alive(self.at.now);
        let client_id = alive.map_or(&*governed.name.client_id, |client| &client.record.client_id);
        client_id_agrees(self.caller.client_id, client_id, &governed.name)?;
        trace.passed("client_id agrees", || format!("client `{client_id}`"));
        attestation_agrees(governed, client_id, self.caller.attestation, trace)?;
        match alive {
            Some(client) => self.known(client, trace, give),
            None => self.unknown(stored, trace, give),
        }
    }

    /// The requester; `client` is `None` if it is new.
    fn requester<'r>(&'r self, client: Option<&'r Client>, stored: StoredClient<'_>) -> Requester<'r> {
        let governed = self.caller.governed;
        let entry = self.at.policy.authority(governed.identity.governed_as().0);
        Requester {
            governed,
            client_id: client.map_or(&*governed.name.client_id, |client| &client.client_id),
            registration: client.and_then(|client| client.registration_at(self.at.now)),
            credential_ends: client.and_then(|client| end_of_credential(client, entry)),
            client_ends: match client {
                Some(client) => client.expires,
                None => Lifetimes::by(governed.found.rule).end(self.at.now, governed.identity),
            },
            generation: client.map_or_else(|| stored.next_generation(), |client| client.generation),
            possession: self.caller.possession,
        }
    }

    /// The client exists.
    fn known<T: ToString>(
        &self,
        client: &Versioned<Client>,
        trace: &mut Trace,
        give: impl Fn(Requester<'_>, &ClientMetadata) -> Result<Given<T>, Refusal>,
    ) -> Result<Decision<Admitted<T>>, Rejection> {
        let (governed, client, now) = (self.caller.governed, &client.record, self.at.now);
        known_client_may_act(governed.identity, client, self.caller.possession, now)?;
        trace.passed("client known", || format!("first seen {}", client.created));
        let requester = self.requester(Some(client), StoredClient::default());
        let given = match give(requester, &client.metadata) {
            Ok(given) => given,
            Err(refusal) => return refused(refusal),
        };
        trace.passed("request allowed", || given.value.to_string());
        let mut batch = self.caller.single_use();
        batch.extend(given.batch);
        let is_named_so = *client.client_id == *governed.name.client_id;
        Ok(Decision {
            batch,
            memory: ClientMemory::Used(governed.identity.kind),
            ..Decision::of(Admitted::Given {
                value: given.value,
                is_new: false,
                earlier_client_id: (!is_named_so).then(|| client.client_id.clone()),
            })
        })
    }

    /// The client does not exist, or its lifetime has ended.
    fn unknown<T: ToString>(
        &self,
        stored: StoredClient<'_>,
        trace: &mut Trace,
        give: impl Fn(Requester<'_>, &ClientMetadata) -> Result<Given<T>, Refusal>,
    ) -> Result<Decision<Admitted<T>>, Rejection> {
        let (governed, at) = (self.caller.governed, self.at);
        let rule = governed.found.rule;
        let (first_use, by) = at.policy.first_use(&governed.identity.authority, rule);
        if first_use == FirstUse::Off {
            return Err(AdmissionReason::FirstUseOff { by }.into());
        }
        let metadata = metadata_at_first_use(governed.identity, &governed.found);
        let outcome = metadata.map_err(Refusal::from).and_then(|metadata| {
            trace.passed("metadata resolves", || {
                metadata.labels.text("client_name").unwrap_or_default().to_owned()
            });
            let given = give(self.requester(None, stored), &metadata)?;
            trace.passed("request allowed", || given.value.to_string());
            Ok((metadata, given))
        });
        if first_use == FirstUse::Observe {
            let asked =
                |(metadata, given): (ClientMetadata, Given<T>)| (metadata, given.scope, given.resource);
            let outcome = outcome.map(asked).map_err(|refusal| refusal.rejection);
            let event = would_register(governed, self.request, &outcome, at);
            return Ok(Decision::of(Admitted::Refused(
                AdmissionReason::FirstUseObserved { by }.into(),
                Some(Box::new(event)),
            )));
        }
        trace.passed("first use is on", || by);
        let (metadata, given) = match outcome {
            Ok(decided) => decided,
            Err(refusal) => return refused(refusal),
        };
        let creation = Creation {
            metadata,
            registration: None,
            scope: Some(given.scope),
            resource: Some(given.resource),
            management: None,
            sponsor_credential: None,
            lifetimes: Lifetimes::by(rule),
        };
        let (client, mut batch) = create(governed, stored, self.request, creation, at);
        batch.extend(self.caller.possession.single_use());
        batch.extend(given.batch);
        Ok(Decision {
            outcome: Admitted::Given {
                value: given.value,
                is_new: true,
                earlier_client_id: None,
            },
            batch,
            limits: limits(governed, at.policy),
            memory: ClientMemory::Made(Box::new(client)),
        })
    }
}

/// Refuses the request, with the writes that are made for a refusal.
fn refused<T>(refusal: Refusal) -> Result<Decision<Admitted<T>>, Rejection> {
    let Refusal { rejection, batch } = refusal;
    if batch.is_empty() {
        return Err(rejection);
    }
    Ok(Decision {
        batch,
        ..Decision::of(Admitted::Refused(rejection, None))
    })
}
