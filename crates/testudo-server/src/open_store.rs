//! Opens the store and reads the key-encryption key, for `serve` and for the checks of `doctor`.

use crate::config::key_strength::weakness;
use crate::config::{Configuration, StoreUrl, key_encryption_key_beside};
use crate::key_encryption::{KeyEncryption, random_32, read_or_make_key_encryption_key};
use crate::state::keys;
use crate::state::refused::RefusedRecord;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::Path;
use testudo_core::records::{Batch, Kind, SharedBundle};
use testudo_protocol::Timestamp;
use testudo_store::{CommitError, Inspected, Store, StoreFault};
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

/// The store that `doctor` inspects.
pub(crate) struct InspectedStore {
    /// The store, or an empty store in memory if it does not exist yet.
    pub(crate) store: Store,
    /// A description of the store, and what the next start does to it.
    pub(crate) what: String,
    /// True if the store exists and needs no change before it can be written.
    pub(crate) exists: bool,
}

impl InspectedStore {
    fn existing(store: Store, what: String) -> InspectedStore {
        InspectedStore {
            store,
            what,
            exists: true,
        }
    }

    fn to_be_created(store: Store, what: String) -> InspectedStore {
        InspectedStore {
            store,
            what,
            exists: false,
        }
    }
}

/// Opens the store while a server may be running. Creates nothing: if `doctor` runs as another user, the server could not
/// open a file that `doctor` created.
pub(crate) async fn inspect_store(configuration: &Configuration) -> Result<InspectedStore, String> {
    match &configuration.store.url {
        StoreUrl::Memory => Ok(InspectedStore::to_be_created(
            Store::memory(),
            "memory: all clients are lost when the server ends".to_owned(),
        )),
        StoreUrl::Postgres(url) => inspect_postgres(configuration, url).await,
        StoreUrl::Sqlite(path) if is_absent(path) => {
            check_file_creation_beside(path)?;
            let what = format!("{} is created at the first start", path.display());
            Ok(InspectedStore::to_be_created(Store::memory(), what))
        }
        StoreUrl::Sqlite(path) => {
            let store = Store::sqlite_beside_a_server(path).map_err(|fault| fault.to_string())?;
            Ok(InspectedStore::existing(store, path.display().to_string()))
        }
    }
}

async fn inspect_postgres(configuration: &Configuration, url: &str) -> Result<InspectedStore, String> {
    let roots = configuration.store.extra_roots_pem.as_deref();
    let inspected = Store::inspect_postgres(url, roots).await;
    Ok(match inspected.map_err(|fault| fault.to_string())? {
        // The database is empty, and so an empty store in memory represents it.
        Inspected::Empty => InspectedStore::to_be_created(
            Store::memory(),
            "PostgreSQL, without tables: the first start creates them".to_owned(),
        ),
        Inspected::Found(store, None) => InspectedStore::existing(*store, "PostgreSQL".to_owned()),
        Inspected::Found(store, Some(version)) => InspectedStore::to_be_created(
            *store,
            format!("PostgreSQL, schema version {version}: the next start updates the schema"),
        ),
    })
}

/// Checks that files can be created beside the database: SQLite creates `-wal` and `-shm` there, and the server the file
/// of its key-encryption key.
fn check_file_creation_beside(database: &Path) -> Result<(), String> {
    let random = random_32()?;
    let number = random.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let trial = database.with_file_name(format!(".testudo-doctor-{number:08x}"));
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&trial);
    made.map_err(|error| {
        format!(
            "no file can be created beside {}: {error}: create the folder, and make the user that runs `testudo serve` its owner",
            database.display()
        )
    })?;
    std::fs::remove_file(&trial).map_err(|error| format!("{} cannot be removed: {error}", trial.display()))
}

/// Writes a record and deletes it again. The record is a bundle of no authority, with a random key, which no node reads,
/// and an expiry in the past: if it cannot be deleted, the next sweep of expired records deletes it.
pub(crate) async fn try_a_write(store: &Store) -> Result<(), String> {
    let trial = SharedBundle {
        authority: format!("trial {}", URL_SAFE_NO_PAD.encode(*random_32()?)),
        keep_until: Timestamp(0),
        sealed: String::new(),
    };
    let (mut write, mut delete) = (Batch::default(), Batch::default());
    write.insert(&trial);
    delete.delete(&trial, 1);
    store.commit(write).await.map_err(|error| error.to_string())?;
    match store.commit(delete).await {
        // A running server has deleted it already.
        Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// What `doctor` found about the keys of a store.
#[derive(Default)]
pub(crate) struct InspectedKeys {
    /// The key-encryption key, if it exists.
    pub(crate) encryption: Option<KeyEncryption>,
    /// What the key decrypts, or when it is created.
    pub(crate) what: String,
    /// The records that cannot be used.
    pub(crate) refused: Vec<RefusedRecord>,
}

/// Reads the key-encryption key and decrypts the keys of the store with it. No key is created.
pub(crate) async fn inspect_keys(
    configuration: &Configuration,
    store: &Store,
    now: Timestamp,
) -> Result<InspectedKeys, String> {
    let no_key_yet = |what: String| {
        Ok(InspectedKeys {
            what,
            ..InspectedKeys::default()
        })
    };
    let key = match (&configuration.store.key_encryption_key, &configuration.store.url) {
        (Some(key), _) => key.clone(),
        (None, StoreUrl::Sqlite(database)) => {
            let path = key_encryption_key_beside(database);
            if is_absent(&path) {
                return match holds_keys(store).await {
                    Ok(true) => Err(lost(&path, database)),
                    Ok(false) => no_key_yet(format!("{} is created at the first start", path.display())),
                    Err(fault) => Err(fault.to_string()),
                };
            }
            read_or_make(&path)?
        }
        (None, StoreUrl::Memory) => return no_key_yet("created at each start".to_owned()),
        (None, StoreUrl::Postgres(_)) => return Err("PostgreSQL needs store.key_encryption_key".to_owned()),
    };
    let encryption = KeyEncryption::new(&key)?;
    let (opened, refused) = keys::try_to_open(store, &encryption, now).await?;
    Ok(InspectedKeys {
        encryption: Some(encryption),
        what: format!("decrypts all keys and secrets of the store: {opened}"),
        refused,
    })
}
