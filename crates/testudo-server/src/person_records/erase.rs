//! Deletes what belongs to a person whose account does not permit its use any more.

use super::range::part_of;
use crate::state::app::App;
use std::collections::BTreeSet;
use testudo_core::people::{PersonId, SessionName};
use testudo_core::records::{Batch, Grant, Kind, Rotation};
use testudo_store::{CommitError, StoreFault, Stored, typed};

/// How many records one batch deletes.
const ERASED_AT_ONCE: usize = 100;

/// How often records are read again because a request changed one of them meanwhile. A request that began before the
/// account was changed is the only one that can do so.
const ATTEMPTS_MAX: usize = 20;

/// Deletes the sessions of a person.
pub(crate) async fn erase_sessions(app: &App, person: PersonId) -> Result<(), CommitError> {
    erase_kind(app, Kind::Session, person, None).await
}

/// Deletes the sessions of a person but this one.
pub(crate) async fn erase_other_sessions(app: &App, kept: SessionName) -> Result<(), CommitError> {
    erase_kind(app, Kind::Session, kept.person, Some(&kept.key())).await
}

/// Deletes everything that belongs to a removed account: sessions, consents, and grants with their refresh tokens. If it
/// is interrupted, it is completed when it is called again.
pub(crate) async fn erase_all(app: &App, person: PersonId) -> Result<(), CommitError> {
    for kind in [Kind::Session, Kind::Consent, Kind::Grant] {
        erase_kind(app, kind, person, None).await?;
    }
    Ok(())
}

/// Deletes the records of a kind that belong to a person, but the one with the key `kept`.
async fn erase_kind(app: &App, kind: Kind, person: PersonId, kept: Option<&[u8]>) -> Result<(), CommitError> {
    let mut conflicts = 0;
    loop {
        let part = part_of(app, kind, Some(person), &[]).await;
        let mut stored = part.map_err(CommitError::Unavailable)?.stored;
        stored.retain(|record| Some(record.key.as_slice()) != kept);
        if stored.is_empty() {
            return Ok(());
        }
        for some in stored.chunks(ERASED_AT_ONCE) {
            let batch = deletion(app, kind, some)
                .await
                .map_err(CommitError::Unavailable)?;
            match app.commit(batch).await {
                Ok(()) => {}
                Err(CommitError::Conflict(_)) if conflicts < ATTEMPTS_MAX => {
                    conflicts += 1;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The deletion of these records, and of the refresh tokens of grants. A record that cannot be read is deleted too.
async fn deletion(app: &App, kind: Kind, stored: &[Stored]) -> Result<Batch, StoreFault> {
    let mut batch = Batch::default();
    // A token that may be sent again can be an earlier one, too, and a batch deletes a record once.
    let mut tokens = BTreeSet::new();
    for record in stored {
        batch.remove(kind, record.key.clone(), record.version);
        if kind == Kind::Grant
            && let Ok(grant) = typed::<Grant>(record.clone())
        {
            tokens.extend(grant.record.refresh.iter().flat_map(tokens_of));
        }
    }
    let tokens = tokens.into_iter().map(|key| (Kind::RefreshToken, key)).collect();
    for token in app.store.get_many(tokens).await?.into_iter().flatten() {
        batch.remove(Kind::RefreshToken, token.key, token.version);
    }
    Ok(batch)
}

/// The keys of the refresh tokens of a grant.
fn tokens_of(rotation: &Rotation) -> impl Iterator<Item = Vec<u8>> {
    let kept = rotation.earlier.iter().chain([&rotation.current]);
    let kept = kept.map(|token| token.digest);
    let all = kept.chain(rotation.replaced.map(|(replaced, _)| replaced));
    all.map(|digest| digest.key().to_vec())
}
