//! The client that requests a token: its rule, the claims of its attester, and its registration.

use crate::admission::governed::GovernedIdentity;
use crate::identity::{CredentialKind, SCOPE_REGISTER};
use crate::metadata::attested;
use crate::metadata::resolve::metadata_at_first_use;
use crate::policy::Policy;
use crate::possession::Possession;
use crate::records::Registration;
use crate::rejection::{AdmissionReason, Rejection};
use serde_json::{Map, Value};
use testudo_protocol::oauth::{GRANT_CLIENT_CREDENTIALS, ScopeSet};
use testudo_protocol::{Seconds, Timestamp};

/// The client that requests a token.
#[derive(Debug, Clone, Copy)]
pub struct Requester<'a> {
    /// Its identity, with the rule that governs it.
    pub governed: &'a GovernedIdentity<'a>,
    /// Its `client_id`.
    pub client_id: &'a str,
    /// The limits that it registered, if it did.
    pub registration: Option<&'a Registration>,
    /// The end of the verifiable credential with which it or its sponsor registered, if one did.
    pub credential_ends: Option<Timestamp>,
    /// The end of the client itself, if its lifetime is limited: what people granted to it ends then as well.
    pub client_ends: Option<Timestamp>,
    /// The generation of its record, or the one that the record will have.
    pub generation: u32,
    /// The keys that the request proved.
    pub possession: &'a Possession,
}

impl Requester<'_> {
    /// Checks that the grant is allowed by the rule, and by the attester and the registration if they list grants.
    pub fn may_use(&self, grant: &str) -> Result<(), Rejection> {
        let is_attested = attested::attester_allows_grant(self.governed.identity, grant)?;
        let registered = self.registration.and_then(|stands| stands.grant_types.as_ref());
        let allows = |types: &Vec<String>| types.iter().any(|name| name == grant);
        let is_allowed =
            allows(&self.governed.found.rule.grant_types) && is_attested && registered.is_none_or(allows);
        // [RFC6749 §4.4] Nothing would prove whose token it is.
        let is_unproven =
            grant == GRANT_CLIENT_CREDENTIALS && self.governed.identity.kind == CredentialKind::Public;
        if is_allowed && !is_unproven {
            return Ok(());
        }
        Err(AdmissionReason::GrantNotAllowed {
            rule: self.rule_name(),
        }
        .into())
    }

    /// The scope values that it may have today: those of its rule that neither the attester nor the registration excludes.
    pub fn scope_ceiling(&self) -> Result<ScopeSet, Rejection> {
        self.lowered(&self.governed.found.rule.scopes)
    }

    /// What the attester and the registration leave of this scope.
    pub(super) fn lowered(&self, scope: &ScopeSet) -> Result<ScopeSet, Rejection> {
        let attested = attested::attested_scope(self.governed.identity)?;
        let registered = self.registration.and_then(|stands| stands.scope.as_ref());
        let limits = [attested.as_ref(), registered].into_iter().flatten();
        Ok(limits.fold(scope.clone(), |scope, limit| scope.intersection(limit)))
    }

    /// What a token with this scope states of the limits that the authority attests now, if the client may register others
    /// with it. The record of a client that registered by first use has the limits of that moment.
    pub(super) fn registration_limits(
        &self,
        scope: &ScopeSet,
        policy: &Policy,
    ) -> Result<Option<Box<Map<String, Value>>>, Rejection> {
        if !scope.iter().any(|value| value.as_str() == SCOPE_REGISTER) {
            return Ok(None);
        }
        let identity = self.governed.identity;
        let attested = metadata_at_first_use(identity, &self.governed.found)?;
        let entry = policy.authority(&identity.authority);
        let listed = entry.map(|entry| &*entry.attested_metadata).unwrap_or_default();
        Ok(Some(Box::new(attested.attested_limits().claim(listed))))
    }

    /// Lifetime of its access tokens: `configured`, or less if its rule has a shorter one, or if the verifiable credential
    /// with which it registered ends earlier.
    pub fn token_lifetime(&self, configured: Seconds, now: Timestamp) -> Seconds {
        let by_rule = self.governed.found.rule.access_token_lifetime;
        let by_credential = self.credential_ends.map(|end| end - now);
        let limits = by_rule.into_iter().chain(by_credential);
        limits.fold(configured, Seconds::min)
    }

    /// When an authorization that a person granted until `ends` ends for this client: no later than the client.
    pub(super) fn authorization_ends(&self, ends: Option<Timestamp>) -> Option<Timestamp> {
        ends.into_iter().chain(self.client_ends).min()
    }

    /// Name of its rule, for a refusal.
    pub fn rule_name(&self) -> String {
        self.governed.found.rule.name.clone()
    }
}
