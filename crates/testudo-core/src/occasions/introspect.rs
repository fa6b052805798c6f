//! A resource server or a client asks whether a token is valid and what it contains. [RFC7662 §2]
//!
//! | token | who may ask | valid while |
//! |---|---|---|
//! | access token of a client | the client itself, and clients whose rule lists its audience in `introspects` | it has not expired, and its client is the same as at its issue, and may act |
//! | access token of a client that acts for a person | the same | also: the grant is not revoked and has not ended, and the person is not locked |
//! | refresh token | the client itself | it is the valid one of the grant; grant and person as above |
//!
//! Nothing of the token changes: to ask about a refresh token does not prolong it. [RT-EXPIRATION §7]

use super::caller::Caller;
use super::named_token::{NamedAccessToken, NamedToken};
use super::occasion::Occasion;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::{BEARER, DPOP, consent_of};
use crate::identity::CredentialKind;
use crate::people::{GrantId, PresentedSecret};
use crate::records::{Client, Conflict, Grant, Loaded, Needs, Person, Record, RefreshToken};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::oauth::access_token::{SUB_TYPE_CLIENT, SUB_TYPE_USER};
use testudo_protocol::oauth::introspection::{ActiveToken, IntrospectionAnswer};
use testudo_protocol::{Seconds, Timestamp};

/// A question of a client about a token.
#[derive(Debug, Clone, Copy)]
pub struct Introspection<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// The token.
    pub token: &'a NamedToken,
    /// The client to which an access token was issued, if it may act now.
    pub holder: Option<&'a Client>,
}

/// The answer, and the client id of the caller, for whom it is.
pub struct Introspected {
    /// The answer.
    pub answer: IntrospectionAnswer,
    /// The audience of a signed answer.
    pub caller: String,
}

impl Occasion for Introspection<'_> {
    type Outcome = Introspected;

    fn needs(&self) -> Needs<'_> {
        self.token.needs(self.caller.needs())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<Introspected>, Rejection> {
        // [RFC7662 §2.1] Otherwise an attacker could try out whether tokens are valid.
        if self.caller.governed.identity.kind == CredentialKind::Public {
            return Err(CredentialReason::NoCredential.into());
        }
        let client = self.caller.admit(loaded, at, trace)?;
        let active = match self.token {
            NamedToken::Access(token) => self.access_token(token, loaded, at.now),
            NamedToken::Refresh(presented) => {
                client.and_then(|client| self.refresh_token(presented, client, loaded, at.now))
            }
            NamedToken::Unknown => None,
        };
        let answer = active.map(|active| ActiveToken {
            iss: at.policy.issuer.as_str().to_owned(),
            ..active
        });
        // [RFC7662 §2.2] A caller that may not ask about this token gets the answer about an unknown one.
        let answer = answer.map_or(IntrospectionAnswer::Inactive, |active| {
            IntrospectionAnswer::Active(Box::new(active))
        });
        Ok(Decision {
            batch: self.caller.single_use(),
            memory: self.caller.use_of(client),
            ..Decision::of(Introspected {
                answer,
                caller: self.caller.id(client).to_owned(),
            })
        })
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        self.caller.conflict(on)
    }
}

impl Introspection<'_> {
    fn access_token(
        &self,
        token: &NamedAccessToken,
        loaded: &Loaded<'_>,
        now: Timestamp,
    ) -> Option<ActiveToken> {
        let holder = self.holder?;
        let claims = &token.claims;
        let is_own = holder.key() == self.caller.governed.client_key;
        let introspects = &self.caller.governed.found.rule.people.introspects;
        let audiences = claims.aud.values();
        let is_entitled = || {
            audiences
                .iter()
                .any(|aud| introspects.iter().any(|named| named.as_str() == aud))
        };
        if !is_own && !is_entitled() {
            return None;
        }
        if let Some(grant) = token.grant {
            let (grant, _) = grant_of(grant, holder, loaded)?;
            (!grant.has_ended(now)).then_some(())?;
        }
        // A token with a binding that this server does not write is not valid.
        let cnf = claims.confirmation().ok()?;
        let names_key = cnf.as_ref().is_some_and(|cnf| cnf.names_key());
        Some(ActiveToken {
            sub: claims.sub.clone(),
            sub_type: token.grant.map_or(SUB_TYPE_CLIENT, |_| SUB_TYPE_USER),
            client_id: claims.client_id.clone(),
            aud: audiences.to_vec(),
            scope: claims.scope.clone(),
            token_type: Some(if names_key { DPOP } else { BEARER }),
            exp: Some(claims.exp),
            iat: Some(claims.iat),
            jti: Some(claims.jti.clone()),
            cnf,
            spiffe_id: claims.spiffe_id.clone(),
            instance: claims.instance.clone(),
            auth_time: claims.auth_time,
            acr: claims.acr.clone(),
            grant_id: claims.grant_id.clone(),
            ..ActiveToken::default()
        })
    }

    fn refresh_token(
        &self,
        presented: &PresentedSecret,
        client: &Client,
        loaded: &Loaded<'_>,
        now: Timestamp,
    ) -> Option<ActiveToken> {
        let token = &loaded.find::<RefreshToken>(presented.digest.key())?.record;
        let (grant, person) = grant_of(presented.grant, client, loaded)?;
        let governed = self.caller.governed;
        let end = grant.ends(consent_of(presented, governed, loaded));
        let end = end.into_iter().chain(client.expires).min();
        let expires = end.map_or(token.expires, |end| end.min(token.expires));
        // An earlier token is not valid, although it may be sent again for a short time after it was used.
        let is_valid = grant.refresh.as_ref()?.current.digest == presented.digest;
        if !is_valid || now >= expires || !person.may_use(&governed.found.rule.people.groups) {
            return None;
        }
        let terms = &grant.terms;
        let scope = (!terms.scope.is_empty()).then(|| terms.scope.to_string());
        let left = |end: Timestamp| -> Seconds { end - now };
        Some(ActiveToken {
            sub: grant.id.person().sub(),
            sub_type: SUB_TYPE_USER,
            client_id: client.client_id.clone(),
            aud: terms
                .resources
                .iter()
                .map(|named| named.as_str().to_owned())
                .collect(),
            scope,
            exp: Some(expires),
            iat: Some(token.issued),
            auth_time: Some(terms.auth_time),
            acr: terms.acr.clone(),
            grant_id: Some(grant.id.to_string()),
            refresh_token_timeout: Some(left(expires)),
            authorization_expires_in: end.map(left),
            ..ActiveToken::default()
        })
    }
}

/// The grant and the person, if the grant is that of this client, and the person is active.
fn grant_of<'l>(grant: GrantId, client: &Client, loaded: &'l Loaded<'_>) -> Option<(&'l Grant, &'l Person)> {
    let grant = &loaded.find::<Grant>(grant.key())?.record;
    let person = &loaded.find::<Person>(grant.id.person_key())?.record;
    let is_of_client =
        grant.client.has_key(&client.key()) && grant.client.generation == Some(client.generation);
    (is_of_client && person.is_active()).then_some((grant, person))
}

#[cfg(test)]
mod tests;
