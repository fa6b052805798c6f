//! The reasons why the admin API does not carry out a request. The reason decides the HTTP status and the OAuth error
//! code; handlers choose a reason, and never a status.

use axum::http::StatusCode;
use testudo_protocol::oauth::ErrorCode;

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The input is wrong, or the records do not permit the change.
    Input,
    /// No record, authority or operation has this name.
    NotFound,
    /// The operation does not have this method.
    Method,
    /// The record was changed by another request.
    Changed,
    /// The body is larger than the limit.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The access token is missing or not valid.
    Token,
    /// The access token is valid and does not permit the operation.
    Permission,
    /// The publisher of keys did not answer, or its answer cannot be used.
    Publisher,
    /// The store or another part of the server cannot be used at present.
    Unavailable,
    /// This server cannot name the administrator.
    NoAdministrator,
}

impl Failure {
    /// The only place of the admin API that chooses a status or an OAuth error code.
    pub(super) fn status_and_code(self) -> (StatusCode, ErrorCode) {
        match self {
            Failure::Input => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
            Failure::NotFound => (StatusCode::NOT_FOUND, ErrorCode::InvalidRequest),
            Failure::Method => (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest),
            Failure::Changed => (StatusCode::CONFLICT, ErrorCode::InvalidRequest),
            Failure::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest),
            Failure::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::InvalidRequest),
            // [RFC6750 §3.1]
            Failure::Token => (StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken),
            Failure::Permission => (StatusCode::FORBIDDEN, ErrorCode::InsufficientScope),
            Failure::Publisher => (StatusCode::BAD_GATEWAY, ErrorCode::ServerError),
            Failure::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable),
            Failure::NoAdministrator => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_status_and_error_code() {
        for (reason, status, code) in [
            (Failure::Input, 400, "invalid_request"),
            (Failure::NotFound, 404, "invalid_request"),
            (Failure::Method, 405, "invalid_request"),
            (Failure::Changed, 409, "invalid_request"),
            (Failure::TooLarge, 413, "invalid_request"),
            (Failure::NotJson, 415, "invalid_request"),
            (Failure::Token, 401, "invalid_token"),
            (Failure::Permission, 403, "insufficient_scope"),
            (Failure::Publisher, 502, "server_error"),
            (Failure::Unavailable, 503, "temporarily_unavailable"),
            (Failure::NoAdministrator, 500, "server_error"),
        ] {
            let (found, named) = reason.status_and_code();
            assert_eq!((found.as_u16(), named.name()), (status, code), "{reason:?}");
        }
    }

    /// The files of the admin API, as text. Only this file, and `contract.rs`, which adds bodies to answers of the router,
    /// name a status.
    #[test]
    fn no_other_file_of_the_admin_api_names_a_status() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
        let mut folders = vec![folder];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let is_allowed = ["failure.rs", "contract.rs"]
                    .iter()
                    .any(|name| path.ends_with(format!("admin/{name}")));
                let text = std::fs::read_to_string(&path).unwrap();
                read += 1;
                let names_a_status = text.contains("StatusCode");
                assert!(is_allowed || !names_a_status, "{}", path.display());
            }
        }
        assert!(read > 20, "{read} files");
    }
}
