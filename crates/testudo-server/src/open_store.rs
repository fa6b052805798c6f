//! Opens the store and reads the key-encryption key, for `serve` and for the checks of `doctor`.

use crate::config::key_strength::weakness;
use crate::config::{Configuration, StoreUrl, key_encryption_key_beside};
use crate::key_encryption::{KeyEncryption, random_32, read_or_make_key_encryption_key};
use crate::state::keys;
use crate::state::refused::RefusedRecord;
use std::path::Path;
use testudo_core::records::Kind;
use testudo_protocol::Timestamp;
use testudo_store::{Inspected, Store, StoreFault};
use zeroize::Zeroizing;

/// Opens the store for a server that starts.
pub(crate) async fn open_store(configuration: &Configuration) -> Result<(Store, KeyEncryption), String> {
    let configured = configuration.store.key_encryption_key.as_ref();
    let (store, key) = match (&configuration.store.url, configured) {
        (StoreUrl::Memory, Some(key)) => (Store::memory(), key.clone()),
        (StoreUrl::Memory, None) => (Store::memory(), random_32()?),
        (StoreUrl::Postgres(url), Some(key)) => (postgres(configuration, url).await?, key.clone()),
        // Cannot happen, since the configuration is checked for it. A key that each node creates for itself could not
        // decrypt what other nodes write.
        (StoreUrl::Postgres(_), None) => return Err("PostgreSQL needs store.key_encryption_key".into()),
        (StoreUrl::Sqlite(path), configured) => {
            let store = Store::sqlite(path).map_err(|fault| fault.to_string())?;
            let key = match configured {
                Some(key) => key.clone(),
                None => key_beside(&store, path).await?,
            };
            (store, key)
        }
    };
    Ok((store, KeyEncryption::new(&key)?))
}

/// The key-encryption key in the file beside a SQLite database. It is created only for a database without keys: a new
/// key could not decrypt the keys that the database already contains.
async fn key_beside(store: &Store, database: &Path) -> Result<Zeroizing<[u8; 32]>, String> {
    let path = key_encryption_key_beside(database);
    if is_absent(&path) && holds_keys(store).await.map_err(|fault| fault.to_string())? {
        return Err(lost(&path, database));
    }
    read_or_make(&path)
}

fn read_or_make(path: &Path) -> Result<Zeroizing<[u8; 32]>, String> {
    let key = read_or_make_key_encryption_key(path)?;
    match weakness(&key) {
        Some(weakness) => Err(format!("the key-encryption key in {} {weakness}", path.display())),
        None => Ok(key),
    }
}

fn is_absent(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn lost(path: &Path, database: &Path) -> String {
    format!(
        "{} is missing, and {} contains keys that cannot be decrypted without it: restore it from a backup. To start \
         with new signing keys and without clients, move the database away",
        path.display(),
        database.display()
    )
}

async fn holds_keys(store: &Store) -> Result<bool, StoreFault> {
    for kind in [Kind::SigningKey, Kind::ServerSecret] {
        if !store.list(kind, b"", 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn postgres(configuration: &Configuration, url: &str) -> Result<Store, String> {
    let roots = configuration.store.extra_roots_pem.as_deref();
    let opened = Store::postgres(url, roots).await;
    opened.map_err(|fault| fault.to_string())
}

/// Opens the store for `doctor`, while a server may be running on it; and describes the store.
pub(crate) async fn look_at_store(configuration: &Configuration) -> Result<(Store, String), String> {
    match &configuration.store.url {
        StoreUrl::Memory => Ok((Store::memory(), "memory".to_owned())),
        StoreUrl::Postgres(url) => inspect_postgres(configuration, url).await,
        StoreUrl::Sqlite(path) => {
            let store = Store::sqlite_beside_a_server(path).map_err(|fault| fault.to_string())?;
            Ok((store, path.display().to_string()))
        }
    }
}

async fn inspect_postgres(configuration: &Configuration, url: &str) -> Result<(Store, String), String> {
    let roots = configuration.store.extra_roots_pem.as_deref();
    let looked = Store::inspect_postgres(url, roots).await;
    Ok(match looked.map_err(|fault| fault.to_string())? {
        // An empty store in memory stands for the empty database.
        Inspected::Empty => (
            Store::memory(),
            "PostgreSQL, without tables: the first start creates them".to_owned(),
        ),
        Inspected::Found(store, None) => (*store, "PostgreSQL".to_owned()),
        Inspected::Found(store, Some(version)) => (
            *store,
            format!("PostgreSQL, schema version {version}: the next start updates the schema"),
        ),
    })
}

/// The key-encryption key, where there is one already. None is created.
pub(crate) fn look_for_encryption(configuration: &Configuration) -> Result<Option<KeyEncryption>, String> {
    let key = match (&configuration.store.key_encryption_key, &configuration.store.url) {
        (Some(key), _) => key.clone(),
        (None, StoreUrl::Sqlite(database)) => {
            let path = key_encryption_key_beside(database);
            if is_absent(&path) {
                return Ok(None);
            }
            read_or_make(&path)?
        }
        (None, StoreUrl::Memory | StoreUrl::Postgres(_)) => return Ok(None),
    };
    KeyEncryption::new(&key).map(Some)
}

/// Whether there is a key-encryption key that decrypts the keys of the store; and the records that are not used. No key
/// is created.
pub(crate) async fn look_at_keys(
    configuration: &Configuration,
    store: &Store,
    now: Timestamp,
) -> Result<(String, Vec<RefusedRecord>), String> {
    let fine = |text: String| Ok((text, Vec::new()));
    let key = match (&configuration.store.key_encryption_key, &configuration.store.url) {
        (Some(key), _) => key.clone(),
        (None, StoreUrl::Sqlite(database)) => {
            let path = key_encryption_key_beside(database);
            if is_absent(&path) {
                return match holds_keys(store).await {
                    Ok(true) => Err(lost(&path, database)),
                    Ok(false) => fine(format!("{} is created at the first start", path.display())),
                    Err(fault) => Err(fault.to_string()),
                };
            }
            read_or_make(&path)?
        }
        (None, StoreUrl::Memory) => return fine("created at each start".to_owned()),
        (None, StoreUrl::Postgres(_)) => return Err("PostgreSQL needs store.key_encryption_key".to_owned()),
    };
    let (opened, refused) = keys::try_to_open(store, &KeyEncryption::new(&key)?, now).await?;
    Ok((
        format!("decrypts {opened} keys and secrets of the store"),
        refused,
    ))
}
