//! Tests of durability after kill -9 and after a graceful stop. Rows RF-24, RF-62.

use crate::binary::{ISSUER, Site, now};
use crate::listeners::wait_for;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{generate_key, svid_form};
use tokio::task::JoinHandle;

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

/// Token requests of one client, each with a DPoP proof of its own.
struct ProofLoad {
    address: SocketAddr,
    body: String,
    proofs: Vec<String>,
}

impl ProofLoad {
    /// Sends the request with this proof; `None` if the connection ends without an answer.
    async fn send(&self, connection: &mut Connection, number: usize) -> Option<Answer> {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("dpop", &self.proofs[number]),
        ];
        connection
            .try_send("POST", "/token", &headers, self.body.clone())
            .await
    }

    /// Sends the requests on eight connections until the server ends, and adds the numbers of those that got a token.
    fn start(self: &Arc<Self>, granted: &Arc<Mutex<Vec<usize>>>) -> Vec<JoinHandle<()>> {
        let worker = |first: usize| {
            let (load, granted) = (self.clone(), granted.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(load.address).await;
                for number in (first..load.proofs.len()).step_by(8) {
                    let Some(answer) = load.send(&mut connection, number).await else {
                        return;
                    };
                    assert_eq!(answer.status, 200, "{number}");
                    granted.lock().unwrap().push(number);
                }
            })
        };
        (0..8).map(worker).collect()
    }
}

/// A proof that got a token must get no other one after the kill, whenever the server is killed.
#[tokio::test(flavor = "multi_thread")]
async fn used_proofs_are_refused_if_the_server_is_killed_under_load() {
    let site = Site::new();
    let key = generate_key(Algorithm::ES256, None);
    for round in 0..3 {
        let server = site.serve();
        let signed = |number: usize| {
            let jti = format!("{round}-{number}");
            Draft::dpop(&key, &format!("{ISSUER}/token"), &jti, now()).sign()
        };
        let load = Arc::new(ProofLoad {
            address: server.address,
            body: svid_form(&site.svid("/ns/shop/sa/pay"), &[]),
            proofs: (0..2_000).map(signed).collect(),
        });
        let granted = Arc::new(Mutex::new(Vec::new()));
        let workers = load.start(&granted);
        wait_for("proofs are used", async || granted.lock().unwrap().len() >= 100).await;
        server.kill_9();
        for worker in workers {
            worker.await.unwrap();
        }
        let server = site.serve();
        let again = ProofLoad {
            address: server.address,
            body: load.body.clone(),
            proofs: load.proofs.clone(),
        };
        let mut connection = Connection::open(server.address).await;
        let granted = granted.lock().unwrap().clone();
        for number in &granted {
            let answer = again.send(&mut connection, *number).await.unwrap();
            assert_eq!(
                answer.error(),
                "invalid_dpop_proof",
                "{number} of {}",
                granted.len()
            );
        }
        // A proof that was never sent gets a token, once.
        let unsent = load.proofs.len() - 1;
        assert!(!granted.contains(&unsent), "the load ended before the kill");
        let mut statuses = Vec::new();
        for _ in 0..2 {
            statuses.push(again.send(&mut connection, unsent).await.unwrap().status);
        }
        assert_eq!(statuses, [200, 400]);
    }
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
