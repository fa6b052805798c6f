//! How many single-use proofs one client may use. The mark of each use is kept until the proof is no longer accepted, so
//! a client that sends proofs as fast as it can would fill the store, or make others wait for its writes.

use super::shares::{ShareRates, Shares, Taker};
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

/// Any caller can name a public client. The callers at one address have a tenth of its share. A caller with ten addresses can
/// use up the whole share; then the callers of each other network still have one proof per second, and all together as much
/// again: at most 540,000 marks for one public client.
const SHARES: ShareRates = ShareRates {
    client: SHARE,
    public_client: SHARE,
    public_address: Rate {
        per_minute: 3_000,
        burst: 3_000,
    },
    public_reserve: Rate {
        per_minute: 60,
        burst: 60,
    },
    public_reserves: SHARE,
};

/// The shares that clients have used.
pub struct ProofShares(Shares);

impl Default for ProofShares {
    fn default() -> ProofShares {
        ProofShares(Shares::of(SHARES))
    }
}

impl ProofShares {
    /// Takes one from the share, or refuses the request.
    pub fn take(&self, taker: Taker<'_>, now_millis: u64) -> Result<(), Rejection> {
        let taken = self.0.take(taker, now_millis);
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
        let take = |client, now| shares.take(Taker::Proven(client), now);
        for _ in 0..SHARE.burst {
            assert_eq!(take("a", 1_000), Ok(()));
        }
        let refused = take("a", 1_000);
        assert_eq!(
            refused,
            Err(ProofReason::ShareUsed {
                retry_after_seconds: 1
            }
            .into())
        );
        assert_eq!(take("b", 1_000), Ok(()));
        assert_eq!(take("a", 2_000), Ok(()), "the share is refilled");
    }

    /// An attacker who names a public client does not make its other users wait.
    #[test]
    fn callers_that_name_a_public_client_have_a_share_for_each_address() {
        let shares = ProofShares::default();
        let take = |address: &str| {
            let taker = Taker::Public {
                client_id: "app",
                address: Some(address.parse().unwrap()),
            };
            shares.take(taker, 1_000)
        };
        for number in 0..3_000 {
            let address = format!("2001:db8:0:1::{number:x}");
            assert_eq!(take(&address), Ok(()), "{number}");
        }
        let refused = take("2001:db8:0:1::");
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(take("2001:db8:0:2::"), Ok(()));
        assert_eq!(take("192.0.2.1"), Ok(()));
    }

    /// An attacker with ten networks uses up what all callers together have.
    #[test]
    fn callers_at_ten_addresses_do_not_keep_the_users_at_others_from_using_proofs() {
        let shares = ProofShares::default();
        let take = |network: usize| {
            let taker = Taker::Public {
                client_id: "app",
                address: Some(format!("2001:db8:{network:x}::1").parse().unwrap()),
            };
            shares.take(taker, 1_000)
        };
        for network in 0..10 {
            assert!((0..3_000).all(|_| take(network).is_ok()), "{network}");
        }
        for network in 10..13 {
            let granted = (0..100).filter(|_| take(network).is_ok());
            assert_eq!(granted.count(), 60, "{network}");
        }
    }

    #[test]
    fn callers_of_ever_new_networks_use_twice_the_share_of_one_client_at_most() {
        let shares = ProofShares::default();
        let taken = (0..70_000_usize).filter(|network| {
            let taker = Taker::Public {
                client_id: "app",
                address: Some(
                    format!("2001:{:x}:{:x}::1", network >> 16, network & 0xffff)
                        .parse()
                        .unwrap(),
                ),
            };
            shares.take(taker, 1_000).is_ok()
        });
        assert_eq!(taken.count(), 60_000);
    }
}
