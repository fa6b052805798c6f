//! Request bodies, within their bounds. When a body must have arrived, and how many bytes all bodies may hold, is
//! watched by the listener ([`crate::listen`]), for every kind of endpoint.

use super::{RequestBody, Stop};
use crate::listen::BodyFault;
use crate::settle::Fault;
use bytes::Buf as _;
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use testudo_core::rejection::Rejection;
use testudo_protocol::limits::BODY_BYTES_MAX;

/// The whole body. One that breaks off is not what was expected, which `unusable` says.
pub(super) async fn read<B: RequestBody>(mut body: B, unusable: Rejection) -> Result<Bytes, Stop> {
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Rejection::BodyTooLarge.into());
    }
    let mut first = Bytes::new();
    // What comes in several frames is copied: a frame of one byte may hold a whole read buffer in memory.
    let mut copied: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(|error| fault(error.into(), &unusable))?.into_data() else {
            continue;
        };
        let length = data.remaining();
        if first.len() + copied.len() + length > BODY_BYTES_MAX {
            return Err(Rejection::BodyTooLarge.into());
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

fn fault(error: Box<dyn std::error::Error + Send + Sync>, unusable: &Rejection) -> Stop {
    match error.downcast_ref::<BodyFault>() {
        Some(BodyFault::Late) => Rejection::BodyLate.into(),
        Some(BodyFault::NoRoom) => Fault::Full.into(),
        Some(BodyFault::Broken(_)) | None => unusable.clone().into(),
    }
}
