//! The second occasion: registration by evidence. [RFC7591 §3]
//!
//! The same identity, the same steps and the same record as by first use; but the client may narrow what it may have
//! later. A bearer statement may only narrow, and for a while (`showing`): keys and redirect
//! URIs of its own are refused, and the next registration replaces what this one said. There is no secret and no
//! registration access token: a client that can prove itself changes its registration by registering again.

use crate::admission::conflicts::conflict_of_client;
use crate::admission::create::{Creation, Lifetimes, create, event_of_request, single_use};
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::{StoredClient, client_id_agrees, is_not_frozen};
use crate::admission::limits::limits;
use crate::decision::{ClientMemory, Decision, Moment, Resolution};
use crate::identity::{AttestedIdentity, CredentialKind};
use crate::metadata::requested::Requested;
use crate::metadata::resolve::vouched;
use crate::metadata::{attested, labels, narrowing, redirect_uris};
use crate::occasions::occasion::Occasion;
use crate::occasions::registered::{Answer, Registered};
use crate::occasions::showing;
use crate::records::RequestRef;
use crate::records::{Client, ClientMetadata, Conflict, EventKind, Loaded, Needs, Registration, Versioned};
use crate::rejection::{MetadataReason, Rejection};
use crate::rules::RegistrationForm;
use crate::trace::Trace;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::redirect_uri::is_same;

/// A registration of an identity that is proven and governed.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationByEvidence<'a> {
    /// Who registers.
    pub governed: &'a GovernedIdentity<'a>,
    /// What it asks to be registered with.
    pub requested: &'a Requested,
    /// For events.
    pub request: RequestRef<'a>,
}

impl Occasion for RegistrationByEvidence<'_> {
    type Outcome = Registered;

    /// Never from memory: what stands decides what may change.
    fn needs(&self) -> Needs<'_> {
        StoredClient::needs(self.governed)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<Registered>, Rejection> {
        let governed = self.governed;
        showing::every_kind_is_accepted(governed, at.policy)?;
        let stored = StoredClient::of(governed, loaded);
        let alive = stored.alive(at.now);
        let client_id = alive.map_or(&*governed.name.client_id, |client| &client.record.client_id);
        client_id_agrees(self.requested.client_id.as_deref(), client_id)?;
        if let Some(client) = alive {
            is_not_frozen(&client.record)?;
        }
        // Claims that the authority is not trusted to state (`attested_metadata` does not list them) must not be set by
        // the request either.
        let requested = self
            .requested
            .clone()
            .without(&governed.identity.proof.unlisted_claims);
        let resolved = held_to(governed, &requested, alive.map(|client| &client.record), at)?;
        match alive {
            Some(client) => self.register_again(client, resolved, at),
            None => Ok(self.register_new(stored, resolved, at)),
        }
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        conflict_of_client(self.governed, on)
    }
}

impl RegistrationByEvidence<'_> {
    fn register_new(
        &self,
        stored: StoredClient<'_>,
        Resolved(metadata, registration, answer): Resolved,
        at: &Moment<'_>,
    ) -> Decision<Registered> {
        let creation = Creation {
            metadata,
            registration: Some(registration),
            scope: Some(answer.scope.to_string()),
            resource: None,
            management: None,
            lifetimes: Lifetimes::by(self.governed.found.rule),
        };
        let (client, batch) = create(self.governed, stored, self.request, creation, at);
        Decision {
            outcome: Registered {
                client,
                answer,
                is_new: true,
            },
            batch,
            limits: limits(self.governed, at.policy),
            memory: ClientMemory::Outdated,
        }
    }

    fn register_again(
        &self,
        client: &Versioned<Client>,
        resolved: Resolved,
        at: &Moment<'_>,
    ) -> Result<Decision<Registered>, Rejection> {
        let (was, now) = (&client.record, at.now);
        let registered = again(self.governed, was, resolved, now)?;
        let mut batch = single_use(self.governed.identity);
        let mut taken = Vec::new();
        if registered.client != *was {
            batch.replace(&registered.client, client.version);
            if !says_the_same(&registered.client, was, now) {
                // Each change writes an event, so it counts as a new registration: a client that toggles a member
                // must not fill the store.
                taken = limits(self.governed, at.policy);
                let mut event = event_of_request(self.governed, self.request, EventKind::ClientUpdated, at);
                event.scope = Some(registered.answer.scope.to_string());
                event.detail = Some(match limits_in_force(was, now).scope {
                    Some(scope) => format!("scope was `{scope}`"),
                    None => "scope was all that the rule gives".to_owned(),
                });
                batch.insert(&event);
            }
        }
        Ok(Decision {
            outcome: registered,
            batch,
            limits: taken,
            memory: ClientMemory::Outdated,
        })
    }
}

/// What comes of the request where it may narrow the client's limits; else the limits as they stand.
fn held_to(
    governed: &GovernedIdentity<'_>,
    requested: &Requested,
    client: Option<&Client>,
    at: &Moment<'_>,
) -> Result<Resolved, Rejection> {
    let now = at.now;
    let only = showing::method(requested)?;
    let asked = resolve_with_evidence(governed, requested, only, now)?;
    let whole = requested.clone().without_limits();
    if governed.found.rule.registration == RegistrationForm::Fixed {
        // The request was validated. It narrows nothing: the limits stay those of the rule.
        return resolve_with_evidence(governed, &whole, None, now);
    }
    showing::is_shown(governed, requested, only)?;
    let stands = client.and_then(|client| client.registration_at(now));
    let Some(lacking) = showing::restriction(governed.identity, stands) else {
        return Ok(asked);
    };
    let Resolved(mut metadata, registration, full) = resolve_with_evidence(governed, &whole, None, now)?;
    showing::narrows_nothing(
        &asked.2,
        &full,
        showing::kinds_accepted(governed, at.policy),
        lacking,
    )?;
    let (Some(client), Some(stands)) = (client, stands) else {
        return Ok(Resolved(metadata, registration, full));
    };
    if stands.is_by_possession {
        metadata.redirect_uris = client.metadata.redirect_uris.clone();
    }
    let kept = Registration {
        issued: registration.issued,
        ..stands.clone()
    };
    Ok(Resolved(metadata, kept, answer_to_stored(governed, client, now)?))
}

/// The client as a further registration leaves it.
fn again(
    governed: &GovernedIdentity<'_>,
    client: &Client,
    Resolved(metadata, registration, answer): Resolved,
    now: Timestamp,
) -> Result<Registered, Rejection> {
    let stands = client.registration.as_deref();
    let mut registered = Registered {
        client: client.clone(),
        answer,
        is_new: false,
    };
    // [decision 0016] Older evidence changes nothing; the answer shows what stands.
    if stands.is_some_and(|stands| stands.issued > registration.issued) {
        registered.answer = answer_to_stored(governed, client, now)?;
        return Ok(registered);
    }
    let changed = Client {
        metadata,
        registration: Some(Box::new(registration)),
        ..client.clone()
    };
    let is_newer = changed.registration.as_ref().map(|new| new.issued) > stands.map(|stands| stands.issued);
    if is_newer || !says_the_same(&changed, client, now) {
        registered.client = Client {
            last_used: now,
            last_credential: governed.identity.kind,
            ..changed
        };
    }
    Ok(registered)
}

/// True where two registrations differ in their time at most.
fn says_the_same(one: &Client, other: &Client, now: Timestamp) -> bool {
    one.metadata == other.metadata && limits_in_force(one, now) == limits_in_force(other, now)
}

/// The limits that a client registered with, without its times; empty for a client that never registered.
fn limits_in_force(client: &Client, now: Timestamp) -> Registration {
    let beginning = Timestamp(0);
    match client.registration_at(now).cloned() {
        Some(registration) => Registration {
            issued: beginning,
            until: None,
            is_by_possession: false,
            ..registration
        },
        None => Registration::of_nothing(beginning),
    }
}

/// The result of a registration: labels, limits, and the answer.
struct Resolved(ClientMetadata, Registration, Answer);

/// Step 8, member by member. `only` is the kind of credential that the client is to be held to.
fn resolve_with_evidence(
    governed: &GovernedIdentity<'_>,
    requested: &Requested,
    only: Option<CredentialKind>,
    now: Timestamp,
) -> Result<Resolved, Rejection> {
    let (identity, rule) = (governed.identity, governed.found.rule);
    // [SPIFFE-AUTH §6] Keys of a SPIFFE client are in its trust domain's bundle and nowhere else.
    if requested.has_keys() {
        let member = if requested.jwks.is_some() {
            "jwks"
        } else {
            "jwks_uri"
        };
        return Err(MetadataReason::KeysOfAttestedClient { member }.into());
    }
    if !requested
        .spiffe_id
        .as_deref()
        .is_none_or(|id| is_named(identity, id))
    {
        return Err(MetadataReason::SpiffeIdMismatch.into());
    }
    if requested.dpop_bound_access_tokens {
        return Err(MetadataReason::DpopNotSupported.into());
    }
    let attested = attested::attested(identity)?;
    let stated = attested.redirect_uris.clone().unwrap_or_default();
    let vouched = vouched(attested, &governed.found);
    let (says, asks) = (
        vouched.labels.text("software_id"),
        requested.labels.text("software_id"),
    );
    if says.is_some() && asks.is_some() && says != asks {
        return Err(MetadataReason::SoftwareIdMismatch.into());
    }
    let mut grants = rule.grant_types.clone();
    if let Some(attested) = &vouched.grant_types {
        grants.retain(|grant| attested.contains(grant));
    }
    let grant_types = narrowing::grant_types(grants, requested.grant_types.as_ref())?;
    let response_types = narrowing::response_types(&grant_types, requested)?;
    let ceiling = match attested::attested_scope(identity)? {
        Some(attested) => rule.scopes.intersection(&attested),
        None => rule.scopes.clone(),
    };
    let scope = narrowing::scope(ceiling, requested.scope.as_ref())?;
    let redirect_uris = redirect_uris(governed, requested, &grant_types, &stated, &vouched.redirect_uris)?;
    let is_by_possession = identity.has_proven_key();
    let vouched = ClientMetadata {
        // Bearer evidence takes none of them away for good: what it leaves is in the registration, which ends.
        redirect_uris: if is_by_possession {
            redirect_uris.clone()
        } else {
            vouched.redirect_uris
        },
        spiffe_bundle_endpoint: requested.spiffe_bundle_endpoint.clone(),
        ..vouched
    };
    let must_bind_tokens = requested.tls_client_certificate_bound_access_tokens;
    let registration = Registration {
        issued: identity.proof.issued.unwrap_or(now),
        until: showing::end(identity, requested, now),
        is_by_possession,
        scope: requested.scope.is_some().then(|| scope.clone()),
        grant_types: requested.grant_types.is_some().then(|| grant_types.clone()),
        redirect_uris: (!is_by_possession && requested.redirect_uris.is_some())
            .then(|| redirect_uris.clone()),
        credential: only,
        signing_algorithm: None,
        must_bind_tokens,
        must_push: requested.require_pushed_authorization_requests,
        must_sign_requests: requested.require_signed_request_object,
    };
    let answer = Answer {
        redirect_uris,
        grant_types,
        response_types,
        scope,
        token_endpoint_auth_method: only.unwrap_or(identity.kind).auth_method(),
        only,
        must_bind_tokens: must_bind_tokens || rule.must_bind_tokens,
        must_push: registration.must_push,
        must_sign_requests: registration.must_sign_requests,
    };
    let metadata = labels::complete(vouched, requested);
    Ok(Resolved(metadata, registration, answer))
}

/// [SPIFFE-AUTH §5.1] The identity itself; from a client that proved possession of a key also a prefix of it, by
/// whole segments. The client stays under the `spiffe_id` of its rule in any case, and the answer contains that one.
fn is_named(identity: &AttestedIdentity, id: &str) -> bool {
    let Some(whole) = identity.spiffe_id() else {
        return false;
    };
    let Some(prefix) = id.strip_suffix('*').filter(|prefix| prefix.ends_with('/')) else {
        return id == whole;
    };
    let is_a_workload = identity.authority.path(prefix.trim_end_matches('/')).is_some();
    identity.has_proven_key() && is_a_workload && whole.starts_with(prefix)
}

/// What a client is registered with now, for an answer that changes nothing.
fn answer_to_stored(
    governed: &GovernedIdentity<'_>,
    client: &Client,
    now: Timestamp,
) -> Result<Answer, Rejection> {
    let Some(stands) = client.registration_at(now) else {
        return resolve_with_evidence(governed, &Requested::default(), None, now)
            .map(|Resolved(_, _, answer)| answer);
    };
    let requested = Requested {
        scope: stands.scope.clone(),
        grant_types: stands.grant_types.clone(),
        tls_client_certificate_bound_access_tokens: stands.must_bind_tokens,
        require_pushed_authorization_requests: stands.must_push,
        require_signed_request_object: stands.must_sign_requests,
        ..Requested::default()
    };
    let Resolved(_, _, answer) = resolve_with_evidence(governed, &requested, stands.credential, now)?;
    let redirect_uris = match &stands.redirect_uris {
        Some(narrowed) => narrowed.clone(),
        None => client.metadata.redirect_uris.clone(),
    };
    Ok(Answer {
        redirect_uris,
        ..answer
    })
}

/// Those of the rule or of the attester; a request may name fewer of them. Bearer evidence must not bring a
/// redirect URI of its own; a client that proved possession of a key may, on the rule's hosts.
fn redirect_uris(
    governed: &GovernedIdentity<'_>,
    requested: &Requested,
    grant_types: &[String],
    stated: &[String],
    allowed: &[String],
) -> Result<Vec<String>, Rejection> {
    if stated
        .iter()
        .any(|uri| !redirect_uris::fits(uri, &governed.found))
    {
        return Err(MetadataReason::AttestedRedirectUriOutsideRule.into());
    }
    let Some(asked) = &requested.redirect_uris else {
        return Ok(allowed.to_vec());
    };
    let has_proven_key = governed.identity.has_proven_key();
    let is_allowed = |uri: &String| {
        allowed.iter().any(|allowed| is_same(allowed, uri))
            || (has_proven_key && redirect_uris::is_on_a_host(uri, &governed.found))
    };
    if !asked.iter().all(is_allowed) {
        return Err(MetadataReason::RedirectUriOfOthers.into());
    }
    if !narrowing::redirects(grant_types) {
        return Err(MetadataReason::RedirectUrisWithoutGrant.into());
    }
    Ok(asked.clone())
}
