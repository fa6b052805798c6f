//! How the set of signing keys changes while the server runs: a key is announced, a key retires by the clock, a key is
//! withdrawn because it was stolen.

use crate::audit::{Note, new_event};
use crate::change::Change;
use crate::read_again;
use crate::state::app::App;
use crate::state::keys::make_signing_key;
use crate::state::keys::stored::{self, Found};
use testudo_core::Actor;
use testudo_core::admin::Audited;
use testudo_core::records::{Batch, Event, EventKind, Kind, StoredSigningKey, WithdrawnKey};
use testudo_core::signing_keys::{PUBLISHED_BEFORE_USE, chosen, lives};
use testudo_protocol::Timestamp;
use testudo_store::CommitError;

/// Times a change is decided again because another node changed the keys meanwhile.
const ATTEMPTS: usize = 4;
const RACED: &str =
    "other nodes changed the keys at the same time, several times: nothing was done, try again";

/// Which keys are withdrawn.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All that are there: who read one of them could read the others, too.
    All,
    /// The one of this id.
    One(&'a str),
}

/// What a withdrawal did.
#[derive(Debug)]
pub struct Withdrawal {
    /// Ids of the keys that are believed no more.
    pub withdrawn: Vec<String>,
    /// Id of the key that was made because the one that signed is gone.
    pub made: Option<String>,
}

/// Why keys were not changed.
#[derive(Debug)]
pub enum Refused {
    /// No key has this id.
    Unknown,
    /// It was withdrawn before.
    Already(Timestamp),
    /// Ours to mend.
    Failed(String),
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        Refused::Failed(why)
    }
}

/// Makes a key that is published now, and signs when every cache of `/jwks` has it.
pub async fn announce(app: &App, change: &Change<'_>) -> Result<(String, Timestamp), String> {
    for _ in 0..ATTEMPTS {
        let now = app.now();
        let mut found = read(app, now).await?;
        let mut batch = Batch::default();
        let made = make(app, now + PUBLISHED_BEFORE_USE, now)?;
        let event = insert(change, &mut found, &mut batch, &made)?;
        found.seal_into(&mut batch, &app.encryption)?;
        match change.commit(&Audited::new(batch, event)).await {
            Ok(()) => return Ok((made.kid, made.active_from)),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(format!("the signing key cannot be stored: {error:?}")),
        }
    }
    Err(RACED.to_owned())
}

/// Takes keys out of `/jwks` and out of use, here at once and on the other nodes as soon as they hear of it. Where
/// the key that signs goes, another one is made in the same step: there is no moment without one. Rows that are
/// refused already are removed in the same way.
pub async fn withdraw(app: &App, which: Which<'_>, change: &Change<'_>) -> Result<Withdrawal, Refused> {
    for _ in 0..ATTEMPTS {
        let now = app.now();
        let mut found = read(app, now).await?;
        let algorithm = app.policy.load().tokens.signing_algorithm;
        let signs = chosen(&found.believed, algorithm, now).map(|key| key.record.kid.clone());
        let condemned = condemned(&found, which);
        if let (true, Which::One(kid)) = (condemned.is_empty(), which) {
            return Err(absent(app, kid).await);
        }
        let (mut batch, mut events) = (Batch::default(), Vec::new());
        let loses_signer = condemned.iter().any(|gone| Some(&gone.kid) == signs.as_ref());
        let mut made = None;
        if loses_signer || matches!(which, Which::All) {
            let key = make(app, now, now)?;
            events.push(insert(change, &mut found, &mut batch, &key)?);
            made = Some(key.kid);
        }
        for Condemned { kid, row } in &condemned {
            if let Some((key, version)) = row {
                batch.remove(Kind::SigningKey, key.clone(), *version);
            }
            // A row whose key is no text is no key of ours: there is nothing to mark.
            if row.as_ref().is_none_or(|(key, _)| key == kid.as_bytes()) {
                let at = found.ledger.withdrawn_at(kid).unwrap_or(now);
                found.ledger.withdraw(kid, at);
                if !found.marked.contains(kid) {
                    batch.insert(&WithdrawnKey {
                        kid: kid.clone(),
                        at,
                        reason: change.note().reason.map(str::to_owned),
                    });
                }
            }
            let detail = format!("{kid}: withdrawn, tokens that it signed are refused");
            events.push(told(change, EventKind::KeyRevoked, detail)?);
        }
        found.seal_into(&mut batch, &app.encryption)?;
        let withdrawn: Vec<String> = condemned.into_iter().map(|gone| gone.kid).collect();
        let Some(changes) = Audited::with_events(batch, events) else {
            return Err(Refused::Unknown);
        };
        match change.commit(&changes).await {
            Ok(()) => return Ok(Withdrawal { withdrawn, made }),
            // Another node changed the keys at the same moment: look again.
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(Refused::Failed(format!("the keys cannot be changed: {error:?}"))),
        }
    }
    Err(Refused::Failed(RACED.to_owned()))
}

/// A key to withdraw.
struct Condemned {
    /// Its id, as text.
    kid: String,
    /// Key and version of its row, where it has one.
    row: Option<(Vec<u8>, u64)>,
}

fn condemned(found: &Found, which: Which<'_>) -> Vec<Condemned> {
    let believed = found
        .believed
        .iter()
        .map(|key| (key.record.kid.clone().into_bytes(), key.version));
    let rows = believed.chain(found.rejected.iter().cloned());
    let rows = rows.map(|(key, version)| Condemned {
        kid: String::from_utf8_lossy(&key).into_owned(),
        row: Some((key, version)),
    });
    match which {
        Which::All => rows.collect(),
        Which::One(wanted) => {
            let mut rows: Vec<_> = rows.filter(|key| key.kid == wanted).collect();
            let has_lost_its_mark =
                found.ledger.withdrawn_at(wanted).is_some() && !found.marked.contains(wanted);
            if rows.is_empty() && has_lost_its_mark {
                rows.push(Condemned {
                    kid: wanted.to_owned(),
                    row: None,
                });
            }
            rows
        }
    }
}

/// Removes keys whose time is over, and takes into use what is due.
pub async fn retire(app: &App) -> Result<(), String> {
    let now = app.now();
    let mut found = read(app, now).await?;
    let algorithm = app.policy.load().tokens.signing_algorithm;
    let signs = chosen(&found.believed, algorithm, now).map(|key| key.record.kid.clone());
    let mut batch = Batch::default();
    let note = Note::by(&Actor::Clock);
    let lives = lives(&found.believed, signs.as_deref(), now);
    for (key, life) in found.believed.iter().zip(lives) {
        if life.is_over(now) {
            batch.delete(&key.record, key.version);
            found.ledger.remove(&key.record.kid);
            let detail = format!("{}: no token that it signed is alive", key.record.kid);
            let event = new_event(app, EventKind::KeyRetired, |event| {
                event.detail = Some(detail);
                note.sign(event);
            });
            event.iter().for_each(|event| batch.insert(event));
        }
    }
    if !batch.is_empty() {
        found.seal_into(&mut batch, &app.encryption)?;
    }
    match app.store.commit(batch).await {
        // Another node removed them at the same moment.
        Ok(()) | Err(CommitError::Conflict(_)) => {}
        Err(error) => return Err(format!("a retired key cannot be removed: {error:?}")),
    }
    read_again::keys(app).await
}

async fn read(app: &App, now: Timestamp) -> Result<Found, String> {
    let known = app.keys.load_full();
    stored::read(&app.store, &app.encryption, Some(&known.known), now).await
}

/// Why there is no key of this id to withdraw.
async fn absent(app: &App, kid: &str) -> Refused {
    match app.store.read::<WithdrawnKey>(kid.as_bytes()).await {
        Ok(Some(mark)) => Refused::Already(mark.record.at),
        Ok(None) => Refused::Unknown,
        Err(fault) => Refused::Failed(fault.to_string()),
    }
}

fn make(app: &App, active_from: Timestamp, now: Timestamp) -> Result<StoredSigningKey, String> {
    let algorithm = app.policy.load().tokens.signing_algorithm;
    make_signing_key(&app.encryption, algorithm, active_from, now)
}

/// Adds a key, and returns its event.
fn insert(
    change: &Change<'_>,
    found: &mut Found,
    batch: &mut Batch,
    key: &StoredSigningKey,
) -> Result<Event, String> {
    batch.insert(key);
    found.ledger.add(key);
    let StoredSigningKey { kid, algorithm, .. } = key;
    let detail = format!("{kid}, {algorithm}, signs from {}", key.active_from);
    told(change, EventKind::KeyCreated, detail)
}

/// An event of its own order: a withdrawal has one for each key.
fn told(change: &Change<'_>, kind: EventKind, detail: String) -> Result<Event, String> {
    let order = change.order().map_err(|fault| fault.to_string())?;
    Ok(Event {
        detail: Some(detail),
        ..order.event(kind)
    })
}
