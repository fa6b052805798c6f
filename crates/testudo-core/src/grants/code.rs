//! The client redeems a code. [RFC6749 §4.1.3] [OAUTH-2.1 §4.1.3]
//!
//! A code is redeemed once. If its redemption is refused, the code is deleted, so that an attacker cannot try verifiers or
//! identities. A second redemption that is right in all else means that the client or an attacker redeemed it before: what
//! was issued for it is revoked. A second redemption that is wrong revokes nothing, or an attacker who saw the code could
//! end the access of the client. [OAUTH-2.1 §7.5.2]

use super::grant::{Allowed, Grant, Refusal};
use super::granted::Members;
use super::person::{
    binding_of_refresh, claims_of, conflict_of_person, end_grant, is_proven, members_of, needs_of,
    new_refresh_token, person_may_grant, resource_of, scope_of,
};
use super::requester::Requester;
use super::scope_and_resource::ScopeAndResource;
use crate::decision::{Moment, Resolution};
use crate::people::PresentedSecret;
use crate::records::{
    self, AuthorizationCode, Batch, Conflict, EventKind, Loaded, Needs, Rotation, Versioned,
};
use crate::rejection::{GrantReason, Presented, Rejection};
use testudo_protocol::oauth::pkce::{CodeChallenge, CodeVerifier};
use testudo_protocol::oauth::{Form, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN};

/// An authorization_code request.
#[derive(Debug, Clone)]
pub struct CodeGrant {
    /// The code. `None`: the text cannot be one.
    code: Option<PresentedSecret>,
    /// The challenge of `code_verifier`.
    challenge: Option<CodeChallenge>,
    redirect_uri: Option<String>,
    asked: ScopeAndResource,
}

impl Grant for CodeGrant {
    const NAME: &'static str = GRANT_AUTHORIZATION_CODE;

    fn parse(form: &Form) -> Result<CodeGrant, Rejection> {
        let code = form
            .get("code")
            .ok_or(GrantReason::GrantMissing(Presented::Code))?;
        let verifier = form.get("code_verifier").map(CodeVerifier::parse).transpose();
        let verifier = verifier.map_err(GrantReason::VerifierMalformed)?;
        Ok(CodeGrant {
            code: PresentedSecret::parse(code),
            challenge: verifier.map(|verifier| verifier.challenge()),
            redirect_uri: form.get("redirect_uri").map(str::to_owned),
            asked: ScopeAndResource::parse(form)?,
        })
    }

    fn recorded(_asked: ScopeAndResource) -> Option<CodeGrant> {
        None
    }

    fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        needs_of::<AuthorizationCode>(self.code.as_ref(), needs)
    }

    fn decide(
        &self,
        requester: &Requester<'_>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Allowed, Refusal> {
        let code = self
            .found(loaded)
            .ok_or(GrantReason::GrantUnknown(Presented::Code))?;
        self.agrees(&code.record, requester, at)?;
        if code.record.is_redeemed {
            let reason = GrantReason::CodeUsed;
            let grant = loaded.find::<records::Grant>(code.record.name.grant.key());
            let ended = grant.map(|grant| end_grant(grant, EventKind::GrantRevoked, &reason, requester, at));
            return Err(Refusal {
                rejection: reason.into(),
                batch: ended.unwrap_or_default(),
            });
        }
        let (grant, terms) = (code.record.name.grant, &code.record.terms);
        person_may_grant(grant, requester, loaded)?;
        let scope = scope_of(&terms.scope, &self.asked, requester)?;
        let resource = resource_of(terms, &self.asked, requester, at)?;
        let mut batch = Batch::default();
        let redeemed = AuthorizationCode {
            is_redeemed: true,
            ..code.record.clone()
        };
        batch.replace(&redeemed, code.version);
        let (members, refresh) = self.refresh(&code.record, requester, at, &mut batch);
        let token_ends = at.now + requester.token_lifetime(at.policy.tokens.access_token_lifetime, at.now);
        let mut client = code.record.client.clone();
        client.generation = Some(requester.generation);
        batch.insert(&records::Grant {
            id: grant,
            client,
            terms: terms.clone(),
            created: at.now,
            bound_to: binding_of_refresh(requester),
            live_until: refresh
                .as_ref()
                .map_or(token_ends, |refresh| refresh.current.expires.max(token_ends)),
            refresh,
        });
        Ok(Allowed {
            scope,
            resource,
            members,
            person: Some(claims_of(grant, terms, requester)),
            batch,
        })
    }

    fn given_up(&self, loaded: &Loaded<'_>) -> Batch {
        let code = self.code.as_ref();
        code.map_or_else(Batch::default, |code| burnt(code, loaded))
    }

    fn conflict(&self, on: &Conflict) -> Option<Resolution> {
        conflict_of_person(on)
    }

    fn asked(&self) -> &ScopeAndResource {
        &self.asked
    }
}

/// The end of a code whose redemption is refused, so that it cannot be tried again. The record of a code that was redeemed
/// is kept, because a second redemption is detected by it.
pub(crate) fn burnt(code: &PresentedSecret, loaded: &Loaded<'_>) -> Batch {
    let mut batch = Batch::default();
    let found = loaded.find::<AuthorizationCode>(code.digest.key());
    if let Some(code) = found.filter(|code| !code.record.is_redeemed) {
        batch.delete(&code.record, code.version);
    }
    batch
}

impl CodeGrant {
    /// The code, if the text can be one.
    pub(super) fn code(&self) -> Option<PresentedSecret> {
        self.code
    }

    fn found<'l>(&self, loaded: &'l Loaded<'_>) -> Option<&'l Versioned<AuthorizationCode>> {
        loaded.find(self.code.as_ref()?.digest.key())
    }

    /// Everything that must agree with the authorization request, of a code that was redeemed as well.
    fn agrees(
        &self,
        code: &AuthorizationCode,
        requester: &Requester<'_>,
        at: &Moment<'_>,
    ) -> Result<(), Rejection> {
        let what = Presented::Code;
        // [RFC6749 §5.2]
        if !code.client.has_key(&requester.governed.client_key) {
            return Err(GrantReason::OfOtherClient(what).into());
        }
        let generation = code.client.generation;
        if generation.is_some_and(|generation| generation != requester.generation) {
            return Err(GrantReason::OfEarlierClient(what).into());
        }
        if at.now >= code.expires {
            return Err(GrantReason::GrantExpired(what).into());
        }
        // [RFC9449 §10] [ABCA §10.4]
        if !is_proven(&code.bound_to, requester) {
            return Err(GrantReason::KeyNotProven(what).into());
        }
        // [RFC7636 §4.6]
        match self.challenge {
            Some(challenge) if challenge == code.code_challenge => {}
            Some(_) => return Err(GrantReason::VerifierWrong.into()),
            None => return Err(GrantReason::VerifierMissing.into()),
        }
        // [OAUTH-2.1 §10.2] Clients of OAuth 2.0 send it, and it must be the same then.
        let sent = self.redirect_uri.as_deref();
        if sent.is_some_and(|sent| sent != code.redirect_uri.as_str()) {
            return Err(GrantReason::RedirectUriDiffers.into());
        }
        if code.terms.ends.is_some_and(|ends| at.now >= ends) {
            return Err(GrantReason::AuthorizationEnded.into());
        }
        Ok(())
    }

    /// The first refresh token, if the client may refresh.
    fn refresh(
        &self,
        code: &AuthorizationCode,
        requester: &Requester<'_>,
        at: &Moment<'_>,
        batch: &mut Batch,
    ) -> (Members, Option<Rotation>) {
        if requester.may_use(GRANT_REFRESH_TOKEN).is_err() {
            return (Members::default(), None);
        }
        let idle = requester.governed.found.rule.people.refresh_token_idle_lifetime;
        let (text, current) = new_refresh_token(code.name.grant, idle, at, batch);
        let rotation = Rotation {
            current,
            replaced: None,
            earlier: Vec::new(),
            number: 1,
            bound_since: None,
        };
        let ends = requester.authorization_ends(code.terms.ends);
        (members_of(text, idle, ends, at.now), Some(rotation))
    }
}
