//! Signing keys: made at the first start, wrapped at rest, parsed once.

mod encryption;

pub use encryption::{KeyEncryption, parse_key_encryption_key, random_32, read_or_make_key_encryption_key};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{rsa, signature as lc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::records::{Batch, ServerSecret, StoredSigningKey};
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
        let mut stored: Vec<StoredSigningKey> = store
            .read_all::<StoredSigningKey>()
            .await
            .map_err(|fault| fault.to_string())?
            .into_iter()
            .map(|versioned| versioned.record)
            .collect();
        if !stored.iter().any(|key| key.algorithm == algorithm.name()) {
            stored.push(make_signing_key(store, encryption, algorithm, (now, now)).await?);
        }
        // By time, and where two nodes made one at the same moment, by name: all nodes choose the same.
        stored.sort_by(|a, b| b.active_from.cmp(&a.active_from).then_with(|| a.kid.cmp(&b.kid)));
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
        let of_algorithm = |record: &&StoredSigningKey| record.algorithm == algorithm.name();
        // The newest that is due; at the very first start, the one that was made a moment ago.
        let chosen = stored
            .iter()
            .filter(of_algorithm)
            .find(|record| record.active_from <= now);
        let chosen = chosen
            .or(stored.iter().rfind(of_algorithm))
            .ok_or("no signing key")?
            .kid
            .clone();
        let active = keys
            .iter()
            .find(|key| key.kid() == chosen)
            .ok_or("no signing key")?
            .clone();
        let state = |record: &StoredSigningKey| match (record.kid == chosen, record.active_from > now) {
            (true, _) => KeyState::Active,
            (false, true) => KeyState::Next,
            (false, false) => KeyState::Retiring,
        };
        let listed = stored.iter().map(|record| ListedKey {
            kid: record.kid.clone(),
            algorithm: record.algorithm.clone(),
            created: record.created,
            active_from: record.active_from,
            state: state(record),
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
    /// True where a published key should sign by now.
    pub fn has_key_due(&self, now: Timestamp) -> bool {
        self.listed
            .iter()
            .any(|key| key.state == KeyState::Next && key.active_from <= now)
    }
}

/// Makes a key that signs from `active_from` on, and drops those that no living token needs.
pub async fn rotate(
    store: &Store,
    encryption: &KeyEncryption,
    algorithm: Algorithm,
    active_from: Timestamp,
    now: Timestamp,
) -> Result<String, String> {
    let made = make_signing_key(store, encryption, algorithm, (active_from, now)).await?;
    let stored = store
        .read_all::<StoredSigningKey>()
        .await
        .map_err(|fault| fault.to_string())?;
    let mut due: Vec<_> = stored
        .iter()
        .filter(|key| key.record.active_from <= now)
        .collect();
    due.sort_by_key(|key| std::cmp::Reverse(key.record.active_from));
    // The one in use took over from the next one in the list at its own `active_from`.
    for pair in due.windows(2) {
        if let [successor, old] = pair
            && successor.record.active_from + PUBLISHED_AFTER_USE <= now
        {
            let mut batch = Batch::default();
            batch.delete(&old.record, old.version);
            // Another node may have dropped it already.
            let _ = store.commit(batch).await;
        }
    }
    Ok(made.kid)
}

async fn make_signing_key(
    store: &Store,
    encryption: &KeyEncryption,
    algorithm: Algorithm,
    (active_from, now): (Timestamp, Timestamp),
) -> Result<StoredSigningKey, String> {
    let pkcs8 = generate_pkcs8(algorithm)?;
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8, None).map_err(|fault| fault.to_string())?;
    let record = StoredSigningKey {
        kid: key.kid().to_owned(),
        algorithm: algorithm.name().to_owned(),
        created: now,
        active_from,
        wrapped: encryption.wrap(key.kid(), &pkcs8)?,
    };
    let mut batch = Batch::default();
    batch.insert(&record);
    store
        .commit(batch)
        .await
        .map_err(|error| format!("the signing key cannot be stored: {error:?}"))?;
    tracing::info!(kid = record.kid, algorithm = record.algorithm, "key.created");
    Ok(record)
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
