//! The reconciliation: every acknowledged client must exist once, with one event, on both nodes.

use super::administrators::{Act, Administrators};
use super::clients::Clients;
use super::deployment::{Load, id, kid, until};
use super::outages::Outages;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

const PAGE: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Checks the invariants that must hold during the load, after any fault of the database.
pub async fn while_the_load_goes_on(load: &Load, clients: &Clients) {
    // The list of acknowledged clients is taken before the records are read, since later ones may be missing in them.
    let acknowledged: HashSet<String> = clients.acknowledged().into_iter().collect();
    for node in 0..2 {
        let stored = client_ids(load, node).await;
        let distinct: HashSet<&String> = stored.iter().collect();
        assert_eq!(
            stored.len(),
            distinct.len(),
            "node {node}: no client may exist twice"
        );
        let lost: Vec<&String> = acknowledged.iter().filter(|id| !distinct.contains(id)).collect();
        assert!(
            lost.is_empty(),
            "node {node}: {} of {} acknowledged clients are lost: {:?}",
            lost.len(),
            acknowledged.len(),
            &lost[..lost.len().min(5)]
        );
        let registered = registrations(load, node).await;
        let wrong: Vec<(&String, usize)> = acknowledged
            .iter()
            .map(|id| (id, registered.get(id).copied().unwrap_or(0)))
            .filter(|(_, number)| *number != 1)
            .collect();
        assert!(
            wrong.is_empty(),
            "node {node}: {} acknowledged clients do not have exactly one event client.registered: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        println!(
            "  node {node}: {} acknowledged first uses, none lost, none twice among {} clients, one client.registered each",
            acknowledged.len(),
            stored.len()
        );
    }
    let odd = clients.first_uses.odd.lock().unwrap().clone();
    assert!(odd.is_empty(), "answers other than 200 and 503: {odd:?}");
}

/// Checks, without load, that records, events, counters, keys and changes of administrators are the same on both nodes.
pub async fn at_rest(load: &Load, clients: &Clients, administrators: &Administrators) {
    while_the_load_goes_on(load, clients).await;
    let stored = client_ids(load, 0).await;
    let registered = registrations(load, 1).await;
    assert_eq!(
        registered.len(),
        stored.len(),
        "each client must have an event, and each event a client"
    );
    assert!(registered.values().all(|number| *number == 1));
    for node in 0..2 {
        let shown = load
            .admin(node, ("GET", "/admin/v1/trust/prod.example"), Value::Null)
            .await
            .1;
        assert_eq!(
            shown["clients"].as_u64(),
            Some(stored.len() as u64),
            "the counter must equal the number of records"
        );
    }
    keys_are_the_same(load, clients).await;
    // The last change of each subject admitted it again and was applied, so each must be admitted now.
    let applied = administrators.applied.lock().unwrap().clone();
    assert!(applied.iter().any(|applied| applied.acknowledged_by == 0));
    assert!(applied.iter().any(|applied| applied.acknowledged_by == 1));
    for act in ["freeze", "block"] {
        for node in 0..2 {
            let path = format!("/ns/subject/sa/{act}-0");
            let answer = { load.connect(node).await }
                .post("/token", load.body(&path))
                .await;
            assert_eq!(answer.status, 200, "{path} at node {node}");
        }
    }
}

/// Invariant: both nodes publish the same keys, and each token's key is published by the other node.
pub async fn keys_are_the_same(load: &Load, clients: &Clients) {
    until("both nodes publish the same keys", PATIENCE, async || {
        load.published(0).await == load.published(1).await
    })
    .await;
    for node in 0..2 {
        let other = 1 - node;
        // A key may have been rotated between the two answers.
        until(
            "the key of a node's token is published by the other",
            PATIENCE,
            async || {
                let body = load.body("/ns/known/sa/n0-w0-c0");
                let answer = { load.connect(node).await }.post("/token", body).await;
                load.published(other).await.contains(&kid(&answer))
            },
        )
        .await;
        let signed = clients.signed_with[node].lock().unwrap().clone();
        // The task that reads the published keys may not have read the newest one before it ended.
        let now = load.published(other).await;
        let mut published = clients.published[other].lock().unwrap().clone();
        published.extend(now);
        let unknown: Vec<&String> = signed.difference(&published).collect();
        assert!(
            unknown.is_empty(),
            "node {node} signed with keys that node {other} has never published: {unknown:?}"
        );
        println!(
            "  node {node}: tokens signed with {} keys so far, each published by node {other}",
            signed.len()
        );
    }
}

/// The longest delays of the changes of administrators since change number `from`, and the number of changes.
pub fn worst_delays(administrators: &Administrators, outages: &Outages, from: usize) -> Summary {
    let applied = administrators.applied.lock().unwrap();
    let mut summary = Summary::default();
    for one in &applied[from..] {
        let (delay, answered) = (one.delay(outages), one.answered_after(outages));
        summary.changes += 1;
        summary.went_on_longest = summary.went_on_longest.max(delay);
        summary.answered_last = summary.answered_last.max(answered);
        if outages.due(one.acknowledged, one.first_after[0].max(one.first_after[1])) != one.acknowledged {
            summary.across_outages += 1;
        }
        if one.act == Act::RotateKeys {
            summary.keys += 1;
        }
    }
    summary
}

#[derive(Debug, Default)]
pub struct Summary {
    pub changes: usize,
    /// How many of the changes are changes of signing keys.
    pub keys: usize,
    /// Changes that one node acknowledged, with an outage before the other node applied them.
    pub across_outages: usize,
    /// The longest time for which a node answered as before the change, since the acknowledgement or the end of an outage.
    pub went_on_longest: Duration,
    /// The longest time until both nodes answered according to the change.
    pub answered_last: Duration,
}

async fn client_ids(load: &Load, node: usize) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/admin/v1/clients?limit={PAGE}{after}");
        let (status, page) = load.admin(node, ("GET", &path), Value::Null).await;
        assert_eq!(status, 200, "{page}");
        let clients = page["clients"].as_array().unwrap().iter();
        ids.extend(clients.map(|client| client["client_id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return ids,
        }
    }
}

/// The number of events `client.registered` of each client.
async fn registrations(load: &Load, node: usize) -> HashMap<String, usize> {
    let (mut numbers, mut after) = (HashMap::new(), String::new());
    loop {
        let path = format!("/admin/v1/events?limit={PAGE}&order=oldest&after={after}");
        let (status, page) = load.admin(node, ("GET", &path), Value::Null).await;
        assert_eq!(status, 200, "{page}");
        let events = page["events"].as_array().unwrap();
        for event in events
            .iter()
            .filter(|event| event["event"] == "client.registered")
        {
            let client = event["client_id"].as_str().unwrap().to_owned();
            *numbers.entry(client).or_insert(0) += 1;
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return numbers,
        }
    }
}

/// Waits until both nodes register new clients.
pub async fn both_nodes_register_new_clients(load: &Load, tag: &str, patience: Duration) {
    for node in 0..2 {
        let path = id(&format!("/ns/back/sa/{tag}-{node}"));
        let path = path.trim_start_matches("spiffe://prod.example");
        until("both nodes register new clients", patience, async || {
            let answer = { load.connect(node).await }.post("/token", load.body(path)).await;
            answer.status == 200
        })
        .await;
    }
}
