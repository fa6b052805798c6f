//! Tests of the limits of open connections, and of which connection is closed when a limit is reached.

use super::*;
use crate::config::ConnectionLimits;

fn connections(limits: ConnectionLimits) -> Arc<Connections> {
    let trusted = vec!["10.9.0.0/16".parse().unwrap()];
    let connections_max = limits.connections_max;
    let rules = ArcSwap::from_pointee(ConnectionRules { limits, trusted });
    Connections::new(Arc::new(rules), connections_max, &Metrics::default())
}

fn small() -> ConnectionLimits {
    ConnectionLimits {
        connections_max: 6,
        connections_max_per_address: 2,
        connections_max_per_prefix: 3,
        ..ConnectionLimits::default()
    }
}

async fn open(connections: &Arc<Connections>, address: &str) -> Result<ConnectionGuard, CloseReason> {
    let permit = connections.permit().await.unwrap();
    connections.admit(Some(address.parse().unwrap()), ListenerKind::Public, permit)
}

fn close_reason(guard: &ConnectionGuard) -> Option<CloseReason> {
    guard.state.close_reason()
}

#[tokio::test]
async fn oldest_idle_connection_of_the_address_is_closed_when_its_limit_is_reached() {
    let connections = connections(small());
    let first = open(&connections, "192.0.2.1").await.unwrap();
    first.state.request_begins(false);
    let second = open(&connections, "192.0.2.1").await.unwrap();
    let third = open(&connections, "192.0.2.1").await.unwrap();
    assert_eq!(
        (close_reason(&first), close_reason(&second)),
        (None, Some(CloseReason::Address))
    );
    third.state.request_begins(false);
    assert_eq!(
        open(&connections, "192.0.2.1").await.err(),
        Some(CloseReason::Address)
    );
    assert_eq!(close_reason(&third), None, "a request runs on it");
    drop(third);
    assert!(open(&connections, "192.0.2.1").await.is_ok());
}

#[tokio::test]
async fn connections_are_limited_per_prefix_and_ipv6_addresses_are_counted_by_64() {
    let connections = connections(small());
    let mut guards = Vec::new();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        guards.push(open(&connections, address).await.unwrap());
    }
    assert_eq!(close_reason(&guards[0]), Some(CloseReason::Prefix));
    for address in ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"] {
        guards.push(open(&connections, address).await.unwrap());
    }
    assert_eq!(
        close_reason(&guards[4]),
        Some(CloseReason::Address),
        "all are of one /64"
    );
}

#[tokio::test]
async fn oldest_idle_connection_is_closed_when_connections_max_is_reached() {
    let connections = connections(small());
    let mut guards = Vec::new();
    for number in 0..7 {
        guards.push(open(&connections, &format!("10.0.{number}.1")).await.unwrap());
    }
    assert_eq!(close_reason(&guards[0]), Some(CloseReason::Connections));
    assert_eq!(connections.lock().open.len(), 6);
    for guard in &guards[1..] {
        guard.state.request_begins(true);
    }
    assert_eq!(
        open(&connections, "10.0.99.1").await.err(),
        Some(CloseReason::Connections)
    );
    drop(guards);
    let table = connections.lock();
    assert_eq!(
        (table.all.len(), table.groups.len()),
        (0, 0),
        "closed connections are still counted"
    );
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_not_limited_per_address() {
    let connections = connections(small());
    let mut guards = Vec::new();
    for _ in 0..6 {
        guards.push(open(&connections, "10.9.1.1").await.unwrap());
    }
    assert!(guards.iter().all(|guard| close_reason(guard).is_none()));
}

#[tokio::test]
async fn connections_past_their_deadline_are_closed() {
    let limits = ConnectionLimits {
        first_request_timeout: Duration::from_millis(50),
        ..small()
    };
    let connections = connections(limits);
    let guard = open(&connections, "192.0.2.1").await.unwrap();
    let reaper = tokio::spawn(connections.clone().reap());
    tokio::time::timeout(Duration::from_secs(30), guard.state.woken())
        .await
        .expect("the connection was not closed after its deadline");
    assert_eq!(close_reason(&guard), Some(CloseReason::FirstRequest));
    reaper.abort();
}

#[tokio::test]
async fn drain_waits_for_running_requests_and_closes_the_rest_after_its_time() {
    let connections = connections(small());
    let guard = open(&connections, "192.0.2.1").await.unwrap();
    guard.state.request_begins(false);
    let closed = connections.drain(Duration::from_millis(10)).await;
    assert_eq!(
        closed,
        ClosedAtStop {
            connections: 1,
            requests: 1
        }
    );
    assert!(guard.state.is_stopping());
    assert_eq!(close_reason(&guard), Some(CloseReason::Drain));
    drop(guard);
    let guard = open(&connections, "192.0.2.1").await.unwrap();
    assert!(
        guard.state.is_stopping(),
        "a connection that is opened during the drain is not stopped"
    );
    let leaves = async {
        tokio::task::yield_now().await;
        drop(guard);
    };
    let (closed, ()) = tokio::join!(connections.drain(Duration::from_secs(600)), leaves);
    assert_eq!(closed, ClosedAtStop::default());
}
