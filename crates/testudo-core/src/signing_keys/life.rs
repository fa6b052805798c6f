//! Where each signing key is in its life, by the clock.

use crate::records::{StoredSigningKey, Versioned};
use serde::{Deserialize, Serialize};
use testudo_protocol::jose::Algorithm;
use testudo_protocol::{Seconds, Timestamp};

/// How long a new key is published before it signs: caches of `/jwks` are five minutes old at most.
pub const PUBLISHED_BEFORE_USE: Seconds = Seconds(600);
/// How long a key stays published after another took over: the longest life of a token, and some.
const PUBLISHED_AFTER_USE: Seconds = Seconds(7200);

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not yet used.
    Next,
    /// Signs.
    Active,
    /// Published for the tokens it signed.
    Retiring,
}

/// The key that signs: the newest that is due; at the very first start, the one that was made a moment ago.
pub fn chosen(
    newest_first: &[Versioned<StoredSigningKey>],
    algorithm: Algorithm,
    now: Timestamp,
) -> Option<&Versioned<StoredSigningKey>> {
    let of_algorithm = |key: &&Versioned<StoredSigningKey>| key.record.algorithm == algorithm.name();
    let mut due = newest_first.iter().filter(of_algorithm);
    due.find(|key| key.record.active_from <= now)
        .or(newest_first.iter().rfind(of_algorithm))
}

/// Where one key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// What it does now.
    pub state: KeyState,
    /// When it retires for good, where another one took over.
    pub published_until: Option<Timestamp>,
}

impl Life {
    /// True where no token that it signed can be alive.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.published_until.is_some_and(|until| until <= now)
    }
}

/// Where each key is in its life. A key retires when the next newer one takes over, and is published for a while
/// after that.
pub fn lives(newest_first: &[Versioned<StoredSigningKey>], signs: Option<&str>, now: Timestamp) -> Vec<Life> {
    let mut successor: Option<Timestamp> = None;
    let life = |key: &Versioned<StoredSigningKey>| {
        let is_due = key.record.active_from <= now;
        let took_over = match is_due {
            true => successor.replace(key.record.active_from),
            false => None,
        };
        let state = match (signs == Some(key.record.kid.as_str()), is_due) {
            (true, _) => KeyState::Active,
            (false, false) => KeyState::Next,
            (false, true) => KeyState::Retiring,
        };
        let published_until = match state {
            KeyState::Retiring => took_over.map(|at| at + PUBLISHED_AFTER_USE),
            KeyState::Active | KeyState::Next => None,
        };
        Life {
            state,
            published_until,
        }
    };
    newest_first.iter().map(life).collect()
}
