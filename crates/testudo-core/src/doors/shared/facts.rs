//! Outside facts that the verification of a credential needs, and for what the credential is shown. The server
//! fetches them; the doors judge them.

use super::authority_keys::AuthorityKeys;
use super::client_assertion::ClientAssertion;
use super::client_keys::ClientKeys;
use crate::identity::Authority;
use crate::policy::{AuthorityPolicy, Policy};
use crate::rejection::{AdmissionReason, CredentialReason, Rejection};
use crate::trace::Trace;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::Bundle;

/// An outside fact that a credential's verification needs. The server fetches it; the door judges it.
#[derive(Clone, Copy)]
pub enum Lookup<'c> {
    /// The keys of the authority that the credential claims to be of, if that is configured.
    Authority {
        /// The claimed authority.
        unverified_authority: &'c Authority,
        /// The key it claims to be signed with: unknown among its keys, it is worth one early refresh.
        unverified_kid: Option<&'c str>,
    },
    /// The keys of a client that registered, if one has this name and the configuration names no other.
    Client {
        /// The claimed name.
        unverified_client_id: &'c str,
        /// The key it claims to be signed with, for keys that are kept elsewhere.
        unverified_kid: Option<&'c str>,
        /// The assertion: it must be worth a fetch of such keys.
        assertion: &'c ClientAssertion,
    },
}

/// The answer to a [`Lookup`].
#[derive(Debug, Clone)]
pub enum Facts {
    /// The authority's keys, fresh enough to be used.
    Keys(AuthorityKeys),
    /// The authority is configured, but no keys are held, or they are past their maximum age.
    NoKeys,
    /// The same, and an administrator switched the authority off: to wait would not help.
    Disabled,
    /// The keys of the client that registered under this name.
    Client(Arc<ClientKeys>),
    /// The client publishes its keys at its `jwks_uri`, and they could not be fetched.
    KeysElsewhere {
        /// Why.
        why: String,
    },
    /// No client is registered under this id, or the authority is not configured.
    Nothing,
}

/// What a credential is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Client authentication: the audience is the issuer. [RFC10070 §4]
    Authentication,
    /// A software statement: the audience may also be this registration endpoint, and `iat` is required.
    Statement {
        /// URL of the endpoint, exactly as in the metadata.
        endpoint: &'a str,
    },
}

/// The terms on which a credential is judged. Nothing is made of it yet, so no randomness is needed.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// What the configuration says.
    pub policy: &'a Policy,
    /// What the credential is shown for.
    pub purpose: Purpose<'a>,
    /// The time.
    pub now: Timestamp,
}

/// What the authority that a credential names is trusted for, and its keys: those of no other authority are used.
/// [SPIFFE-FED §7.3]
pub(crate) fn vouching<'a>(
    authority: &Authority,
    facts: &'a Facts,
    policy: &'a Policy,
    trace: &mut Trace,
) -> Result<(&'a AuthorityPolicy, &'a Bundle), Rejection> {
    let name = authority.name();
    let unknown = || {
        Rejection::Credential(CredentialReason::UnknownTrustDomain {
            authority: authority.clone(),
        })
    };
    let trusted = policy.authority(authority).ok_or_else(unknown)?;
    let bundle = match facts {
        Facts::Keys(AuthorityKeys::Bundle(bundle)) => bundle,
        Facts::Disabled => {
            return Err(AdmissionReason::AuthorityDisabled {
                name: name.to_owned(),
            }
            .into());
        }
        Facts::NoKeys | Facts::Client(_) | Facts::KeysElsewhere { .. } | Facts::Nothing => {
            return Err(CredentialReason::BundleUnavailable {
                name: name.to_owned(),
            }
            .into());
        }
    };
    trace.passed("authority configured", || authority.described());
    Ok((trusted, bundle))
}
