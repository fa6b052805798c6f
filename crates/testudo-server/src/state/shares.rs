//! The share of each client in something of which one client could use too much, at one node.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use testudo_core::CredentialKind;
use testudo_core::admission::governed::GovernedIdentity;
use testudo_core::admission::limits::place_of;
use testudo_core::velocity::{Buckets, Exhausted, Limit, Rate};

/// Who takes from a share.
#[derive(Debug, Clone, Copy)]
pub enum Taker<'a> {
    /// A client that proved who it is, so that no other caller can use up its share.
    Proven(&'a str),
    /// A caller that named a public client. Any caller can, so the callers at each address have a share of their own, and
    /// one caller cannot use up the share of all users of the client.
    Public {
        /// The client that the caller named.
        client_id: &'a str,
        /// The address of the caller; `None` at a Unix socket.
        address: Option<IpAddr>,
    },
}

impl<'a> Taker<'a> {
    /// Who takes from the share of this client with a request from this address.
    pub fn of(governed: &'a GovernedIdentity<'_>, address: Option<IpAddr>) -> Taker<'a> {
        let client_id = &governed.name.client_id;
        match governed.identity.kind == CredentialKind::Public {
            true => Taker::Public { client_id, address },
            false => Taker::Proven(client_id),
        }
    }
}

/// How much each may take.
#[derive(Debug, Clone, Copy)]
pub struct ShareRates {
    /// A client that proved who it is.
    pub client: Rate,
    /// All callers together that name the same public client: what these cost is bounded as well.
    pub public_client: Rate,
    /// The callers at one IPv4 address or IPv6 /64 that name the same public client.
    pub public_address: Rate,
    /// What the callers at one IPv4 address or IPv6 /48 can take of a public client when `public_client` is used up: a
    /// caller with many addresses must not make this server refuse the users of the client.
    pub public_reserve: Rate,
    /// All reserves of a public client together: a caller can have tens of thousands of networks. One that uses up this as
    /// well makes this server refuse the users of the client, but what it costs is bounded.
    pub public_reserves: Rate,
}

/// The shares that clients have used.
pub struct Shares {
    rates: ShareRates,
    used: Mutex<Used>,
}

/// Where there are too many buckets, some are dropped, and are full again. A caller with many addresses makes many buckets of
/// places, and must not refill those of a client with them, so the two are apart.
#[derive(Default)]
struct Used {
    clients: Buckets,
    places: Buckets,
}

impl Used {
    /// Takes one from each bucket, or from none.
    fn take(&mut self, client: Limit, places: &[Limit], now_millis: u64) -> Result<(), i64> {
        self.places.check(places, now_millis).map_err(seconds)?;
        self.clients.take(&[client], now_millis).map_err(seconds)?;
        self.places.take(places, now_millis).map_err(seconds)
    }
}

impl Shares {
    /// All clients have these shares.
    pub fn of(rates: ShareRates) -> Shares {
        Shares {
            rates,
            used: Mutex::default(),
        }
    }

    /// Takes one. The error is the number of seconds after which there is one again.
    pub fn take(&self, taker: Taker<'_>, now_millis: u64) -> Result<(), i64> {
        let ShareRates {
            client,
            public_client,
            public_address,
            public_reserve,
            public_reserves,
        } = self.rates;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match taker {
            Taker::Proven(client_id) => used.take(limit(client_id.to_owned(), client), &[], now_millis),
            Taker::Public {
                client_id,
                address: None,
            } => used.take(limit(client_id.to_owned(), public_client), &[], now_millis),
            Taker::Public {
                client_id,
                address: Some(address),
            } => {
                // No client id has a line break.
                let of_place = limit(format!("{client_id}\n{}", place_of(address)), public_address);
                let of_all = limit(client_id.to_owned(), public_client);
                let usual = used.take(of_all, std::slice::from_ref(&of_place), now_millis);
                usual.or_else(|seconds| {
                    let reserve = limit(format!("{client_id}\n{}\n", network_of(address)), public_reserve);
                    let reserves = limit(format!("{client_id}\n"), public_reserves);
                    let taken = used.take(reserves, &[of_place, reserve], now_millis);
                    taken.map_err(|_| seconds)
                })
            }
        }
    }
}

/// The network of an address from which one caller can have many addresses: an IPv6 /48, or one IPv4 address.
fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

fn limit(bucket: String, rate: Rate) -> Limit {
    Limit {
        bucket,
        setting: "",
        shown_as: String::new(),
        rate,
    }
}

fn seconds(exhausted: Exhausted<'_>) -> i64 {
    exhausted.retry_after_seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: ShareRates = ShareRates {
        client: Rate {
            per_minute: 600,
            burst: 20,
        },
        public_client: Rate {
            per_minute: 300,
            burst: 10,
        },
        public_address: Rate {
            per_minute: 60,
            burst: 4,
        },
        public_reserve: Rate {
            per_minute: 60,
            burst: 2,
        },
        public_reserves: Rate {
            per_minute: 120,
            burst: 12,
        },
    };

    fn public<'a>(client_id: &'a str, address: &str) -> Taker<'a> {
        let address = Some(address.parse().unwrap());
        Taker::Public { client_id, address }
    }

    /// How many can be taken at once.
    fn count(shares: &Shares, taker: Taker<'_>) -> usize {
        (0..100).take_while(|_| shares.take(taker, 1_000).is_ok()).count()
    }

    #[test]
    fn client_that_used_its_share_is_refused_and_other_clients_are_not() {
        let shares = Shares::of(RATES);
        assert_eq!(count(&shares, Taker::Proven("a")), 20);
        assert_eq!(shares.take(Taker::Proven("a"), 1_000), Err(1));
        assert_eq!(shares.take(Taker::Proven("b"), 1_000), Ok(()));
        assert_eq!(
            shares.take(Taker::Proven("a"), 2_000),
            Ok(()),
            "the share is refilled"
        );
    }

    #[test]
    fn caller_that_names_a_public_client_does_not_use_up_the_share_of_callers_at_other_addresses() {
        let shares = Shares::of(RATES);
        assert_eq!(count(&shares, public("app", "192.0.2.1")), 4);
        assert_eq!(shares.take(public("app", "192.0.2.1"), 1_000), Err(1));
        assert_eq!(count(&shares, public("app", "192.0.2.2")), 4);
        assert_eq!(shares.take(public("other", "192.0.2.1"), 1_000), Ok(()));
        assert_eq!(
            shares.take(public("app", "192.0.2.1"), 2_000),
            Ok(()),
            "the share is refilled"
        );
        assert_eq!(shares.take(public("app", "192.0.2.1"), 2_000), Err(1));
    }

    #[test]
    fn addresses_of_one_ipv6_network_of_64_bits_have_one_share() {
        let shares = Shares::of(RATES);
        let granted = (0..100).filter(|number| {
            let taker = format!("2001:db8:0:1::{number:x}");
            shares.take(public("app", &taker), 1_000).is_ok()
        });
        assert_eq!(granted.count(), 4);
        assert_eq!(shares.take(public("app", "2001:db8:0:2::1"), 1_000), Ok(()));
        assert_eq!(count(&shares, public("app", "::ffff:192.0.2.1")), 4);
        assert_eq!(shares.take(public("app", "192.0.2.1"), 1_000), Err(1));
    }

    /// All callers together use up the ceiling of the client.
    fn use_up(shares: &Shares) {
        let taken = (1..=3).map(|number| count(shares, public("app", &format!("192.0.2.{number}"))));
        assert_eq!(
            taken.collect::<Vec<_>>(),
            [4, 4, 4],
            "10 of the ceiling, 2 of the reserve"
        );
    }

    #[test]
    fn callers_that_used_up_the_ceiling_of_a_public_client_leave_a_reserve_to_each_other_network() {
        let shares = Shares::of(RATES);
        use_up(&shares);
        assert_eq!(count(&shares, public("app", "192.0.2.3")), 0);
        assert_eq!(count(&shares, public("app", "192.0.2.4")), 2, "its reserve");
        assert_eq!(shares.take(public("app", "192.0.2.4"), 1_000), Err(1));
        assert_eq!(
            shares.take(public("other", "192.0.2.1"), 1_000),
            Ok(()),
            "other clients"
        );
        assert_eq!(
            count(&shares, Taker::Proven("b")),
            20,
            "clients that prove who they are"
        );
        let nowhere = Taker::Public {
            client_id: "app",
            address: None,
        };
        assert_eq!(shares.take(nowhere, 1_000), Err(1));
    }

    #[test]
    fn networks_of_64_bits_within_one_of_48_bits_have_one_reserve() {
        let shares = Shares::of(RATES);
        use_up(&shares);
        let of_48 = |network: usize| format!("2001:db8:1:{network:x}::1");
        let granted = (0..100).filter(|network| shares.take(public("app", &of_48(*network)), 1_000).is_ok());
        assert_eq!(granted.count(), 2);
        assert_eq!(count(&shares, public("app", "2001:db8:2::1")), 2);
    }

    /// An IPv6 /32 has 65,536 networks of 48 bits.
    #[test]
    fn reserves_of_all_networks_together_are_bounded_and_leave_each_its_own_until_they_are_used_up() {
        let shares = Shares::of(RATES);
        use_up(&shares);
        let of_network = |network: usize| format!("2001:db8:{network:x}::1");
        // Two are used, and eight networks take one each.
        for network in 0..8 {
            assert_eq!(shares.take(public("app", &of_network(network)), 1_000), Ok(()));
        }
        assert_eq!(
            count(&shares, public("app", "192.0.2.9")),
            2,
            "a user beside them"
        );
        let granted = (8..1_000).filter(|network| {
            let address = of_network(*network);
            shares.take(public("app", &address), 1_000).is_ok()
        });
        assert_eq!(granted.count(), 0, "12 of all reserves");
        assert_eq!(
            shares.take(public("other", &of_network(0)), 1_000),
            Ok(()),
            "other clients"
        );
        let later = (1_000..2_000).filter(|network| {
            let address = of_network(*network);
            shares.take(public("app", &address), 2_000).is_ok()
        });
        assert_eq!(later.count(), 5 + 2, "what is refilled in a second");
    }

    #[test]
    fn callers_at_more_places_than_there_are_buckets_do_not_refill_the_shares_of_their_client() {
        let once_a_minute = Rate {
            per_minute: 1,
            burst: 1,
        };
        // These are full sooner than the buckets of the places, so they would be dropped first.
        let shares = Shares::of(ShareRates {
            public_client: Rate {
                per_minute: 60_000,
                burst: 15_000,
            },
            public_address: once_a_minute,
            public_reserve: once_a_minute,
            public_reserves: Rate {
                per_minute: 60_000,
                burst: 9_000,
            },
            ..RATES
        });
        let granted = (0..60_000).filter(|network| {
            let address = format!("2001:db8:{network:x}::1");
            shares.take(public("app", &address), 1_000).is_ok()
        });
        assert_eq!(granted.count(), 15_000 + 9_000);
    }
}
