//! A person proved who they are, and a session begins. Each way to sign in has a file; what they have in common is here.
//!
//! Each sign-in makes a new session with a new secret, and ends the one that the browser had: an attacker who made a
//! browser use a known session (session fixation) has nothing after the sign-in.

pub mod development;
pub mod provider;

use crate::admission::lifecycle::HISTORY_RETENTION;
use crate::admission::limits::sign_in_limit;
use crate::decision::Moment;
use crate::people::{PersonId, SessionName};
use crate::records::{Batch, Event, EventKind, Loaded, Needs, Person, Session};
use crate::rejection::{Rejection, SignInReason};
use crate::velocity::Limit;
use std::net::IpAddr;
use testudo_protocol::{Seconds, Timestamp};

/// The session that begins with a sign-in.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// How the person signed in: `development`, `passkey`, or the name of a provider.
    pub method: &'a str,
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

impl NewSession<'_> {
    /// Adds the session that the browser had before to the records that a sign-in needs.
    pub fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        match &self.earlier {
            Some(key) => needs.and::<Session>(key),
            None => needs,
        }
    }

    /// The limits that the sign-in counts against.
    pub fn limits(&self) -> Vec<Limit> {
        self.address.map(sign_in_limit).into_iter().collect()
    }

    /// The value of the cookie, and what is written. The account must be active.
    pub fn begin(
        &self,
        person: &Person,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<(String, Batch), Rejection> {
        if !person.is_active() {
            return Err(SignInReason::AccountNotActive.into());
        }
        let (cookie, name) = SessionName::make(person.id, at.entropy.secret());
        let session = Session {
            name,
            created: at.now,
            last_used: at.now,
            authenticated: self.authenticated.unwrap_or(at.now),
            acr: self.acr.map(str::to_owned),
            method: self.method.to_owned(),
            ends: at.now + self.lifetime,
        };
        let mut batch = Batch::default();
        if let Some(earlier) = self.earlier.and_then(|key| loaded.find::<Session>(&key)) {
            batch.delete(&earlier.record, earlier.version);
        }
        batch.insert(&session);
        let mut event = event_of(person.id, EventKind::PersonSignedIn, self.request_id, at);
        event.detail = Some(self.method.to_owned());
        batch.insert_event(event);
        Ok((cookie, batch))
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
