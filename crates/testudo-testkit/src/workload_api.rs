//! A fake Workload API that answers two calls, with bundles or with an error.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixListener;

/// The answer of a call.
#[derive(Clone)]
pub enum Offer {
    /// Bundles by trust domain: a JWK Set, or certificates in DER one after the other.
    Bundles(Vec<(String, Vec<u8>)>),
    /// A gRPC status: 7 is "permission denied", 12 "unimplemented", 14 "unavailable".
    Status(u16),
}

/// The agent. It ends with the runtime on which it was started.
pub struct FakeWorkloadApi {
    /// Its socket.
    pub socket: PathBuf,
    state: Arc<Mutex<(Offer, Offer)>>,
}

impl FakeWorkloadApi {
    /// Starts an agent on a socket.
    pub fn start(socket: &Path, jwt: Offer, x509: Offer) -> FakeWorkloadApi {
        let listener = UnixListener::bind(socket).expect("a socket");
        let state = Arc::new(Mutex::new((jwt, x509)));
        tokio::spawn(accept(listener, state.clone()));
        FakeWorkloadApi {
            socket: socket.to_owned(),
            state,
        }
    }

    /// Sets the answers from now on to `FetchJWTBundles` and `FetchX509Bundles`.
    pub fn offers(&self, jwt: Offer, x509: Offer) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (jwt, x509);
    }
}

async fn accept(listener: UnixListener, state: Arc<Mutex<(Offer, Offer)>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (jwt, x509) = state.lock().unwrap_or_else(PoisonError::into_inner).clone();
                async move {
                    Ok::<_, hyper::http::Error>(match request.uri().path() {
                        "/SpiffeWorkloadAPI/FetchJWTBundles" => answer(jwt, 1)?,
                        "/SpiffeWorkloadAPI/FetchX509Bundles" => answer(x509, 2)?,
                        _ => answer(Offer::Status(12), 1)?,
                    })
                }
            });
            // The client may have closed the connection.
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

fn answer(offer: Offer, map_field: u8) -> Result<Response<Body>, hyper::http::Error> {
    let response = Response::builder().header("content-type", "application/grpc");
    match offer {
        Offer::Status(status) => response
            .header("grpc-status", status.to_string())
            .body(Full::default().boxed()),
        Offer::Bundles(bundles) => {
            let mut message = Vec::new();
            for (trust_domain, bundle) in bundles {
                let mut entry = Vec::new();
                field(&mut entry, 1, format!("spiffe://{trust_domain}").as_bytes());
                field(&mut entry, 2, &bundle);
                field(&mut message, map_field, &entry);
            }
            let length = u32::try_from(message.len()).expect("a small message");
            let framed = [&[0][..], &length.to_be_bytes(), &message].concat();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().expect("a value"));
            let body = Full::new(Bytes::from(framed)).with_trailers(async move { Some(Ok(trailers)) });
            response.body(body.boxed())
        }
    }
}

/// A length-delimited field of a protobuf message.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
}
