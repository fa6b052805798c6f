//! The claims of a service account token that state what it was issued for. [K8S-ACCOUNTS]

use super::name::{is_label, is_subdomain};
use crate::printable::{excerpt, is_printable};
use serde_json::Value;
use std::fmt;

/// Longest `uid` of an object, bytes. Kubernetes creates UUIDs of 36 bytes.
const UID_BYTES_MAX: usize = 128;
/// With what `sub` begins.
const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// Why the claims are not those of a service account token that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAccountError {
    /// There is no claim `kubernetes.io`. Tokens in secrets, which do not expire, have none.
    NoClaim,
    /// `sub` does not have the form `system:serviceaccount:NAMESPACE:NAME`.
    Subject {
        /// The value, shortened.
        found: String,
    },
    /// A member of the claim `kubernetes.io` is not a name or a uid that the API server creates.
    Member {
        /// Its path in the claim.
        name: &'static str,
    },
    /// `sub` names another namespace or account than the claim `kubernetes.io`.
    Disagree,
    /// The token is one of the API server whose lifetime was extended to a year.
    Extended,
}

impl fmt::Display for ServiceAccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceAccountError::NoClaim => {
                f.write_str("the claim kubernetes.io is missing: this is not a token of the TokenRequest API")
            }
            ServiceAccountError::Subject { found } => {
                write!(f, "sub is {found:?} instead of system:serviceaccount:NAMESPACE:NAME")
            }
            ServiceAccountError::Member { name } => {
                write!(f, "{name} in the claim kubernetes.io is missing or malformed")
            }
            ServiceAccountError::Disagree => {
                f.write_str("sub and the claim kubernetes.io name different service accounts")
            }
            ServiceAccountError::Extended => f.write_str(
                "the claim kubernetes.io has warnafter: this is a token for the API server with an extended lifetime",
            ),
        }
    }
}

/// A pod or node to which a token is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundObject {
    /// Its name.
    pub name: String,
    /// Its uid. The uid of a node may be missing.
    pub uid: Option<String>,
}

/// The workload of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The namespace.
    pub namespace: String,
    /// The name of the service account.
    pub name: String,
    /// The uid of the service account: an account that is deleted and created again has another one.
    pub uid: String,
    /// The pod that mounts the token.
    pub pod: Option<BoundObject>,
    /// The node of the pod, or the node to which the token is bound.
    pub node: Option<BoundObject>,
}

impl ServiceAccount {
    /// Reads `sub` and the claim `kubernetes.io`, which must name the same account.
    pub fn of_claims(subject: &str, claim: Option<&Value>) -> Result<ServiceAccount, ServiceAccountError> {
        let claim = claim.ok_or(ServiceAccountError::NoClaim)?;
        let (namespace, name) = parts_of(subject).ok_or_else(|| ServiceAccountError::Subject {
            found: excerpt(subject),
        })?;
        let malformed = |name| ServiceAccountError::Member { name };
        if claim.get("warnafter").is_some() {
            return Err(ServiceAccountError::Extended);
        }
        let claimed = claim.get("namespace").and_then(Value::as_str);
        let claimed = claimed.ok_or(malformed("namespace"))?;
        let account = bound(claim, "serviceaccount")?.ok_or(malformed("serviceaccount"))?;
        if claimed != namespace || account.name != name {
            return Err(ServiceAccountError::Disagree);
        }
        let pod = bound(claim, "pod")?;
        // A token that is bound to a pod states which one: a pod of the same name that comes later is another one.
        if pod.as_ref().is_some_and(|pod| pod.uid.is_none()) {
            return Err(malformed("pod"));
        }
        Ok(ServiceAccount {
            namespace: namespace.to_owned(),
            name: account.name,
            uid: account.uid.ok_or(malformed("serviceaccount"))?,
            pod,
            node: bound(claim, "node")?,
        })
    }

    /// The name of the account as a user of Kubernetes: `sub` of its tokens.
    pub fn username(&self) -> String {
        format!("{SUBJECT_PREFIX}{}:{}", self.namespace, self.name)
    }

    /// The subject in identities: `namespace/name`.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// The object in a member of the claim, which has a name and perhaps a uid.
fn bound(claim: &Value, member: &'static str) -> Result<Option<BoundObject>, ServiceAccountError> {
    let Some(object) = claim.get(member) else {
        return Ok(None);
    };
    let name = object
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| is_subdomain(name));
    let is_uid = |uid: &&str| !uid.is_empty() && uid.len() <= UID_BYTES_MAX && is_printable(uid);
    let uid = object.get("uid");
    let text = uid.and_then(Value::as_str).filter(is_uid);
    match name {
        Some(name) if uid.is_some() == text.is_some() => Ok(Some(BoundObject {
            name: name.to_owned(),
            uid: text.map(str::to_owned),
        })),
        _ => Err(ServiceAccountError::Member { name: member }),
    }
}

/// Namespace and name in `system:serviceaccount:NAMESPACE:NAME`.
fn parts_of(subject: &str) -> Option<(&str, &str)> {
    let (namespace, name) = subject.strip_prefix(SUBJECT_PREFIX)?.split_once(':')?;
    (is_label(namespace) && is_subdomain(name)).then_some((namespace, name))
}

#[cfg(test)]
mod tests;
