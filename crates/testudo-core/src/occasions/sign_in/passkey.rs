//! The sign-in with a passkey, after the server verified its signature. The browser names the account by the user handle of
//! the passkey, so no name is asked for. [WEBAUTHN §7.2]

use super::{NewSession, SignedIn};
use crate::decision::{Decision, Moment, Resolution};
use crate::occasions::ceremonies::Finished;
use crate::occasions::occasion::Occasion;
use crate::people::PersonId;
use crate::records::{CeremonyPurpose, Conflict, Loaded, Needs, Passkey, Person};
use crate::rejection::{PasskeyFault, PasskeyReason, Rejection};
use crate::trace::Trace;
use serde_json::Value;

/// How a session that began with a passkey states its method.
pub const METHOD: &str = "passkey";

/// A sign-in with a passkey.
#[derive(Debug, Clone)]
pub struct PasskeySignIn<'a> {
    /// The ceremony.
    pub finished: Finished<'a>,
    /// The person that the user handle names.
    pub person: PersonId,
    /// The passkey with whose public key and counter the signature was verified.
    pub verified: &'a Passkey,
    /// Its public key and counter after this use.
    pub used: &'a Value,
    /// The session.
    pub session: NewSession<'a>,
}

impl Occasion for PasskeySignIn<'_> {
    type Outcome = SignedIn;

    fn needs(&self) -> Needs<'_> {
        let needs = self.finished.needs(Needs::default());
        self.session.needs(Some(&self.person), needs)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<SignedIn>, Rejection> {
        let mut batch = self.finished.end(CeremonyPurpose::SignIn, loaded, at)?;
        let refused = |fault| PasskeyReason::Refused(fault);
        let person = loaded.find::<Person>(self.person.key());
        let person = person.ok_or(refused(PasskeyFault::UnknownAccount))?;
        // The same answer as for an unknown passkey.
        if !person.record.is_active() {
            return Err(refused(PasskeyFault::AccountNotActive).into());
        }
        let mut changed = person.record.clone();
        let known = changed
            .passkeys
            .iter_mut()
            .find(|known| known.id == self.verified.id);
        let known = known.ok_or(refused(PasskeyFault::UnknownPasskey))?;
        // Another sign-in used the passkey meanwhile: its counter must be compared with the new one.
        if known != self.verified {
            return Ok(Decision::of(SignedIn::Account(self.person)));
        }
        known.credential.clone_from(self.used);
        known.last_used = Some(at.now);
        batch.replace(&changed, person.version);
        let session = NewSession {
            passkey: Some(&self.verified.id),
            ..self.session
        };
        session.begin(&changed, batch, loaded, at)
    }

    /// Another request used the ceremony, or changed the account or the session, at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}
