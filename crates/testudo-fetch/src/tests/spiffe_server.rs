//! Tests of servers that are verified by an X.509-SVID.

use super::*;
use crate::spiffe_server::SpiffeServer;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::{Bundle, SpiffeId};
use testudo_testkit::web::DocumentServer;
use testudo_testkit::x509::{
    X509Chain, X509Issuer, key_usage_not_critical, leaf_parameters, uri_name, web_certificate,
};

const ID: &str = "spiffe://z.example/spire/server";

/// The server with this SPIFFE ID, verified with the authorities of a bundle.
fn expected(id: &str, authorities: &[&X509Issuer]) -> SpiffeServer {
    let keys: Vec<_> = authorities.iter().map(|issuer| issuer.jwk()).collect();
    let document = serde_json::json!({ "keys": keys }).to_string();
    SpiffeServer {
        spiffe_id: SpiffeId::parse(id).unwrap(),
        bundle: Arc::new(Bundle::parse(document.as_bytes()).unwrap()),
        now: Timestamp::from(SystemTime::now()),
    }
}

/// Gets the document of a server that shows this chain, by a URL with this host.
async fn get(chain: &X509Chain, host: &str, server: SpiffeServer) -> Result<String, String> {
    let publisher = DocumentServer::start_as(chain).await;
    publisher.answers(200, None, "document");
    let url: Url = format!("https://{host}:{}/", publisher.address.port())
        .parse()
        .unwrap();
    let fetched = fetcher(FetcherOptions {
        resolve: HashMap::from([("bundles.example".to_owned(), "127.0.0.1".parse().unwrap())]),
        ..FetcherOptions::default()
    })
    .get_from_spiffe(&url, server, FetchLimits::default())
    .await;
    match fetched {
        Ok(fetched) => Ok(String::from_utf8(fetched.body).unwrap()),
        Err(fault) => Err(fault.to_string()),
    }
}

// Rows FED-03, FED-05.
#[tokio::test]
async fn server_with_the_configured_spiffe_id_is_accepted_under_any_host_name() {
    let z = X509Issuer::new("z.example");
    let svid = z.leaf(ID, |_| {});
    let intermediate = z.intermediate(|_| {});
    let below = intermediate.leaf(ID, |_| {}).followed_by(&intermediate);
    // SPIRE writes the name of the host as a DNS name beside the SPIFFE ID: it is not compared.
    let other = z.leaf(ID, |parameters| {
        let name = rcgen::SanType::DnsName("other.example".try_into().unwrap());
        parameters.subject_alt_names.push(name);
    });
    for (name, chain, host) in [
        ("leaf", &svid, "127.0.0.1"),
        ("leaf with another DNS name", &other, "bundles.example"),
        ("leaf below an intermediate", &below, "localhost"),
    ] {
        let got = get(chain, host, expected(ID, &[&z])).await;
        assert_eq!(got.as_deref(), Ok("document"), "{name}");
    }
}

// Rows FED-05, I-16.
#[tokio::test]
async fn server_without_a_valid_svid_of_the_configured_spiffe_id_is_refused() {
    let (z, y, same_name) = (
        X509Issuer::new("z.example"),
        X509Issuer::new("y.example"),
        X509Issuer::new("z.example"),
    );
    let of_web = web_certificate("127.0.0.1").0;
    let more = |uri: &str| z.leaf(ID, |parameters| parameters.subject_alt_names.push(uri_name(uri)));
    let past = SystemTime::now() - Duration::from_secs(7200);
    let expired = z.leaf(ID, |parameters| *parameters = leaf_parameters(ID, past));
    let future = SystemTime::now() + Duration::from_secs(7200);
    let not_yet = z.leaf(ID, |parameters| *parameters = leaf_parameters(ID, future));
    let client_only = z.leaf(ID, |parameters| {
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let soft_usage = z.leaf(ID, |parameters| {
        parameters.key_usages.clear();
        parameters.custom_extensions.push(key_usage_not_critical());
    });
    for (name, chain, refused) in [
        ("certificate of a web server", of_web, "is not an X.509-SVID"),
        (
            "no URI name",
            z.leaf(ID, |parameters| parameters.subject_alt_names.clear()),
            "has no URI",
        ),
        ("two URI names", more("https://z.example/"), "more than one URI"),
        ("the same URI name twice", more(ID), "more than one URI"),
        ("another path", z.svid("/spire/server2"), "endpoint_spiffe_id is"),
        (
            "path with another case",
            z.svid("/spire/Server"),
            "endpoint_spiffe_id is",
        ),
        ("no path", z.svid(""), "has no path"),
        (
            "SPIFFE ID of another trust domain",
            z.leaf("spiffe://y.example/spire/server", |_| {}),
            "endpoint_spiffe_id is",
        ),
        (
            "signed by another trust domain",
            y.leaf(ID, |_| {}),
            "no valid path",
        ),
        (
            "signed by an authority of the same name",
            same_name.leaf(ID, |_| {}),
            "no valid path",
        ),
        ("expired", expired, "expired at"),
        ("not valid yet", not_yet, "not valid before"),
        ("for clients only", client_only, "does not contain serverAuth"),
        (
            "key usage that is not critical",
            soft_usage,
            "key usage is not critical",
        ),
        (
            "an authority of the bundle itself",
            z.as_chain(),
            "is not an X.509-SVID",
        ),
    ] {
        let got = get(&chain, "127.0.0.1", expected(ID, &[&z])).await;
        let why = got.expect_err(name);
        assert!(
            why.starts_with("TLS failed: the certificate of 127.0.0.1 ") && why.contains(refused),
            "{name}: {why}"
        );
    }
    // The same server with an SVID without these faults is accepted.
    assert!(
        get(&z.leaf(ID, |_| {}), "127.0.0.1", expected(ID, &[&z]))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn bundle_without_authorities_and_bundle_of_another_trust_domain_verify_no_server() {
    let (z, y) = (X509Issuer::new("z.example"), X509Issuer::new("y.example"));
    let svid = z.leaf(ID, |_| {});
    for (name, authorities) in [("none", &[][..]), ("another trust domain", &[&y][..])] {
        let why = get(&svid, "127.0.0.1", expected(ID, authorities))
            .await
            .expect_err(name);
        assert!(why.contains("no valid path"), "{name}: {why}");
    }
}

#[tokio::test]
async fn server_must_have_the_private_key_of_the_svid_that_it_shows() {
    let z = X509Issuer::new("z.example");
    let stolen = X509Chain {
        key: z.leaf(ID, |_| {}).key,
        ..z.leaf(ID, |_| {})
    };
    let publisher = DocumentServer::start_as(&stolen).await;
    let url: Url = format!("https://{}/", publisher.address).parse().unwrap();
    let fault = fetcher(FetcherOptions::default())
        .get_from_spiffe(&url, expected(ID, &[&z]), FetchLimits::default())
        .await;
    assert!(matches!(fault, Err(FetchFault::Tls(_))), "{fault:?}");
}

#[tokio::test]
async fn http_is_refused_also_on_loopback() {
    let (address, count) = web_server("127.0.0.1:0").await;
    let z = X509Issuer::new("z.example");
    let url: Url = format!("http://{address}/").parse().unwrap();
    let fault = fetcher(FetcherOptions::default())
        .get_from_spiffe(&url, expected(ID, &[&z]), FetchLimits::default())
        .await;
    assert_eq!(fault.err(), Some(FetchFault::NotHttps));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}
