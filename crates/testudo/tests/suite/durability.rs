//! Tests of durability after kill -9 and after a graceful stop. Rows RF-24, RF-62.

use crate::binary::Site;
use crate::listeners::wait_for;
use std::time::Duration;
use testudo_testkit::svid_form;

// Row RF-62.
#[tokio::test]
async fn client_is_stored_if_the_server_is_killed_right_after_its_answer_200() {
    let site = Site::new();
    for round in 0..5 {
        let server = site.serve();
        let path = format!("/ns/shop/sa/s{round}");
        assert_eq!(server.token(svid_form(&site.svid(&path), &[])).await.status, 200);
        server.kill_9();
    }
    let _server = site.serve();
    let clients = site.json(&["client", "list"]);
    let ids: Vec<&str> = clients
        .as_array()
        .unwrap()
        .iter()
        .map(|client| client["client_id"].as_str().unwrap())
        .collect();
    for round in 0..5 {
        assert!(
            ids.contains(&format!("spiffe://prod.example/ns/shop/sa/s{round}").as_str()),
            "{ids:?}"
        );
    }
    let events = site.events(&[]);
    let registered = events
        .iter()
        .filter(|event| event["event"] == "client.registered")
        .count();
    assert_eq!(registered, 5);
}

/// Every acknowledged client must exist after the kill, whenever the server is killed.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_clients_are_stored_if_the_server_is_killed_under_load() {
    let site = Site::new();
    let server = site.serve();
    let address = server.address;
    let bodies: Vec<(String, String)> = (0..2000)
        .map(|number| {
            let path = format!("/ns/load/sa/s{number}");
            (
                format!("spiffe://prod.example{path}"),
                svid_form(&site.svid(&path), &[]),
            )
        })
        .collect();
    let (acknowledged, killed) = (
        std::sync::Arc::new(std::sync::Mutex::new(Vec::new())),
        tokio::sync::Notify::new(),
    );
    let mut workers = Vec::new();
    for chunk in bodies.chunks(250) {
        let (chunk, acknowledged) = (chunk.to_vec(), acknowledged.clone());
        workers.push(tokio::spawn(async move {
            let mut connection = testudo_testkit::http::Connection::open(address).await;
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            for (id, body) in chunk {
                match connection.try_send("POST", "/token", &headers, body).await {
                    Some(answer) if answer.status == 200 => acknowledged.lock().unwrap().push(id),
                    Some(_) => {}
                    None => return,
                }
            }
        }));
    }
    wait_for("clients are acknowledged", async || {
        acknowledged.lock().unwrap().len() >= 20
    })
    .await;
    server.kill_9();
    killed.notify_waiters();
    for worker in workers {
        worker.await.unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(!acknowledged.is_empty());
    let _server = site.serve();
    let clients = site.json(&["client", "list"]);
    let stored: std::collections::HashSet<&str> = clients
        .as_array()
        .unwrap()
        .iter()
        .map(|client| client["client_id"].as_str().unwrap())
        .collect();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|id| !stored.contains(id.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    let counted = site.json(&["trust", "show", "prod.example"])["clients"]
        .as_u64()
        .unwrap();
    assert_eq!(
        counted as usize,
        stored.len(),
        "the counter must equal the number of records"
    );
}

#[tokio::test]
async fn sigterm_finishes_running_requests_and_removes_the_admin_socket() {
    let site = Site::new();
    let mut server = site.serve();
    assert_eq!(
        server
            .token(svid_form(&site.svid("/ns/shop/sa/pay"), &[]))
            .await
            .status,
        200
    );
    server.signal("TERM");
    let started = std::time::Instant::now();
    assert!(server.child.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!site.folder.join("testudo.sock").exists());
}

#[test]
fn second_server_with_the_same_admin_socket_is_refused() {
    let site = Site::new();
    let _server = site.serve();
    let second = site.run(&["serve"]);
    assert!(!second.status.success());
    assert!(
        crate::binary::stderr(&second).contains("another server listens"),
        "{}",
        crate::binary::stderr(&second)
    );
}
