//! A name whose address changes between the check and the connection. [decision 0013]

use super::*;
use std::process::Command;
use testudo_testkit::web::DocumentServer;

/// A public address, which is one of the loopback interface in the network namespace of the test.
const PUBLIC: &str = "8.8.8.8";
const INNER: &str = "tests::rebinding::in_a_network_with_a_public_address";

// Row DID-27.
#[test]
fn fetch_connects_to_the_address_that_was_checked_and_never_to_a_later_one() {
    let script = format!(
        "ip link set lo up && ip address add {PUBLIC}/32 dev lo && exec \"$0\" --exact {INNER} --ignored"
    );
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{failed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "needs the network namespace of the test above, which runs it"]
async fn in_a_network_with_a_public_address() {
    let public = DocumentServer::start_at("keys.example", &format!("{PUBLIC}:443")).await;
    let private = DocumentServer::start_at("keys.example", "127.0.0.1:443").await;
    for server in [&public, &private] {
        server.answers(200, None, "{}");
    }
    let lookups = Arc::new(AtomicUsize::new(0));
    let count = lookups.clone();
    // The resolver of an attacker: the public address once, and then that of an internal server.
    let lookup = NameLookup::new(move |_| {
        let address = match count.fetch_add(1, Ordering::SeqCst) {
            0 => PUBLIC,
            _ => "127.0.0.1",
        };
        Ok(vec![address.parse().unwrap()])
    });
    let roots = [public.root_pem.as_str(), &private.root_pem].concat();
    let fetcher = fetcher(FetcherOptions {
        extra_roots_pem: Some(roots.into_bytes()),
        network: Network {
            lookup,
            ..Network::default()
        },
        ..FetcherOptions::default()
    });
    let url: Url = "https://keys.example/".parse().unwrap();
    let get = async || fetcher.get(&url, UrlOrigin::Client, FetchLimits::default()).await;
    assert_eq!(get().await.unwrap().body, b"{}");
    assert_eq!(lookups.load(Ordering::SeqCst), 1, "one look-up for one fetch");
    assert_eq!((public.connections(), private.connections()), (1, 0));
    assert_eq!(get().await.err(), Some(FetchFault::AddressRefused));
    assert_eq!((lookups.load(Ordering::SeqCst), private.connections()), (2, 0));
    // A URL of the configuration may lead to a private address: the server there works.
    let configured = fetcher
        .get(&url, UrlOrigin::Configuration, FetchLimits::default())
        .await;
    assert_eq!(configured.unwrap().body, b"{}");
    assert_eq!(private.connections(), 1);
}
