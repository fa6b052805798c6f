//! Hints for tokens of Kubernetes service accounts.

use crate::rejection::ServiceAccountReason;
use std::borrow::Cow;
use testudo_protocol::kubernetes::{ReviewError, ServiceAccountError};

pub(in crate::rejection) fn of_service_account(reason: &ServiceAccountReason) -> Cow<'static, str> {
    match reason {
        ServiceAccountReason::NoKeyId => {
            "the API server sets kid in every token: send the token as Kubernetes issued it".into()
        }
        ServiceAccountReason::SeveralClusters { entries: [one, other] } => format!(
            "give each cluster an own key for service account tokens; if {one} and {other} are one cluster, remove one entry"
        )
        .into(),
        ServiceAccountReason::Claims(ServiceAccountError::NoClaim | ServiceAccountError::Extended) => {
            "mount a projected volume serviceAccountToken with audience, and send the token in it (docs/doors/kubernetes.md): neither the token of a Secret nor the one for the API server is accepted".into()
        }
        ServiceAccountReason::Claims(
            ServiceAccountError::Subject { .. } | ServiceAccountError::Member { .. } | ServiceAccountError::Disagree,
        ) => {
            "the API server issues no such token: make sure that only its keys are in `jwks` of the entry".into()
        }
        ServiceAccountReason::DefaultAccount { cluster, .. } => format!(
            "give the workload an own service account; to accept the account default of every namespace, set default_service_accounts = true of {cluster}"
        )
        .into(),
        ServiceAccountReason::Review(ReviewError::NotAuthenticated { .. }) => {
            "the pod, the node or the service account of the token was deleted, or the token expired: the workload must read the file again for each request".into()
        }
        ServiceAccountReason::Review(ReviewError::OtherAudience { .. }) => {
            "the API server at token_review.url must be the one of this cluster, and support audiences".into()
        }
        ServiceAccountReason::Review(ReviewError::OtherAccount | ReviewError::OtherPod) => {
            "the account or the pod was deleted and created again with the same name, or token_review.url is the API server of another cluster".into()
        }
        ServiceAccountReason::Review(ReviewError::Malformed(_)) | ServiceAccountReason::NotReviewed { .. } => {
            "try token_review.url with curl from this machine; its token needs the cluster role system:auth-delegator. `testudo doctor` tests it".into()
        }
    }
}
