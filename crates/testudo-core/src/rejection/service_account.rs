//! Reasons to refuse a token of a Kubernetes service account. The caller gets the sentence of every failed client
//! authentication; the reason is in the log and in events.

use super::row::Row;
use crate::identity::Authority;
use std::fmt;
use testudo_protocol::kubernetes::{ReviewError, ServiceAccountError};

/// Why a token of a service account is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAccountReason {
    /// The header has no `kid`, so the token does not name the cluster that issued it.
    NoKeyId,
    /// The signature verifies with keys of two clusters: each of them can issue tokens in the name of the other.
    SeveralClusters {
        /// Two of the entries.
        entries: [Authority; 2],
    },
    /// The claims are not those of the TokenRequest API.
    Claims(ServiceAccountError),
    /// The service account is `default`, which every pod of the namespace has that names no other one.
    DefaultAccount {
        /// The cluster.
        cluster: Authority,
        /// The namespace.
        namespace: String,
    },
    /// The API server was asked, and the token is not valid, or is another one.
    Review(ReviewError),
    /// The API server could not be asked.
    NotReviewed {
        /// The cluster.
        cluster: Authority,
        /// What failed.
        why: String,
    },
}

impl ServiceAccountReason {
    pub(super) fn row(&self) -> Row {
        Row::unauthenticated(match self {
            ServiceAccountReason::NoKeyId => "kubernetes_no_key_id",
            ServiceAccountReason::SeveralClusters { .. } => "kubernetes_several_clusters",
            ServiceAccountReason::Claims(_) => "kubernetes_claims_refused",
            ServiceAccountReason::DefaultAccount { .. } => "kubernetes_default_account",
            ServiceAccountReason::Review(_) => "kubernetes_review_refused",
            ServiceAccountReason::NotReviewed { .. } => "kubernetes_not_reviewed",
        })
    }
}

impl fmt::Display for ServiceAccountReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceAccountReason::NoKeyId => f.write_str("the token has no kid"),
            ServiceAccountReason::SeveralClusters {
                entries: [one, other],
            } => {
                write!(
                    f,
                    "the signature verifies with a key that {one} and {other} both have"
                )
            }
            ServiceAccountReason::Claims(error) => error.fmt(f),
            ServiceAccountReason::DefaultAccount { namespace, .. } => {
                write!(
                    f,
                    "the token is that of the service account default of the namespace {namespace}"
                )
            }
            ServiceAccountReason::Review(error) => write!(f, "TokenReview: {error}"),
            ServiceAccountReason::NotReviewed { why, .. } => {
                write!(f, "the API server could not review the token: {why}")
            }
        }
    }
}
