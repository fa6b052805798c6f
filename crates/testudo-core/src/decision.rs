//! The input and the result of every decision.

use crate::entropy::Entropy;
use crate::identity::CredentialKind;
use crate::policy::Policy;
use crate::records::{Batch, Client};
use crate::rejection::Rejection;
use crate::velocity::Limit;
use testudo_protocol::Timestamp;

/// One point in time and one policy. Everything that a decision creates (a record, its event, a token) has the same
/// time and is based on the same configuration.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The configuration.
    pub policy: &'a Policy,
    /// Randomness for ids, and values that order events.
    pub entropy: &'a Entropy,
    /// The time.
    pub now: Timestamp,
}

/// The result of a decision. Nothing of it has been written, counted or sent yet.
#[derive(Debug)]
pub struct Decision<T> {
    /// The content of the answer.
    pub outcome: T,
    /// All changes of the request, which are written together or not at all.
    pub batch: Batch,
    /// Rate limits. One is taken from the bucket of each before the batch is written, and returned if the batch is not
    /// written.
    pub limits: Vec<Limit>,
    /// What happens to the copy of the client in memory after the batch is written.
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

    /// The same decision, with another content of the answer.
    pub(crate) fn map<U>(self, other: impl FnOnce(T) -> U) -> Decision<U> {
        let Decision {
            outcome,
            batch,
            limits,
            memory,
        } = self;
        Decision {
            outcome: other(outcome),
            batch,
            limits,
            memory,
        }
    }
}

/// What a decision changes in the copy of a client that a node keeps in memory.
#[derive(Debug)]
pub enum ClientMemory {
    /// Nothing.
    Unchanged,
    /// The client was used, with this kind of credential.
    Used(CredentialKind),
    /// The batch creates this client, which will probably send further requests.
    Made(Box<Client>),
    /// The batch changes the client, or may be based on an old copy: the copy is dropped.
    Outdated,
}

/// What to do when a batch was not written because of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Another request wrote first: load the records and decide again.
    Again,
    /// The request is refused.
    Refuse(Rejection),
}
