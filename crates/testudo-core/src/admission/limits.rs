//! Step 10 of admission: the rate limits that a new or changed client counts against.

use super::governed::GovernedIdentity;
use crate::policy::Policy;
use crate::velocity::{Limit, Rate};
use std::net::IpAddr;
use testudo_protocol::limits::{CEREMONIES_PER_MINUTE_PER_ADDRESS, SIGN_INS_PER_MINUTE_PER_ADDRESS};

/// Step 10: the rate limits that a new client counts against: those of its trust domain, path prefix and rule.
pub(crate) fn limits(governed: &GovernedIdentity<'_>, policy: &Policy) -> Vec<Limit> {
    let mut limits = Vec::with_capacity(3);
    // Clients that a sponsor registers count against the limits of the sponsor.
    let (authority, subject, _) = governed.identity.governed_as();
    if let Some(trusted) = policy.authority(authority) {
        limits.push(Limit {
            bucket: format!("authority/{}", authority.key()),
            setting: "registrations_per_minute",
            shown_as: authority.described(),
            rate: trusted.registrations,
        });
        if let Some(rate) = trusted.registrations_per_prefix {
            let prefix = authority.prefix(subject, trusted.velocity_prefix_segments);
            limits.push(Limit {
                bucket: format!("prefix/{}{prefix}", authority.key()),
                setting: "registrations_per_minute_per_prefix",
                shown_as: format!("prefix `{prefix}` of {}", authority.described()),
                rate,
            });
        }
    }
    let rule = governed.found.rule;
    if let Some(per_minute) = rule.registrations_per_minute {
        limits.push(Limit {
            bucket: format!("rule/{}", rule.name),
            setting: "registrations_per_minute",
            shown_as: format!("rule `{}`", rule.name),
            rate: Rate::new(per_minute, rule.registrations_burst),
        });
    }
    limits
}

/// The rate limits of a registration: those of the sponsor; without a sponsor, also that of the caller's address.
pub(crate) fn limits_from(
    governed: &GovernedIdentity<'_>,
    policy: &Policy,
    address: Option<IpAddr>,
) -> Vec<Limit> {
    let mut limits = limits(governed, policy);
    if let (None, Some(open)) = (&governed.identity.sponsor, &policy.registration.open) {
        limits.extend(address.map(|address| address_limit(address, open.per_address)));
    }
    limits
}

fn address_limit(address: IpAddr, rate: Rate) -> Limit {
    let setting = "registration.open.registrations_per_minute_per_address";
    limit_at(address, "address", setting, rate)
}

/// A limit for each address of something, by which its bucket is named.
fn limit_at(address: IpAddr, of: &str, setting: &'static str, rate: Rate) -> Limit {
    let place = place_of(address);
    Limit {
        bucket: format!("{of}/{place}"),
        setting,
        shown_as: format!("the address {place}"),
        rate,
    }
}

/// The limit of sign-ins from an address: each writes a session.
pub(crate) fn sign_in_limit(address: IpAddr) -> Limit {
    limit_at(
        address,
        "sign-in",
        "login",
        Rate::new(SIGN_INS_PER_MINUTE_PER_ADDRESS, None),
    )
}

/// The limit of passkey ceremonies that browsers at an address begin: each writes a record for some minutes.
pub(crate) fn ceremony_limit(address: IpAddr) -> Limit {
    limit_at(
        address,
        "ceremony",
        "login",
        Rate::new(CEREMONIES_PER_MINUTE_PER_ADDRESS, None),
    )
}

/// The limit of responses of OpenID providers that browsers bring from an address: for each, this server asks the provider.
pub fn provider_response_limit(address: IpAddr) -> Limit {
    limit_at(
        address,
        "provider-response",
        "login",
        Rate::new(SIGN_INS_PER_MINUTE_PER_ADDRESS, None),
    )
}

/// One bucket per address; an IPv6 /64 network is one address, since a caller with one address of it can use them all.
pub fn place_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_network_of_64_bits_shares_one_rate_limit() {
        let bucket = |text: &str| address_limit(text.parse().unwrap(), Rate::new(1, None)).bucket;
        assert_eq!(bucket("2001:db8:0:1::5"), bucket("2001:db8:0:1:ffff::9"));
        assert_ne!(bucket("2001:db8:0:1::5"), bucket("2001:db8:0:2::5"));
        assert_eq!(bucket("::ffff:192.0.2.7"), bucket("192.0.2.7"));
    }
}
