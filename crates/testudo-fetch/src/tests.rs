//! Tests of whole fetches over loopback.

mod hostile;
mod kept_connections;
mod rebinding;
mod spiffe_server;

use super::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A web server that answers every request with `ok`, and the number of its connections.
async fn web_server(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        }
    });
    (address, count)
}

fn fetcher(options: FetcherOptions) -> Fetcher {
    Fetcher::new(options).unwrap()
}

fn finding(addresses: &[&str]) -> Network {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Network {
        lookup: NameLookup::new(move |_| Ok(addresses.clone())),
        ..Network::default()
    }
}

#[tokio::test]
async fn name_with_a_dead_ipv6_address_is_reached_over_ipv4() {
    let (address, count) = web_server("127.0.0.1:0").await;
    let fetcher = fetcher(FetcherOptions {
        network: finding(&["::1", "127.0.0.1"]),
        ..FetcherOptions::default()
    });
    let url: Url = format!("http://localhost:{}/", address.port()).parse().unwrap();
    let fetched = fetcher
        .get(&url, UrlOrigin::Configuration, FetchLimits::default())
        .await;
    assert_eq!(fetched.unwrap().body, b"ok");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn url_of_a_client_does_not_use_the_name_map_and_ports_of_the_configuration() {
    let (address, count) = web_server("127.0.0.1:0").await;
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    let network = Network {
        lookup: NameLookup::new(move |name| {
            noted.lock().unwrap().push(name.to_owned());
            Err(std::io::Error::other("no such name"))
        }),
        ..Network::default()
    };
    let fetcher = fetcher(FetcherOptions {
        resolve: HashMap::from([("keys.example".to_owned(), "127.0.0.1".parse().unwrap())]),
        network,
        ..FetcherOptions::default()
    });
    let get = async |text: &str, origin| {
        let url: Url = text.parse().unwrap();
        fetcher.get(&url, origin, FetchLimits::default()).await.err()
    };
    let port = address.port();
    let other_port = format!("https://keys.example:{port}/");
    assert_eq!(
        get(&other_port, UrlOrigin::Client).await,
        Some(FetchFault::PortRefused { port })
    );
    assert_eq!(
        get("https://keys.example/", UrlOrigin::Client).await,
        Some(FetchFault::NameNotFound("keys.example".into())),
        "the resolver must be used, not the name map"
    );
    assert_eq!(*asked.lock().unwrap(), ["keys.example"]);
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
    ] {
        assert_eq!(get(&url, UrlOrigin::Client).await, Some(FetchFault::NotHttps));
    }
    assert_eq!(
        get("https://127.0.0.1/", UrlOrigin::Client).await,
        Some(FetchFault::AddressRefused)
    );
    assert_eq!(count.load(Ordering::SeqCst), 0, "no connection may be opened");
    // A URL of the configuration may use this address and fails only at TLS.
    assert!(matches!(
        get(&other_port, UrlOrigin::Configuration).await,
        Some(FetchFault::Tls(_))
    ));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

// Row DID-27.
#[tokio::test]
async fn name_from_a_client_with_one_private_address_is_refused() {
    let fetcher = fetcher(FetcherOptions {
        network: finding(&["8.8.8.8", "::ffff:127.0.0.1"]),
        ..FetcherOptions::default()
    });
    let url: Url = "https://keys.example/".parse().unwrap();
    let fault = fetcher.get(&url, UrlOrigin::Client, FetchLimits::default()).await;
    assert_eq!(fault.err(), Some(FetchFault::AddressRefused));
}

#[tokio::test]
async fn hanging_lookups_for_clients_are_limited_and_do_not_delay_names_of_the_configuration() {
    let (address, _) = web_server("127.0.0.1:0").await;
    let (entered, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, gate) = (entered.clone(), answers.clone());
    let network = Network {
        lookup: NameLookup::new(move |name| {
            if name == "localhost" {
                return Ok(vec!["127.0.0.1".parse().unwrap()]);
            }
            count.fetch_add(1, Ordering::SeqCst);
            while !gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(vec!["127.0.0.1".parse().unwrap()])
        }),
        ..Network::default()
    };
    let fetcher = Arc::new(fetcher(FetcherOptions {
        network,
        ..FetcherOptions::default()
    }));
    let limits = FetchLimits {
        deadline: Duration::from_millis(200),
        ..FetchLimits::default()
    };
    let mut faults = Vec::new();
    for number in 0..CLIENT_LOOKUPS_MAX + 4 {
        let url: Url = format!("https://keys.site{number}.example/").parse().unwrap();
        faults.push(fetcher.get(&url, UrlOrigin::Client, limits).await.err());
    }
    let busy = faults
        .iter()
        .filter(|fault| matches!(fault, Some(FetchFault::Busy { .. })))
        .count();
    assert_eq!(
        busy, 4,
        "a request that stopped waiting must not free its lookup: {faults:?}"
    );
    // A lookup may begin after its request has stopped waiting.
    let started = Instant::now();
    while entered.load(Ordering::SeqCst) < CLIENT_LOOKUPS_MAX && started.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(entered.load(Ordering::SeqCst), CLIENT_LOOKUPS_MAX);
    let started = Instant::now();
    let url: Url = format!("http://localhost:{}/", address.port()).parse().unwrap();
    let fetched = fetcher
        .get(&url, UrlOrigin::Configuration, FetchLimits::default())
        .await;
    assert_eq!(fetched.unwrap().body, b"ok");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    // When the resolver answers, further lookups are possible.
    answers.store(true, Ordering::SeqCst);
    let url: Url = "https://keys.later.example/".parse().unwrap();
    let started = Instant::now();
    while let Some(FetchFault::Busy { .. }) = fetcher
        .get(&url, UrlOrigin::Client, FetchLimits::default())
        .await
        .err()
    {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "no lookup was possible again within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn debug_of_an_answer_prints_neither_its_body_nor_its_header_fields() {
    let mut headers = HeaderMap::new();
    headers.insert("dpop-nonce", "hidden".parse().unwrap());
    let fetched = Fetched {
        status: 200,
        body: b"hidden".to_vec(),
        retry_after_seconds: None,
        request_id: None,
        date: None,
        headers,
    };
    assert_eq!(format!("{fetched:?}"), "Fetched(200, 6 bytes)");
}
