//! Connections that are used again.

use super::*;
use crate::kept_connections::{Destination, KEPT_CONNECTIONS_PER_SERVER_MAX};
use testudo_testkit::web::DocumentServer;
use testudo_testkit::x509::web_certificate;

const HOST: &str = "reviews.example";
const LIMITS: FetchLimits = FetchLimits {
    body_bytes_max: 1_000,
    deadline: Duration::from_secs(20),
};

struct Reviews {
    server: DocumentServer,
    root_pem: String,
    fetcher: Fetcher,
}

impl Reviews {
    async fn start() -> Reviews {
        let (leaf, root) = web_certificate(HOST);
        let server = DocumentServer::start_as(&leaf).await;
        server.answers(201, None, "{}");
        Reviews {
            server,
            root_pem: root.chain_pem(),
            fetcher: fetcher(FetcherOptions {
                resolve: HashMap::from([(HOST.to_owned(), "127.0.0.1".parse().unwrap())]),
                ..FetcherOptions::default()
            }),
        }
    }

    fn url(&self, path: &str) -> Url {
        let port = self.server.address.port();
        format!("https://{HOST}:{port}{path}").parse().unwrap()
    }

    fn access<'a>(&'a self, token: &'a str) -> Access<'a> {
        Access {
            roots_pem: Some(self.root_pem.as_bytes()),
            bearer_token: Some(token),
        }
    }

    async fn send(&self, access: Access<'_>) -> Result<u16, FetchFault> {
        let url = self.url("/review");
        let review = Outgoing {
            method: "POST",
            body: b"{}".to_vec(),
            ..Outgoing::get(&url)
        };
        let fetched = self.fetcher.send_with(review, access, LIMITS).await;
        fetched.map(|fetched| fetched.status)
    }

    fn kept(&self) -> bool {
        let destination = Destination::of(&self.url("/"), self.access(""));
        let taken = self.fetcher.kept_connections.take(&destination);
        let is_kept = taken.is_some();
        if let Some(connection) = taken {
            self.fetcher.kept_connections.keep(destination, connection);
        }
        is_kept
    }
}

#[tokio::test]
async fn requests_to_one_server_share_a_connection_and_each_sends_its_own_token() {
    let reviews = Reviews::start().await;
    for token in ["first", "second", "third"] {
        assert_eq!(reviews.send(reviews.access(token)).await, Ok(201));
    }
    assert_eq!(reviews.server.connections(), 1);
    let seen = reviews.server.take_requests().into_iter();
    let tokens: Vec<_> = seen.map(|request| request.authorization.unwrap()).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer second", "Bearer third"]);
}

#[tokio::test]
async fn connection_that_other_roots_verified_is_not_used() {
    let reviews = Reviews::start().await;
    assert_eq!(reviews.send(reviews.access("t")).await, Ok(201));
    let (_, other) = web_certificate(HOST);
    let other_pem = other.chain_pem();
    for roots_pem in [Some(other_pem.as_bytes()), None] {
        let access = Access {
            roots_pem,
            bearer_token: Some("t"),
        };
        let fault = reviews.send(access).await.unwrap_err();
        assert!(matches!(fault, FetchFault::Tls(_)), "{fault}");
    }
    assert_eq!(reviews.server.take_requests().len(), 1);
    assert_eq!(reviews.send(reviews.access("t")).await, Ok(201));
    assert_eq!(reviews.server.connections(), 3);
}

#[tokio::test]
async fn connection_is_closed_after_an_answer_that_is_too_large_or_redirects() {
    let reviews = Reviews::start().await;
    for (status, location, body) in [(200, None, "x".repeat(1_001)), (307, Some("/x"), String::new())] {
        assert_eq!(reviews.send(reviews.access("t")).await, Ok(201));
        assert!(reviews.kept());
        reviews.server.answers(status, location, &body);
        assert!(reviews.send(reviews.access("t")).await.is_err(), "{status}");
        assert!(!reviews.kept(), "{status}");
        reviews.server.answers(201, None, "{}");
    }
    assert_eq!(reviews.server.connections(), 2);
}

#[tokio::test]
async fn kept_connections_are_bounded_for_each_server() {
    let reviews = Reviews::start().await;
    let at_once = KEPT_CONNECTIONS_PER_SERVER_MAX + 3;
    let access = reviews.access("t");
    let sent = (0..at_once).map(|_| reviews.send(access));
    let opened = {
        let mut running: Vec<_> = sent.map(Box::pin).collect();
        // Each is polled once before the first ends, so that no two share a connection.
        std::future::poll_fn(|context| {
            running.retain_mut(|one| one.as_mut().poll(context).is_pending());
            match running.is_empty() {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
        reviews.server.connections()
    };
    assert_eq!(opened, at_once);
    let destination = Destination::of(&reviews.url("/"), access);
    let taken: Vec<_> = std::iter::from_fn(|| reviews.fetcher.kept_connections.take(&destination)).collect();
    assert_eq!(taken.len(), KEPT_CONNECTIONS_PER_SERVER_MAX);
}

#[tokio::test]
async fn connection_that_the_server_closed_meanwhile_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    // The server keeps a connection open after its answer, and closes it when the second request arrives.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let _ = stream.read(&mut head).await;
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
            let _ = stream.read(&mut head).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let fetcher = fetcher(FetcherOptions::default());
    let url: Url = format!("http://{address}/").parse().unwrap();
    for _ in 0..2 {
        let fetched = fetcher
            .send_with(Outgoing::get(&url), Access::default(), LIMITS)
            .await;
        assert_eq!(fetched.unwrap().body, b"ok");
    }
    assert_eq!(
        requests.load(Ordering::SeqCst),
        3,
        "the second request was sent again"
    );
}

#[tokio::test]
async fn connection_is_not_used_again_after_half_a_minute_without_a_request_or_after_five_minutes() {
    let reviews = Reviews::start().await;
    let later = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    assert_eq!(reviews.send(reviews.access("t")).await, Ok(201));
    later(29).await;
    assert!(reviews.kept(), "idle for 29 s");
    later(30).await;
    assert!(!reviews.kept(), "idle for 30 s");
    assert_eq!(reviews.send(reviews.access("t")).await, Ok(201));
    for use_number in 1..=14 {
        later(20).await;
        assert!(reviews.kept(), "use {use_number}");
    }
    later(20).await;
    assert!(!reviews.kept(), "five minutes old");
}
