//! The session of a browser is used on a page, and ended: by its person, who signs out or ends another one.

use super::occasion::Occasion;
use super::sign_in::event_of;
use crate::decision::{Decision, Moment, Resolution};
use crate::people::SessionName;
use crate::records::{Conflict, EventKind, Loaded, Needs, Person, Session};
use crate::rejection::Rejection;
use crate::trace::Trace;
use testudo_protocol::Seconds;

/// A page is shown to the person who has this session.
#[derive(Debug, Clone, Copy)]
pub struct SessionUse {
    name: SessionName,
    key: [u8; 48],
    idle: Seconds,
}

impl SessionUse {
    /// The session of the cookie. It ends if it is not used for `idle`.
    pub fn new(name: SessionName, idle: Seconds) -> SessionUse {
        SessionUse {
            name,
            key: name.key(),
            idle,
        }
    }
}

impl Occasion for SessionUse {
    /// The session and its person; `None` if it has ended.
    type Outcome = Option<(Session, Person)>;

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Session>(&self.key).and::<Person>(self.name.person.key())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<Self::Outcome>, Rejection> {
        let Some((session, person)) = Session::find_alive(&self.name, loaded, self.idle, at.now) else {
            return Ok(Decision::of(None));
        };
        let mut decision = Decision::of(Some((session.record.clone(), person.record.clone())));
        if let Some(used) = session.record.used(at.now) {
            decision.batch.replace(&used, session.version);
        }
        Ok(decision)
    }

    /// Another request used or ended the session at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

/// A person ends a session: signs out, or ends one of another browser.
#[derive(Debug, Clone, Copy)]
pub struct SessionEnd<'a> {
    key: [u8; 48],
    /// For the event: `signed_out`, or `ended_by_person`.
    reason: &'static str,
    request_id: &'a str,
}

impl<'a> SessionEnd<'a> {
    /// The browser signs out of its own session.
    pub fn sign_out(name: SessionName, request_id: &'a str) -> SessionEnd<'a> {
        SessionEnd {
            key: name.key(),
            reason: "signed_out",
            request_id,
        }
    }

    /// The person of `own` ends another session. `None` if that one is of another person.
    pub fn of_own(own: SessionName, other: SessionName, request_id: &'a str) -> Option<SessionEnd<'a>> {
        (own.person == other.person).then(|| SessionEnd {
            key: other.key(),
            reason: "ended_by_person",
            request_id,
        })
    }
}

impl Occasion for SessionEnd<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Session>(&self.key)
    }

    /// A session that has ended already is no error: two windows may sign out.
    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let mut decision = Decision::of(());
        if let Some(session) = loaded.find::<Session>(&self.key) {
            decision.batch.delete(&session.record, session.version);
            let person = session.record.name.person;
            let mut event = event_of(person, EventKind::SessionEnded, self.request_id, at);
            event.reason = Some(self.reason.to_owned());
            decision.batch.insert_event(event);
        }
        Ok(decision)
    }

    /// Another request used or ended the session at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

#[cfg(test)]
mod tests;
