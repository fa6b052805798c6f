//! `/readyz`, of the public listeners and of the admin listener.

use super::respond::{json, plain};
use crate::state::app::App;
use crate::state::readiness::{CheckState, Readiness};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{HeaderMap, Response, StatusCode, header};
use std::fmt::Write as _;

/// A node is ready if it would serve a known client. `?verbose` lists the checks, as JSON if `Accept` requests it.
pub fn readyz(app: &App, query: Option<&str>, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let readiness = Readiness::of(app);
    // A probe has no OAuth error code: load balancers and Kubernetes read the status only.
    let (status, word) = match readiness.ready {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    };
    if !asks_for_checks(query) {
        return plain(status, word);
    }
    let readiness = readiness.without_authorities_that_have_keys();
    if prefers_json(headers) {
        return match serde_json::to_vec(&readiness) {
            Ok(body) => json(status, body),
            Err(_) => plain(status, word),
        };
    }
    let mut text = String::new();
    for check in &readiness.checks {
        let mark = match check.state {
            CheckState::Ok => "ok",
            CheckState::Degraded => "degraded",
            CheckState::Failed => "failed",
        };
        let _ = writeln!(text, "{mark:8}  {}: {}", check.name, check.detail);
    }
    plain(status, text + word)
}

/// `?verbose`, alone or with any value but `false` and `0`.
fn asks_for_checks(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        query.split('&').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name == "verbose" && !["false", "0"].contains(&value)
        })
    })
}

fn prefers_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}
