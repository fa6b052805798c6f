//! Admission: the ordered list of what an identity must pass to be, or to become, a client.
//!
//! Registration is its second occasion (`register`, `unattested`), over the same steps and the same [`create`].
//! Steps 1 to 4 ([`place`]) need no record; with their answer the server loads the client, and [`admit`] goes on
//! with 5 to 11. Each step is one function.
//!
//! | # | step | refusal |
//! |---|---|---|
//! | 1 | [`authority_is_enabled`] | `AuthorityDisabled` |
//! | 2 | [`identity_is_not_blocked`] | `IdentityBlocked` |
//! | 3 | a rule governs ([`governing_rule`]) | `NoRule`, `RuleDisabled` |
//! | 4 | [`credential_is_accepted`] | `CredentialNotAccepted` |
//! | 5 | [`client_id_agrees`] | `ClientIdMismatch` |
//! | 6 | [`is_not_frozen`]; past its lifetime counts as unknown | `ClientFrozen` |
//! | 7 | unknown: first use is on | `FirstUseOff`, `FirstUseObserved` |
//! | 8 | metadata resolves (`metadata::resolve`) | `AttestedClaimMalformed` |
//! | 9 | the request is allowed (`GrantRequest::judge`) | `invalid_scope`, `invalid_target`, `unauthorized_client` |
//! | 10 | unknown: velocity has room ([`limits`]); the quota is judged by the store | `TooFast`, `TooManyClients` |
//! | 11 | unknown: the record is written with the reply, must be absent ([`create`]) | lost race: decided again |

use crate::Entropy;
use crate::admission::create::{Creation, Lives, create, event_about, single_use};
use crate::grants::{GrantRequest, Granted};
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Occasion};
use crate::metadata::resolve as metadata;
use crate::policy::{Policy, Standing};
use crate::records::{
    Batch, Client, ClientMetadata, ClientState, Event, EventKind, Registration, Removed, Versioned,
    client_key,
};
use crate::rejection::Rejection;
use crate::rules::client_id::{ClientIdTemplate, ClientName, OpaqueKey, name_client};
use crate::rules::{FirstUse, Match};
use crate::trace::Trace;
use crate::velocity::{Limit, Rate};
use testudo_protocol::Timestamp;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::spiffe::SpiffeId;

/// An identity with the rule that governs it and the name of its client.
#[derive(Debug, Clone)]
pub struct Placed<'a> {
    /// The identity.
    pub identity: &'a AttestedIdentity,
    /// Its rule.
    pub found: Match<'a>,
    /// Its client, whether or not that exists yet.
    pub name: ClientName,
}

impl Placed<'_> {
    /// Key of the client's record and of its history.
    pub fn client_key(&self) -> Vec<u8> {
        client_key(&self.identity.authority.key(), &self.name.subject)
    }
}

/// What the store knows of a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'k> {
    /// The client.
    pub client: Option<&'k Versioned<Client>>,
    /// Its earlier life.
    pub removed: Option<&'k Versioned<Removed>>,
}

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

/// Steps 1 to 4: no record is needed, nothing is loaded for whom they refuse.
pub fn place<'a>(
    identity: &'a AttestedIdentity,
    occasion: Occasion,
    policy: &'a Policy,
    standing: &Standing,
    opaque_key: &OpaqueKey,
    trace: &mut Trace,
) -> Result<Placed<'a>, Rejection> {
    authority_is_enabled(&identity.authority, standing)?;
    if let Some(sponsor) = &identity.sponsor {
        authority_is_enabled(&sponsor.authority, standing)?;
    }
    trace.passed("authority enabled", || identity.authority.to_string());
    identity_is_not_blocked(identity, standing)?;
    trace.passed("identity not blocked", || identity.subject.to_string());
    let found = governing_rule(identity, occasion, policy)?;
    trace.passed("a rule governs", || {
        let captures: Vec<String> = found
            .captures
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("rule `{}` {}", found.rule.name, captures.join(" "))
            .trim_end()
            .to_owned()
    });
    credential_is_accepted(identity, policy)?;
    trace.passed("credential accepted", || identity.kind.to_string());
    let name = name_client(identity, &found, opaque_key);
    client_id_is_free(&found, &name, policy)?;
    client_id_is_nobody_elses(identity, &name, policy)?;
    Ok(Placed {
        identity,
        found,
        name,
    })
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
        return Err(Rejection::FirstUseOff { by });
    }
    let outcome = metadata::resolve(placed.identity, &placed.found).and_then(|metadata| {
        trace.passed("metadata resolves", || {
            metadata.client_name.clone().unwrap_or_default()
        });
        let granted = asking.grant.judge(placed, None, policy, now)?;
        trace.passed("request allowed", || granted.to_string());
        Ok((metadata, granted))
    });
    if first_use == FirstUse::Observe {
        let event = would_register(placed, asking, &outcome, entropy, now);
        return Ok(Admission::Observed(
            Box::new(event),
            Rejection::FirstUseObserved { by },
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

/// Step 1.
fn authority_is_enabled(authority: &Authority, standing: &Standing) -> Result<(), Rejection> {
    if standing.is_enabled(authority) {
        return Ok(());
    }
    Err(Rejection::AuthorityDisabled {
        name: authority.name().to_owned(),
    })
}

/// Step 2.
fn identity_is_not_blocked(identity: &AttestedIdentity, standing: &Standing) -> Result<(), Rejection> {
    match standing.blocks.blocking(identity) {
        None => Ok(()),
        Some(by) => Err(Rejection::IdentityBlocked { by: by.to_owned() }),
    }
}

/// Step 3. A configured client brings its own rule, one that registered without evidence has the rule of its
/// sponsor, or that of the open door; everyone else is matched.
fn governing_rule<'a>(
    identity: &AttestedIdentity,
    occasion: Occasion,
    policy: &'a Policy,
) -> Result<Match<'a>, Rejection> {
    let (authority, subject, kind) = identity.governed_as();
    match authority {
        Authority::TrustDomain(_) => policy.rules.governing((authority, subject), kind, occasion),
        Authority::Configuration => {
            let client = policy.clients.get(subject).ok_or(Rejection::NoRule)?;
            Ok(Match::plain(&client.rule))
        }
        Authority::Registration => {
            let open = policy.registration.open.as_ref().ok_or(Rejection::NoRule)?;
            Ok(Match::plain(&open.rule))
        }
    }
}

/// Step 4, the authority's half; a rule that wants other credentials does not match in step 3.
fn credential_is_accepted(identity: &AttestedIdentity, policy: &Policy) -> Result<(), Rejection> {
    let is_accepted = match &identity.authority {
        Authority::TrustDomain(_) => policy
            .trust_domain(&identity.authority)
            .is_some_and(|domain| domain.credentials.contains(&identity.kind)),
        Authority::Configuration => identity.kind == CredentialKind::PrivateKeyJwt,
        Authority::Registration => !identity.kind.is_svid(),
    };
    if is_accepted {
        return Ok(());
    }
    let by = format!("trust domain `{}`", identity.authority);
    Err(Rejection::CredentialNotAccepted {
        kind: identity.kind,
        by,
    })
}

/// Step 4, too: a template makes no id that has a form of ours, of a person or of another namespace.
fn client_id_is_free(found: &Match<'_>, name: &ClientName, policy: &Policy) -> Result<(), Rejection> {
    let ClientIdTemplate::Template(_) = &found.rule.client_id else {
        return Ok(());
    };
    let is_too_long = name.client_id.len() > IDENTIFIER_BYTES_MAX;
    if is_too_long || policy.reserved_ids.hold(&name.client_id) {
        return Err(Rejection::ClientIdReserved {
            rule: found.rule.name.clone(),
        });
    }
    Ok(())
}

/// Step 4, too: a template must not make the id of a client that the configuration names. Among the clients in
/// the store, the alias record sees to it.
fn client_id_is_nobody_elses(
    identity: &AttestedIdentity,
    name: &ClientName,
    policy: &Policy,
) -> Result<(), Rejection> {
    match &identity.authority {
        Authority::TrustDomain(_) if policy.clients.contains_key(&name.client_id) => {
            Err(Rejection::ClientIdClash {
                client_id: name.client_id.to_string(),
            })
        }
        Authority::TrustDomain(_) | Authority::Configuration | Authority::Registration => Ok(()),
    }
}

/// Step 5. [RFC7521 §4.2] Optional; if sent, it names the client that the evidence proves.
pub(crate) fn client_id_agrees(sent: Option<&str>, expected: &str) -> Result<(), Rejection> {
    if sent.is_none_or(|sent| sent == expected) {
        return Ok(());
    }
    Err(Rejection::ClientIdMismatch {
        expected: expected.to_owned(),
    })
}

/// Step 6.
pub(crate) fn is_not_frozen(client: &Client) -> Result<(), Rejection> {
    match client.state {
        ClientState::Active => Ok(()),
        ClientState::Frozen => Err(Rejection::ClientFrozen),
    }
}

/// Step 6, too: a client that registered for one kind of SVID is served by that one only.
fn kind_is_registered(
    identity: &AttestedIdentity,
    registration: Option<&Registration>,
) -> Result<(), Rejection> {
    match registration.and_then(|registration| registration.credential) {
        Some(kind) if kind != identity.kind => Err(Rejection::CredentialNotAccepted {
            kind: identity.kind,
            by: "the client's own registration".to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Step 10: the buckets a new client takes from. They belong to the identity's place, not to the client.
pub(crate) fn limits(placed: &Placed<'_>, policy: &Policy) -> Vec<Limit> {
    let mut limits = Vec::with_capacity(3);
    // Whoever vouches for others does so at the expense of its own place.
    let (authority, subject, _) = placed.identity.governed_as();
    if let Some(domain) = policy.trust_domain(authority) {
        limits.push(Limit {
            bucket: format!("authority/{authority}"),
            shown_as: format!("trust domain `{authority}`"),
            rate: domain.registrations,
        });
        if let Some(rate) = domain.registrations_per_prefix
            && let Ok(id) = SpiffeId::parse(subject)
        {
            let prefix: String = id
                .segments()
                .take(domain.velocity_prefix_segments)
                .map(|segment| format!("/{segment}"))
                .collect();
            limits.push(Limit {
                bucket: format!("prefix/{authority}{prefix}"),
                shown_as: format!("prefix `{prefix}` of trust domain `{authority}`"),
                rate,
            });
        }
    }
    let rule = placed.found.rule;
    if let Some(per_minute) = rule.registrations_per_minute {
        limits.push(Limit {
            bucket: format!("rule/{}", rule.name),
            shown_as: format!("rule `{}`", rule.name),
            rate: Rate::new(per_minute, rule.registrations_burst),
        });
    }
    limits
}

fn would_register(
    placed: &Placed<'_>,
    asking: Asking<'_>,
    outcome: &Result<(ClientMetadata, Granted), Rejection>,
    entropy: &Entropy,
    now: Timestamp,
) -> Event {
    let mut event = event_about(
        placed,
        (asking.occasion, asking.request_id),
        EventKind::ClientWouldRegister,
        entropy,
        now,
    );
    match outcome {
        Ok((metadata, granted)) => {
            event.scope = Some(granted.scope.to_string());
            event.resource = Some(granted.resource.to_string());
            event.detail = serde_json::to_string(metadata).ok();
        }
        Err(rejection) => {
            event.reason = Some(rejection.name().to_owned());
            event.detail = Some(rejection.to_string());
        }
    }
    event
}
