//! A token request: the ordered list of what an identity must pass to be, or to become, a client that gets a token.
//!
//! Registration is the other occasion (`register`, `unattested`), over the same steps and the same [`create`]. Steps
//! 1 to 4 ([`place`](crate::admission::placed::place)) need no record; with their answer the server loads the client,
//! and [`admit`] goes on with 5 to 11. Each step is one function.
//!
//! | # | step | refusal |
//! |---|---|---|
//! | 1 to 4 | `admission/placed.rs` | `AuthorityDisabled`, `IdentityBlocked`, `NoRule`, `RuleDisabled`, `CredentialNotAccepted` and others |
//! | 5 | [`client_id_agrees`] | `ClientIdMismatch` |
//! | 6 | [`is_not_frozen`]; past its lifetime counts as unknown | `ClientFrozen` |
//! | 7 | unknown: first use is on | `FirstUseOff`, `FirstUseObserved` |
//! | 8 | metadata resolves (`metadata::resolve`) | `AttestedClaimMalformed` |
//! | 9 | the request is allowed (`GrantRequest::judge`) | `invalid_scope`, `invalid_target`, `unauthorized_client` |
//! | 10 | unknown: velocity has room ([`limits`]); the quota is judged by the store | `TooFast`, `TooManyClients` |
//! | 11 | unknown: the record is written with the reply, must be absent ([`create`]) | lost race: decided again |

use super::observed::would_register;
use crate::admission::create::{Creation, Lives, create, single_use};
use crate::admission::known::{Known, client_id_agrees, is_not_frozen};
use crate::admission::limits::limits;
use crate::admission::placed::Placed;
use crate::entropy::Entropy;
use crate::grants::{GrantRequest, Granted};
use crate::identity::{AttestedIdentity, Occasion};
use crate::metadata::resolve::resolve;
use crate::policy::Policy;
use crate::records::{Batch, Client, Event, Registration};
use crate::rejection::{AdmissionReason, Rejection};
use crate::rules::FirstUse;
use crate::trace::Trace;
use crate::velocity::Limit;
use testudo_protocol::Timestamp;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// At which request.
    pub occasion: Occasion,
    /// `client_id` as sent.
    pub client_id: Option<&'a str>,
    /// The grant.
    pub grant: &'a GrantRequest,
    /// For events.
    pub request_id: &'a str,
}

/// What comes of it.
#[derive(Debug)]
pub enum Admission {
    /// The client exists and may have this.
    Known(Granted, Batch),
    /// The client is made by writing this batch, and may have this.
    New(Box<NewClient>),
    /// First use is only observed: the event says what would have happened; the request is refused.
    Observed(Box<Event>, Rejection),
}

/// A client about to be written.
#[derive(Debug)]
pub struct NewClient {
    /// The record.
    pub client: Client,
    /// What it may have.
    pub granted: Granted,
    /// What to write.
    pub batch: Batch,
    /// What was taken from the velocity buckets, to be given back if nothing is written.
    pub limits: Vec<Limit>,
}

/// Steps 5 to 11. `room` takes one registration from every limit it is shown, or refuses.
pub fn admit(
    placed: &Placed<'_>,
    known: Known<'_>,
    asking: Asking<'_>,
    policy: &Policy,
    room: impl FnOnce(&[Limit]) -> Result<(), Rejection>,
    (entropy, now): (&Entropy, Timestamp),
    trace: &mut Trace,
) -> Result<Admission, Rejection> {
    let alive = known.client.filter(|client| !client.record.is_expired(now));
    let client_id = alive.map_or(&*placed.name.client_id, |client| &client.record.client_id);
    client_id_agrees(asking.client_id, client_id)?;
    trace.passed("client_id agrees", || format!("client `{client_id}`"));
    if let Some(client) = alive {
        is_not_frozen(&client.record)?;
        let registration = client.record.registration_at(now);
        kind_is_registered(placed.identity, registration)?;
        trace.passed("client known", || format!("first seen {}", client.record.created));
        let granted = asking.grant.judge(placed, registration, policy, now)?;
        trace.passed("request allowed", || granted.to_string());
        return Ok(Admission::Known(granted, single_use(placed.identity)));
    }
    let (first_use, by) = policy.first_use(&placed.identity.authority, placed.found.rule);
    if first_use == FirstUse::Off {
        return Err(AdmissionReason::FirstUseOff { by }.into());
    }
    let outcome = resolve(placed.identity, &placed.found).and_then(|metadata| {
        trace.passed("metadata resolves", || {
            metadata.client_name.clone().unwrap_or_default()
        });
        let granted = asking.grant.judge(placed, None, policy, now)?;
        trace.passed("request allowed", || granted.to_string());
        Ok((metadata, granted))
    });
    if first_use == FirstUse::Observe {
        let event = would_register(
            placed,
            (asking.occasion, asking.request_id),
            &outcome,
            entropy,
            now,
        );
        return Ok(Admission::Observed(
            Box::new(event),
            Rejection::Admission(AdmissionReason::FirstUseObserved { by }),
        ));
    }
    trace.passed("first use is on", || by);
    let (metadata, granted) = outcome?;
    let limits = limits(placed, policy);
    room(&limits)?;
    trace.passed("velocity has room", || format!("{} limits", limits.len()));
    let creation = Creation {
        metadata,
        registration: None,
        scope: Some(granted.scope.to_string()),
        resource: Some(granted.resource.to_string()),
        management: None,
        lives: Lives::by(placed.found.rule),
    };
    let occasion = (asking.occasion, asking.request_id);
    let (client, batch) = create(placed, known, occasion, creation, (policy, entropy, now));
    Ok(Admission::New(Box::new(NewClient {
        client,
        granted,
        batch,
        limits,
    })))
}

/// Step 6, too: a client that registered for one kind of SVID is served by that one only.
fn kind_is_registered(
    identity: &AttestedIdentity,
    registration: Option<&Registration>,
) -> Result<(), Rejection> {
    match registration.and_then(|registration| registration.credential) {
        Some(kind) if kind != identity.kind => Err(AdmissionReason::CredentialNotAccepted {
            kind: identity.kind,
            by: "the client's own registration".to_owned(),
        }
        .into()),
        Some(_) | None => Ok(()),
    }
}
