//! The input of operations: JSON bodies, query parameters and names in paths. Each error is a JSON body of this server.

use super::failure::Failure;
use super::input_fault::{Input, sentence};
pub(super) use super::json::Json;
use super::reply::ErrorAnswer;
use crate::http::content_type;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::error::Error;

/// The hint of an error of input.
const SEE: &str = "GET /admin/v1/openapi.json describes the input of this operation";

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ErrorAnswer;

    async fn from_request(request: Request, state: &S) -> Result<Json<T>, ErrorAnswer> {
        if content_type(request.headers(), "application/json").is_none() {
            return Err(ErrorAnswer {
                failure: Failure::NotJson,
                error: "the body must be JSON".into(),
                hint: Some("send Content-Type: application/json".into()),
            });
        }
        let bytes = body(request, state).await?;
        parse(&bytes).map(Json)
    }
}

/// The whole body.
pub(super) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ErrorAnswer> {
    let bytes = Bytes::from_request(request, state).await;
    bytes.map_err(|rejection| match is_too_large(&rejection) {
        true => ErrorAnswer {
            failure: Failure::TooLarge,
            error: "the body is larger than 2 MiB".into(),
            hint: None,
        },
        false => ErrorAnswer::bad_request("the body is incomplete, or did not arrive in time", None),
    })
}

fn is_too_large(rejection: &BytesRejection) -> bool {
    use FailedToBufferBody::LengthLimitError;
    matches!(rejection, BytesRejection::FailedToBufferBody(LengthLimitError(_)))
}

/// Parses a body. The error names the member that is wrong.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ErrorAnswer> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let refuse = |why: String| ErrorAnswer::bad_request(why, Some(SEE.into()));
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        refuse(match error.inner().classify() {
            Category::Data => sentence(Input::Body, &error.path().to_string(), &error.inner().to_string()),
            Category::Syntax | Category::Eof | Category::Io => not_json(error.inner()),
        })
    })?;
    reader.end().map_err(|error| refuse(not_json(&error)))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> String {
    match (error.is_eof(), error.line(), error.column()) {
        (true, _, 0) => "the body is empty, and a JSON object is needed, such as {}".to_owned(),
        (true, ..) => "the body is not JSON: it ends before the object is complete".to_owned(),
        (false, line, column) => {
            format!("the body is not one JSON object: the error is in line {line}, character {column}")
        }
    }
}

/// Query parameters. The type refuses unknown parameters.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ErrorAnswer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, ErrorAnswer> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|query| Query(query.0))
            .map_err(|rejection: QueryRejection| {
                // The source of the error names the parameter; the rest of the sentence is that of axum.
                let source = rejection.source().map(ToString::to_string).unwrap_or_default();
                let (path, message) = source.split_once(": ").unwrap_or(("", &source));
                ErrorAnswer::bad_request(sentence(Input::Query, path, message), Some(SEE.into()))
            })
    }
}

/// The name in the path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ErrorAnswer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name, ErrorAnswer> {
        let read = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        read.map(|path| Name(path.0))
            .map_err(|_| ErrorAnswer::bad_request("the path is not percent-encoded UTF-8", Some(SEE.into())))
    }
}
