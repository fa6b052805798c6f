//! How many single-use proofs one client may use. The mark of each use is kept until the proof is no longer accepted, so
//! a client that sends proofs as fast as it can would fill the store, or make others wait for its writes.

use super::shares::Shares;
use testudo_core::Rejection;
use testudo_core::rejection::ProofReason;
use testudo_core::velocity::Rate;

/// The share of one client at one node: 500 proofs per second, and 30,000 at once. A mark is kept for less than eight
/// minutes, so at most 270,000 marks of one client exist (over SQLite some 10 MB of memory), and three times as many
/// after a start or a jump of the clock, when nothing is deleted for 16 minutes.
const SHARE: Rate = Rate {
    per_minute: 30_000,
    burst: 30_000,
};

/// The shares that clients have used.
pub struct ProofShares(Shares);

impl Default for ProofShares {
    fn default() -> ProofShares {
        ProofShares(Shares::of(SHARE))
    }
}

impl ProofShares {
    /// Takes one from the share of the client, or refuses the request.
    pub fn take(&self, client_id: &str, now_millis: u64) -> Result<(), Rejection> {
        let taken = self.0.take(client_id.to_owned(), now_millis);
        let refused = |retry_after_seconds| ProofReason::ShareUsed { retry_after_seconds };
        Ok(taken.map_err(refused)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_that_used_its_share_is_refused_and_other_clients_are_not() {
        let shares = ProofShares::default();
        for _ in 0..SHARE.burst {
            assert_eq!(shares.take("a", 1_000), Ok(()));
        }
        let refused = shares.take("a", 1_000);
        assert_eq!(
            refused,
            Err(ProofReason::ShareUsed {
                retry_after_seconds: 1
            }
            .into())
        );
        assert_eq!(shares.take("b", 1_000), Ok(()));
        assert_eq!(shares.take("a", 2_000), Ok(()), "the share is refilled");
    }
}
