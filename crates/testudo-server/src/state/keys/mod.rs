//! Signing keys: created at the first start, stored encrypted, parsed once.

mod make;
mod sealed_list;
pub(crate) mod stored;

pub(crate) use make::{generate_pkcs8, make_signing_key};

use crate::key_encryption::{KeyEncryption, random_32};
use crate::state::refused::{News, RefusedRecord};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stored::{Found, KeysSeen, OPAQUE};
use testudo_core::admission::client_name::OpaqueKey;
use testudo_core::records::{Batch, EventKind, Rfc3339, ServerSecret};
use testudo_core::signing_keys::{KeyState, chosen, describe_made, key_statuses};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, KeySet, SigningKey};
use testudo_store::{CommitError, Store};

/// The keys that this server signs with and publishes.
pub struct Keyring {
    /// The key that signs new tokens.
    pub active: Arc<SigningKey>,
    /// The body of the answer of `/jwks`.
    pub jwks: String,
    /// The same keys, for verifying tokens of this server that are presented to it.
    pub published: KeySet,
    /// The secret from which opaque client ids are derived.
    pub opaque_key: Arc<OpaqueKey>,
    /// All keys, newest first, as `testudo key list` prints them.
    pub listed: Vec<ListedKey>,
    /// Records of keys and secrets in the store that are not used.
    pub refused: Vec<RefusedRecord>,
    /// Events that have to be written about the load.
    pub news: Vec<News>,
    pub(crate) known: KeysSeen,
}

/// A signing key, as `testudo key list` prints it.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ListedKey {
    /// Key id.
    pub kid: String,
    /// Algorithm name.
    pub algorithm: String,
    /// When the key was created.
    #[schemars(with = "Rfc3339")]
    pub created: Timestamp,
    /// From when the key signs.
    #[schemars(with = "Rfc3339")]
    pub active_from: Timestamp,
    /// `next`, `active` or `retiring`.
    pub state: KeyState,
    /// When a retiring key is removed from `/jwks`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<Rfc3339>")]
    pub published_until: Option<Timestamp>,
}

/// Most attempts to read and write the keys. An attempt fails where another node changes the keys meanwhile.
const LOADS: usize = 8;

impl Keyring {
    /// Loads the keys, and creates those that are missing: at the first start, or after `signing_algorithm` changed.
    pub async fn load(
        store: &Store,
        encryption: &KeyEncryption,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Keyring, String> {
        Keyring::read(store, encryption, algorithm, now, None).await
    }

    /// Loads the keys again. A key that `self` knows as withdrawn stays withdrawn, even where the store no longer has
    /// the mark.
    pub(crate) async fn load_again(
        &self,
        store: &Store,
        encryption: &KeyEncryption,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Keyring, String> {
        Keyring::read(store, encryption, algorithm, now, Some(&self.known)).await
    }

    /// Missing keys and the sealed list are written in one batch. Of several nodes that start at the same time, one
    /// writes the list; the others get a conflict and read again. So a key signs only after it was stored.
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
                // The keys are usable without the new list, so they are put in force; the next load writes the list.
                Err(error) if is_usable && known.is_some() => {
                    tracing::warn!(event = "key.list_unwritten", fault = %error, "the sealed list of signing keys could not be written");
                    return Keyring::of(found, algorithm, now, news);
                }
                Err(error) => return Err(format!("the signing keys cannot be stored: {error}")),
            }
        }
        Err("other nodes changed the signing keys at the same time, several times: try again".to_owned())
    }

    fn of(found: Found, algorithm: Algorithm, now: Timestamp, news: Vec<News>) -> Result<Keyring, String> {
        let chosen = chosen(&found.keys.accepted, algorithm, now).ok_or("no signing key")?;
        let chosen = chosen.record.kid.clone();
        let active = found.opened.get(&chosen).ok_or("no signing key")?.clone();
        let statuses = key_statuses(&found.keys.accepted, Some(&chosen), now);
        let mut listed = Vec::with_capacity(statuses.len());
        let mut published = Vec::with_capacity(statuses.len());
        for (key, status) in found.keys.accepted.into_iter().zip(statuses) {
            let record = key.record;
            let opened = found.opened.get(&record.kid);
            let Some(opened) = opened.filter(|_| !status.is_over(now)) else {
                continue;
            };
            published.push(opened.public_jwk("sig", true));
            listed.push(ListedKey {
                kid: record.kid,
                algorithm: record.algorithm,
                created: record.created,
                active_from: record.active_from,
                state: status.state,
                published_until: status.published_until,
            });
        }
        let jwks = serde_json::json!({ "keys": published }).to_string();
        let opaque = found
            .opaque
            .ok_or("the store has no secret for opaque client ids")?;
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
    /// True where a key has to begin to sign, or has to be removed from `/jwks`.
    pub fn has_key_due(&self, now: Timestamp) -> bool {
        self.listed.iter().any(|key| match key.state {
            KeyState::Next => key.active_from <= now,
            KeyState::Active | KeyState::Retiring => key.published_until.is_some_and(|until| until <= now),
        })
    }
}

/// Decrypts every key and secret of the store and writes nothing. Returns how many could be decrypted, and the records
/// that would not be used.
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
