//! The client sends a refresh token and gets a new one with the access token. [RFC6749 §6] [RFC9700 §4.14.2]
//!
//! One refresh token of a grant is valid at a time. If an earlier one is sent, it or its successor was stolen, and the
//! grant ends. There is one exception, because an answer can be lost: for a short time, and until the successor is used,
//! the token before it may be sent again by a client that proves its identity or a key. It gets another successor, and
//! the first one then counts as an earlier token.

use super::grant::{Allowed, Grant, Refusal};
use super::person::{
    binding_of_refresh, claims_of, conflict_of_person, consent_of, end_grant, is_proven, members_of,
    needs_of, new_refresh_token, person_may_grant, resource_of, scope_of, with_consent,
};
use super::requester::Requester;
use super::scope_and_resource::ScopeAndResource;
use crate::decision::{Moment, Resolution};
use crate::identity::CredentialKind;
use crate::people::{PresentedSecret, SecretDigest};
use crate::records::{
    self, Batch, BoundTo, Conflict, EventKind, GrantTerms, IssuedRefreshToken, Kind, Loaded, Needs,
    RefreshToken, Rotation,
};
use crate::rejection::{GrantReason, Presented, Rejection};
use testudo_protocol::oauth::{Form, GRANT_REFRESH_TOKEN};
use testudo_protocol::{Seconds, Timestamp};

/// How many earlier tokens of a grant are kept, so that their use is detected. The records of older ones are deleted: a
/// client that refreshes without end must not fill the store.
pub const EARLIER_TOKENS_MAX: usize = 8;

/// The record of an earlier token that ends sooner than this is left to the store, which deletes it at its end.
const DELETED_BY_STORE_WITHIN: Seconds = Seconds(3_600);

/// A refresh_token request.
#[derive(Debug, Clone)]
pub struct RefreshGrant {
    /// The refresh token. `None`: the text cannot be one.
    token: Option<PresentedSecret>,
    asked: ScopeAndResource,
}

impl Grant for RefreshGrant {
    const NAME: &'static str = GRANT_REFRESH_TOKEN;

    fn parse(form: &Form) -> Result<RefreshGrant, Rejection> {
        let missing = GrantReason::GrantMissing(Presented::RefreshToken);
        Ok(RefreshGrant {
            token: PresentedSecret::parse(form.get("refresh_token").ok_or(missing)?),
            asked: ScopeAndResource::parse(form)?,
        })
    }

    fn recorded(_asked: ScopeAndResource) -> Option<RefreshGrant> {
        None
    }

    fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        let needs = needs_of::<RefreshToken>(self.token.as_ref(), needs);
        with_consent(self.token.as_ref(), needs)
    }

    fn decide(
        &self,
        requester: &Requester<'_>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Allowed, Refusal> {
        let what = Presented::RefreshToken;
        let unknown = GrantReason::GrantUnknown(what);
        let presented = self.token.as_ref().ok_or(unknown.clone())?;
        let token = loaded
            .find::<RefreshToken>(presented.digest.key())
            .ok_or(unknown)?;
        let grant = loaded.find::<records::Grant>(presented.grant.key());
        let grant = grant.ok_or(GrantReason::GrantRevoked)?;
        let rotation = grant.record.refresh.as_ref().ok_or(GrantReason::GrantRevoked)?;
        belongs(&grant.record, requester)?;
        let is_proven = is_proven(&grant.record.bound_to, requester);
        // An attacker who used a stolen token that was not bound could bind the grant to a key of its own. The token that the
        // client then sends shows the theft, and must not be refused for the key alone.
        let is_older = rotation
            .bound_since
            .is_some_and(|since| token.record.issued < since);
        if !is_proven && !is_older {
            return Err(GrantReason::KeyNotProven(what).into());
        }
        if at.now >= token.record.expires {
            return Err(GrantReason::GrantExpired(what).into());
        }
        let ends = grant
            .record
            .ends(consent_of(presented, requester.governed, loaded));
        if ends.is_some_and(|ends| at.now >= ends) {
            return Err(GrantReason::AuthorizationEnded.into());
        }
        let use_of = use_of(presented.digest, rotation, &grant.record, requester, at.now);
        let Some(use_of) = use_of.filter(|_| is_proven) else {
            let reason = GrantReason::RefreshTokenUsed;
            let batch = end_grant(grant, EventKind::GrantReused, &reason, requester, at);
            return Err(Refusal {
                rejection: reason.into(),
                batch,
            });
        };
        person_may_grant(presented.grant, requester, loaded)?;
        let terms = GrantTerms {
            ends,
            ..grant.record.terms.clone()
        };
        let scope = scope_of(&terms.scope, &self.asked, requester)?;
        let resource = resource_of(&terms, &self.asked, requester, at)?;
        let idle = requester.governed.found.rule.people.refresh_token_idle_lifetime;
        let mut batch = Batch::default();
        let (text, current) = new_refresh_token(presented.grant, idle, at, &mut batch);
        let token_ends = at.now + requester.token_lifetime(at.policy.tokens.access_token_lifetime, at.now);
        let live_until = grant.record.live_until.max(current.expires).max(token_ends);
        let bound_to = bound_from_now(&grant.record.bound_to, requester);
        let mut refresh = rotated(rotation, current, use_of, at.now, &mut batch);
        if bound_to != grant.record.bound_to {
            refresh.bound_since = Some(at.now);
        }
        let next = records::Grant {
            refresh: Some(refresh),
            bound_to,
            live_until,
            terms: terms.clone(),
            ..grant.record.clone()
        };
        batch.replace(&next, grant.version);
        Ok(Allowed {
            scope,
            resource,
            members: members_of(text, idle, requester.authorization_ends(terms.ends), at.now),
            person: Some(claims_of(presented.grant, &terms, requester)),
            batch,
        })
    }

    fn conflict(&self, on: &Conflict) -> Option<Resolution> {
        conflict_of_person(on)
    }

    fn asked(&self) -> &ScopeAndResource {
        &self.asked
    }
}

/// Checks that the grant is of this client, and of the same life of it. A refusal here does not end the grant: otherwise any
/// client that saw a token could end the access of another.
fn belongs(grant: &records::Grant, requester: &Requester<'_>) -> Result<(), Rejection> {
    let what = Presented::RefreshToken;
    // [RFC6749 §6]
    if !grant.client.has_key(&requester.governed.client_key) {
        return Err(GrantReason::OfOtherClient(what).into());
    }
    if grant.client.generation != Some(requester.generation) {
        return Err(GrantReason::OfEarlierClient(what).into());
    }
    Ok(())
}

/// What the next refresh token is bound to: what the grant is bound to, and the key or the certificate that this request
/// proves, if the grant is not bound to one yet. [RFC9449 §5] [RFC8705 §7.1] Otherwise the refresh tokens of a public client
/// stayed without binding for as long as the grant lasts, although a binding is demanded since.
fn bound_from_now(bound: &BoundTo, requester: &Requester<'_>) -> BoundTo {
    let shown = binding_of_refresh(requester);
    BoundTo {
        dpop_key: bound.dpop_key.or(shown.dpop_key),
        certificate: bound.certificate.or(shown.certificate),
        instance_key: bound.instance_key,
    }
}

/// How a refresh token is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is the valid one.
    First,
    /// It is the one before it, and the answer to its first use may have been lost.
    Again,
}

/// `None`: it is an earlier token, which must not be used any more.
fn use_of(
    digest: SecretDigest,
    rotation: &Rotation,
    grant: &records::Grant,
    requester: &Requester<'_>,
    now: Timestamp,
) -> Option<Use> {
    if digest == rotation.current.digest {
        return Some(Use::First);
    }
    let (replaced, when) = rotation.replaced?;
    let grace = requester.governed.found.rule.people.refresh_token_grace;
    // An attacker who has a token of a client that proves nothing could otherwise use it beside the client.
    let is_proven = requester.governed.identity.kind != CredentialKind::Public || grant.bound_to.binds();
    (digest == replaced && now < when + grace && is_proven).then_some(Use::Again)
}

/// The refresh tokens of the grant after this use. The oldest one is deleted if there are too many.
fn rotated(
    before: &Rotation,
    current: IssuedRefreshToken,
    use_of: Use,
    now: Timestamp,
    batch: &mut Batch,
) -> Rotation {
    let mut earlier = before.earlier.clone();
    earlier.push(before.current);
    while earlier.len() > EARLIER_TOKENS_MAX {
        let oldest = earlier.remove(0);
        if oldest.expires > now + DELETED_BY_STORE_WITHIN {
            // The record of a refresh token is never replaced, so its version is 1.
            batch.remove(Kind::RefreshToken, oldest.digest.key().to_vec(), 1);
        }
    }
    Rotation {
        current,
        replaced: match use_of {
            Use::First => Some((before.current.digest, now)),
            Use::Again => before.replaced,
        },
        earlier,
        number: before.number.saturating_add(1),
        bound_since: before.bound_since,
    }
}
