//! Signing keys: make the next one, withdraw one or all, and retire by the clock.
//!
//! Private keys are not used here. Where an order needs another key, the server makes it and hands over its wrapped
//! record; the server also seals the list of accepted keys, which each change replaces.

use super::order::{Audited, Decided, NotDone, Order};
use crate::records::{Batch, Event, EventKind, Kind, StoredSigningKey, WithdrawnKey};
use crate::signing_keys::{KeyList, PUBLISHED_BEFORE_USE, SigningKeys, chosen, describe_made, lives};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;

/// The warning of an answer that withdraws a key.
const CACHED_ELSEWHERE: &str =
    "APIs that check signatures by themselves believe a withdrawn key until they fetch /jwks again";
const LIST_HINT: &str = "`testudo key list` shows the keys that are there";

/// What an administrator orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Another key, which is published now and signs when every cache of `/jwks` has it.
    Next,
    /// Another key that signs at once, and the withdrawal of all that are there: an attacker who read one of them could
    /// read the others, too.
    OnlyNew,
    /// The withdrawal of the key of this id.
    Withdrawn(&'a str),
}

/// An order that can be carried out, once the key that it needs is made.
pub struct Plan<'a> {
    keys: &'a SigningKeys,
    wanted: Wanted<'a>,
    condemned: Vec<Condemned>,
    needs_key: bool,
}

/// A key to withdraw.
struct Condemned {
    /// Its id, as text.
    kid: String,
    /// Key and version of its row, where it has one.
    row: Option<(Vec<u8>, u64)>,
}

/// What is written, and the list of accepted keys that goes with it.
pub struct KeysDecided {
    /// What is done. The changes lack the list, which the server seals.
    pub decided: Decided,
    /// The list that replaces the one that was read.
    pub list: KeyList,
}

/// Judges an order by the keys that are there.
pub fn plan<'a>(
    wanted: Wanted<'a>,
    keys: &'a SigningKeys,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<Plan<'a>, NotDone> {
    let condemned = match wanted {
        Wanted::Next => Vec::new(),
        Wanted::OnlyNew => rows(keys).collect(),
        Wanted::Withdrawn(kid) => condemned(keys, kid)?,
    };
    let signs = chosen(&keys.accepted, algorithm, now).map(|key| &key.record.kid);
    let loses_signer = condemned.iter().any(|gone| Some(&gone.kid) == signs);
    let needs_key = loses_signer || matches!(wanted, Wanted::Next | Wanted::OnlyNew);
    Ok(Plan {
        keys,
        wanted,
        condemned,
        needs_key,
    })
}

impl Plan<'_> {
    /// When the key that has to be made begins to sign; nothing where none has to be made. Where the key that signs is
    /// withdrawn, another one signs in the same step: there is no moment without one.
    pub fn needs_key(&self, now: Timestamp) -> Option<Timestamp> {
        let from = match self.wanted {
            Wanted::Next => now + PUBLISHED_BEFORE_USE,
            Wanted::OnlyNew | Wanted::Withdrawn(_) => now,
        };
        self.needs_key.then_some(from)
    }

    /// Decides, with the key that was made for it. Rows that are refused already are removed as well.
    pub fn decide(self, order: &Order<'_>, made: Option<&StoredSigningKey>) -> KeysDecided {
        let mut list = self.keys.list.clone();
        let (mut batch, mut events) = (Batch::default(), Vec::new());
        if let Some(key) = made {
            batch.insert(key);
            list.add(key);
            events.push(told(order, EventKind::KeyCreated, 0, describe_made(key)));
        }
        for (number, Condemned { kid, row }) in (0..).zip(&self.condemned) {
            if let Some((key, version)) = row {
                batch.remove(Kind::SigningKey, key.clone(), *version);
            }
            // A row whose key is no text is no key of ours: there is nothing to mark.
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
            let detail = format!("{kid}: withdrawn, tokens that it signed are refused");
            events.push(told(order, EventKind::KeyRevoked, number, detail));
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
        let withdrawn: Vec<&str> = self.condemned.iter().map(|gone| gone.kid.as_str()).collect();
        if !withdrawn.is_empty() {
            done.push(format!("withdrawn: {}", withdrawn.join(" ")));
        }
        match (self.wanted, made) {
            (Wanted::Next, Some(key)) => {
                done.push(format!("{}: published, signs from {}", key.kid, key.active_from));
            }
            (_, Some(key)) => done.push(format!("{} signs from now on", key.kid)),
            (_, None) => {}
        }
        let warning = (!withdrawn.is_empty()).then_some(CACHED_ELSEWHERE);
        (done.join("; "), warning)
    }
}

/// Every row of a signing key, whether or not the key is accepted.
fn rows(keys: &SigningKeys) -> impl Iterator<Item = Condemned> {
    let accepted = keys.accepted.iter();
    let accepted = accepted.map(|key| (key.record.kid.clone().into_bytes(), key.version));
    accepted
        .chain(keys.rejected.iter().cloned())
        .map(|(key, version)| Condemned {
            kid: String::from_utf8_lossy(&key).into_owned(),
            row: Some((key, version)),
        })
}

fn condemned(keys: &SigningKeys, wanted: &str) -> Result<Vec<Condemned>, NotDone> {
    let rows: Vec<_> = rows(keys).filter(|key| key.kid == wanted).collect();
    if !rows.is_empty() {
        return Ok(rows);
    }
    match (keys.marked.get(wanted), keys.list.withdrawn_at(wanted)) {
        // The mark was removed from the store: it is made again.
        (None, Some(_)) => Ok(vec![Condemned {
            kid: wanted.to_owned(),
            row: None,
        }]),
        (None, None) => Err(NotDone::not_found("no signing key has this id", LIST_HINT)),
        (Some(Some(at)), _) => {
            let problem = format!("this signing key was withdrawn already, at {at}");
            Err(NotDone::not_found(problem, LIST_HINT))
        }
        (Some(None), _) => {
            let problem = "this signing key was withdrawn already; the mark of its withdrawal cannot be read";
            Err(NotDone::not_found(problem, LIST_HINT))
        }
    }
}

/// An event of a key. `number` counts the events of one kind.
fn told(order: &Order<'_>, kind: EventKind, number: u32, detail: String) -> Event {
    Event {
        detail: Some(detail),
        ..order.numbered_event(kind, number)
    }
}

/// Removes keys whose time is over: the clock orders it, and no administrator. Yields nothing where no key is over.
pub fn retire(order: &Order<'_>, keys: &SigningKeys, algorithm: Algorithm) -> Option<(Audited, KeyList)> {
    let signs = chosen(&keys.accepted, algorithm, order.now).map(|key| key.record.kid.as_str());
    let lives = lives(&keys.accepted, signs, order.now);
    let over = keys
        .accepted
        .iter()
        .zip(lives)
        .filter(|(_, life)| life.is_over(order.now));
    let mut list = keys.list.clone();
    let (mut batch, mut events) = (Batch::default(), Vec::new());
    for (number, (key, _)) in (0..).zip(over) {
        batch.delete(&key.record, key.version);
        list.remove(&key.record.kid);
        let detail = format!("{}: no token that it signed is alive", key.record.kid);
        events.push(told(order, EventKind::KeyRetired, number, detail));
    }
    Some((Audited::with_events(batch, events)?, list))
}
