//! How many authorization requests one client may push. Each is a record until a person could no longer answer it, so a
//! client that pushes as fast as it can would fill the store.

use super::shares::Shares;
use std::net::IpAddr;
use testudo_core::admission::governed::GovernedIdentity;
use testudo_core::rejection::AuthorizationReason;
use testudo_core::velocity::Rate;
use testudo_core::{CredentialKind, Rejection};

/// The share of one client at one node: 50 requests per second, and 3,000 at once. A record of about 600 bytes is kept for
/// 62 minutes, so the requests of one client take some 110 MB at most.
const SHARE: Rate = Rate {
    per_minute: 3_000,
    burst: 3_000,
};

/// The shares that clients have used.
pub struct PushShares(Shares);

impl Default for PushShares {
    fn default() -> PushShares {
        PushShares(Shares::of(SHARE))
    }
}

impl PushShares {
    /// Takes one from the share of the client, or refuses the request. Any caller can send a request of a client without
    /// credential, so each address has its own share of it.
    pub fn take(
        &self,
        governed: &GovernedIdentity<'_>,
        address: Option<IpAddr>,
        now_millis: u64,
    ) -> Result<(), Rejection> {
        let client_id = &governed.name.client_id;
        let bucket = match (governed.identity.kind, address) {
            (CredentialKind::Public, Some(address)) => format!("{client_id} {address}"),
            (_, Some(_) | None) => client_id.to_string(),
        };
        self.take_from(bucket, now_millis)
    }

    fn take_from(&self, bucket: String, now_millis: u64) -> Result<(), Rejection> {
        let taken = self.0.take(bucket, now_millis);
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
        let take = |client: &str, now| shares.take_from(client.to_owned(), now);
        for _ in 0..SHARE.burst {
            assert_eq!(take("a", 1_000), Ok(()));
        }
        let expected = AuthorizationReason::PushShareUsed {
            retry_after_seconds: 1,
        };
        assert_eq!(take("a", 1_000), Err(expected.into()));
        assert_eq!(take("b", 1_000), Ok(()));
        assert_eq!(take("a", 2_000), Ok(()), "the share is refilled");
    }
}
