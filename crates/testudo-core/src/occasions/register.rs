//! Registration by evidence. [RFC7591 §3]
//!
//! Identity, steps and record are the same as for a first use, but the client may reduce its limits. A bearer statement
//! may only reduce them, and only for a limited time (`showing`); keys and redirect URIs of the client are refused, and
//! the next registration replaces the values of this one. There is no secret and no registration access token: a client
//! that can prove its identity changes its registration by registering again.

use crate::admission::conflicts::conflict_of_client;
use crate::admission::create::{Creation, Lifetimes, create, event_of_request, single_use};
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::{StoredClient, client_id_agrees, is_not_frozen};
use crate::admission::limits::limits;
use crate::decision::{ClientMemory, Decision, Moment, Resolution};
use crate::identity::{AttestedIdentity, AuthMethod, SenderConstraint};
use crate::metadata::requested::RequestedMetadata;
use crate::metadata::resolve::authoritative;
use crate::metadata::{attested, labels, narrowing, redirect_uris};
use crate::occasions::credential_client;
use crate::occasions::occasion::Occasion;
use crate::occasions::registered::{Answer, Registered};
use crate::occasions::showing;
use crate::possession::Possession;
use crate::records::RequestRef;
use crate::records::{
    Client, ClientCredential, ClientMetadata, Conflict, EventKind, Loaded, Needs, Registration, Versioned,
};
use crate::rejection::{MetadataReason, Rejection};
use crate::rules::RegistrationForm;
use crate::trace::Trace;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::redirect_uri::is_same;

/// A registration request of a proven identity whose rule is known.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationByEvidence<'a> {
    /// The identity that registers.
    pub governed: &'a GovernedIdentity<'a>,
    /// The requested metadata.
    pub requested: &'a RequestedMetadata,
    /// The keys that the request proved.
    pub possession: &'a Possession,
    /// For events.
    pub request: RequestRef<'a>,
}

impl Occasion for RegistrationByEvidence<'_> {
    type Outcome = Registered;

    /// The client is read from the store and not from memory, since the stored registration determines what may change.
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
        credential_client::has_its_own_id(governed)?;
        let stored = StoredClient::of(governed, loaded);
        let alive = stored.alive(at.now);
        let client_id = alive.map_or(&*governed.name.client_id, |client| &client.record.client_id);
        client_id_agrees(self.requested.client_id.as_deref(), client_id, &governed.name)?;
        if let Some(client) = alive {
            is_not_frozen(&client.record)?;
        }
        // Claims that the authority is not trusted to state (`attested_metadata` does not list them) must not be set by
        // the request either.
        let requested = self
            .requested
            .clone()
            .without(&governed.identity.proof.unlisted_claims);
        credential_client::first_keys_stay(governed.identity, &requested, stored)?;
        let resolved = self.held_to(&requested, alive.map(|client| &client.record), at)?;
        match alive {
            Some(client) => self.register_again(client, resolved, at),
            None => {
                credential_client::is_not_superseded(governed, stored, resolved.1.issued)?;
                Ok(self.register_new(stored, resolved, at))
            }
        }
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        let of_proofs = self.possession.conflict(on);
        of_proofs.unwrap_or_else(|| conflict_of_client(self.governed, on))
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
            sponsor_credential: None,
            lifetimes: Lifetimes::by(self.governed.found.rule),
        };
        let (client, mut batch) = create(self.governed, stored, self.request, creation, at);
        batch.extend(self.possession.single_use());
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
        batch.extend(self.possession.single_use());
        let mut taken = Vec::new();
        if registered.client != *was {
            batch.replace(&registered.client, client.version);
            if !differ_only_in_time(&registered.client, was, now) {
                // Each change writes an event, so it counts against the rate limits like a new registration: a client
                // that changes a member again and again must not fill the store.
                taken = limits(self.governed, at.policy);
                let mut event = event_of_request(self.governed, self.request, EventKind::ClientUpdated, at);
                event.scope = Some(registered.answer.scope.to_string());
                event.detail = Some(match limits_in_force(was, now).scope {
                    Some(scope) => format!("scope was `{scope}`"),
                    None => "scope was not limited by the registration".to_owned(),
                });
                batch.insert_event(event);
            }
        }
        Ok(Decision {
            outcome: registered,
            batch,
            limits: taken,
            memory: ClientMemory::Outdated,
        })
    }

    /// The result of the request if it may reduce the client's limits; otherwise the current limits.
    fn held_to(
        &self,
        requested: &RequestedMetadata,
        client: Option<&Client>,
        at: &Moment<'_>,
    ) -> Result<Resolved, Rejection> {
        let (governed, now) = (self.governed, at.now);
        let stated = showing::stated_method(governed, at.policy)?;
        let only = showing::method(governed.identity, requested, at.policy)?.filter(|_| stated.is_none());
        let asked = resolve_with_evidence(governed, requested, stated.or(only), now)?;
        let whole = requested.clone().without_limits();
        if governed.found.rule.registration == RegistrationForm::Fixed {
            // The request was validated but must not reduce anything, so the limits stay those of the rule.
            return resolve_with_evidence(governed, &whole, stated, now);
        }
        showing::is_shown(governed, self.possession, requested, only)?;
        let stands = client.and_then(|client| client.registration_at(now));
        let Some(lacking) = showing::restriction(governed.identity, stands) else {
            return Ok(asked);
        };
        let Resolved(mut metadata, registration, full) =
            resolve_with_evidence(governed, &whole, stated, now)?;
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
}

/// The client after a further registration.
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
    // [decision 0016] Older evidence changes nothing; the answer contains the current registration.
    // So does evidence of the same second with another key: two credentials must not replace each other in turn.
    let has_other_key = client.credential.is_some() && client.metadata.jwks != metadata.jwks;
    let is_replaced = |stands: &Registration| {
        stands.issued > registration.issued || (has_other_key && stands.issued == registration.issued)
    };
    if stands.is_some_and(is_replaced) {
        registered.answer = answer_to_stored(governed, client, now)?;
        return Ok(registered);
    }
    let changed = Client {
        metadata,
        registration: Some(Box::new(registration)),
        expires: match governed.identity.proof.credential {
            Some(_) => Lifetimes::by(governed.found.rule).end(client.created, governed.identity),
            None => client.expires,
        },
        credential: ClientCredential::of(governed.identity),
        ..client.clone()
    };
    let is_newer = changed.registration.as_ref().map(|new| new.issued) > stands.map(|stands| stands.issued);
    let is_of_other_credential = changed.credential != client.credential || changed.expires != client.expires;
    if is_newer || is_of_other_credential || !differ_only_in_time(&changed, client, now) {
        registered.client = Client {
            last_used: now,
            last_credential: governed.identity.kind,
            ..changed
        };
    }
    Ok(registered)
}

/// True if two registrations are equal except for their time.
fn differ_only_in_time(one: &Client, other: &Client, now: Timestamp) -> bool {
    one.metadata == other.metadata && limits_in_force(one, now) == limits_in_force(other, now)
}

/// The registered limits of a client, without the times; empty for a client that never registered.
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

/// Step 8, member by member. `only` is the only authentication method that the client wants to be accepted.
fn resolve_with_evidence(
    governed: &GovernedIdentity<'_>,
    requested: &RequestedMetadata,
    only: Option<AuthMethod>,
    now: Timestamp,
) -> Result<Resolved, Rejection> {
    let (identity, rule) = (governed.identity, governed.found.rule);
    // [SPIFFE-AUTH §6] The keys of a SPIFFE client are only those of its trust domain's bundle.
    let names_jwks = requested.jwks.is_some() && !credential_client::is_unbound(identity);
    if names_jwks || requested.jwks_uri.is_some() {
        let member = if names_jwks { "jwks" } else { "jwks_uri" };
        return Err(MetadataReason::KeysOfAttestedClient { member }.into());
    }
    if !requested
        .spiffe_id
        .as_deref()
        .is_none_or(|id| is_named(identity, id))
    {
        return Err(MetadataReason::SpiffeIdMismatch.into());
    }
    credential_client::names_itself(identity, requested)?;
    let attested = attested::attested(identity)?;
    let jwks = credential_client::keys(identity, attested.jwks.as_ref().or(requested.jwks.as_ref()))?;
    let stated = attested.redirect_uris.clone().unwrap_or_default();
    let authoritative = authoritative(attested, &governed.found);
    let (says, asks) = (
        authoritative.labels.text("software_id"),
        requested.labels.text("software_id"),
    );
    if says.is_some() && asks.is_some() && says != asks {
        return Err(MetadataReason::SoftwareIdMismatch.into());
    }
    let mut grants = rule.grant_types.clone();
    if let Some(attested) = &authoritative.grant_types {
        grants.retain(|grant| attested.contains(grant));
    }
    let grant_types = narrowing::grant_types(grants, requested.grant_types.as_ref())?;
    let response_types = narrowing::response_types(&grant_types, requested)?;
    let ceiling = match attested::attested_scope(identity)? {
        Some(attested) => rule.scopes.intersection(&attested),
        None => rule.scopes.clone(),
    };
    let scope = narrowing::scope(ceiling, requested.scope.as_ref())?;
    let redirect_uris = redirect_uris(
        governed,
        requested,
        &grant_types,
        &stated,
        &authoritative.redirect_uris,
    )?;
    let is_by_possession = identity.has_proven_key();
    let authoritative = ClientMetadata {
        // Bearer evidence must not remove redirect URIs permanently: those that remain are in the registration, which
        // ends.
        redirect_uris: if is_by_possession {
            redirect_uris.clone()
        } else {
            authoritative.redirect_uris
        },
        spiffe_bundle_endpoint: requested.spiffe_bundle_endpoint.clone(),
        jwks,
        ..authoritative
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
        credential: only.map(|method| method.kind),
        is_combined: only.is_some_and(|method| method.is_combined),
        signing_algorithm: None,
        must_bind_tokens,
        dpop_bound_access_tokens: requested.dpop_bound_access_tokens,
        must_push: requested.require_pushed_authorization_requests,
        must_sign_requests: requested.require_signed_request_object,
    };
    let answer = Answer {
        redirect_uris,
        grant_types,
        response_types,
        scope,
        token_endpoint_auth_method: only.map_or(identity.kind.auth_method(), AuthMethod::name),
        only: only.map(|method| method.kind),
        // What the rule, the attester or the client demands is in force.
        must_bind_tokens: must_bind_tokens
            || authoritative.tls_client_certificate_bound_access_tokens
            || rule.sender_constraint == SenderConstraint::Mtls,
        dpop_bound_access_tokens: requested.dpop_bound_access_tokens
            || authoritative.dpop_bound_access_tokens
            || rule.sender_constraint == SenderConstraint::Dpop,
        must_push: registration.must_push || authoritative.require_pushed_authorization_requests,
        must_sign_requests: registration.must_sign_requests || authoritative.require_signed_request_object,
    };
    let metadata = labels::complete(authoritative, requested);
    Ok(Resolved(metadata, registration, answer))
}

/// [SPIFFE-AUTH §5.1] The requested `spiffe_id` must be the identity itself; a client that proved possession of a key
/// may also name a prefix of it, by whole segments. The `spiffe_id` of the client is always that of its rule, which the
/// answer contains.
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

/// The current registration of a client, for the answer of a request that changes nothing.
fn answer_to_stored(
    governed: &GovernedIdentity<'_>,
    client: &Client,
    now: Timestamp,
) -> Result<Answer, Rejection> {
    let jwks = client.metadata.jwks.clone();
    let unlimited = RequestedMetadata {
        jwks: jwks.filter(|_| credential_client::is_unbound(governed.identity)),
        ..RequestedMetadata::default()
    };
    let Some(stands) = client.registration_at(now) else {
        return resolve_with_evidence(governed, &unlimited, None, now).map(|Resolved(_, _, answer)| answer);
    };
    let requested = RequestedMetadata {
        scope: stands.scope.clone(),
        grant_types: stands.grant_types.clone(),
        tls_client_certificate_bound_access_tokens: stands.must_bind_tokens,
        dpop_bound_access_tokens: stands.dpop_bound_access_tokens,
        require_pushed_authorization_requests: stands.must_push,
        require_signed_request_object: stands.must_sign_requests,
        ..unlimited
    };
    let Resolved(_, _, answer) = resolve_with_evidence(governed, &requested, stands.auth_method(), now)?;
    let redirect_uris = match &stands.redirect_uris {
        Some(narrowed) => narrowed.clone(),
        None => client.metadata.redirect_uris.clone(),
    };
    Ok(Answer {
        redirect_uris,
        ..answer
    })
}

/// The redirect URIs of the rule or of the attester; a request may name fewer of them. A request with bearer evidence
/// must not add a redirect URI; a client that proved possession of a key may, on the rule's hosts.
fn redirect_uris(
    governed: &GovernedIdentity<'_>,
    requested: &RequestedMetadata,
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
