//! Credentials that were verified, so that the same credential need not be verified again. A verdict is valid until the
//! credential expires, or the keys that verified it or the policy are replaced. Whether the identity may get a token is
//! decided at each request.

use quick_cache::sync::Cache;
use std::sync::Arc;
use testudo_core::doors::{AuthorityKeys, Presented};
use testudo_core::{AttestedIdentity, Authority};
use testudo_protocol::Timestamp;

/// Most verdicts in memory.
const VERDICTS_MAX: usize = 65_536;

/// A credential that was verified, and the keys and policy with which it was.
pub struct Verdict {
    /// The identity that the credential proves.
    pub identity: Arc<AttestedIdentity>,
    keys: AuthorityKeys,
    policy_generation: u64,
}

/// Verdicts, by SHA-256 of the credential.
pub struct Verdicts {
    cache: Cache<[u8; 32], Arc<Verdict>>,
}

impl Default for Verdicts {
    fn default() -> Verdicts {
        Verdicts {
            cache: Cache::new(VERDICTS_MAX),
        }
    }
}

impl Verdicts {
    /// The identity that the same credential proved before, if the keys and the policy of that verdict are still in
    /// force.
    pub fn recall(
        &self,
        presented: &Presented,
        keys_of: impl FnOnce(&Authority) -> Option<AuthorityKeys>,
        policy_generation: u64,
        now: Timestamp,
    ) -> Option<Arc<AttestedIdentity>> {
        let verdict = self.cache.get(&presented.digest)?;
        let identity = &verdict.identity;
        let stands = identity.kind == presented.kind
            && now < identity.proof.expires
            && verdict.policy_generation == policy_generation
            && keys_of(&identity.authority).is_some_and(|keys| keys.are(&verdict.keys));
        if stands {
            return Some(identity.clone());
        }
        self.cache.remove(&presented.digest);
        None
    }

    /// Remembers a verdict, unless the credential is single-use.
    pub fn remember(&self, identity: &Arc<AttestedIdentity>, keys: &AuthorityKeys, policy_generation: u64) {
        if let (None, Some(digest)) = (&identity.proof.single_use, identity.proof.digest) {
            let verdict = Verdict {
                identity: identity.clone(),
                keys: keys.clone(),
                policy_generation,
            };
            self.cache.insert(digest, Arc::new(verdict));
        }
    }
}
