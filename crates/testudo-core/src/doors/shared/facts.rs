//! Outside facts that the verification of a credential needs, and for what the credential is shown. The server
//! fetches them; the doors judge them.

use super::client_assertion::ClientAssertion;
use super::client_keys::ClientKeys;
use crate::policy::{Policy, TrustDomainPolicy};
use crate::rejection::{AdmissionReason, CredentialReason, Rejection};
use crate::trace::Trace;
use std::sync::Arc;
use testudo_protocol::spiffe::{Bundle, SpiffeId};

/// An outside fact that a credential's verification needs. The server fetches it; the door judges it.
#[derive(Clone, Copy)]
pub enum Lookup<'c> {
    /// The bundle of the trust domain that the credential claims to be of, if that is configured.
    Bundle {
        /// The claimed identity.
        unverified_subject: &'c SpiffeId,
        /// The key it claims to be signed with: unknown to the bundle, it is worth one early refresh.
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
    /// The trust domain's bundle, fresh enough to be used.
    Bundle(Arc<Bundle>),
    /// The trust domain is configured, but no bundle is held, or it is past its maximum age.
    NoBundle,
    /// The same, and an administrator switched the trust domain off: to wait would not help.
    Disabled,
    /// The keys of the client that registered under this name.
    Client(Arc<ClientKeys>),
    /// The client publishes its keys itself, and they were not to be had.
    KeysElsewhere {
        /// Why.
        why: String,
    },
    /// Nobody has registered under this name, or the trust domain is not configured.
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

/// The trust domain that an SVID names, and its bundle: no other has a say. [SPIFFE-FED §7.3]
pub(crate) fn vouching<'a>(
    subject: &SpiffeId,
    facts: &'a Facts,
    policy: &'a Policy,
    trace: &mut Trace,
) -> Result<(&'a TrustDomainPolicy, &'a Bundle), Rejection> {
    let name = subject.trust_domain_name();
    let unknown = || {
        Rejection::Credential(CredentialReason::UnknownTrustDomain {
            name: name.to_owned(),
        })
    };
    let domain = policy.trust_domains.get(name).ok_or_else(unknown)?;
    let bundle = match facts {
        Facts::Bundle(bundle) => bundle,
        Facts::Disabled => {
            return Err(AdmissionReason::AuthorityDisabled {
                name: name.to_owned(),
            }
            .into());
        }
        Facts::NoBundle | Facts::Client(_) | Facts::KeysElsewhere { .. } | Facts::Nothing => {
            return Err(CredentialReason::BundleUnavailable {
                name: name.to_owned(),
            }
            .into());
        }
    };
    trace.passed("trust domain configured", || name.to_owned());
    Ok((domain, bundle))
}
