//! Signing keys: made at the first start, wrapped at rest, parsed once.

mod make;
mod sealed_list;
pub(crate) mod stored;

pub(crate) use make::make_signing_key;

use crate::key_encryption::{KeyEncryption, random_32};
use crate::state::refused::{News, RefusedRecord};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stored::{Found, KeysSeen, OPAQUE};
use testudo_core::admission::client_name::OpaqueKey;
use testudo_core::records::{Batch, EventKind, ServerSecret};
use testudo_core::signing_keys::{KeyState, chosen, describe_made, lives};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, KeySet, SigningKey};
use testudo_store::{CommitError, Store};

/// The keys that this server signs with and publishes.
pub struct Keyring {
    /// Signs new tokens.
    pub active: Arc<SigningKey>,
    /// What `/jwks` answers, ready to send.
    pub jwks: String,
    /// The same keys, for tokens of ours that come back to us.
    pub published: KeySet,
    /// Makes opaque client ids.
    pub opaque_key: Arc<OpaqueKey>,
    /// All keys, newest first, as they are listed.
    pub listed: Vec<ListedKey>,
    /// Records of the store that are not believed.
    pub refused: Vec<RefusedRecord>,
    /// What was done while they were loaded, for events.
    pub news: Vec<News>,
    pub(crate) known: KeysSeen,
}

/// A signing key, as it is listed.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ListedKey {
    /// Key id.
    pub kid: String,
    /// Algorithm name.
    pub algorithm: String,
    /// When it was made.
    #[schemars(with = "i64")]
    pub created: Timestamp,
    /// When it begins, or began, to sign.
    #[schemars(with = "i64")]
    pub active_from: Timestamp,
    /// `next`, `active` or `retiring`.
    pub state: KeyState,
    /// When a retiring key is taken out: by the clock, whatever happens in between.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<i64>")]
    pub published_until: Option<Timestamp>,
}

/// Times the keys are read and written again because another node changed them meanwhile.
const LOADS: usize = 8;

impl Keyring {
    /// Loads the keys, making those that are missing: at the first start, or after `signing_algorithm` changed.
    pub async fn load(
        store: &Store,
        encryption: &KeyEncryption,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Keyring, String> {
        Keyring::read(store, encryption, algorithm, now, None).await
    }

    /// Loads them again. What `self` has seen to be withdrawn stays withdrawn, whatever the store says by now.
    pub(crate) async fn load_again(
        &self,
        store: &Store,
        encryption: &KeyEncryption,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Keyring, String> {
        Keyring::read(store, encryption, algorithm, now, Some(&self.known)).await
    }

    /// What is missing is written together with the sealed list. Of nodes that start together one writes the list;
    /// the others find that it is there, and read again. A key signs after it was stored, and not before.
    async fn read(
        store: &Store,
        encryption: &KeyEncryption,
        algorithm: Algorithm,
        now: Timestamp,
        known: Option<&KeysSeen>,
    ) -> Result<Keyring, String> {
        let mut news = Vec::new();
        for _ in 0..LOADS {
            let mut found = stored::read(store, encryption, known, now).await?;
            let mut batch = Batch::default();
            let mut told = std::mem::take(&mut found.news);
            if found.keys.lacks(algorithm) {
                let made = make_signing_key(encryption, algorithm, now, now)?;
                batch.insert(&made);
                found.keys.list.add(&made);
                found.is_list_due = true;
                told.push((EventKind::KeyCreated, describe_made(&made)));
            }
            if found.opaque.is_none() {
                let secret = random_32()?;
                batch.insert(&ServerSecret {
                    purpose: OPAQUE.to_owned(),
                    wrapped: encryption.wrap(OPAQUE, secret.as_ref())?,
                });
            }
            let is_usable = batch.is_empty();
            if found.is_list_due {
                batch.extend(found.seal(found.keys.list.clone(), encryption)?);
            }
            if batch.is_empty() {
                return Keyring::of(found, algorithm, now, news);
            }
            match store.commit(batch).await {
                Ok(()) => news.extend(told),
                Err(CommitError::Conflict(_)) => {}
                // The list is written by the next reading; what is in force must not wait for it.
                Err(error) if is_usable && known.is_some() => {
                    tracing::warn!(?error, "the sealed list of signing keys could not be written");
                    return Keyring::of(found, algorithm, now, news);
                }
                Err(error) => return Err(format!("the signing keys cannot be stored: {error:?}")),
            }
        }
        Err("other nodes changed the signing keys at the same time, several times: try again".to_owned())
    }

    fn of(found: Found, algorithm: Algorithm, now: Timestamp, news: Vec<News>) -> Result<Keyring, String> {
        let chosen = chosen(&found.keys.accepted, algorithm, now).ok_or("no signing key")?;
        let chosen = chosen.record.kid.clone();
        let active = found.opened.get(&chosen).ok_or("no signing key")?.clone();
        let lives = lives(&found.keys.accepted, Some(&chosen), now);
        let mut listed = Vec::with_capacity(lives.len());
        let mut published = Vec::with_capacity(lives.len());
        for (key, life) in found.keys.accepted.into_iter().zip(lives) {
            let record = key.record;
            let opened = found.opened.get(&record.kid);
            let Some(opened) = opened.filter(|_| !life.is_over(now)) else {
                continue;
            };
            published.push(opened.public_jwk("sig", true));
            listed.push(ListedKey {
                kid: record.kid,
                algorithm: record.algorithm,
                created: record.created,
                active_from: record.active_from,
                state: life.state,
                published_until: life.published_until,
            });
        }
        let jwks = serde_json::json!({ "keys": published }).to_string();
        let opaque = found.opaque.ok_or("no secret for opaque client ids")?;
        Ok(Keyring {
            active,
            published: KeySet::from_jwks(jwks.as_bytes())?,
            jwks,
            opaque_key: opaque.clone(),
            listed,
            refused: found.refused,
            news,
            known: KeysSeen {
                list: found.keys.list,
                opaque,
            },
        })
    }
}

impl Keyring {
    /// True where a published key should sign by now, or one that is published should not be any more.
    pub fn has_key_due(&self, now: Timestamp) -> bool {
        self.listed.iter().any(|key| match key.state {
            KeyState::Next => key.active_from <= now,
            KeyState::Active | KeyState::Retiring => key.published_until.is_some_and(|until| until <= now),
        })
    }
}

/// Opens every key and secret of the store, to see whether it can be done; how many there are, and what would be
/// refused. Nothing is written.
pub(crate) async fn try_to_open(
    store: &Store,
    encryption: &KeyEncryption,
    now: Timestamp,
) -> Result<(usize, Vec<RefusedRecord>), String> {
    let found = stored::read(store, encryption, None, now).await?;
    let mut refused = found.refused;
    let secrets = store.read_each::<ServerSecret>().await;
    let secrets = secrets.map_err(|fault| fault.to_string())?;
    let mut opened = found.opened.len();
    for row in secrets {
        let outcome = match &row.record {
            Ok(secret) => encryption.unwrap(&secret.purpose, &secret.wrapped).map(drop),
            Err(fault) => Err(fault.to_string()),
        };
        match outcome {
            Ok(()) => opened += 1,
            Err(why) => refused.push(RefusedRecord::new("server_secret", &row.key, why)),
        }
    }
    Ok((opened, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signing_keys_survive_a_restart_and_a_wrong_key_encryption_key_is_reported() {
        let store = Store::memory();
        let encryption = KeyEncryption::new(&[7; 32]).unwrap();
        let now = Timestamp(0);
        let first = Keyring::load(&store, &encryption, Algorithm::ES256, now)
            .await
            .unwrap();
        let second = Keyring::load(&store, &encryption, Algorithm::ES256, now)
            .await
            .unwrap();
        assert_eq!(first.jwks, second.jwks);
        let other = KeyEncryption::new(&[8; 32]).unwrap();
        let error = Keyring::load(&store, &other, Algorithm::ES256, now)
            .await
            .err()
            .unwrap();
        assert!(error.contains("key-encryption key"), "{error}");
    }
}
