//! An order of an administrator, and its result: changes, always with the event that records them.

use crate::actor::Actor;
use crate::admission::lifecycle::HISTORY_RETENTION;
use crate::entropy::Entropy;
use crate::records::{Batch, Event, EventKind};
use std::borrow::Cow;
use testudo_protocol::Timestamp;

/// An order of an administrator, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The verified administrator.
    pub actor: &'a Actor,
    /// The reason that the administrator gave.
    pub reason: Option<&'a str>,
    /// Randomness for the ids of events.
    pub entropy: Entropy,
    /// When.
    pub now: Timestamp,
}

impl Order<'_> {
    /// An event of this kind, with the administrator and the reason of this order.
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

/// Changes together with the events that record them. Invariant: there is at least one event, so that no change of an
/// administrator can be committed without an event.
#[derive(Debug, Clone)]
pub struct Audited {
    batch: Batch,
}

impl Audited {
    /// Changes with their event.
    pub fn new(mut batch: Batch, event: Event) -> Audited {
        batch.insert_event(event);
        Audited { batch }
    }

    /// Changes with several events; `None` if `events` is empty.
    pub fn with_events(mut batch: Batch, events: Vec<Event>) -> Option<Audited> {
        let has_event = !events.is_empty();
        events.into_iter().for_each(|event| batch.insert_event(event));
        has_event.then_some(Audited { batch })
    }

    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.batch.events
    }

    /// Adds changes of the server: records that it encrypts.
    pub fn and(mut self, more: Batch) -> Audited {
        self.batch.extend(more);
        self
    }

    /// All changes, including the events.
    pub fn batch(&self) -> Batch {
        self.batch.clone()
    }
}

/// The result of an order.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What is written; `None` if nothing has to be changed.
    pub changes: Option<Audited>,
    /// What was done, for the answer.
    pub done: String,
    /// A warning for the administrator.
    pub warning: Option<&'static str>,
}

impl Decided {
    /// An order that changes something.
    pub fn change(changes: Audited, done: String) -> Decided {
        Decided {
            changes: Some(changes),
            done,
            warning: None,
        }
    }

    /// An order that changes nothing, because the state is as ordered already.
    pub fn nothing(done: String) -> Decided {
        Decided {
            changes: None,
            done,
            warning: None,
        }
    }
}

/// Why an order cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDone {
    /// True if no object has the name in the order.
    pub is_not_found: bool,
    /// What is wrong with it.
    pub problem: String,
    /// What the administrator can do.
    pub hint: Option<Cow<'static, str>>,
}

impl NotDone {
    /// No object has the name in the order.
    pub fn not_found(problem: impl Into<String>, hint: &'static str) -> NotDone {
        NotDone {
            is_not_found: true,
            problem: problem.into(),
            hint: Some(hint.into()),
        }
    }

    /// The order is not valid.
    pub fn refused(problem: impl Into<String>, hint: Option<&'static str>) -> NotDone {
        NotDone {
            is_not_found: false,
            problem: problem.into(),
            hint: hint.map(Cow::Borrowed),
        }
    }
}
