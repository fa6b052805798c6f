//! Remembered verdicts on credentials. Each ends with the credential, with the keys that vouched, or with the
//! policy; whether the identity may have a token *now* is decided anew at each request.

use quick_cache::sync::Cache;
use std::sync::Arc;
use testudo_core::doors::{AuthorityKeys, Presented};
use testudo_core::{AttestedIdentity, Authority};
use testudo_protocol::Timestamp;

/// Verdicts kept.
const VERDICTS_MAX: usize = 65_536;

/// A credential that was verified, with what the verdict rests on.
pub struct Verdict {
    /// The identity that it proves.
    pub identity: Arc<AttestedIdentity>,
    keys: AuthorityKeys,
    policy_generation: u64,
}

/// Remembered verdicts, by SHA-256 of the credential.
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
    /// The identity that these very bytes proved before, if the keys and the policy of the verdict are still in force.
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

    /// Remembers a verdict on a credential that may be used again.
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
