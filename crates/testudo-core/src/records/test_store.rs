//! A store for tests of decisions: their batches are written as a store writes them.

use super::{Batch, Document, Event, Kind, Loaded, Needs, Record, Write};
use crate::decision::Moment;
use crate::entropy::Entropy;
use crate::occasions::Occasion;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::trace::Trace;
use std::collections::BTreeMap;
use testudo_protocol::Timestamp;

/// Documents with their versions, and the events that were written.
#[derive(Default)]
pub struct TestStore {
    docs: BTreeMap<(Kind, Vec<u8>), (Vec<u8>, u64)>,
    pub events: Vec<Event>,
}

impl TestStore {
    /// Decides a request and writes its batch. The random bytes all have the value `number`.
    pub fn settle<O: Occasion>(
        &mut self,
        request: &O,
        policy: &Policy,
        number: u8,
        now: Timestamp,
    ) -> Result<O::Outcome, Rejection> {
        let entropy = Entropy {
            millis: 1_800_000_000_000,
            sequence: number.into(),
            random: [number; Entropy::RANDOM_BYTES],
        };
        let at = Moment {
            policy,
            entropy: &entropy,
            now,
        };
        let loaded = self.load(&request.needs());
        let decision = request.decide(&loaded, &at, &mut Trace::default())?;
        self.commit(decision.batch);
        Ok(decision.outcome)
    }

    /// Writes a record as another request would have.
    pub fn put<R: Record>(&mut self, record: &R) {
        let document = Document::of(record);
        let key = (document.kind, document.key);
        let version = self.docs.get(&key).map_or(1, |(_, version)| version + 1);
        self.docs.insert(key, (document.body, version));
    }

    pub fn read<R: Record>(&self, key: &[u8]) -> Option<R> {
        let (body, _) = self.docs.get(&(R::KIND, key.to_vec()))?;
        Some(serde_json::from_slice(body).unwrap())
    }

    /// All records of this type.
    pub fn all<R: Record>(&self) -> Vec<R> {
        let of_kind = self.docs.iter().filter(|((kind, _), _)| *kind == R::KIND);
        of_kind
            .map(|(_, (body, _))| serde_json::from_slice(body).unwrap())
            .collect()
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.docs.keys().filter(|(known, _)| *known == kind).count()
    }

    pub fn load<'n>(&self, needs: &Needs<'n>) -> Loaded<'n> {
        let mut loaded = Loaded::nothing();
        for wanted in needs.to_read(None) {
            if let Some((body, version)) = self.docs.get(&(wanted.kind, wanted.key.to_vec())) {
                loaded.add(&wanted, body, *version).unwrap();
            }
        }
        loaded
    }

    /// Writes a batch as a store does: every condition must hold.
    pub fn commit(&mut self, batch: Batch) {
        for write in batch.writes {
            match write {
                Write::Insert(document) => {
                    let key = (document.kind, document.key);
                    assert!(self.docs.insert(key, (document.body, 1)).is_none(), "exists");
                }
                Write::Replace(document, version) => {
                    let stored = self.docs.get_mut(&(document.kind, document.key)).unwrap();
                    assert_eq!(stored.1, version, "changed");
                    *stored = (document.body, version + 1);
                }
                Write::Delete(kind, key, version) => {
                    let (_, stored) = self.docs.remove(&(kind, key)).unwrap();
                    assert_eq!(stored, version, "changed");
                }
                Write::Absent(kind, key) => assert!(!self.docs.contains_key(&(kind, key)), "exists"),
                Write::Mark(_) | Write::Add { .. } => {}
            }
        }
        self.events.extend(batch.events);
    }
}
