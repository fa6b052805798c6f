//! A person ends what they granted to an application.

use super::occasion::Occasion;
use super::sign_in::event_of;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::ended;
use crate::people::{GrantId, SessionName};
use crate::records::{Conflict, Consent, EventKind, Grant, Loaded, Needs};
use crate::rejection::Rejection;
use crate::trace::Trace;

/// A person ends a grant. Its tokens are refused at this server at once, and the application has to ask again.
#[derive(Debug)]
pub struct GrantEnd<'a> {
    id: GrantId,
    consent_key: Vec<u8>,
    request_id: &'a str,
}

impl<'a> GrantEnd<'a> {
    /// The person of the session ends a grant, which was read to find its client. `None` if it is of another person.
    pub fn of_own(own: SessionName, grant: &Grant, request_id: &'a str) -> Option<GrantEnd<'a>> {
        (grant.id.person() == own.person).then(|| GrantEnd {
            id: grant.id,
            consent_key: Consent::key_of(own.person, &grant.client.key()),
            request_id,
        })
    }
}

impl Occasion for GrantEnd<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Grant>(self.id.key()).and::<Consent>(&self.consent_key)
    }

    /// A grant that has ended already is no error: two windows may end it. The remembered consent is deleted too:
    /// otherwise the application would get a new grant without a question.
    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let mut decision = Decision::of(());
        if let Some(consent) = loaded.find::<Consent>(&self.consent_key) {
            decision.batch.delete(&consent.record, consent.version);
        }
        if let Some(grant) = loaded.find::<Grant>(self.id.key()) {
            let mut event = event_of(self.id.person(), EventKind::GrantRevoked, self.request_id, at);
            event.reason = Some("ended_by_person".to_owned());
            decision.batch.extend(ended(grant, event));
        }
        Ok(decision)
    }

    /// Another request used or ended the grant at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

#[cfg(test)]
mod tests;
