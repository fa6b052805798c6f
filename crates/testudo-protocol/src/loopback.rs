//! URLs that lead to this machine.

use url::{Host, Url};

/// True for `localhost` and the addresses of the loopback network: only there may http stand for https, where an
/// administrator configured the URL. Which redirect URIs count as loopback is decided in `oauth/redirect_uri.rs`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
