//! Request bodies, within their bounds. The listener ([`crate::listen`]) limits the time for a body to arrive and the
//! bytes of all bodies together, for every kind of endpoint.

use crate::fault::{Fault, Stop};
use bytes::Buf as _;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes};
use hyper::{HeaderMap, Request, header};
use testudo_core::rejection::{Rejection, RequestReason};
use testudo_protocol::json::JsonError;
use testudo_protocol::limits::BODY_BYTES_MAX;

/// The body of a request, from a listener or from a test.
pub trait RequestBody:
    Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin
{
}

impl<B> RequestBody for B where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin
{
}

/// Why a body did not arrive.
#[derive(Debug)]
pub enum BodyError {
    /// It was not complete within `server.body_timeout`.
    Late,
    /// Requests in flight already use all the memory that they may.
    NoRoom,
    /// The connection or its framing broke.
    Broken(hyper::Error),
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BodyError::Late => f.write_str("the body did not arrive in time"),
            BodyError::NoRoom => f.write_str("the server holds too many requests at once"),
            BodyError::Broken(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BodyError {}

/// The whole body. Where the body breaks off, the request is refused with `unusable`.
pub(super) async fn read<B: RequestBody>(mut body: B, unusable: Rejection) -> Result<Bytes, Stop> {
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(RequestReason::BodyTooLarge.into());
    }
    let mut first = Bytes::new();
    // A body of several frames is copied: a frame of one byte may keep a whole read buffer in memory.
    let mut copied: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(|error| fault(error.into(), &unusable))?.into_data() else {
            continue;
        };
        let length = data.remaining();
        if first.len() + copied.len() + length > BODY_BYTES_MAX {
            return Err(RequestReason::BodyTooLarge.into());
        }
        let data = data.copy_to_bytes(length);
        if first.is_empty() && copied.is_empty() {
            first = data;
        } else {
            copied.extend_from_slice(&std::mem::take(&mut first));
            copied.extend_from_slice(&data);
        }
    }
    match copied.is_empty() {
        true => Ok(first),
        false => Ok(copied.into()),
    }
}

/// The body of a request whose `Content-Type` is `application/json`; parameters of the media type are ignored. [RFC7591
/// §3.1]
pub(super) async fn json_body<B: RequestBody>(request: Request<B>) -> Result<Bytes, Stop> {
    if content_type(request.headers(), "application/json").is_none() {
        return Err(RequestReason::NotJson.into());
    }
    read(
        request.into_body(),
        Rejection::Request(RequestReason::MalformedJson(JsonError::new(
            "the body is incomplete",
        ))),
    )
    .await
}

/// The parameters of `Content-Type`, where its media type is this one. [RFC9110 §8.3.1]
pub(crate) fn content_type<'h>(headers: &'h HeaderMap, media_type: &str) -> Option<&'h str> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (found, parameters) = text.split_once(';').unwrap_or((text, ""));
    found
        .trim()
        .eq_ignore_ascii_case(media_type)
        .then_some(parameters)
}

/// True for `application/x-www-form-urlencoded`, with no charset or UTF-8. [RFC6749 B]
pub(super) fn is_form<B>(request: &Request<B>) -> bool {
    let Some(parameters) = content_type(request.headers(), "application/x-www-form-urlencoded") else {
        return false;
    };
    parameters
        .split(';')
        .all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

fn fault(error: Box<dyn std::error::Error + Send + Sync>, unusable: &Rejection) -> Stop {
    match error.downcast_ref::<BodyError>() {
        Some(BodyError::Late) => RequestReason::BodyLate.into(),
        Some(BodyError::NoRoom) => Fault::Full.into(),
        Some(BodyError::Broken(_)) | None => unusable.clone().into(),
    }
}
