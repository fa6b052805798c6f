//! The engine in memory. It is short and easy to check, so it also specifies what the other engines must do.

use crate::{Conflict, Stored};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use testudo_core::records::{Batch, Kind, Write};
use testudo_protocol::Timestamp;

#[derive(Default)]
pub(crate) struct MemoryEngine {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    documents: BTreeMap<(Kind, Vec<u8>), Entry>,
    /// When each mark may be deleted.
    marks: HashMap<[u8; 32], Timestamp>,
    counters: HashMap<String, i64>,
}

struct Entry {
    version: u64,
    body: Vec<u8>,
    expires: Option<Timestamp>,
}

impl MemoryEngine {
    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is used as it is: `commit`, which writes while it has the lock, cannot panic, so no batch is
        // partly written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_many(&self, keys: &[(Kind, Vec<u8>)]) -> Vec<Option<Stored>> {
        let state = self.state();
        keys.iter()
            .map(|key| state.documents.get(key).map(|entry| stored(&key.1, entry)))
            .collect()
    }

    pub(crate) fn list(&self, kind: Kind, after: &[u8], limit: usize) -> Vec<Stored> {
        let state = self.state();
        state
            .documents
            .range((kind, after.to_vec())..)
            .take_while(|((found, _), _)| *found == kind)
            .filter(|((_, key), _)| key.as_slice() > after)
            .take(limit)
            .map(|((_, key), entry)| stored(key, entry))
            .collect()
    }

    pub(crate) fn list_back(&self, kind: Kind, before: Option<&[u8]>, limit: usize) -> Vec<Stored> {
        let state = self.state();
        let from = (kind, Vec::new());
        let found: Box<dyn DoubleEndedIterator<Item = _>> = match before {
            Some(before) => Box::new(state.documents.range(from..(kind, before.to_vec()))),
            None => Box::new(
                state
                    .documents
                    .range(from..)
                    .take_while(|((found, _), _)| *found == kind)
                    .collect::<Vec<_>>()
                    .into_iter(),
            ),
        };
        found
            .rev()
            .take(limit)
            .map(|((_, key), entry)| stored(key, entry))
            .collect()
    }

    pub(crate) fn is_used(&self, key: &[u8; 32]) -> bool {
        self.state().marks.contains_key(key)
    }

    pub(crate) fn count_marks(&self) -> usize {
        self.state().marks.len()
    }

    pub(crate) fn counter(&self, name: &str) -> i64 {
        self.state().counters.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn forget_counters(&self, from: &str, to: &str) {
        self.state()
            .counters
            .retain(|name, _| name.as_str() < from || name.as_str() >= to);
    }

    pub(crate) fn drop_expired(&self, now: Timestamp, limit: usize) -> usize {
        let mut state = self.state();
        let used: Vec<_> = state
            .marks
            .iter()
            .filter(|(_, end)| **end <= now)
            .take(limit)
            .map(|(key, _)| *key)
            .collect();
        for key in &used {
            state.marks.remove(key);
        }
        let over: Vec<_> = state
            .documents
            .iter()
            .filter(|(_, entry)| entry.expires.is_some_and(|end| end <= now))
            .take(limit.saturating_sub(used.len()))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &over {
            state.documents.remove(key);
        }
        used.len().saturating_add(over.len())
    }

    /// Applies the writes to the state and undoes them if one fails.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), Conflict> {
        let mut state = self.state();
        let mut undo: Vec<Undo> = Vec::new();
        for write in &batch.writes {
            if let Err(conflict) = state.apply(write, &mut undo) {
                for step in undo.into_iter().rev() {
                    state.take_back(step);
                }
                return Err(conflict);
            }
        }
        Ok(())
    }
}

enum Undo {
    Document((Kind, Vec<u8>), Option<Entry>),
    Mark([u8; 32]),
    Counter(String, i64),
}

impl State {
    fn apply(&mut self, write: &Write, undo: &mut Vec<Undo>) -> Result<(), Conflict> {
        match write {
            Write::Insert(document) => {
                let key = (document.kind, document.key.clone());
                if self.documents.contains_key(&key) {
                    return Err(Conflict::Exists(key.0, key.1));
                }
                let entry = Entry {
                    version: 1,
                    body: document.body.clone(),
                    expires: document.expires,
                };
                let before = self.documents.insert(key.clone(), entry);
                undo.push(Undo::Document(key, before));
            }
            Write::Replace(document, version) => {
                let key = (document.kind, document.key.clone());
                if self.documents.get(&key).map(|entry| entry.version) != Some(*version) {
                    return Err(Conflict::Changed(key.0, key.1));
                }
                let entry = Entry {
                    version: version + 1,
                    body: document.body.clone(),
                    expires: document.expires,
                };
                let before = self.documents.insert(key.clone(), entry);
                undo.push(Undo::Document(key, before));
            }
            Write::Absent(kind, key) => {
                if self.documents.contains_key(&(*kind, key.clone())) {
                    return Err(Conflict::Exists(*kind, key.clone()));
                }
            }
            Write::Delete(kind, key, version) => {
                let key = (*kind, key.clone());
                if self.documents.get(&key).map(|entry| entry.version) != Some(*version) {
                    return Err(Conflict::Changed(key.0, key.1));
                }
                let before = self.documents.remove(&key);
                undo.push(Undo::Document(key, before));
            }
            Write::Mark(mark) => {
                if self.marks.contains_key(&mark.key) {
                    return Err(Conflict::Used(mark.key));
                }
                self.marks.insert(mark.key, mark.keep_until);
                undo.push(Undo::Mark(mark.key));
            }
            Write::Add { counter, delta, max } => {
                let value = self.counters.entry(counter.clone()).or_insert(0);
                let after = value.saturating_add(*delta);
                if *delta > 0 && max.is_some_and(|max| after > i64::try_from(max).unwrap_or(i64::MAX)) {
                    return Err(Conflict::OverLimit(counter.clone()));
                }
                *value = after;
                undo.push(Undo::Counter(counter.clone(), *delta));
            }
        }
        Ok(())
    }

    fn take_back(&mut self, step: Undo) {
        match step {
            Undo::Document(key, Some(entry)) => {
                self.documents.insert(key, entry);
            }
            Undo::Document(key, None) => {
                self.documents.remove(&key);
            }
            Undo::Mark(key) => {
                self.marks.remove(&key);
            }
            Undo::Counter(name, delta) => {
                if let Some(value) = self.counters.get_mut(&name) {
                    *value = value.saturating_sub(delta);
                }
            }
        }
    }
}

fn stored(key: &[u8], entry: &Entry) -> Stored {
    Stored {
        key: key.to_vec(),
        version: entry.version,
        body: entry.body.clone(),
    }
}
