//! How many connections, and how much memory of requests, one IP address and one address prefix may have.

use super::connection_state::CloseReason;
use crate::config::ConnectionRules;
use ipnet::IpNet;
use std::net::IpAddr;
use testudo_protocol::limits::{ADMIN_REQUESTS_BYTES_MAX, REQUESTS_BYTES_MAX};

/// The smallest share of memory, in bytes. Two of the largest requests fit (32 KiB head, 64 KiB body, 12 KiB for the
/// request itself), because with one large request the share must not be nearly full.
pub(super) const SHARE_BYTES_MIN: usize = 256 * 1024;
/// An address whose requests use at most so many bytes may use the reserve. One of the largest requests fits.
const LITTLE_OF_ADDRESS: usize = 128 * 1024;
/// An address prefix whose requests use at most so many bytes may use the reserve.
const LITTLE_OF_PREFIX: usize = 512 * 1024;

/// The limits of one address or address prefix.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) net: IpNet,
    pub(super) connections_max: usize,
    /// The reason for which a connection is closed when `connections_max` is reached.
    pub(super) reason: CloseReason,
    /// Memory of requests to the public listeners, in bytes.
    pub(super) bytes_max: usize,
    /// Memory of requests to `admin.listen`, in bytes.
    pub(super) admin_bytes_max: usize,
    /// While the requests of this address or prefix use at most so many bytes, they may use the reserve of all memory.
    pub(super) little: usize,
}

/// The limits of this address and of its prefix. An IPv6 address is counted by its /64, and its prefix is the
/// /48, because one client usually controls all addresses of a /64. A trusted proxy forwards the requests of many
/// clients: the number of its connections is limited only by the total, and it may use three quarters of the memory.
pub(super) fn shares(connections_max: usize, rules: &ConnectionRules, address: Option<IpAddr>) -> Vec<Share> {
    let ConnectionRules { limits, trusted } = rules;
    let Some(address) = address else {
        return Vec::new();
    };
    let lengths = if address.is_ipv4() { [32, 24] } else { [64, 48] };
    let net = |length| IpNet::new(address, length).ok().map(|net| net.trunc());
    let all = connections_max.max(1);
    let share = |net, reason, connections_max: usize, little| Share {
        net,
        connections_max,
        reason,
        bytes_max: part(REQUESTS_BYTES_MAX, connections_max, all),
        admin_bytes_max: part(ADMIN_REQUESTS_BYTES_MAX, connections_max, all),
        little,
    };
    if trusted.iter().any(|net| net.contains(&address)) {
        return net(lengths[0])
            .map(|net| Share {
                connections_max: usize::MAX,
                bytes_max: part(REQUESTS_BYTES_MAX, 3, 4),
                admin_bytes_max: part(ADMIN_REQUESTS_BYTES_MAX, 3, 4),
                ..share(net, CloseReason::Address, all, LITTLE_OF_ADDRESS)
            })
            .into_iter()
            .collect();
    }
    let [address, prefix] = lengths.map(net);
    let (of_address, of_prefix) = (
        limits.connections_max_per_address,
        limits.connections_max_per_prefix,
    );
    let address = address.map(|net| share(net, CloseReason::Address, of_address, LITTLE_OF_ADDRESS));
    let prefix = prefix.map(|net| share(net, CloseReason::Prefix, of_prefix, LITTLE_OF_PREFIX));
    address.into_iter().chain(prefix).collect()
}

/// The part `numerator / denominator` of the memory that all senders have in common, which is without the reserve.
fn part(bytes_max: usize, numerator: usize, denominator: usize) -> usize {
    let common = bytes_max - bytes_max / 8;
    let part = common / denominator * numerator.min(denominator);
    part.max(SHARE_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConnectionLimits;
    use testudo_protocol::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, REQUEST_BYTES};

    fn shares_of(address: &str, limits: &ConnectionLimits) -> Vec<Share> {
        let rules = ConnectionRules {
            limits: limits.clone(),
            trusted: vec!["10.9.0.0/16".parse().unwrap()],
        };
        shares(limits.connections_max, &rules, Some(address.parse().unwrap()))
    }

    #[test]
    fn two_largest_requests_fit_into_a_share_of_memory_if_one_connection_is_allowed() {
        let largest = HEADER_BYTES_MAX + BODY_BYTES_MAX + REQUEST_BYTES + 4096;
        for connections_max in [1, 10_000, 15_000, 1_000_000] {
            let limits = ConnectionLimits {
                connections_max,
                connections_max_per_address: 1,
                connections_max_per_prefix: 1,
                ..ConnectionLimits::default()
            };
            for share in shares_of("192.0.2.1", &limits) {
                assert!(share.bytes_max >= 2 * largest, "{share:?}");
                assert!(share.admin_bytes_max >= 2 * largest, "{share:?}");
                assert!(share.little >= largest, "{share:?}");
            }
        }
    }

    #[test]
    fn shares_of_memory_at_the_defaults_are_as_documented() {
        let common = REQUESTS_BYTES_MAX - REQUESTS_BYTES_MAX / 8;
        let bytes = |address| -> Vec<usize> {
            let shares = shares_of(address, &ConnectionLimits::default());
            shares
                .iter()
                .map(|share| share.bytes_max.div_ceil(1 << 20))
                .collect()
        };
        assert_eq!(common >> 20, 112);
        assert_eq!(bytes("192.0.2.1"), [28, 56]);
        assert_eq!(bytes("2001:db8::1"), [28, 56]);
        assert_eq!(bytes("10.9.1.1"), [84], "a trusted proxy");
    }
}
