//! The state of each signing key at a point in time: next, active or retiring.

use crate::records::{StoredSigningKey, Versioned};
use serde::{Deserialize, Serialize};
use testudo_protocol::jose::Algorithm;
use testudo_protocol::{Seconds, Timestamp};

/// How long a new key is published before it signs. Caches of `/jwks` are at most five minutes old.
pub const PUBLISHED_BEFORE_USE: Seconds = Seconds(600);
/// How long a key stays published after the next key signs: the longest lifetime of a token, with a margin.
const PUBLISHED_AFTER_USE: Seconds = Seconds(7200);

/// The state of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, but does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Published for the tokens that it signed; does not sign any more.
    Retiring,
}

/// The key that signs: the newest one whose time to sign has come; at the first start, the one that was just created.
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

/// The state of one key, with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its current state.
    pub state: KeyState,
    /// When it is no longer published, if another key signs already.
    pub published_until: Option<Timestamp>,
}

impl KeyStatus {
    /// True if every token that it signed has expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.published_until.is_some_and(|until| until <= now)
    }
}

/// The state of each key. A key stops signing when the next newer key starts, and is published for some time after
/// that.
pub fn key_statuses(
    newest_first: &[Versioned<StoredSigningKey>],
    signs: Option<&str>,
    now: Timestamp,
) -> Vec<KeyStatus> {
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
        KeyStatus {
            state,
            published_until,
        }
    };
    newest_first.iter().map(life).collect()
}
