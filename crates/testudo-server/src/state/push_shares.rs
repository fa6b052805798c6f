//! How many authorization requests one client may push. Each is a record until a person could no longer answer it, so a
//! client that pushes as fast as it can would fill the store.

use super::shares::{ShareRates, Shares, Taker};
use testudo_core::Rejection;
use testudo_core::rejection::AuthorizationReason;
use testudo_core::velocity::Rate;

/// The shares at one node. A record is kept for 62 minutes; one of about 600 bytes is usual, and one has at most 9 KB
/// (`AUTHORIZATION_REQUEST_BYTES_MAX` and its deadlines).
///
/// - A client that proves who it is: 50 requests per second, and 3,000 at once, so at most 189,000 records: some 115 MB.
/// - A public client, which any caller can name: one per second from an address, and 60 at once, so at most 3,800 records
///   of one caller: some 2.3 MB. All callers together: 20 per second, and 1,000 at once, so at most 75,400 records: some
///   45 MB, or 680 MB if all are as long as they may be. When these are used up, the callers of each network still have 6 a
///   minute, and those of all networks together 30 per second, and 2,000 at once: at most 113,600 records. However
///   many addresses its callers have, a public client has at most the 189,000 records of one that proves who it is.
const SHARES: ShareRates = ShareRates {
    client: Rate {
        per_minute: 3_000,
        burst: 3_000,
    },
    public_client: Rate {
        per_minute: 1_200,
        burst: 1_000,
    },
    public_address: Rate {
        per_minute: 60,
        burst: 60,
    },
    public_reserve: Rate {
        per_minute: 6,
        burst: 6,
    },
    public_reserves: Rate {
        per_minute: 1_800,
        burst: 2_000,
    },
};

/// The shares that clients have used.
pub struct PushShares(Shares);

impl Default for PushShares {
    fn default() -> PushShares {
        PushShares(Shares::of(SHARES))
    }
}

impl PushShares {
    /// Takes one from the share, or refuses the request.
    pub fn take(&self, taker: Taker<'_>, now_millis: u64) -> Result<(), Rejection> {
        let taken = self.0.take(taker, now_millis);
        let refused = |retry_after_seconds| AuthorizationReason::PushShareUsed { retry_after_seconds };
        Ok(taken.map_err(refused)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row AZ-16.
    #[test]
    fn client_that_used_its_share_is_refused_and_other_clients_are_not() {
        let shares = PushShares::default();
        let take = |client, now| shares.take(Taker::Proven(client), now);
        for _ in 0..3_000 {
            assert_eq!(take("a", 1_000), Ok(()));
        }
        let expected = AuthorizationReason::PushShareUsed {
            retry_after_seconds: 1,
        };
        assert_eq!(take("a", 1_000), Err(expected.into()));
        assert_eq!(take("b", 1_000), Ok(()));
        assert_eq!(take("a", 2_000), Ok(()), "the share is refilled");
    }

    // Row AZ-16.
    #[test]
    fn callers_without_credential_push_60_at_once_from_a_network_and_1_000_from_all_with_6_in_reserve() {
        let shares = PushShares::default();
        let take = |network: usize, host: usize| {
            let address = format!("2001:db8:0:{network:x}::{host:x}").parse().unwrap();
            let taker = Taker::Public {
                client_id: "app",
                address: Some(address),
            };
            shares.take(taker, 1_000)
        };
        for host in 0..60 {
            assert_eq!(take(0, host), Ok(()), "{host}");
        }
        let expected: Rejection = AuthorizationReason::PushShareUsed {
            retry_after_seconds: 1,
        }
        .into();
        assert_eq!(take(0, 60), Err(expected.clone()));
        for number in 60..1_000 {
            assert_eq!(take(number / 50, number), Ok(()), "{number}");
        }
        // The networks are within one of 48 bits, whose reserve is used then.
        for number in 0..6 {
            assert_eq!(take(1_000, number), Ok(()), "{number}");
        }
        assert_eq!(take(1_001, 0), Err(expected));
    }

    // Row AZ-16.
    #[test]
    fn callers_of_ever_new_networks_push_no_more_for_a_public_client_than_one_with_a_credential_may() {
        let shares = PushShares::default();
        let taken_at = |network: usize, now| {
            let address = format!("2001:{:x}:{:x}::1", network >> 16, network & 0xffff);
            let taker = Taker::Public {
                client_id: "app",
                address: Some(address.parse().unwrap()),
            };
            shares.take(taker, now).is_ok()
        };
        let taken = (0..70_000).filter(|network| taken_at(*network, 1_000));
        assert_eq!(taken.count(), 3_000, "at once");
        let taken = (70_000..140_000).filter(|network| taken_at(*network, 11_000));
        assert_eq!(taken.count(), 10 * 50, "in ten seconds");
    }
}
