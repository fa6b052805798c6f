//! A pushed authorization request: the client sends the parameters itself, and gets a name for them that a browser brings to
//! the authorization endpoint. [RFC9126 §2] The client is admitted as at the token endpoint, so an identity becomes a
//! client here too. The checks and their order are in the table of `occasions/mod.rs`; step 9 is this file.

use super::admitted::{Admission, Admitted, Given};
use super::authorize::must_be_signed;
use super::caller::Caller;
use super::occasion::Occasion;
use crate::admission::governing::governing_match;
use crate::admission::known::StoredClient;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::{Requester, ScopeAndResource, binding_of_refresh, resources_of_rule};
use crate::identity::Authority;
use crate::metadata::redirect_uris::{derived, is_allowed, is_on_a_host};
use crate::people::SecretDigest;
use crate::policy::Policy;
use crate::records::{
    Batch, BoundTo, Client, ClientMetadata, Conflict, Event, GrantedClient, Loaded, Needs, PushedRequest,
    RequestRef,
};
use crate::rejection::{AuthorizationReason, Rejection};
use crate::rules::Match;
use crate::trace::Trace;
use std::fmt;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::authorization::{AuthorizationRequest, KeyThumbprint, PushedRequestUri};
use testudo_protocol::oauth::redirect_uri::is_same;
use testudo_protocol::oauth::{GRANT_AUTHORIZATION_CODE, RedirectUri};

/// How long the browser may take to arrive at the authorization endpoint. [RFC9126 §2.2]
pub const REQUEST_URI_LIFETIME: Seconds = Seconds(90);

/// A pushed request of a proven identity whose rule is known.
#[derive(Debug, Clone, Copy)]
pub struct PushRequest<'a> {
    /// The client.
    pub caller: Caller<'a>,
    /// The parameters.
    pub asked: &'a AuthorizationRequest,
    /// True if a key of the client signed them.
    pub is_signed: bool,
    /// For events.
    pub request: RequestRef<'a>,
}

/// The outcome.
#[derive(Debug)]
pub enum PushOutcome {
    /// The request has a name now.
    Pushed(Pushed),
    /// The request is refused. Where first use is only observed, the event records what would have happened.
    Refused(Rejection, Option<Box<Event>>),
}

/// The name of a pushed request.
pub struct Pushed {
    /// `request_uri`.
    pub request_uri: PushedRequestUri,
    /// How long a browser may take to arrive with it.
    pub lifetime: Seconds,
    /// True where the client is new.
    pub is_new: bool,
}

impl fmt::Debug for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushed")
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

impl Occasion for PushRequest<'_> {
    type Outcome = PushOutcome;

    fn needs(&self) -> Needs<'_> {
        StoredClient::needs(self.caller.governed).from_memory()
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<PushOutcome>, Rejection> {
        let admission = Admission {
            caller: self.caller,
            request: self.request,
            loaded,
            at,
        };
        let request_uri = PushedRequestUri::of_random(at.entropy.secret());
        let digest = SecretDigest::of_bytes(request_uri.digest());
        let decided = admission.admit(trace, |requester, metadata| {
            Ok(self
                .record(requester, metadata, digest, at)
                .map(Given::of_record)?)
        })?;
        Ok(decided.map(|outcome| match outcome {
            Admitted::Given { is_new, .. } => PushOutcome::Pushed(Pushed {
                request_uri,
                lifetime: REQUEST_URI_LIFETIME,
                is_new,
            }),
            Admitted::Refused(rejection, would) => PushOutcome::Refused(rejection, would),
        }))
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        self.caller.conflict(on)
    }
}

impl PushRequest<'_> {
    /// Step 9: the request is one that the authorization endpoint will serve.
    fn record(
        &self,
        requester: Requester<'_>,
        metadata: &ClientMetadata,
        digest: SecretDigest,
        at: &Moment<'_>,
    ) -> Result<PushedRequest, Rejection> {
        let (governed, asked) = (requester.governed, self.asked);
        requester.may_use(GRANT_AUTHORIZATION_CODE)?;
        must_be_signed(Some(metadata), requester.registration, self.is_signed)?;
        let redirect_uri = redirect_uri(
            asked.redirect_uri.as_deref(),
            &governed.found,
            metadata,
            &requester,
        )?;
        let wanted = ScopeAndResource {
            scope: asked.scope.clone(),
            resource: None,
        };
        let scope = wanted.scope(&requester)?;
        let resources = resources_of_rule(&asked.resources, governed.found.rule, at.policy)?;
        Ok(PushedRequest {
            digest,
            client: GrantedClient {
                authority: governed.identity.authority.key().to_owned(),
                subject: governed.name.subject.to_string(),
                client_id: requester.client_id.to_owned(),
                generation: Some(requester.generation),
            },
            request: AuthorizationRequest {
                scope: (!scope.is_empty()).then_some(scope),
                resources,
                ..asked.clone()
            },
            redirect_uri,
            bound_to: bound_to(asked, &requester)?,
            expires: at.now + REQUEST_URI_LIFETIME,
        })
    }
}

/// The redirect URI of the request: one that the rule derives or the client registered. [RFC9126 §2.4] The client is
/// authenticated, so one on a host of the rule is enough.
fn redirect_uri(
    requested: Option<&str>,
    found: &Match<'_>,
    metadata: &ClientMetadata,
    requester: &Requester<'_>,
) -> Result<RedirectUri, Rejection> {
    // A client without evidence has the rule of its sponsor, and is not the sponsor.
    let is_of_rule = requester.governed.identity.authority.kind().has_own_rule();
    let of_rule = if is_of_rule { derived(found) } else { Vec::new() };
    let on_a_host = requested.filter(|uri| is_of_rule && is_on_a_host(uri, found));
    let registered = metadata.redirect_uris.iter().filter(|uri| !of_rule.contains(uri));
    let all = of_rule
        .iter()
        .chain(registered)
        .map(String::as_str)
        .chain(on_a_host);
    let found = RedirectUri::find(requested, all);
    found.map_err(|mismatch| AuthorizationReason::RedirectRefused(mismatch).into())
}

/// True if the client may push this redirect URI today, whatever its credential states. What an attester states of a client
/// is in no rule.
pub fn has_redirect_uri(client: &Client, uri: &RedirectUri, policy: &Policy) -> bool {
    let has_own_rule = Authority::of_key(&client.authority).is_some_and(|known| known.kind().has_own_rule());
    let of_rule = governing_match(client, policy).filter(|_| has_own_rule);
    match of_rule {
        Some(found) => is_allowed(uri.as_str(), &found),
        None => {
            let mut registered = client.metadata.redirect_uris.iter();
            !has_own_rule && registered.any(|known| is_same(known, uri.as_str()))
        }
    }
}

/// What the code will be bound to: the key of the DPoP proof, or the one that the request names, which must be the same if
/// both are there [RFC9449 §10.1]; and what the client proved in place of a credential.
fn bound_to(asked: &AuthorizationRequest, requester: &Requester<'_>) -> Result<BoundTo, Rejection> {
    let proven = requester.possession.dpop_key.map(KeyThumbprint);
    match (proven, asked.dpop_jkt) {
        (Some(proven), Some(named)) if proven != named => Err(AuthorizationReason::DpopKeyDiffers.into()),
        (proven, named) => Ok(BoundTo {
            dpop_key: proven.or(named),
            ..binding_of_refresh(requester)
        }),
    }
}

impl Given<PushedRequest> {
    fn of_record(record: PushedRequest) -> Given<PushedRequest> {
        let mut batch = Batch::default();
        batch.insert(&record);
        let scope = record.request.scope.as_ref().map(ToString::to_string);
        let resource = record.request.resources.first();
        Given {
            scope: scope.unwrap_or_default(),
            resource: resource
                .map(|resource| resource.as_str().to_owned())
                .unwrap_or_default(),
            value: record,
            batch,
        }
    }
}

impl fmt::Display for PushedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = self.request.scope.as_ref().map(ToString::to_string);
        write!(
            f,
            "scope `{}`, response to {}",
            scope.unwrap_or_default(),
            self.redirect_uri.as_str()
        )
    }
}

#[cfg(test)]
mod tests;
