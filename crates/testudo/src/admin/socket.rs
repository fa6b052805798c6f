//! One request over the admin socket.

use crate::output::Failed;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::path::Path;
use testudo_server::socket_path;
use tokio::net::UnixStream;

pub(super) async fn send(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<(StatusCode, Bytes), Failed> {
    let unreachable = |error: std::io::Error| {
        Failed::unavailable(format!("no server answers at {}: {error}", socket.display())).hint(
            "start it with `testudo serve`, or give its socket with --socket or its configuration file with --config",
        )
    };
    let broken = |error: hyper::Error| {
        Failed::unavailable(format!(
            "the connection to the server ended before its answer was complete: {error}"
        ))
    };
    if let Some(why) = socket_path::too_long(socket) {
        return Err(Failed::new(format!("cannot connect to the admin socket: {why}")).hint(
            "set a shorter path as admin.socket, or give a shorter path to the same socket with --socket, such as a relative path",
        ));
    }
    let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
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
