//! What is being fetched at this moment, and how much of it strangers may cause.

use crate::{FetchFault, UrlOrigin};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use url::Url;

/// Fetches for strangers under way, of all of them together.
pub const STRANGER_FETCHES_MAX: usize = 32;
/// Of those, to one site, which is the last two labels of the name: who owns a domain owns every name under it.
pub const STRANGER_FETCHES_PER_SITE_MAX: usize = 4;

#[derive(Default)]
pub(crate) struct Flights(Mutex<State>);

#[derive(Default)]
struct State {
    /// A stranger's fetch of a URL and the operator's have nothing to do with one another.
    urls: HashSet<(UrlOrigin, String)>,
    by_site: HashMap<String, usize>,
    strangers: usize,
}

/// Marks a URL as being fetched for as long as it lives.
pub(crate) struct Flight<'f> {
    flights: &'f Flights,
    key: (UrlOrigin, String),
    site: String,
}

impl Flights {
    pub(crate) fn begin(&self, url: &Url, origin: UrlOrigin) -> Result<Flight<'_>, FetchFault> {
        let (key, site) = ((origin, url.as_str().to_owned()), site(url));
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.urls.contains(&key) {
            return Err(FetchFault::InFlight);
        }
        if origin == UrlOrigin::Stranger {
            if state.strangers >= STRANGER_FETCHES_MAX {
                return Err(FetchFault::Busy { limit: "fetches" });
            }
            let of_site = state.by_site.entry(site.clone()).or_default();
            if *of_site >= STRANGER_FETCHES_PER_SITE_MAX {
                return Err(FetchFault::Busy {
                    limit: "fetches from one site",
                });
            }
            *of_site += 1;
            state.strangers += 1;
        }
        state.urls.insert(key.clone());
        Ok(Flight {
            flights: self,
            key,
            site,
        })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.urls.remove(&self.key);
        if self.key.0 == UrlOrigin::Stranger {
            state.strangers = state.strangers.saturating_sub(1);
            if let Some(of_site) = state.by_site.get_mut(&self.site) {
                *of_site = of_site.saturating_sub(1);
                if *of_site == 0 {
                    state.by_site.remove(&self.site);
                }
            }
        }
    }
}

/// An address is a site of its own.
fn site(url: &Url) -> String {
    let Some(name) = url.domain() else {
        return url.host_str().unwrap_or_default().to_owned();
    };
    let name = name.trim_end_matches('.');
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at + 1);
    let start = dots.nth(1).unwrap_or_default();
    name.get(start..).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn url_of_a_client_and_url_of_the_configuration_never_share_a_fetch() {
        let flights = Flights::default();
        let place = url("https://keys.example/jwks");
        let by_stranger = flights.begin(&place, UrlOrigin::Stranger).unwrap();
        let by_operator = flights.begin(&place, UrlOrigin::Operator).unwrap();
        for origin in [UrlOrigin::Stranger, UrlOrigin::Operator] {
            assert_eq!(flights.begin(&place, origin).err(), Some(FetchFault::InFlight));
        }
        drop(by_stranger);
        assert!(flights.begin(&place, UrlOrigin::Stranger).is_ok());
        assert_eq!(
            flights.begin(&place, UrlOrigin::Operator).err(),
            Some(FetchFault::InFlight)
        );
        drop(by_operator);
        assert!(flights.begin(&place, UrlOrigin::Operator).is_ok());
    }

    #[test]
    fn fetches_for_clients_are_limited_per_site_and_in_all_and_those_of_the_configuration_are_not() {
        let flights = Flights::default();
        let mut held = Vec::new();
        for number in 0..STRANGER_FETCHES_PER_SITE_MAX {
            let place = url(&format!("https://h{number}.keys.example/"));
            held.push(flights.begin(&place, UrlOrigin::Stranger).unwrap());
        }
        let more = url("https://more.keys.example/");
        assert!(matches!(
            flights.begin(&more, UrlOrigin::Stranger),
            Err(FetchFault::Busy { .. })
        ));
        assert!(flights.begin(&more, UrlOrigin::Operator).is_ok());
        for number in held.len()..STRANGER_FETCHES_MAX {
            let place = url(&format!("https://site{number}.example/"));
            held.push(flights.begin(&place, UrlOrigin::Stranger).unwrap());
        }
        let other = url("https://other.test/");
        assert!(matches!(
            flights.begin(&other, UrlOrigin::Stranger),
            Err(FetchFault::Busy { .. })
        ));
        assert!(flights.begin(&other, UrlOrigin::Operator).is_ok());
        held.clear();
        assert!(flights.begin(&more, UrlOrigin::Stranger).is_ok());
        assert!(flights.0.lock().unwrap().by_site.is_empty());
    }

    #[test]
    fn host_names_are_grouped_into_sites_and_ip_addresses_stand_alone() {
        for (text, expected) in [
            ("https://a.b.keys.example/", "keys.example"),
            ("https://keys.example./", "keys.example"),
            ("https://keys/", "keys"),
            ("https://192.0.2.1/", "192.0.2.1"),
        ] {
            assert_eq!(site(&url(text)), expected, "{text}");
        }
    }
}
