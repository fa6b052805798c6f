//! What every decision is given, and what it gives back.

use crate::entropy::Entropy;
use crate::identity::CredentialKind;
use crate::policy::Policy;
use crate::records::{Batch, Client};
use crate::rejection::Rejection;
use crate::velocity::Limit;
use testudo_protocol::Timestamp;

/// One point in time under one policy. What one decision makes (a record, its event, a token) has one time, and is
/// judged by one configuration.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// What the configuration says.
    pub policy: &'a Policy,
    /// Random names, and the order of events.
    pub entropy: &'a Entropy,
    /// The time.
    pub now: Timestamp,
}

/// What was decided. Nothing of it is written, counted or sent yet.
#[derive(Debug)]
pub struct Decision<T> {
    /// What the answer is made of.
    pub outcome: T,
    /// Everything that the request changes: written whole, or not at all.
    pub batch: Batch,
    /// One is taken from the bucket of each before the batch is written, and given back where it is not written.
    pub limits: Vec<Limit>,
    /// What happens to the copy of the client in memory once the batch is written.
    pub memory: ClientMemory,
}

impl<T> Decision<T> {
    /// A decision that changes nothing.
    pub fn of(outcome: T) -> Decision<T> {
        Decision {
            outcome,
            batch: Batch::default(),
            limits: Vec::new(),
            memory: ClientMemory::Unchanged,
        }
    }
}

/// What a decision means for the copy of a client that a node keeps in memory.
#[derive(Debug)]
pub enum ClientMemory {
    /// Nothing.
    Unchanged,
    /// The client was used, with this kind of credential.
    Used(CredentialKind),
    /// The batch makes this client, which is likely to come again.
    Made(Box<Client>),
    /// The batch changes the client, or may have met a newer one: the copy is dropped.
    Outdated,
}

/// What it means that a batch was not written because of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// A race was lost: what is needed is read and decided again.
    Again,
    /// The request is refused.
    Refuse(Rejection),
}
