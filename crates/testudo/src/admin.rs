//! HTTP client of the running server's admin socket.

use crate::arguments::{Change, Place};
use crate::output::{Failed, Lines, note, warn};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;
use testudo_server::{config, socket_path};
use tokio::net::UnixStream;

/// The admin API of one server.
pub struct Admin {
    socket: PathBuf,
}

impl Admin {
    pub fn at(place: &Place) -> Admin {
        let socket = place
            .socket
            .clone()
            .unwrap_or_else(|| config::admin_socket(&place.file.config));
        Admin { socket }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failed> {
        let body = serde_json::to_vec(body).map_err(|error| Failed::new(error.to_string()))?;
        self.call(Method::POST, path, Some(body)).await
    }

    /// Sends a change with the reason that the administrator gave, and prints the server's answer.
    pub async fn change(&self, path: &str, mut body: Value, change: &Change) -> Result<(), Failed> {
        body["reason"] = change.reason.clone().into();
        let answer: Value = self.post(path, &body).await?;
        print_done(&answer, change)
    }

    /// Sends a health probe; returns its status and body also where the status is an error.
    pub async fn probe<T: DeserializeOwned>(&self, path: &str) -> Result<(StatusCode, T), Failed> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        Ok((status, read(&body)?))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Failed> {
        let (status, body) = self.send(method, path, body).await?;
        if status.is_success() {
            return read(&body);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let message = text("error_description").unwrap_or_else(|| format!("the server answers {status}"));
        let failed = match status {
            StatusCode::SERVICE_UNAVAILABLE => Failed::unavailable(message),
            _ => Failed::new(message),
        };
        Err(failed.hint_if(text("hint")))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let unreachable = |error: std::io::Error| {
            Failed::unavailable(format!("no server answers at {}: {error}", self.socket.display())).hint(
                "start it with `testudo serve`, or give its socket with --socket or its configuration file with --config",
            )
        };
        let broken = |error: hyper::Error| {
            Failed::unavailable(format!(
                "the connection to the server ended before its answer was complete: {error}"
            ))
        };
        if let Some(why) = socket_path::too_long(&self.socket) {
            return Err(Failed::new(format!("cannot connect to the admin socket: {why}")).hint(
                "set a shorter path as admin.socket, or give a shorter path to the same socket with --socket, such as a relative path",
            ));
        }
        let stream = UnixStream::connect(&self.socket).await.map_err(unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "testudo")
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| Failed::new(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
        driver.abort();
        Ok((status, body))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body)
        .map_err(|error| Failed::new(format!("the server's answer cannot be read: {error}")))
}

/// Prints the answer to a change, `{ "done": …, "warning": … }`: as messages on stderr, or with `--json` as one line on
/// stdout for each change.
pub fn print_done(answer: &Value, change: &Change) -> Result<(), Failed> {
    if change.json.json {
        let mut lines = Lines::new();
        lines.json(answer)?;
        return lines.flush();
    }
    if let Some(done) = answer.get("done").and_then(Value::as_str) {
        note(done);
    }
    if let Some(warning) = answer.get("warning").and_then(Value::as_str) {
        warn(warning);
    }
    Ok(())
}

/// Percent-encodes a query value or path segment.
pub fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
