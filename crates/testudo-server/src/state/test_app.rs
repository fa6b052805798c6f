//! The state of a server with an empty store in memory, for tests.

use super::app::{App, AppParts};
use super::certificates::Certificates;
use super::keys::Keyring;
use crate::config::parse;
use crate::key_encryption::KeyEncryption;
use std::path::Path;
use testudo_fetch::Network;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;
use testudo_store::Store;

/// The state of a server that listens nowhere.
pub async fn app() -> App {
    let text = "issuer = \"https://as.example\"\n[store]\nurl = \"memory:\"\n";
    let (configuration, _) = parse(text, Path::new("/nowhere"), 1).unwrap();
    let (store, encryption) = (Store::memory(), KeyEncryption::new(&[7; 32]).unwrap());
    let keys = Keyring::load(&store, &encryption, Algorithm::ES256, Timestamp(0))
        .await
        .unwrap();
    let fetcher = configuration.outbound.fetcher(Network::default()).unwrap();
    let parts = AppParts {
        store,
        keys,
        encryption,
        fetcher,
        network: Network::default(),
        certificates: Certificates::default(),
        config_path: None,
        observer: None,
    };
    App::new(configuration, parts).await.unwrap()
}
