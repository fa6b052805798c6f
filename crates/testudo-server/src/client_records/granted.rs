//! The clients with which people have something to lose: a sweep does not remove them as idle.

use crate::state::app::App;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use testudo_core::admission::sweep::{is_consent_live, is_grant_live};
use testudo_core::records::{Client, Consent, Grant, Record as _};
use testudo_protocol::Timestamp;
use testudo_store::StoreFault;
use tokio::time::Instant;

/// The clients with a refresh token that is valid, or with a consent that has not ended.
///
/// Of each client, only a hash is kept, since there can be a million of them. Two clients with the same hash mean that one
/// of them stays until the next sweep, which has other hashes.
pub(super) struct Granted {
    hasher: RandomState,
    clients: HashSet<u64>,
}

impl Granted {
    /// Reads all grants and consents, page by page. One that cannot be read cannot be used either. `None`: that takes longer
    /// than `within`, and nothing is known of any client.
    pub(super) async fn read(
        app: &App,
        now: Timestamp,
        within: Duration,
    ) -> Result<Option<Granted>, StoreFault> {
        let until = Instant::now() + within;
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
            if Instant::now() >= until {
                return Ok(None);
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
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::task::yield_now().await;
        }
        Ok(Some(granted))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::test_app::app;
    use testudo_core::people::{PersonId, SecretDigest};
    use testudo_core::records::{Batch, GrantedClient};

    #[tokio::test]
    async fn nothing_is_known_of_any_client_where_the_time_is_over_before_all_is_read() {
        let app = app().await;
        let now = app.now();
        let mut batch = Batch::default();
        batch.insert(&Consent {
            person: PersonId::of_random(&[1; 16]),
            client: GrantedClient {
                authority: "spiffe://a.example".into(),
                subject: "spiffe://a.example/x".into(),
                client_id: "spiffe://a.example/x".into(),
                generation: None,
            },
            scope: Default::default(),
            shown: SecretDigest::of("page"),
            given: now,
            until: None,
        });
        app.store.commit(batch).await.unwrap();
        let read = async |within| Granted::read(&app, now, within).await.unwrap();
        let found = read(Duration::from_secs(60)).await.unwrap();
        assert_eq!(found.clients.len(), 1);
        assert!(read(Duration::ZERO).await.is_none());
    }
}
