//! The fetches that are running, and limits for those that clients cause.

use crate::{FetchFault, UrlOrigin};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use url::Url;

/// Running fetches of URLs of clients, all together.
pub const CLIENT_FETCHES_MAX: usize = 32;
/// Running fetches of URLs of clients from one site, which is the last two labels of the name: the owner of a domain
/// controls every name under it.
pub const CLIENT_FETCHES_PER_SITE_MAX: usize = 4;

#[derive(Default)]
pub(crate) struct RunningFetches(Mutex<State>);

#[derive(Default)]
struct State {
    /// A client's fetch of a URL does not affect a fetch of the same URL for the configuration.
    urls: HashSet<(UrlOrigin, String)>,
    by_site: HashMap<String, usize>,
    for_clients: usize,
}

/// Marks a URL as being fetched until this value is dropped.
pub(crate) struct RunningFetch<'f> {
    running: &'f RunningFetches,
    key: (UrlOrigin, String),
    site: String,
}

impl RunningFetches {
    pub(crate) fn begin(&self, url: &Url, origin: UrlOrigin) -> Result<RunningFetch<'_>, FetchFault> {
        let (key, site) = ((origin, url.as_str().to_owned()), site(url));
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.urls.contains(&key) {
            return Err(FetchFault::InFlight);
        }
        if origin == UrlOrigin::Client {
            if state.for_clients >= CLIENT_FETCHES_MAX {
                return Err(FetchFault::Busy { limit: "fetches" });
            }
            let of_site = state.by_site.entry(site.clone()).or_default();
            if *of_site >= CLIENT_FETCHES_PER_SITE_MAX {
                return Err(FetchFault::Busy {
                    limit: "fetches from one site",
                });
            }
            *of_site += 1;
            state.for_clients += 1;
        }
        state.urls.insert(key.clone());
        Ok(RunningFetch {
            running: self,
            key,
            site,
        })
    }
}

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        let mut state = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.urls.remove(&self.key);
        if self.key.0 == UrlOrigin::Client {
            state.for_clients = state.for_clients.saturating_sub(1);
            if let Some(of_site) = state.by_site.get_mut(&self.site) {
                *of_site = of_site.saturating_sub(1);
                if *of_site == 0 {
                    state.by_site.remove(&self.site);
                }
            }
        }
    }
}

/// The site of a URL. Each IP address is a separate site.
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
        let running = RunningFetches::default();
        let place = url("https://keys.example/jwks");
        let by_client = running.begin(&place, UrlOrigin::Client).unwrap();
        let by_configuration = running.begin(&place, UrlOrigin::Configuration).unwrap();
        for origin in [UrlOrigin::Client, UrlOrigin::Configuration] {
            assert_eq!(running.begin(&place, origin).err(), Some(FetchFault::InFlight));
        }
        drop(by_client);
        assert!(running.begin(&place, UrlOrigin::Client).is_ok());
        assert_eq!(
            running.begin(&place, UrlOrigin::Configuration).err(),
            Some(FetchFault::InFlight)
        );
        drop(by_configuration);
        assert!(running.begin(&place, UrlOrigin::Configuration).is_ok());
    }

    #[test]
    fn fetches_for_clients_are_limited_per_site_and_in_all_and_those_of_the_configuration_are_not() {
        let running = RunningFetches::default();
        let mut held = Vec::new();
        for number in 0..CLIENT_FETCHES_PER_SITE_MAX {
            let place = url(&format!("https://h{number}.keys.example/"));
            held.push(running.begin(&place, UrlOrigin::Client).unwrap());
        }
        let more = url("https://more.keys.example/");
        assert!(matches!(
            running.begin(&more, UrlOrigin::Client),
            Err(FetchFault::Busy { .. })
        ));
        assert!(running.begin(&more, UrlOrigin::Configuration).is_ok());
        for number in held.len()..CLIENT_FETCHES_MAX {
            let place = url(&format!("https://site{number}.example/"));
            held.push(running.begin(&place, UrlOrigin::Client).unwrap());
        }
        let other = url("https://other.test/");
        assert!(matches!(
            running.begin(&other, UrlOrigin::Client),
            Err(FetchFault::Busy { .. })
        ));
        assert!(running.begin(&other, UrlOrigin::Configuration).is_ok());
        held.clear();
        assert!(running.begin(&more, UrlOrigin::Client).is_ok());
        assert!(running.0.lock().unwrap().by_site.is_empty());
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
