//! Signing keys: creates the next one, withdraws one or all, and retires keys at their time.
//!
//! Private keys are not used here. If an order needs a new key, the server creates it and passes its encrypted record.
//! The server also encrypts the list of accepted keys, which each change replaces.

use super::order::{Audited, Decided, NotDone, Order};
use crate::records::{Batch, Event, EventKind, Kind, StoredSigningKey, WithdrawnKey};
use crate::signing_keys::{KeyList, PUBLISHED_BEFORE_USE, SigningKeys, chosen, describe_made, key_statuses};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;

/// The warning in the answer after a key is withdrawn.
const CACHED_ELSEWHERE: &str =
    "resource servers that verify tokens themselves accept a withdrawn key until they fetch /jwks again";
const LIST_HINT: &str = "`testudo key list` shows all signing keys";

/// The order of an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder<'a> {
    /// Create a key that is published now and signs once every cache of `/jwks` has it.
    Next,
    /// Create a key that signs at once, and withdraw all other keys: an attacker who read one of them could read the
    /// others too.
    OnlyNew,
    /// Withdraw the key with this id.
    Withdrawn(&'a str),
}

/// An order that can be carried out once the key that it needs has been created.
pub struct Plan<'a> {
    keys: &'a SigningKeys,
    wanted: KeyOrder<'a>,
    to_withdraw: Vec<ToWithdraw>,
    needs_key: bool,
}

/// A key to withdraw.
struct ToWithdraw {
    /// Its key id.
    kid: String,
    /// Key and version of its row in the store, if there is one.
    row: Option<(Vec<u8>, u64)>,
}

/// The changes, and the list of accepted keys that must be written with them.
pub struct KeysDecided {
    /// The decision. Its changes do not contain the list, which the server encrypts and adds.
    pub decided: Decided,
    /// The list that replaces the stored one.
    pub list: KeyList,
}

/// Checks whether an order can be carried out with the existing keys.
pub fn plan<'a>(
    wanted: KeyOrder<'a>,
    keys: &'a SigningKeys,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<Plan<'a>, NotDone> {
    let to_withdraw = match wanted {
        KeyOrder::Next => Vec::new(),
        KeyOrder::OnlyNew => rows(keys).collect(),
        KeyOrder::Withdrawn(kid) => to_withdraw(keys, kid)?,
    };
    let signs = chosen(&keys.accepted, algorithm, now).map(|key| &key.record.kid);
    let loses_signer = to_withdraw.iter().any(|gone| Some(&gone.kid) == signs);
    let needs_key = loses_signer || matches!(wanted, KeyOrder::Next | KeyOrder::OnlyNew);
    Ok(Plan {
        keys,
        wanted,
        to_withdraw,
        needs_key,
    })
}

impl Plan<'_> {
    /// When the new key begins to sign; `None` if no key is needed. If the signing key is withdrawn, the new one signs
    /// in the same step, so that the server can always sign.
    pub fn needs_key(&self, now: Timestamp) -> Option<Timestamp> {
        let from = match self.wanted {
            KeyOrder::Next => now + PUBLISHED_BEFORE_USE,
            KeyOrder::OnlyNew | KeyOrder::Withdrawn(_) => now,
        };
        self.needs_key.then_some(from)
    }

    /// Decides, with the key that was created for the order. Rows of keys that are not accepted are removed as well.
    pub fn decide(self, order: &Order<'_>, made: Option<&StoredSigningKey>) -> KeysDecided {
        let mut list = self.keys.list.clone();
        let (mut batch, mut events) = (Batch::default(), Vec::new());
        if let Some(key) = made {
            batch.insert(key);
            list.add(key);
            events.push(event(order, EventKind::KeyCreated, 0, describe_made(key)));
        }
        for (number, ToWithdraw { kid, row }) in (0..).zip(&self.to_withdraw) {
            if let Some((key, version)) = row {
                batch.remove(Kind::SigningKey, key.clone(), *version);
            }
            // A row whose key is not text was not written by this server, so no withdrawal is recorded.
            if row.as_ref().is_none_or(|(key, _)| key == kid.as_bytes()) {
                let at = list.withdrawn_at(kid).unwrap_or(order.now);
                list.withdraw(kid, at);
                if !self.keys.marked.contains_key(kid) {
                    batch.insert(&WithdrawnKey {
                        kid: kid.clone(),
                        at,
                        reason: order.reason.map(str::to_owned),
                    });
                }
            }
            let detail = format!("{kid} is withdrawn: tokens that it signed are refused");
            events.push(event(order, EventKind::KeyRevoked, number, detail));
        }
        let (done, warning) = self.answer(made);
        let decided = Decided {
            changes: Audited::with_events(batch, events),
            done,
            warning,
        };
        KeysDecided { decided, list }
    }

    fn answer(&self, made: Option<&StoredSigningKey>) -> (String, Option<&'static str>) {
        let mut done = Vec::new();
        let withdrawn: Vec<&str> = self.to_withdraw.iter().map(|gone| gone.kid.as_str()).collect();
        if !withdrawn.is_empty() {
            done.push(format!("withdrawn: {}", withdrawn.join(" ")));
        }
        match (self.wanted, made) {
            (KeyOrder::Next, Some(key)) => {
                done.push(format!(
                    "{} is published and signs from {}",
                    key.kid, key.active_from
                ));
            }
            (_, Some(key)) => done.push(format!("{} signs from now on", key.kid)),
            (_, None) => {}
        }
        let warning = (!withdrawn.is_empty()).then_some(CACHED_ELSEWHERE);
        (done.join("; "), warning)
    }
}

/// Every row of a signing key, whether or not the key is accepted.
fn rows(keys: &SigningKeys) -> impl Iterator<Item = ToWithdraw> {
    let accepted = keys.accepted.iter();
    let accepted = accepted.map(|key| (key.record.kid.clone().into_bytes(), key.version));
    accepted
        .chain(keys.rejected.iter().cloned())
        .map(|(key, version)| ToWithdraw {
            kid: String::from_utf8_lossy(&key).into_owned(),
            row: Some((key, version)),
        })
}

fn to_withdraw(keys: &SigningKeys, wanted: &str) -> Result<Vec<ToWithdraw>, NotDone> {
    let rows: Vec<_> = rows(keys).filter(|key| key.kid == wanted).collect();
    if !rows.is_empty() {
        return Ok(rows);
    }
    match (keys.marked.get(wanted), keys.list.withdrawn_at(wanted)) {
        // The record of the withdrawal was deleted from the store, so it is written again.
        (None, Some(_)) => Ok(vec![ToWithdraw {
            kid: wanted.to_owned(),
            row: None,
        }]),
        (None, None) => Err(NotDone::not_found("no signing key has this key id", LIST_HINT)),
        (Some(Some(at)), _) => {
            let problem = format!("this signing key was already withdrawn, at {at}");
            Err(NotDone::not_found(problem, LIST_HINT))
        }
        (Some(None), _) => {
            let problem =
                "this signing key was already withdrawn; the record of its withdrawal cannot be read";
            Err(NotDone::not_found(problem, LIST_HINT))
        }
    }
}

/// An event of a key. `number` counts the events of one kind.
fn event(order: &Order<'_>, kind: EventKind, number: u32, detail: String) -> Event {
    Event {
        detail: Some(detail),
        ..order.numbered_event(kind, number)
    }
}

/// Removes keys that are no longer published. The actor is the clock, not an administrator. Returns `None` if there is
/// no such key.
pub fn retire(order: &Order<'_>, keys: &SigningKeys, algorithm: Algorithm) -> Option<(Audited, KeyList)> {
    let signs = chosen(&keys.accepted, algorithm, order.now).map(|key| key.record.kid.as_str());
    let statuses = key_statuses(&keys.accepted, signs, order.now);
    let over = keys
        .accepted
        .iter()
        .zip(statuses)
        .filter(|(_, status)| status.is_over(order.now));
    let mut list = keys.list.clone();
    let (mut batch, mut events) = (Batch::default(), Vec::new());
    for (number, (key, _)) in (0..).zip(over) {
        batch.delete(&key.record, key.version);
        list.remove(&key.record.kid);
        let detail = format!("{}: every token that it signed has expired", key.record.kid);
        events.push(event(order, EventKind::KeyRetired, number, detail));
    }
    Some((Audited::with_events(batch, events)?, list))
}
