//! The DPoP proofs that were used, so that each is accepted once. [RFC9449 §11.1]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use testudo_protocol::Timestamp;

/// A valid proof, to be recorded as used.
#[derive(Debug, Clone, Copy)]
pub struct UsedProof {
    /// Names the proof: a hash of its key and its `jti`.
    pub id: [u8; 32],
    /// Thumbprint of its key, to which the token in the request is bound.
    pub key: [u8; 32],
    /// The time.
    pub now: Timestamp,
    /// The proof is refused after this time whether it was used or not, so its record can then be removed.
    pub accepted_until: Timestamp,
}

/// What the record of used proofs answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofUse {
    /// The proof was not used before. It is recorded now.
    First,
    /// The proof was used before: answer 401.
    Repeated,
    /// This key used as many proofs as one key may use within the lifetime of a proof: answer 429.
    TooMany,
    /// It cannot be recorded whether the proof was used: answer 503. A proof that may be a replay is not accepted.
    Unavailable,
}

/// The future of [`Replays::use_once`].
pub type ProofUseFuture<'a> = Pin<Box<dyn Future<Output = ProofUse> + Send + 'a>>;

/// Records used proofs. [`KeptProofs`] is for an API on one node. An API on several nodes needs a store that they share,
/// which inserts `id` if it is absent, in one step, and keeps it until `accepted_until`.
pub trait Replays: Send + Sync {
    /// Records the proof. Of several calls with one `id`, at most one is answered [`ProofUse::First`].
    fn use_once(&self, proof: UsedProof) -> ProofUseFuture<'_>;
}

/// How many used proofs of one key are kept by default: a proof is kept for 90 seconds at most, so one client can send
/// more than 300 requests in each second.
pub const PROOFS_OF_ONE_KEY_MAX: usize = 30_000;
/// How many used proofs are kept by default, of all keys: at most 200 MB of memory.
pub const PROOFS_MAX: usize = 1_000_000;

/// The used proofs of this process, in memory. No record is removed before its time, so the number of records is limited
/// for each key and for all keys.
pub struct KeptProofs {
    of_one_key_max: usize,
    all_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    ids: HashSet<[u8; 32]>,
    /// How many records each key has.
    counts: HashMap<[u8; 32], usize>,
    /// The records by the time until which they are kept.
    by_time: BTreeMap<Timestamp, Vec<Mark>>,
}

struct Mark {
    id: [u8; 32],
    key: [u8; 32],
}

impl Default for KeptProofs {
    fn default() -> KeptProofs {
        KeptProofs::new(PROOFS_OF_ONE_KEY_MAX, PROOFS_MAX)
    }
}

impl KeptProofs {
    /// With other limits: records of one key, and of all keys.
    pub fn new(of_one_key_max: usize, all_max: usize) -> KeptProofs {
        KeptProofs {
            of_one_key_max,
            all_max,
            kept: Mutex::default(),
        }
    }

    fn use_now(&self, proof: &UsedProof) -> ProofUse {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove_older_than(proof.now);
        if kept.ids.contains(&proof.id) {
            return ProofUse::Repeated;
        }
        if kept.counts.get(&proof.key).copied().unwrap_or_default() >= self.of_one_key_max {
            return ProofUse::TooMany;
        }
        if kept.ids.len() >= self.all_max {
            return ProofUse::Unavailable;
        }
        kept.ids.insert(proof.id);
        *kept.counts.entry(proof.key).or_default() += 1;
        let at = kept.by_time.entry(proof.accepted_until).or_default();
        at.push(Mark {
            id: proof.id,
            key: proof.key,
        });
        ProofUse::First
    }
}

impl Kept {
    fn remove_older_than(&mut self, now: Timestamp) {
        while let Some(first) = self.by_time.first_entry()
            && *first.key() < now
        {
            for Mark { id, key } in first.remove() {
                self.ids.remove(&id);
                if let Some(count) = self.counts.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        self.counts.remove(&key);
                    }
                }
            }
        }
    }
}

impl Replays for KeptProofs {
    fn use_once(&self, proof: UsedProof) -> ProofUseFuture<'_> {
        Box::pin(std::future::ready(self.use_now(&proof)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use testudo_protocol::Seconds;

    const NOW: Timestamp = Timestamp(1_795_000_000);

    fn proof(id: u8, key: u8) -> UsedProof {
        UsedProof {
            id: [id; 32],
            key: [key; 32],
            now: NOW,
            accepted_until: NOW + Seconds(60),
        }
    }

    fn at(seconds: i64, proof: UsedProof) -> UsedProof {
        UsedProof {
            now: NOW + Seconds(seconds),
            ..proof
        }
    }

    #[test]
    fn proof_is_accepted_once_until_it_would_be_refused_anyway() {
        let kept = KeptProofs::default();
        assert_eq!(kept.use_now(&proof(1, 1)), ProofUse::First);
        assert_eq!(kept.use_now(&proof(2, 1)), ProofUse::First);
        for seconds in [0, 59, 60] {
            assert_eq!(
                kept.use_now(&at(seconds, proof(1, 1))),
                ProofUse::Repeated,
                "{seconds}"
            );
        }
        assert_eq!(kept.use_now(&at(61, proof(3, 1))), ProofUse::First);
        let kept = kept.kept.lock().unwrap();
        assert_eq!(
            (kept.ids.len(), kept.counts.len()),
            (1, 1),
            "old records are removed"
        );
    }

    #[test]
    fn key_that_used_its_share_is_refused_and_other_keys_are_not() {
        let kept = KeptProofs::new(2, 5);
        assert_eq!(kept.use_now(&proof(1, 1)), ProofUse::First);
        assert_eq!(kept.use_now(&proof(2, 1)), ProofUse::First);
        assert_eq!(kept.use_now(&proof(3, 1)), ProofUse::TooMany);
        assert_eq!(kept.use_now(&proof(1, 1)), ProofUse::Repeated);
        assert_eq!(kept.use_now(&proof(4, 2)), ProofUse::First, "another key");
        assert_eq!(
            kept.use_now(&at(61, proof(3, 1))),
            ProofUse::First,
            "the share is free again"
        );
    }

    #[test]
    fn full_memory_forgets_no_proof_and_accepts_no_more() {
        let kept = KeptProofs::new(10, 2);
        assert_eq!(kept.use_now(&proof(1, 1)), ProofUse::First);
        assert_eq!(kept.use_now(&proof(2, 2)), ProofUse::First);
        assert_eq!(kept.use_now(&proof(3, 3)), ProofUse::Unavailable);
        assert_eq!(kept.use_now(&proof(1, 1)), ProofUse::Repeated);
        assert_eq!(kept.use_now(&at(61, proof(3, 3))), ProofUse::First);
    }

    #[test]
    fn one_proof_in_many_threads_is_accepted_exactly_once() {
        let (kept, accepted) = (KeptProofs::default(), AtomicUsize::default());
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    if kept.use_now(&proof(1, 1)) == ProofUse::First {
                        accepted.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(accepted.into_inner(), 1);
    }
}
