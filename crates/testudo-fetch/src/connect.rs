//! Connects to the first address of a host name that works. The addresses are tried one after the other, so that an
//! address without a server does not fail the fetch.
//! [RFC8305 §5]

use crate::FetchFault;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// After this time without an answer, the next address is tried in parallel. [RFC8305 §5]
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The first connection that succeeds. There is no deadline here besides that of the caller.
pub(crate) async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, FetchFault> {
    let count = addresses.len();
    let mut waiting = in_order(addresses).into_iter();
    // Attempts that are still running when this function returns are aborted.
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

/// IPv6 and IPv4 addresses alternate, beginning with the family that the system prefers. [RFC8305 §4]
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
    fn rfc8305_4_ipv6_and_ipv4_addresses_are_tried_alternately() {
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
    async fn next_address_is_tried_after_one_that_refuses() {
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
    async fn next_address_is_tried_in_parallel_to_one_that_does_not_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // A listener that accepts no connection: once its queue is full, further attempts hang.
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
        assert!(hangs, "this system queues connections without a limit");
        let started = Instant::now();
        let stream = connect(vec![dead, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(
            started.elapsed() >= ATTEMPT_DELAY,
            "the second address must not be tried before the delay"
        );
    }
}
