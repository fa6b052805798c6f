//! An order of an administrator, and what it comes to: changes that are never without their event.

use crate::actor::Actor;
use crate::admission::lifecycle::HISTORY_RETENTION;
use crate::entropy::Entropy;
use crate::records::{Batch, Event, EventKind};
use std::borrow::Cow;
use testudo_protocol::Timestamp;

/// An order of an administrator, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Who orders it, as verified.
    pub actor: &'a Actor,
    /// Why, in the administrator's words.
    pub reason: Option<&'a str>,
    /// For the ids of events.
    pub entropy: Entropy,
    /// When.
    pub now: Timestamp,
}

impl Order<'_> {
    /// The event of this kind of this order: it names the administrator and the reason.
    pub fn event(&self, kind: EventKind) -> Event {
        self.numbered_event(kind, 0)
    }

    /// One of several events of the same kind, counted from 0.
    pub fn numbered_event(&self, kind: EventKind, number: u32) -> Event {
        let id = self.entropy.numbered(number).event_id(kind as u8);
        let mut event = Event::new(id, self.now, kind, self.now + HISTORY_RETENTION);
        event.actor = Some(self.actor.to_string());
        event.reason = self.reason.map(str::to_owned);
        event
    }
}

/// Changes together with the events that tell of them. Invariant: there is at least one event, so what an
/// administrator changes cannot be committed without an event.
#[derive(Debug, Clone)]
pub struct Audited {
    batch: Batch,
    events: Vec<Event>,
}

impl Audited {
    /// Changes with their event.
    pub fn new(batch: Batch, event: Event) -> Audited {
        Audited {
            batch,
            events: vec![event],
        }
    }

    /// Changes with several events; nothing where there is no event.
    pub fn with_events(batch: Batch, events: Vec<Event>) -> Option<Audited> {
        (!events.is_empty()).then_some(Audited { batch, events })
    }

    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// With changes that the server adds: records that it seals.
    pub fn and(mut self, more: Batch) -> Audited {
        self.batch.extend(more);
        self
    }

    /// Everything that is to be written, events included.
    pub fn batch(&self) -> Batch {
        let mut batch = self.batch.clone();
        for event in &self.events {
            batch.insert(event);
        }
        batch
    }
}

/// What an order comes to.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What is to be written; nothing where everything is as ordered already.
    pub changes: Option<Audited>,
    /// What is done once that is written, for the answer.
    pub done: String,
    /// What the administrator should know about it.
    pub warning: Option<&'static str>,
}

impl Decided {
    /// A change.
    pub fn change(changes: Audited, done: String) -> Decided {
        Decided {
            changes: Some(changes),
            done,
            warning: None,
        }
    }

    /// Everything is as ordered already.
    pub fn nothing(done: String) -> Decided {
        Decided {
            changes: None,
            done,
            warning: None,
        }
    }
}

/// Why an order is not carried out: the administrator has to order something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDone {
    /// There is nothing of the name that the order gives.
    pub is_not_found: bool,
    /// What is wrong with it.
    pub problem: String,
    /// What was expected.
    pub hint: Option<Cow<'static, str>>,
}

impl NotDone {
    /// There is nothing of this name.
    pub fn not_found(problem: impl Into<String>, hint: &'static str) -> NotDone {
        NotDone {
            is_not_found: true,
            problem: problem.into(),
            hint: Some(hint.into()),
        }
    }

    /// The order is not one that can be carried out.
    pub fn refused(problem: impl Into<String>, hint: Option<&'static str>) -> NotDone {
        NotDone {
            is_not_found: false,
            problem: problem.into(),
            hint: hint.map(Cow::Borrowed),
        }
    }
}
