//! Signing keys: made at the first start, wrapped at rest, parsed once.

mod change;
mod encryption;

pub(crate) use change::{Note, Refused, Which, announce, retire, withdraw};
pub use encryption::{KeyEncryption, parse_key_encryption_key, random_32, read_or_make_key_encryption_key};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{rsa, signature as lc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::records::{Batch, ServerSecret, StoredSigningKey, Versioned, WithdrawnKey};
use testudo_core::registration::client_id::OpaqueKey;
use testudo_protocol::jose::{Algorithm, KeySet, SigningKey};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::Store;
use zeroize::Zeroizing;

/// The keys that this server signs with and publishes.
pub struct Keyring {
    /// Signs new tokens.
    pub active: Arc<SigningKey>,
    /// What `/jwks` answers, ready to send.
    pub jwks: String,
    /// The same keys, for tokens of ours that come back to us.
    pub published: KeySet,
    /// Makes opaque client ids.
    pub opaque_key: OpaqueKey,
    /// All keys, newest first, as they are listed.
    pub listed: Vec<ListedKey>,
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

/// How long a new key is published before it signs: caches of `/jwks` are five minutes old at most.
pub const PUBLISHED_BEFORE_USE: Seconds = Seconds(600);
/// How long a key stays published after another took over: the longest life of a token, and some.
const PUBLISHED_AFTER_USE: Seconds = Seconds(7200);

impl Keyring {
    /// Loads the keys, making those that are missing: at the first start, or after `signing_algorithm` changed.
    pub async fn load(
        store: &Store,
        encryption: &KeyEncryption,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Keyring, String> {
        let mut stored = believed(store).await?;
        if !stored.iter().any(|key| key.record.algorithm == algorithm.name()) {
            let made = make_signing_key(encryption, algorithm, (now, now))?;
            let mut batch = Batch::default();
            batch.insert(&made);
            let outcome = store.commit(batch).await;
            outcome.map_err(|error| format!("the signing key cannot be stored: {error:?}"))?;
            tracing::info!(kid = made.kid, algorithm = made.algorithm, "key.created");
            stored = believed(store).await?;
        }
        let chosen = chosen(&stored, algorithm, now)
            .ok_or("no signing key")?
            .record
            .kid
            .clone();
        let lives = lives(&stored, Some(&chosen), now);
        let (stored, lives): (Vec<_>, Vec<_>) = stored
            .into_iter()
            .map(|versioned| versioned.record)
            .zip(lives)
            .filter(|(_, life)| !life.is_over(now))
            .unzip();
        let mut keys = Vec::with_capacity(stored.len());
        for record in &stored {
            let pkcs8 = encryption
                .unwrap(&record.kid, &record.wrapped)
                .map_err(|why| format!("signing key {} {why}", record.kid))?;
            let algorithm = Algorithm::parse(&record.algorithm)
                .ok_or_else(|| format!("signing key {} has an unknown algorithm", record.kid))?;
            let key = SigningKey::from_pkcs8(algorithm, &pkcs8, Some(&record.kid))
                .map_err(|fault| format!("signing key {}: {fault}", record.kid))?;
            keys.push(Arc::new(key));
        }
        let published: Vec<_> = keys.iter().map(|key| key.public_jwk("sig", true)).collect();
        let active = keys
            .iter()
            .find(|key| key.kid() == chosen)
            .ok_or("no signing key")?
            .clone();
        let listed = stored.iter().zip(lives).map(|(record, life)| ListedKey {
            kid: record.kid.clone(),
            algorithm: record.algorithm.clone(),
            created: record.created,
            active_from: record.active_from,
            state: life.state,
            published_until: life.published_until,
        });
        let jwks = serde_json::json!({ "keys": published }).to_string();
        Ok(Keyring {
            listed: listed.collect(),
            active,
            published: KeySet::from_jwks(jwks.as_bytes())?,
            jwks,
            opaque_key: load_opaque_key(store, encryption).await?,
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

/// The stored keys without those that were withdrawn, newest first. Where two nodes made one at the same moment, by
/// name: all nodes choose the same.
///
/// The marks are read after the keys: a withdrawal writes both at once, so that a key that was read before it is met
/// by its mark.
async fn believed(store: &Store) -> Result<Vec<Versioned<StoredSigningKey>>, String> {
    let stored = store.read_all::<StoredSigningKey>().await;
    let marks = store.read_all::<WithdrawnKey>().await;
    let mut stored = stored.map_err(|fault| fault.to_string())?;
    let marks = marks.map_err(|fault| fault.to_string())?;
    stored.retain(|key| {
        let kid = &key.record.kid;
        let is_withdrawn = marks.iter().any(|mark| mark.record.kid == *kid);
        if is_withdrawn {
            tracing::error!(
                kid,
                "the store holds a signing key again that was withdrawn: it is neither published nor believed"
            );
        }
        !is_withdrawn
    });
    stored.sort_by(|a, b| {
        let by_time = b.record.active_from.cmp(&a.record.active_from);
        by_time.then_with(|| a.record.kid.cmp(&b.record.kid))
    });
    Ok(stored)
}

/// The key that signs: the newest that is due; at the very first start, the one that was made a moment ago.
fn chosen(
    newest_first: &[Versioned<StoredSigningKey>],
    algorithm: Algorithm,
    now: Timestamp,
) -> Option<&Versioned<StoredSigningKey>> {
    let of_algorithm = |key: &&Versioned<StoredSigningKey>| key.record.algorithm == algorithm.name();
    let mut due = newest_first.iter().filter(of_algorithm);
    due.find(|key| key.record.active_from <= now)
        .or(newest_first.iter().rfind(of_algorithm))
}

struct Life {
    state: KeyState,
    published_until: Option<Timestamp>,
}

impl Life {
    fn is_over(&self, now: Timestamp) -> bool {
        self.published_until.is_some_and(|until| until <= now)
    }
}

/// Where each key is in its life. A key retires when the next newer one takes over, and is published for a while
/// after that.
fn lives(newest_first: &[Versioned<StoredSigningKey>], signs: Option<&str>, now: Timestamp) -> Vec<Life> {
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

fn make_signing_key(
    encryption: &KeyEncryption,
    algorithm: Algorithm,
    (active_from, now): (Timestamp, Timestamp),
) -> Result<StoredSigningKey, String> {
    let pkcs8 = generate_pkcs8(algorithm)?;
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8, None).map_err(|fault| fault.to_string())?;
    Ok(StoredSigningKey {
        kid: key.kid().to_owned(),
        algorithm: algorithm.name().to_owned(),
        created: now,
        active_from,
        wrapped: encryption.wrap(key.kid(), &pkcs8)?,
    })
}

/// Opens every key of the store, to see whether it can be done; how many there are.
pub(crate) async fn try_to_open(store: &Store, encryption: &KeyEncryption) -> Result<usize, String> {
    let keys = store
        .read_all::<StoredSigningKey>()
        .await
        .map_err(|fault| fault.to_string())?;
    for key in &keys {
        let opened = encryption.unwrap(&key.record.kid, &key.record.wrapped);
        opened.map_err(|why| format!("signing key {} {why}", key.record.kid))?;
    }
    let secrets = store
        .read_all::<ServerSecret>()
        .await
        .map_err(|fault| fault.to_string())?;
    for secret in &secrets {
        let opened = encryption.unwrap(&secret.record.purpose, &secret.record.wrapped);
        opened.map_err(|why| format!("the secret for {} {why}", secret.record.purpose))?;
    }
    Ok(keys.len() + secrets.len())
}

async fn load_opaque_key(store: &Store, encryption: &KeyEncryption) -> Result<OpaqueKey, String> {
    const PURPOSE: &str = "opaque-client-id";
    let record = store
        .read::<ServerSecret>(PURPOSE.as_bytes())
        .await
        .map_err(|fault| fault.to_string())?;
    let secret = match record {
        Some(versioned) => encryption.unwrap(PURPOSE, &versioned.record.wrapped)?,
        None => {
            let secret = random_32()?;
            let mut batch = Batch::default();
            batch.insert(&ServerSecret {
                purpose: PURPOSE.into(),
                wrapped: encryption.wrap(PURPOSE, secret.as_ref())?,
            });
            match store.commit(batch).await {
                Ok(()) => Zeroizing::new(secret.to_vec()),
                // Another node that starts at the same moment was first: its secret is everybody's.
                Err(testudo_store::CommitError::Conflict(_)) => {
                    let record = store.read::<ServerSecret>(PURPOSE.as_bytes()).await;
                    let record = record
                        .map_err(|fault| fault.to_string())?
                        .ok_or("a server secret is gone")?;
                    encryption.unwrap(PURPOSE, &record.record.wrapped)?
                }
                Err(error) => return Err(format!("a server secret cannot be stored: {error:?}")),
            }
        }
    };
    let secret: [u8; 32] = secret
        .as_slice()
        .try_into()
        .map_err(|_| "a server secret has the wrong length")?;
    Ok(OpaqueKey::new(&secret))
}

/// A new private key as PKCS #8.
fn generate_pkcs8(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, String> {
    let random = SystemRandom::new();
    let failed = |_| "key generation failed".to_owned();
    let ecdsa = |kind| {
        lc::EcdsaKeyPair::generate_pkcs8(kind, &random)
            .map(|key| key.as_ref().to_vec())
            .map_err(failed)
    };
    let pkcs8 = match algorithm {
        Algorithm::ES256 => ecdsa(&lc::ECDSA_P256_SHA256_FIXED_SIGNING)?,
        Algorithm::ES384 => ecdsa(&lc::ECDSA_P384_SHA384_FIXED_SIGNING)?,
        Algorithm::ES512 => ecdsa(&lc::ECDSA_P521_SHA512_FIXED_SIGNING)?,
        Algorithm::EdDSA => lc::Ed25519KeyPair::generate_pkcs8(&random)
            .map(|key| key.as_ref().to_vec())
            .map_err(failed)?,
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => {
            let pair = lc::RsaKeyPair::generate(rsa::KeySize::Rsa3072).map_err(failed)?;
            pair.as_der().map_err(failed)?.as_ref().to_vec()
        }
    };
    Ok(Zeroizing::new(pkcs8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_survive_a_restart_and_a_wrong_key_says_so() {
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
