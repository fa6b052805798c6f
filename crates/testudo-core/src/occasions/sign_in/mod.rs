//! A person proved who they are, and a session begins. Each way to sign in has a file; what they have in common is here.
//!
//! Each sign-in makes a new session with a new secret, and ends the one that the browser had: an attacker who made a
//! browser use a known session (session fixation) has nothing after the sign-in.

pub mod development;
pub mod invitation;
pub mod passkey;
pub mod provider;
#[cfg(test)]
mod tests;

use crate::admission::lifecycle::HISTORY_RETENTION;
use crate::admission::limits::sign_in_limit;
use crate::decision::{Decision, Moment};
use crate::people::{PersonId, SessionName};
use crate::records::{Batch, Event, EventKind, Loaded, Needs, Person, Session};
use crate::rejection::{Rejection, SignInReason};
use std::net::IpAddr;
use testudo_protocol::{Seconds, Timestamp};

/// The session that begins with a sign-in.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// How the person signed in: `development`, `passkey`, or the name of a provider.
    pub method: &'a str,
    /// The credential id of the passkey with which the person signed in.
    pub passkey: Option<&'a str>,
    /// The strength of the sign-in, where it has a name. [OIDCC §2]
    pub acr: Option<&'a str>,
    /// When the person proved who they are, where that was earlier: a provider may have known the person already.
    pub authenticated: Option<Timestamp>,
    /// How long the session lasts.
    pub lifetime: Seconds,
    /// The key of the session that the browser had before; see [`SessionName::key`].
    pub earlier: Option<[u8; 48]>,
    /// The address of the browser, whose sign-ins are limited.
    pub address: Option<IpAddr>,
    /// The id of the request, for events.
    pub request_id: &'a str,
}

/// The outcome of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// The session began; the value of its cookie.
    Begun(String),
    /// The person who signs in has this account: decide again with it.
    Account(PersonId),
}

impl NewSession<'_> {
    /// Adds the account, once it is known, and the session that the browser had before to the records that a sign-in
    /// needs.
    fn needs<'n>(&'n self, person: Option<&'n PersonId>, needs: Needs<'n>) -> Needs<'n> {
        let needs = match person {
            Some(person) => needs.and::<Person>(person.key()),
            None => needs,
        };
        match &self.earlier {
            Some(key) => needs.and::<Session>(key),
            None => needs,
        }
    }

    /// Begins the session; `batch` is what else the sign-in writes. The account must be active.
    fn begin(
        &self,
        person: &Person,
        mut batch: Batch,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Decision<SignedIn>, Rejection> {
        if !person.is_active() {
            return Err(SignInReason::AccountNotActive.into());
        }
        let (cookie, name) = SessionName::make(person.id, at.entropy.secret());
        let session = Session {
            name,
            // The recovery of an account ends the sessions of this second as well, and this one is a new one.
            created: at.now.max(person.sessions_from),
            last_used: at.now,
            authenticated: self.authenticated.unwrap_or(at.now),
            acr: self.acr.map(str::to_owned),
            method: self.method.to_owned(),
            passkey: self.passkey.map(str::to_owned),
            ends: at.now + self.lifetime,
        };
        if let Some(earlier) = self.earlier.and_then(|key| loaded.find::<Session>(&key)) {
            batch.delete(&earlier.record, earlier.version);
        }
        batch.insert(&session);
        batch.insert_event(self.event(person.id, EventKind::PersonSignedIn, at));
        Ok(Decision {
            batch,
            limits: self.address.map(sign_in_limit).into_iter().collect(),
            ..Decision::of(SignedIn::Begun(cookie))
        })
    }

    /// An event of the sign-in, with its method.
    fn event(&self, person: PersonId, kind: EventKind, at: &Moment<'_>) -> Event {
        let mut event = event_of(person, kind, self.request_id, at);
        event.detail = Some(self.method.to_owned());
        event
    }
}

/// How long after a sign-in a person can change how they sign in.
pub const CHANGES_WITHIN: Seconds = Seconds(300);

/// Refuses a change of how a person signs in, if the sign-in of the session was too long ago: a browser that its person left
/// open must not give the account to the one who finds it.
pub fn must_be_recent(session: &Session, now: Timestamp) -> Result<(), SignInReason> {
    match now > session.authenticated + CHANGES_WITHIN {
        true => Err(SignInReason::SignInTooLongAgo),
        false => Ok(()),
    }
}

/// An event about a person, of a request of their browser.
pub fn event_of(person: PersonId, kind: EventKind, request_id: &str, at: &Moment<'_>) -> Event {
    let id = at.entropy.event_id(kind as u8);
    let mut event = Event::new(id, at.now, kind, at.now + HISTORY_RETENTION);
    event.person = Some(person.sub());
    event.request_id = Some(request_id.to_owned());
    event
}
