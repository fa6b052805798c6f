//! Which IP addresses are public. The check is made on the address to which the connection is opened.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The entries of IANA's special-purpose registry that are not global.
const NOT_PUBLIC_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Public IPv6 is 2000::/3; these parts of it are not public, or contain an IPv4 address that would have to be checked
/// too.
const NOT_PUBLIC_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// True if a URL of a client may lead to this address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4
        .iter()
        .any(|net| net.parse::<Ipv4Net>().is_ok_and(|net| net.contains(&address)))
}

/// v4-mapped, NAT64, unique local, link-local, multicast and the unspecified address are all outside 2000::/3.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let is_global_unicast = address
        .segments()
        .first()
        .is_some_and(|first| first & 0xe000 == 0x2000);
    is_global_unicast
        && !NOT_PUBLIC_V6
            .iter()
            .any(|net| net.parse::<Ipv6Net>().is_ok_and(|net| net.contains(&address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Decision 0013.
    #[test]
    fn private_and_special_addresses_are_refused_for_urls_from_clients() {
        for refused in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "fe80::1",
            "fc00::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(refused.parse().unwrap()), "{refused}");
        }
        for public in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        assert!(NOT_PUBLIC_V4.iter().all(|net| net.parse::<Ipv4Net>().is_ok()));
        assert!(NOT_PUBLIC_V6.iter().all(|net| net.parse::<Ipv6Net>().is_ok()));
    }
}
