//! The key with which this server authenticates at OpenID providers (`private_key_jwt`). It signs nothing else, is published
//! at `/login/jwks`, and is shared by all nodes. It is made when it is first needed.

use super::keys::generate_pkcs8;
use crate::key_encryption::KeyEncryption;
use std::sync::Arc;
use testudo_core::records::{Batch, ServerSecret};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_store::{CommitError, Store};
use tokio::sync::OnceCell;

const PURPOSE: &str = "provider_client_key";
const ALGORITHM: Algorithm = Algorithm::ES256;

/// The key, once it was needed. An unauthenticated request reads the store for it only the first time.
#[derive(Default)]
pub struct ProviderKey {
    key: OnceCell<Arc<SigningKey>>,
}

impl ProviderKey {
    /// The key. The error is a sentence for the log.
    pub(crate) async fn get(
        &self,
        store: &Store,
        encryption: &KeyEncryption,
    ) -> Result<Arc<SigningKey>, String> {
        let key = self.key.get_or_try_init(|| load(store, encryption)).await;
        key.cloned()
            .map_err(|why| format!("the key for providers: {why}"))
    }
}

/// Reads the key, and makes it if there is none. Of several nodes that make one at the same time, one writes it. It is
/// read again after it was written, so that what is used is what is stored.
async fn load(store: &Store, encryption: &KeyEncryption) -> Result<Arc<SigningKey>, String> {
    for _ in 0..2 {
        let stored = store.read::<ServerSecret>(PURPOSE.as_bytes()).await;
        if let Some(secret) = stored.map_err(|fault| fault.to_string())? {
            let pkcs8 = encryption.unwrap(PURPOSE, &secret.record.wrapped)?;
            let key = SigningKey::from_pkcs8(ALGORITHM, &pkcs8, None);
            return key.map(Arc::new).map_err(|fault| fault.to_string());
        }
        let pkcs8 = generate_pkcs8(ALGORITHM)?;
        let mut batch = Batch::default();
        batch.insert(&ServerSecret {
            purpose: PURPOSE.to_owned(),
            wrapped: encryption.wrap(PURPOSE, &pkcs8)?,
        });
        match store.commit(batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("it was written, and is not there".to_owned())
}
