//! From the addresses of a name to a connection: one after the other, so that a dead address is not an outage.
//! [RFC8305 §5]

use crate::FetchFault;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// So long an address has the attempt for itself; then the next one is tried beside it. [RFC8305 §5]
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The first connection that comes about. The caller's deadline is the only one.
pub(crate) async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, FetchFault> {
    let count = addresses.len();
    let mut waiting = in_order(addresses).into_iter();
    // What is still on its way when this returns is aborted.
    let mut attempts = JoinSet::new();
    let mut last = "the name has no address".to_owned();
    loop {
        match waiting.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(address));
            }
            None if attempts.is_empty() => break,
            None => {}
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.to_string(),
                Err(error) => last = error.to_string(),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {}
        }
    }
    Err(FetchFault::Connect(match count {
        0 | 1 => last,
        _ => format!("{last} ({count} addresses were tried)"),
    }))
}

/// The two families in turn, beginning with the one that the system prefers. [RFC8305 §4]
fn in_order(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let prefers_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == prefers_v6);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tokio::net::{TcpListener, TcpSocket};

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn rfc8305_4_ipv6_and_ipv4_addresses_are_tried_in_turn() {
        assert_eq!(
            in_order(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"])),
            addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"])
        );
        assert_eq!(
            in_order(addresses(&["127.0.0.1:1", "127.0.0.2:1", "[::1]:1"])),
            addresses(&["127.0.0.1:1", "[::1]:1", "127.0.0.2:1"])
        );
        assert!(in_order(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let refusing = SocketAddr::new("127.0.0.2".parse().unwrap(), good.port());
        let unreachable = SocketAddr::new("::1".parse().unwrap(), good.port());
        let stream = connect(vec![unreachable, refusing, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let fault = connect(vec![unreachable, refusing]).await.unwrap_err();
        assert!(fault.to_string().contains("2 addresses were tried"), "{fault}");
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_joined_by_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // A queue of connections that no server accepts: once it is full, attempts hang.
        let silent = TcpSocket::new_v4().unwrap();
        silent
            .bind(SocketAddr::new("127.0.0.3".parse().unwrap(), good.port()))
            .unwrap();
        let silent = silent.listen(1).unwrap();
        let dead = silent.local_addr().unwrap();
        let mut queued = Vec::new();
        let hangs = loop {
            match tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(dead)).await {
                Ok(Ok(stream)) if queued.len() < 64 => queued.push(stream),
                Ok(_) => break false,
                Err(_) => break true,
            }
        };
        assert!(hangs, "this system queues connections without end");
        let started = Instant::now();
        let stream = connect(vec![dead, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(
            started.elapsed() >= ATTEMPT_DELAY,
            "the first address had its time"
        );
    }
}
