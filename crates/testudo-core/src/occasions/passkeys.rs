//! A signed-in person adds, names and removes passkeys. Each change replaces the account at the version that was read, so
//! that two windows that remove two passkeys at the same moment leave one.

use super::ceremonies::Finished;
use super::occasion::Occasion;
use super::sign_in::{event_of, must_be_recent};
use crate::decision::{Decision, Moment, Resolution};
use crate::people::SessionName;
use crate::records::{
    Batch, CeremonyPurpose, Conflict, Event, EventKind, Loaded, Needs, Passkey, Person, Session, Versioned,
};
use crate::rejection::{PasskeyReason, Rejection, SignInReason};
use crate::trace::Trace;
use testudo_protocol::Seconds;
use testudo_protocol::printable::is_hidden;

/// The most passkeys that one account can have.
pub const PASSKEYS_MAX: usize = 20;

/// The longest name of a passkey, in characters.
const NAME_CHARACTERS_MAX: usize = 64;

/// The name of a passkey whose person gave none.
const DEFAULT_NAME: &str = "passkey";

/// The name that a person gave a passkey: one line of text.
pub fn checked_name(name: &str) -> Result<String, PasskeyReason> {
    let name = name.trim();
    let is_legal = |one: char| !one.is_control() && !is_hidden(one);
    if name.chars().count() > NAME_CHARACTERS_MAX || !name.chars().all(is_legal) {
        return Err(PasskeyReason::NameRefused);
    }
    Ok(match name {
        "" => DEFAULT_NAME.to_owned(),
        name => name.to_owned(),
    })
}

/// Refuses a passkey for a person who is known only through a provider, and one more than is possible.
pub fn may_add(person: &Person) -> Result<(), PasskeyReason> {
    if !person.may_have_passkeys() {
        return Err(PasskeyReason::AccountOfProvider);
    }
    match person.passkeys.len() >= PASSKEYS_MAX {
        true => Err(PasskeyReason::TooMany),
        false => Ok(()),
    }
}

/// The session of the person who makes a change.
#[derive(Debug, Clone, Copy)]
pub struct OwnAccount<'a> {
    name: SessionName,
    key: [u8; 48],
    idle: Seconds,
    request_id: &'a str,
}

impl<'a> OwnAccount<'a> {
    /// The session of the cookie. It ends if it is not used for `idle`.
    pub fn new(name: SessionName, idle: Seconds, request_id: &'a str) -> OwnAccount<'a> {
        OwnAccount {
            name,
            key: name.key(),
            idle,
            request_id,
        }
    }

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Session>(&self.key).and::<Person>(self.name.person.key())
    }

    fn find<'l>(
        &self,
        loaded: &'l Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<(&'l Session, &'l Versioned<Person>), SignInReason> {
        let alive = Session::find_alive(&self.name, loaded, self.idle, at.now);
        let (session, person) = alive.ok_or(SignInReason::NotSignedIn)?;
        Ok((&session.record, person))
    }

    fn event(&self, kind: EventKind, at: &Moment<'_>) -> Event {
        event_of(self.name.person, kind, self.request_id, at)
    }
}

/// The person adds a passkey, which the server verified.
#[derive(Debug, Clone)]
pub struct PasskeyAddition<'a> {
    /// The ceremony.
    pub finished: Finished<'a>,
    /// The account.
    pub own: OwnAccount<'a>,
    /// The passkey.
    pub passkey: &'a Passkey,
}

impl Occasion for PasskeyAddition<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        self.finished.needs(self.own.needs())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let (session, person) = self.own.find(loaded, at)?;
        must_be_recent(session, at.now)?;
        let purpose = CeremonyPurpose::addition(&session.name);
        let mut batch = self.finished.end(purpose, loaded, at)?;
        may_add(&person.record)?;
        let mut changed = person.record.clone();
        if changed.has_passkey(&self.passkey.id) {
            let why = "the account has this passkey already".to_owned();
            return Err(PasskeyReason::NotMade { why }.into());
        }
        changed.passkeys.push(self.passkey.clone());
        batch.replace(&changed, person.version);
        batch.insert_event(self.own.event(EventKind::PasskeyAdded, at));
        Ok(Decision {
            batch,
            ..Decision::of(())
        })
    }

    /// Another request used the ceremony, or changed the account or the session, at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

/// What the person does with a passkey.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Gives it this name, which is checked.
    Rename(&'a str),
    /// Removes it.
    Remove {
        /// Issuers of the providers at which people sign in now. An account at another one, which was configured before, is
        /// no way to sign in.
        issuers: &'a [&'a str],
    },
}

/// The person names or removes a passkey.
#[derive(Debug, Clone, Copy)]
pub struct PasskeyChange<'a> {
    /// The account.
    pub own: OwnAccount<'a>,
    /// The credential id of the passkey.
    pub passkey: &'a str,
    /// What is done.
    pub change: Change<'a>,
}

impl Occasion for PasskeyChange<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        self.own.needs()
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let (session, person) = self.own.find(loaded, at)?;
        let mut changed = person.record.clone();
        let known = changed.passkeys.iter_mut().find(|known| known.id == self.passkey);
        let known = known.ok_or(PasskeyReason::NoSuchPasskey)?;
        let mut batch = Batch::default();
        match self.change {
            Change::Rename(name) => known.name = name.to_owned(),
            Change::Remove { issuers } => {
                must_be_recent(session, at.now)?;
                if changed.passkeys.len() == 1 && !changed.has_provider(issuers) {
                    return Err(PasskeyReason::LastPasskey.into());
                }
                changed.passkeys.retain(|known| known.id != self.passkey);
                batch.insert_event(self.own.event(EventKind::PasskeyRemoved, at));
            }
        }
        batch.replace(&changed, person.version);
        Ok(Decision {
            batch,
            ..Decision::of(())
        })
    }

    /// Another request changed the account or the session at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

#[cfg(test)]
mod tests;
