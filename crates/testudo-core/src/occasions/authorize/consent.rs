//! Step 14: whether the person consents, and what is written then.

use super::demands::SignedIn;
use super::shown::ConsentContent;
use super::terms::Terms;
use super::{Checking, ConsentAsked, Next, Sent, Stopped};
use crate::admission::lifecycle::event_retention;
use crate::admission::sweep::is_consent_live;
use crate::identity::{AuthorityKind, CredentialKind};
use crate::people::{GrantId, PresentedSecret, SecretDigest, SessionName};
use crate::records::{
    AuthorizationCode, Batch, Client, Consent, Event, EventKind, GrantTerms, Loaded, PushedRequest, Versioned,
};
use crate::rejection::{AuthorizationReason, Rejection};
use crate::rules::ConsentForm;
use serde::{Deserialize, Serialize};
use testudo_protocol::oauth::authorization::AuthorizationRequest;

/// What the answer to a consent page repeats. It is sealed, so that a person answers only what was shown to this person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Digest of what the page showed.
    pub digest: SecretDigest,
    /// The session to which it was shown.
    pub session: SessionName,
}

/// The answer of the person on the consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentAnswer {
    /// The page was not shown yet.
    None,
    /// The person agreed.
    Accept(Shown),
    /// The person refused.
    Deny(Shown),
}

/// A person, and what the person would grant.
pub(super) struct Asking<'c> {
    pub(super) content: ConsentContent,
    pub(super) terms: Terms,
    pub(super) request: &'c AuthorizationRequest,
    pub(super) person: SignedIn<'c>,
    pub(super) checking: &'c Checking<'c, 'c>,
    pub(super) sent: &'c Sent<'c>,
}

impl Asking<'_> {
    pub(super) fn next(&self, loaded: &Loaded<'_>) -> Result<(Next, Batch), Stopped> {
        let digest = self.content.digest();
        let mut batch = self.session_used();
        let session = self.person.session.record.name;
        let next = match self.checking.visit.answer {
            ConsentAnswer::Accept(shown) | ConsentAnswer::Deny(shown) if shown.session != session => {
                return Err(Stopped::OnPage(AuthorizationReason::SessionDiffers.into()));
            }
            ConsentAnswer::Accept(shown) if shown.digest != digest => {
                return Err(Stopped::OnPage(AuthorizationReason::ConsentDiffers.into()));
            }
            ConsentAnswer::Accept(_) => {
                let grant = self.grant_id();
                batch.insert_event(self.event(EventKind::ConsentGiven, Some(grant)));
                self.remember(digest, loaded, &mut batch);
                Next::Code(self.code(grant, Some(digest), &mut batch))
            }
            ConsentAnswer::Deny(_) => {
                use_up(self.sent, &mut batch);
                batch.insert_event(self.event(EventKind::ConsentDenied, None));
                Next::Refuse(AuthorizationReason::ConsentRefused.into())
            }
            ConsentAnswer::None => match self.earlier(digest, loaded) {
                Earlier::NotNeeded => Next::Code(self.code(self.grant_id(), None, &mut batch)),
                Earlier::Given => Next::Code(self.code(self.grant_id(), Some(digest), &mut batch)),
                Earlier::Missing if self.request.prompt.none => {
                    Next::Refuse(Rejection::from(AuthorizationReason::ConsentNeeded))
                }
                Earlier::Missing => Next::Ask(Box::new(ConsentAsked {
                    content: self.content.clone(),
                    shown: Shown { digest, session },
                    person: self.person.person.shown_name(),
                })),
            },
        };
        Ok((next, batch))
    }

    /// Whether the person need not be asked now.
    fn earlier(&self, digest: SecretDigest, loaded: &Loaded<'_>) -> Earlier {
        // [RFC8252 §8.6] Any application of the device can receive the code of a client that proves nothing.
        let can_be_another = self.is_of_public_client() && self.checking.redirect_uri.is_on_the_device();
        if can_be_another || self.request.prompt.consent {
            return Earlier::Missing;
        }
        // Any caller can register a client without evidence.
        let of_administrator = self.checking.visit.client.authority.kind().has_own_rule();
        if of_administrator && self.checking.found.rule.people.consent == ConsentForm::Trusted {
            return Earlier::NotNeeded;
        }
        let is_alive = |consent: &&Versioned<Consent>| is_consent_live(&consent.record, self.checking.at.now);
        match self.given(loaded).filter(is_alive) {
            Some(given) if given.record.shown == digest => Earlier::Given,
            Some(_) | None => Earlier::Missing,
        }
    }

    /// True for a client that has no credential: another program can send its requests. The configuration decides about
    /// its own clients, which need not have a record yet; the records of others have what they used and registered.
    fn is_of_public_client(&self) -> bool {
        let (client, policy) = (&self.checking.visit.client, self.checking.at.policy);
        let is_configured = client.authority.kind() == AuthorityKind::Configuration;
        match policy.clients.get(&*client.subject).filter(|_| is_configured) {
            Some(entry) => entry.method.kind() == CredentialKind::Public,
            None => self.checking.record.is_some_and(used_none),
        }
    }

    fn given<'l>(&self, loaded: &'l Loaded<'_>) -> Option<&'l Versioned<Consent>> {
        loaded.find(&Consent::key_of(
            self.person.person.id,
            &self.checking.visit.client.key,
        ))
    }

    fn remember(&self, shown: SecretDigest, loaded: &Loaded<'_>, batch: &mut Batch) {
        let now = self.checking.at.now;
        let consent = Consent {
            person: self.person.person.id,
            client: self.checking.visit.client.granted(self.checking.record),
            scope: self.terms.scope.clone(),
            shown,
            given: now,
            until: self.terms.lasts.map(|lasts| now + lasts),
        };
        match self.given(loaded) {
            Some(earlier) => batch.replace(&consent, earlier.version),
            None => batch.insert(&consent),
        }
    }

    fn grant_id(&self) -> GrantId {
        GrantId::new(self.person.person.id, self.checking.at.entropy.id())
    }

    /// The code, whose record is in the batch with the use of the pushed request: neither exists without the other.
    fn code(&self, grant: GrantId, consent: Option<SecretDigest>, batch: &mut Batch) -> String {
        let (at, session) = (self.checking.at, &self.person.session.record);
        let (text, name) = PresentedSecret::make(grant, at.entropy.secret());
        use_up(self.sent, batch);
        batch.insert(&AuthorizationCode {
            name,
            client: self.checking.visit.client.granted(self.checking.record),
            rule: self.checking.found.rule.name.clone(),
            redirect_uri: self.checking.redirect_uri.clone(),
            code_challenge: self.request.code_challenge,
            bound_to: self.sent.bound_to(),
            terms: GrantTerms {
                scope: self.terms.scope.clone(),
                resources: self.terms.resources.clone(),
                ends: self.terms.lasts.map(|lasts| at.now + lasts),
                auth_time: session.authenticated,
                acr: session.acr.clone(),
                consent,
            },
            expires: at.now + self.checking.found.rule.people.code_lifetime,
            is_redeemed: false,
        });
        text
    }

    fn session_used(&self) -> Batch {
        let mut batch = Batch::default();
        if let Some(used) = self.person.session.record.used(self.checking.at.now) {
            batch.replace(&used, self.person.session.version);
        }
        batch
    }

    fn event(&self, kind: EventKind, grant: Option<GrantId>) -> Event {
        let (at, visit, record) = (self.checking.at, self.checking.visit, self.checking.record);
        let authority = visit.client.authority.key();
        let has_sponsor = record.is_some_and(|record| record.sponsor.is_some());
        let keep_until = at.now + event_retention(authority, has_sponsor);
        let mut event = Event::new(at.entropy.event_id(kind as u8), at.now, kind, keep_until);
        event.request_id = Some(visit.request.id.to_owned());
        event.occasion = Some(visit.request.occasion.name().to_owned());
        event.request = visit.request.details.proven(None);
        event.authority = Some(authority.to_owned());
        event.identity = Some(visit.client.subject.clone());
        event.client_id = Some(visit.client.client_id.clone());
        event.rule = Some(self.checking.found.rule.name.clone());
        event.rule_revision = Some(self.checking.found.rule.revision.clone());
        event.person = Some(self.person.person.id.sub());
        event.grant = grant.map(|grant| grant.to_string());
        event.scope = Some(self.terms.scope.to_string());
        event
    }
}

/// What is known about the consent of the person.
enum Earlier {
    /// The administrator trusts the client.
    NotNeeded,
    /// The person consented to the same before.
    Given,
    /// The person must be asked.
    Missing,
}

/// True if the client registered that it has no credential, or sent none.
fn used_none(record: &Client) -> bool {
    let registered = record.registration.as_ref().and_then(|stands| stands.credential);
    [
        Some(record.first_credential),
        Some(record.last_credential),
        registered,
    ]
    .contains(&Some(CredentialKind::Public))
}

/// [RFC9126 §4] A pushed request is used once.
fn use_up(sent: &Sent<'_>, batch: &mut Batch) {
    match sent {
        Sent::Pushed(pushed) => batch.delete::<PushedRequest>(&pushed.record, pushed.version),
        Sent::Direct(_) | Sent::Wrong(_) => {}
    }
}
