//! Request bodies, within their bounds.

use super::RequestBody;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use std::time::Duration;
use testudo_core::rejection::Rejection;
use testudo_protocol::limits::BODY_BYTES_MAX;

/// A body must have arrived by then.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The whole body. One that breaks off or comes too late is not what was expected, which `unusable` says.
pub(super) async fn read<B: RequestBody>(body: B, unusable: Rejection) -> Result<Bytes, Rejection> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_DEADLINE, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Rejection::BodyTooLarge),
        Ok(Err(_)) | Err(_) => Err(unusable),
    }
}
