//! A made-up TokenReview API on loopback that keeps its requests, and fails as the test sets it.

use crate::token::claims;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;

/// How the API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answering {
    /// As a cluster in which the token is valid for its audiences.
    Valid,
    /// As a cluster in which the pod of the token was deleted.
    Gone,
    /// With this status and body.
    With(u16, String),
    /// Not at all.
    Never,
}

/// The API. It ends with the runtime on which it was started.
pub struct ReviewServer {
    /// URL of the API.
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    answering: Answering,
    requests: Vec<ReviewRequest>,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRequest {
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    /// The body.
    pub document: Value,
}

impl ReviewServer {
    /// Starts the API; all tokens are valid.
    pub async fn start() -> ReviewServer {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback address");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            answering: Answering::Valid,
            requests: Vec::new(),
        }));
        tokio::spawn(accept(listener, state.clone()));
        ReviewServer {
            url: format!("http://{address}/apis/authentication.k8s.io/v1/tokenreviews"),
            state,
        }
    }

    /// Sets how it answers from now on.
    pub fn answers(&self, answering: Answering) {
        locked(&self.state).answering = answering;
    }

    /// Takes the requests since the last call.
    pub fn take_requests(&self) -> Vec<ReviewRequest> {
        std::mem::take(&mut locked(&self.state).requests)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let service =
                service_fn(move |request: Request<hyper::body::Incoming>| answer(request, state.clone()));
            // The client may have closed the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answering = {
        let mut state = locked(&state);
        state.requests.push(ReviewRequest {
            authorization,
            document: document.clone(),
        });
        state.answering.clone()
    };
    let (status, body) = match answering {
        Answering::Valid => (201, reviewed(&document, true).to_string()),
        Answering::Gone => (201, reviewed(&document, false).to_string()),
        Answering::With(status, body) => (status, body),
        Answering::Never => pending().await,
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    if (300..400).contains(&status) {
        let elsewhere = hyper::header::HeaderValue::from_static("http://127.0.0.1:1/");
        response.headers_mut().insert("location", elsewhere);
    }
    Ok(response)
}

/// The answer of Kubernetes about the token of a request.
fn reviewed(request: &Value, is_valid: bool) -> Value {
    let spec = &request["spec"];
    let claims = claims(spec["token"].as_str().unwrap_or_default());
    let private = &claims["kubernetes.io"];
    let mut extra = json!({});
    if let Some(pod) = private.get("pod") {
        extra["authentication.kubernetes.io/pod-name"] = json!([pod["name"]]);
        extra["authentication.kubernetes.io/pod-uid"] = json!([pod["uid"]]);
    }
    let asked = spec["audiences"].as_array().cloned().unwrap_or_default();
    let of_token = claims["aud"].as_array().cloned().unwrap_or_default();
    let audiences: Vec<&Value> = asked.iter().filter(|asked| of_token.contains(asked)).collect();
    let status = match is_valid {
        true => json!({
            "authenticated": true,
            "audiences": audiences,
            "user": { "username": claims["sub"], "uid": private["serviceaccount"]["uid"], "extra": extra },
        }),
        false => json!({ "user": {}, "error": "pod has been deleted" }),
    };
    json!({ "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": spec, "status": status })
}
