//! Ports for programs that must be given one before they listen on it.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below the ports that Linux gives to outgoing connections and to listeners on port 0 (from 32768): one of those could
/// be taken by another test before the program listens on it, or while the program is stopped.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port of loopback that is free. The same process does not get it again.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicUsize> =
        LazyLock::new(|| AtomicUsize::new(usize::from(RandomState::new().hash_one(()) as u16)));
    PORTS
        .map(|_| NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len())
        .map(|offset| PORTS.start + offset as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no port is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_port_can_be_used_and_is_not_given_to_another_caller() {
        let (first, second) = (free_port(), free_port());
        assert_ne!(first, second);
        for port in [first, second] {
            assert!(PORTS.contains(&port), "{port}");
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }
}
