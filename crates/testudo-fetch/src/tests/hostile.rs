//! Every kind of fetch with every hostile address, redirect and body.

use super::*;
use crate::spiffe_server::SpiffeServer;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::{Bundle, SpiffeId};
use testudo_testkit::hostile::{HOST, ODD_URLS, PRIVATE_URLS};
use testudo_testkit::web::DocumentServer;
use testudo_testkit::x509::{X509Chain, X509Issuer, web_certificate};

const ID: &str = "spiffe://z.example/spire/server";

/// How the server of a URL is verified, and where the URL comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FetchKind {
    /// A URL of the configuration, verified with the roots of the system and the extra ones.
    Configuration,
    /// A URL of the configuration, verified with the roots of one file, and with a token: keys of issuers and clusters, their
    /// metadata, `jwt_vc_issuer`, and documents of DIDs.
    OnlyRoots,
    /// A URL of the configuration, verified by an X.509-SVID.
    Spiffe,
    /// A URL that was put together from the configuration and something else, such as a status list of a configured
    /// origin: a request with header fields, of which several may run at the same time.
    Sent,
    /// A POST to a URL of the configuration over a connection that is kept open, with the roots of one file and with a
    /// token: a TokenReview.
    Kept,
    /// A URL of a client, or a `jwks_uri` of metadata on another server than that of the issuer.
    Client,
    /// A POST to a URL that metadata names on another server than that of the issuer: the token endpoint of a provider.
    Posted,
}

impl FetchKind {
    const ALL: [FetchKind; 7] = [
        FetchKind::Configuration,
        FetchKind::OnlyRoots,
        FetchKind::Kept,
        FetchKind::Spiffe,
        FetchKind::Sent,
        FetchKind::Client,
        FetchKind::Posted,
    ];
}

/// A web server that each kind of fetch accepts.
struct Publisher {
    server: DocumentServer,
    of_spiffe: DocumentServer,
    authority: X509Issuer,
    root: X509Chain,
    fetcher: Fetcher,
}

impl Publisher {
    async fn start() -> Publisher {
        let (leaf, root) = web_certificate(HOST);
        let authority = X509Issuer::new("z.example");
        let server = DocumentServer::start_as(&leaf).await;
        let of_spiffe = DocumentServer::start_as(&authority.leaf(ID, |_| {})).await;
        let fetcher = fetcher(FetcherOptions {
            extra_roots_pem: Some(root.chain_pem().into_bytes()),
            resolve: HashMap::from([(HOST.to_owned(), "127.0.0.1".parse().unwrap())]),
            network: Network {
                client_url_routes: HashMap::from([(HOST.to_owned(), server.address)]),
                ..Network::default()
            },
            ..FetcherOptions::default()
        });
        Publisher {
            server,
            of_spiffe,
            authority,
            root,
            fetcher,
        }
    }

    fn of(&self, kind: FetchKind) -> &DocumentServer {
        match kind {
            FetchKind::Spiffe => &self.of_spiffe,
            FetchKind::Configuration
            | FetchKind::OnlyRoots
            | FetchKind::Kept
            | FetchKind::Sent
            | FetchKind::Client
            | FetchKind::Posted => &self.server,
        }
    }

    /// The URL at which this publisher is reached. A client's URL has no port.
    fn url(&self, kind: FetchKind) -> String {
        match kind {
            FetchKind::Client | FetchKind::Posted => format!("https://{HOST}/"),
            FetchKind::Configuration
            | FetchKind::OnlyRoots
            | FetchKind::Kept
            | FetchKind::Spiffe
            | FetchKind::Sent => {
                format!("https://{HOST}:{}/", self.of(kind).address.port())
            }
        }
    }

    async fn get(&self, kind: FetchKind, url: &str) -> Result<Fetched, FetchFault> {
        self.get_within(kind, url, Duration::from_secs(20)).await
    }

    async fn get_within(
        &self,
        kind: FetchKind,
        url: &str,
        deadline: Duration,
    ) -> Result<Fetched, FetchFault> {
        let limits = FetchLimits {
            body_bytes_max: 100,
            deadline,
        };
        let url: Url = url.parse().unwrap();
        match kind {
            FetchKind::Configuration => self.fetcher.get(&url, UrlOrigin::Configuration, limits).await,
            FetchKind::OnlyRoots | FetchKind::Kept => {
                let roots = self.root.chain_pem();
                let access = Access {
                    roots_pem: Some(roots.as_bytes()),
                    bearer_token: Some("token"),
                };
                if kind == FetchKind::OnlyRoots {
                    return self.fetcher.get_with(&url, access, limits).await;
                }
                let review = Outgoing {
                    method: "POST",
                    body: b"{}".to_vec(),
                    ..Outgoing::get(&url)
                };
                self.fetcher.send_with(review, access, limits).await
            }
            FetchKind::Spiffe => {
                let document = self.authority.bundle().to_string();
                let server = SpiffeServer {
                    spiffe_id: SpiffeId::parse(ID).unwrap(),
                    bundle: Arc::new(Bundle::parse(document.as_bytes()).unwrap()),
                    now: Timestamp::from(SystemTime::now()),
                };
                self.fetcher.get_from_spiffe(&url, server, limits).await
            }
            FetchKind::Sent => {
                let request = Outgoing {
                    headers: vec![("accept", "application/statuslist+jwt")],
                    ..Outgoing::get(&url)
                };
                self.fetcher.send_with(request, Access::default(), limits).await
            }
            FetchKind::Client => self.fetcher.get(&url, UrlOrigin::Client, limits).await,
            FetchKind::Posted => {
                let request = Outgoing::form(&url, &[("code", "c")]);
                self.fetcher.send_once(&request, UrlOrigin::Client, limits).await
            }
        }
    }
}

// Row FED-04.
#[tokio::test]
async fn body_over_the_limit_and_every_redirect_are_refused_for_every_kind_of_fetch() {
    let publisher = Publisher::start().await;
    for kind in FetchKind::ALL {
        let (server, url) = (publisher.of(kind), publisher.url(kind));
        server.answers(200, None, &"x".repeat(100));
        let fetched = publisher.get(kind, &url).await;
        assert_eq!(fetched.map(|fetched| fetched.body.len()), Ok(100), "{kind:?}");
        server.answers(200, None, &"x".repeat(101));
        let fault = publisher.get(kind, &url).await.err();
        assert_eq!(
            fault,
            Some(FetchFault::TooLarge { body_bytes_max: 100 }),
            "{kind:?}"
        );
        for status in [300, 301, 302, 303, 304, 307, 308] {
            // Also to the same server: a redirect is never followed.
            for location in [url.as_str(), "http://127.0.0.1/", "file:///etc/passwd"] {
                server.answers(status, Some(location), "");
                let before = server.connections();
                let fault = publisher.get(kind, &url).await.err();
                assert_eq!(
                    fault,
                    Some(FetchFault::Redirect { status }),
                    "{kind:?} {location}"
                );
                assert_eq!(server.connections(), before + 1, "{kind:?} {status} {location}");
            }
        }
    }
}

// Row I-18.
#[tokio::test]
async fn body_that_does_not_end_or_comes_too_slowly_is_given_up_for_every_kind_of_fetch() {
    let publisher = Publisher::start().await;
    for kind in FetchKind::ALL {
        let (server, url) = (publisher.of(kind), publisher.url(kind));
        server.streams("/", "application/json", 10 * 1024 * 1024 * 1024);
        let before = server.made();
        let fault = publisher.get(kind, &url).await.err();
        let too_large = FetchFault::TooLarge { body_bytes_max: 100 };
        assert_eq!(fault, Some(too_large), "{kind:?}");
        let made = server.made() - before;
        // What was sent and not read is in the buffers of both sockets and of both programs.
        assert!((100..16 * 1024 * 1024).contains(&made), "{kind:?}: {made} bytes");
        server.takes(Duration::from_secs(60));
        server.answers_at("/", 200, "{}");
        let fault = publisher
            .get_within(kind, &url, Duration::from_secs(1))
            .await
            .err();
        assert_eq!(fault, Some(FetchFault::Deadline { seconds: 1 }), "{kind:?}");
        server.takes(Duration::ZERO);
        let fetched = publisher.get(kind, &url).await;
        assert_eq!(
            fetched.map(|fetched| fetched.body),
            Ok(b"{}".to_vec()),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn url_of_a_hostile_form_or_address_is_refused_for_every_kind_of_fetch_that_must_not_use_it() {
    let publisher = Publisher::start().await;
    let port = publisher.server.address.port();
    use FetchKind::{Client, Configuration, Kept, OnlyRoots, Posted, Sent, Spiffe};
    let (of_clients, not_of_files) = (&[Client, Posted][..], &[Client, Posted, Spiffe][..]);
    let mut urls: Vec<(String, &[FetchKind])> = vec![
        (format!("http://127.0.0.1:{port}/"), not_of_files),
        (format!("http://localhost:{port}/"), not_of_files),
        (format!("https://{HOST}:{port}/"), of_clients),
    ];
    urls.extend(ODD_URLS.map(|url| (url.to_owned(), &FetchKind::ALL[..])));
    urls.extend(PRIVATE_URLS.map(|url| (url.to_owned(), of_clients)));
    for (url, kinds) in urls {
        for kind in kinds {
            let fault = publisher.get(*kind, &url).await.err();
            let is_refused = matches!(
                fault,
                Some(
                    FetchFault::NotHttps
                        | FetchFault::HasUserInformation
                        | FetchFault::AddressRefused
                        | FetchFault::PortRefused { .. }
                )
            );
            assert!(is_refused, "{kind:?} {url}: {fault:?}");
        }
    }
    assert_eq!(
        (publisher.server.connections(), publisher.of_spiffe.connections()),
        (0, 0)
    );
    // The same fetches reach a server at a URL without these faults.
    for kind in [Configuration, OnlyRoots, Kept, Spiffe, Sent, Client, Posted] {
        publisher.of(kind).answers(200, None, "{}");
        let fetched = publisher.get(kind, &publisher.url(kind)).await;
        assert_eq!(fetched.map(|fetched| fetched.status), Ok(200), "{kind:?}");
    }
}

// Rows FED-01, I-17.
#[tokio::test]
async fn server_of_one_kind_of_fetch_is_refused_for_the_kinds_that_verify_otherwise() {
    let publisher = Publisher::start().await;
    let web = publisher.url(FetchKind::Configuration);
    let svid = publisher.url(FetchKind::Spiffe);
    for (kind, url) in [
        (FetchKind::Spiffe, &web),
        (FetchKind::Configuration, &svid),
        (FetchKind::OnlyRoots, &svid),
        (FetchKind::Kept, &svid),
    ] {
        let fault = publisher.get(kind, url).await.err();
        assert!(matches!(fault, Some(FetchFault::Tls(_))), "{kind:?}: {fault:?}");
    }
}
