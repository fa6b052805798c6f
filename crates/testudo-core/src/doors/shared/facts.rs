//! Facts from outside the credential that its verification needs, and the purpose of the credential. The server loads
//! the facts; the doors use them.

use super::authority_keys::AuthorityKeys;
use super::client_assertion::ClientAssertion;
use super::client_keys::ClientKeys;
use super::known_credential::KnownCredential;
use crate::identity::{Authority, Sponsor};
use crate::policy::{AuthorityPolicy, Policy};
use crate::records::{Client, ClientCredential};
use crate::rejection::{AdmissionReason, CredentialReason, Rejection};
use crate::trace::Trace;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::ExpectedName;

/// A fact that the verification of a credential needs. The server loads it.
#[derive(Clone, Copy)]
pub enum Lookup<'c> {
    /// The keys of the authority that the credential names, if it is configured.
    Authority {
        /// The claimed authority.
        unverified_authority: &'c Authority,
        /// The key id in the credential. If the authority has no such key, its keys are refreshed once ahead of time.
        unverified_kid: Option<&'c str>,
    },
    /// The attester of an attestation and its keys.
    Attester {
        /// `iss`, if the attestation has it.
        unverified_issuer: Option<&'c str>,
        /// The key id in the header.
        unverified_kid: Option<&'c str>,
    },
    /// The entry whose tokens have this `iss`, and its keys.
    Issuer {
        /// `iss`.
        unverified_issuer: &'c str,
        /// The key id in the header.
        unverified_kid: Option<&'c str>,
    },
    /// The entry whose issuer has a certificate with one of these names, for a credential without `iss`.
    CertificateIssuer {
        /// The names of the leaf of the chain in the header.
        unverified_names: &'c [ExpectedName],
    },
    /// The clusters that may have issued a service account token, and their keys.
    Clusters {
        /// `iss`, which several clusters may share.
        unverified_issuer: &'c str,
        /// The key id in the header.
        unverified_kid: &'c str,
    },
    /// The certificates of a registered client, if a client with this id exists and no configured client has the same id.
    Certificates {
        /// The client id in the request.
        unverified_client_id: &'c str,
    },
    /// Whether a registered client with this id is a public one, and no configured client has the same id.
    Public {
        /// The client id in the request.
        unverified_client_id: &'c str,
    },
    /// The keys of a registered client, if a client with this id exists and no configured client has the same id.
    Client {
        /// The client id in the assertion.
        unverified_client_id: &'c str,
        /// The key id in the assertion, for keys at a `jwks_uri`.
        unverified_kid: Option<&'c str>,
        /// The claims of the assertion, which must be valid before keys are fetched from a `jwks_uri`.
        assertion: &'c ClientAssertion,
    },
}

/// A cluster that has the key that a service account token names.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its entry of `[[issuers]]`.
    pub authority: Authority,
    /// Its keys.
    pub keys: AuthorityKeys,
    /// False if its keys are older than allowed. Then no token is accepted by them; they show that a token which the keys
    /// of another cluster verify may as well be one of this cluster.
    pub is_current: bool,
}

/// The answer to a [`Lookup`].
#[derive(Debug, Clone)]
pub enum Facts {
    /// The keys of the authority, which are not older than allowed.
    Keys(AuthorityKeys),
    /// The entry of `[[issuers]]` that the credential names, and its keys or the reason why there are none.
    Issuer(Authority, Box<Facts>),
    /// The certificate of a credential without `iss` has the names of these entries, and perhaps of more.
    SeveralIssuers([Authority; 2]),
    /// The clusters with this issuer that have the key of the token.
    Clusters(Vec<Cluster>),
    /// No cluster has the key of the token, and this one has no loaded keys, or they are older than allowed.
    NoKeysOf(Authority),
    /// The authority is configured, but has no loaded keys, or they are older than allowed.
    NoKeys,
    /// The authority has no usable keys and an administrator disabled it, so a retry would not help.
    Disabled,
    /// The keys of the registered client with this id.
    Client(Arc<ClientKeys>),
    /// The registered client with this id is a public one.
    Public(Arc<PublicRegistration>),
    /// The keys at the client's `jwks_uri` could not be fetched.
    KeysElsewhere {
        /// Why.
        why: String,
    },
    /// No client is registered under this id, or the authority is not configured.
    Nothing,
}

/// What a registered client that has no credential is judged by.
#[derive(Debug)]
pub struct PublicRegistration {
    /// Its sponsor, if it has one.
    pub sponsor: Option<Box<Sponsor>>,
    /// What is kept of the verifiable credential of the sponsor.
    pub sponsor_credential: Option<Box<ClientCredential>>,
}

impl PublicRegistration {
    /// The client of this record, if it registered as a public one.
    pub fn of(client: &Client) -> Option<PublicRegistration> {
        client.is_registered_as_public().then(|| PublicRegistration {
            sponsor: client.sponsor.clone(),
            sponsor_credential: client.sponsor_credential.clone(),
        })
    }
}

impl Facts {
    /// The verifiable credential from which the registered client of these facts has its rights.
    pub fn known_credential(&self) -> Option<KnownCredential<'_>> {
        match self {
            Facts::Client(client) => KnownCredential::of(
                client
                    .credential
                    .as_deref()
                    .map(|credential| (&client.authority, credential)),
                client
                    .sponsor
                    .as_deref()
                    .zip(client.sponsor_credential.as_deref()),
            ),
            Facts::Public(client) => KnownCredential::of(
                None,
                client
                    .sponsor
                    .as_deref()
                    .zip(client.sponsor_credential.as_deref()),
            ),
            Facts::Keys(_)
            | Facts::Issuer(..)
            | Facts::SeveralIssuers(_)
            | Facts::Clusters(_)
            | Facts::NoKeysOf(_)
            | Facts::NoKeys
            | Facts::Disabled
            | Facts::KeysElsewhere { .. }
            | Facts::Nothing => None,
        }
    }

    /// The keys of this authority, if the credential was verified with such keys.
    pub fn keys_of(&self, authority: &Authority) -> Option<&AuthorityKeys> {
        match self {
            Facts::Keys(keys) => Some(keys),
            Facts::Issuer(_, facts) => facts.keys_of(authority),
            Facts::Clusters(clusters) => {
                let mut clusters = clusters.iter();
                let issuer = clusters.find(|cluster| cluster.authority == *authority);
                issuer.map(|cluster| &cluster.keys)
            }
            Facts::NoKeys
            | Facts::SeveralIssuers(_)
            | Facts::NoKeysOf(_)
            | Facts::Disabled
            | Facts::Client(_)
            | Facts::Public(_)
            | Facts::KeysElsewhere { .. }
            | Facts::Nothing => None,
        }
    }
}

/// The purpose for which a credential is used.
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

/// The conditions under which a credential is verified. Verification creates nothing, so no randomness is needed.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// What the configuration says.
    pub policy: &'a Policy,
    /// What the credential is shown for.
    pub purpose: Purpose<'a>,
    /// The time.
    pub now: Timestamp,
}

/// The policy and the keys of the authority that a credential names. Keys of other authorities are never used.
/// [SPIFFE-FED §7.3]
pub(crate) fn policy_and_keys<'a>(
    authority: &Authority,
    facts: &'a Facts,
    policy: &'a Policy,
    trace: &mut Trace,
) -> Result<(&'a AuthorityPolicy, &'a AuthorityKeys), Rejection> {
    let unknown = || {
        Rejection::Credential(CredentialReason::UnknownAuthority {
            authority: authority.clone(),
        })
    };
    let trusted = policy.authority(authority).ok_or_else(unknown)?;
    let keys = match facts {
        Facts::Keys(keys) => keys,
        Facts::Disabled => {
            return Err(AdmissionReason::AuthorityDisabled {
                authority: authority.clone(),
            }
            .into());
        }
        Facts::NoKeys
        | Facts::Issuer(..)
        | Facts::SeveralIssuers(_)
        | Facts::Clusters(_)
        | Facts::NoKeysOf(_)
        | Facts::Client(_)
        | Facts::Public(_)
        | Facts::KeysElsewhere { .. }
        | Facts::Nothing => {
            return Err(CredentialReason::BundleUnavailable {
                authority: authority.clone(),
            }
            .into());
        }
    };
    trace.passed("authority configured", || authority.described());
    Ok((trusted, keys))
}
