//! Splits a URL with several hosts into one configuration for each host.
//!
//! The driver can try several hosts itself, but goes to the next one only if the TCP connection fails. It would wait
//! for a paused machine whose kernel still accepts connections.

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The hosts in the order of the URL. If the numbers of hosts, addresses and ports differ, the configuration is
/// returned unchanged, and the driver reports the error.
pub(super) fn each_host(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let number = hosts.len().max(addresses.len());
    let fits = |length: usize| length == 0 || length == number;
    if number < 2 || !fits(hosts.len()) || !fits(addresses.len()) || !(ports.len() == 1 || fits(ports.len()))
    {
        return vec![config.clone()];
    }
    (0..number)
        .map(|place| {
            let mut one = without_hosts(config);
            match hosts.get(place) {
                Some(Host::Tcp(name)) => drop(one.host(name)),
                Some(Host::Unix(path)) => drop(one.host_path(path)),
                None => {}
            }
            if let Some(address) = addresses.get(place) {
                one.hostaddr(*address);
            }
            if let Some(port) = ports.get(place).or(ports.first()) {
                one.port(*port);
            }
            one
        })
        .collect()
}

fn without_hosts(config: &Config) -> Config {
    let mut one = Config::new();
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding());
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_the_url_keeps_its_parameters() {
        let url = "postgres://u:p@one:1,two:2/name?options=-cx.y%3D1&sslmode=require";
        let each = each_host(&url.parse().unwrap());
        let found: Vec<_> = each
            .iter()
            .map(|one| (one.get_hosts(), one.get_ports()))
            .collect();
        let host = |name: &str| [Host::Tcp(name.to_owned())];
        assert_eq!(
            found,
            [(&host("one")[..], &[1][..]), (&host("two")[..], &[2][..])]
        );
        for one in each {
            assert_eq!(one.get_user(), Some("u"));
            assert_eq!(one.get_password(), Some(&b"p"[..]));
            assert_eq!(one.get_dbname(), Some("name"));
            assert_eq!(one.get_options(), Some("-cx.y=1"));
            assert_eq!(one.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
        }
        let one_port = each_host(&"postgres://u@one,two:7/name".parse().unwrap());
        assert_eq!(one_port.len(), 2);
    }
}
