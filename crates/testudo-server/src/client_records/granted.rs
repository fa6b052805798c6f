//! The clients with which people have something to lose: a sweep does not remove them as idle.

use crate::state::app::App;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use testudo_core::admission::sweep::{is_consent_live, is_grant_live};
use testudo_core::records::{Client, Consent, Grant, Record as _};
use testudo_protocol::Timestamp;
use testudo_store::StoreFault;

/// The clients with a refresh token that is valid, or with a consent that has not ended.
///
/// Of each client, only a hash is kept, since there can be a million of them. Two clients with the same hash mean that one
/// of them stays until the next sweep, which has other hashes.
pub(super) struct Granted {
    hasher: RandomState,
    clients: HashSet<u64>,
}

impl Granted {
    /// Reads all grants and consents, page by page. One that cannot be read cannot be used either.
    pub(super) async fn read(app: &App, now: Timestamp) -> Result<Granted, StoreFault> {
        let mut granted = Granted {
            hasher: RandomState::new(),
            clients: HashSet::new(),
        };
        let mut pages = app.store.pages::<Grant>(Vec::new());
        while let Some(page) = pages.next().await? {
            for grant in page.into_iter().filter_map(|row| row.record.ok()) {
                if is_grant_live(&grant, now) {
                    granted.add(&grant.client.key(), grant.client.generation);
                }
            }
            tokio::task::yield_now().await;
        }
        let mut pages = app.store.pages::<Consent>(Vec::new());
        while let Some(page) = pages.next().await? {
            for consent in page.into_iter().filter_map(|row| row.record.ok()) {
                if is_consent_live(&consent, now) {
                    // A consent is remembered for the client that returns as well.
                    granted.add(&consent.client.key(), None);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(granted)
    }

    fn add(&mut self, key: &[u8], generation: Option<u32>) {
        self.clients.insert(self.hasher.hash_one((key, generation)));
    }

    /// True if the client must stay. Refresh tokens of an earlier generation of it are not valid any more.
    pub(super) fn has(&self, client: &Client) -> bool {
        let key = client.key();
        let generations = [None, Some(client.generation)];
        let mut hashes = generations
            .map(|generation| self.hasher.hash_one((&*key, generation)))
            .into_iter();
        hashes.any(|hash| self.clients.contains(&hash))
    }
}
