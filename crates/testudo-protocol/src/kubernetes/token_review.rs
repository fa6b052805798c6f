//! TokenReview: the API server states whether a token is valid now. [K8S-REVIEW]

use super::service_account::ServiceAccount;
use crate::json::{self, JsonError};
use crate::printable::excerpt;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;

const API_VERSION: &str = "authentication.k8s.io/v1";
const KIND: &str = "TokenReview";
/// The member of `extra` with the uid of the pod.
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// The document that asks about a token. Without audiences, the API server would state whether the token is valid for
/// itself.
pub fn review_request(token: &str, audiences: &[&str]) -> Vec<u8> {
    serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "spec": { "token": token, "audiences": audiences },
    })
    .to_string()
    .into_bytes()
}

/// Why a token is refused after a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewError {
    /// The answer is not a TokenReview.
    Malformed(JsonError),
    /// The token is not valid: it is forged, it expired, or its pod, node, secret or account was deleted.
    NotAuthenticated {
        /// What the API server states, shortened.
        error: Option<String>,
    },
    /// The token is not valid for an audience of this server. Without audiences, it is valid for the API server.
    OtherAudience {
        /// The audiences in the answer, each shortened.
        found: Vec<String>,
    },
    /// The answer is about another account, or about one that was created again with the same name.
    OtherAccount,
    /// The answer is about another pod.
    OtherPod,
}

impl fmt::Display for ReviewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReviewError::Malformed(error) => write!(f, "the answer is not a TokenReview: {error}"),
            ReviewError::NotAuthenticated { error: None } => f.write_str("the token is not valid any more"),
            ReviewError::NotAuthenticated { error: Some(error) } => {
                write!(f, "the token is not valid: {error}")
            }
            ReviewError::OtherAudience { found } => write!(
                f,
                "the token is valid for the audiences {found:?}, and not for one of this server"
            ),
            ReviewError::OtherAccount => f.write_str("the answer is about another service account"),
            ReviewError::OtherPod => f.write_str("the answer is about another pod"),
        }
    }
}

/// What an answer must state.
#[derive(Debug, Clone, Copy)]
pub struct ReviewExpectation<'a> {
    /// The workload that the verified token names.
    pub account: &'a ServiceAccount,
    /// The audiences of the request.
    pub audiences: &'a [&'a str],
}

/// An answer of the API server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenReview {
    api_version: String,
    kind: String,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    extra: HashMap<String, Vec<String>>,
}

impl TokenReview {
    /// Reads an answer.
    pub fn parse(document: &[u8]) -> Result<TokenReview, ReviewError> {
        let review: TokenReview = json::from_slice(document).map_err(ReviewError::Malformed)?;
        if review.api_version != API_VERSION || review.kind != KIND {
            let problem = format!("apiVersion and kind are not {API_VERSION} and {KIND}");
            return Err(ReviewError::Malformed(JsonError::new(problem)));
        }
        Ok(review)
    }

    /// Checks that the API server authenticated the same token for this server.
    pub fn check(&self, expected: ReviewExpectation<'_>) -> Result<(), ReviewError> {
        let (status, account) = (&self.status, expected.account);
        if !status.authenticated {
            let error = status.error.as_deref().map(excerpt);
            return Err(ReviewError::NotAuthenticated { error });
        }
        // An API server that does not support audiences returns none, also for a token of its own.
        if !status
            .audiences
            .iter()
            .any(|found| expected.audiences.contains(&&**found))
        {
            let found = status.audiences.iter().map(|found| excerpt(found)).collect();
            return Err(ReviewError::OtherAudience { found });
        }
        if status.user.username != account.username() || status.user.uid != account.uid {
            return Err(ReviewError::OtherAccount);
        }
        let expected_pod = account.pod.as_ref().and_then(|pod| pod.uid.as_deref());
        let found_pod = status.user.extra.get(POD_UID).map(Vec::as_slice);
        match (expected_pod, found_pod) {
            (Some(expected), Some([found])) if expected == found => Ok(()),
            (None, None) => Ok(()),
            _ => Err(ReviewError::OtherPod),
        }
    }
}

#[cfg(test)]
mod tests;
