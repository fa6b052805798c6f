//! A browser begins a passkey ceremony, and a ceremony ends without a result. What a finished one changes is decided where
//! its result is: in `sign_in/passkey.rs`, `sign_in/invitation.rs` and `passkeys.rs`. [WEBAUTHN §7]

use super::occasion::Occasion;
use super::sign_in::event_of;
use crate::admission::limits::ceremony_limit;
use crate::decision::{Decision, Moment, Resolution};
use crate::people::{PersonId, SecretDigest};
use crate::records::{Batch, Ceremony, CeremonyPurpose, Conflict, EventKind, Loaded, Needs};
use crate::rejection::{PasskeyReason, Rejection};
use crate::trace::Trace;
use std::net::IpAddr;

/// A browser begins a ceremony.
#[derive(Debug, Clone, Copy)]
pub struct CeremonyBegin<'a> {
    /// The ceremony.
    pub ceremony: &'a Ceremony,
    /// The address of the browser, whose ceremonies are limited.
    pub address: Option<IpAddr>,
}

impl Occasion for CeremonyBegin<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    fn decide(
        &self,
        _loaded: &Loaded<'_>,
        _at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let mut decision = Decision::of(());
        decision.batch.insert(self.ceremony);
        decision.limits = self.address.map(ceremony_limit).into_iter().collect();
        Ok(decision)
    }

    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

/// A ceremony ends without a result, because the answer of the browser was refused: the next answer needs a new challenge,
/// so an attacker has one attempt for each.
#[derive(Debug, Clone, Copy)]
pub struct CeremonyEnd<'a> {
    /// The ceremony.
    pub digest: &'a SecretDigest,
    /// The person of the passkey, if its signature was right and its counter was not.
    pub copied: Option<PersonId>,
    /// The id of the request, for the event.
    pub request_id: &'a str,
}

impl Occasion for CeremonyEnd<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Ceremony>(self.digest.key())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let mut decision = Decision::of(());
        let Some(ceremony) = loaded.find::<Ceremony>(self.digest.key()) else {
            return Ok(decision);
        };
        decision.batch.delete(&ceremony.record, ceremony.version);
        if let Some(person) = self.copied {
            let mut event = event_of(person, EventKind::PasskeyRefused, self.request_id, at);
            event.reason = Some("counter_not_higher".to_owned());
            decision.batch.insert_event(event);
        }
        Ok(decision)
    }

    /// Another answer ended it at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

/// A ceremony whose answer is verified, in the browser that sends it.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// The ceremony.
    pub ceremony: &'a SecretDigest,
    /// SHA-256 of the cookie of the browser.
    pub browser: SecretDigest,
}

impl Finished<'_> {
    /// Adds the ceremony to the records that a decision needs.
    pub(crate) fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        needs.and::<Ceremony>(self.ceremony.key())
    }

    /// Uses the ceremony: the batch is written only while it exists as it was read, so one answer has an effect.
    pub(crate) fn end(
        &self,
        purpose: CeremonyPurpose,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Batch, Rejection> {
        let ceremony = loaded.find::<Ceremony>(self.ceremony.key());
        let ceremony = ceremony.filter(|found| {
            let record = &found.record;
            record.can_be_finished(self.browser, purpose, at.now)
        });
        let ceremony = ceremony.ok_or(PasskeyReason::CeremonyUnknown)?;
        let mut batch = Batch::default();
        batch.delete(&ceremony.record, ceremony.version);
        Ok(batch)
    }
}
