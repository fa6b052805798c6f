//! What an authority is trusted for: which credentials it may issue, and what they may bring about.

use crate::identity::CredentialKind;
use crate::rules::FirstUse;
use crate::velocity::Rate;
use testudo_protocol::Seconds;

/// A `[[trust_domains]]` entry, or that of another kind of authority.
#[derive(Debug, Clone)]
pub struct AuthorityPolicy {
    /// Kinds of credential that it may issue. All others are refused.
    pub credentials: Vec<CredentialKind>,
    /// What happens to an identity that was never seen.
    pub first_use: FirstUse,
    /// Further exact audience values, beside our issuer identifier.
    pub accept_audiences: Vec<String>,
    /// A bearer credential must have `jti`, and is accepted once.
    pub single_use: bool,
    /// Longest life of a credential, in place of the bound of its door.
    pub lifetime_max: Option<Seconds>,
    /// Claims of its credentials that may become client metadata.
    pub attested_metadata: Vec<String>,
    /// `iss` that a software statement must have, where it must have one.
    pub statement_issuer: Option<String>,
    /// New clients.
    pub registrations: Rate,
    /// New clients under one prefix of subjects.
    pub registrations_per_prefix: Option<Rate>,
    /// Segments of a subject that make a prefix.
    pub velocity_prefix_segments: usize,
    /// Clients, active and frozen.
    pub clients_max: Option<u64>,
}

#[cfg(test)]
impl AuthorityPolicy {
    /// Takes JWT-SVIDs, registers on first use, and has no quota.
    pub(crate) fn of_tests() -> AuthorityPolicy {
        AuthorityPolicy {
            credentials: vec![CredentialKind::JwtSvid],
            first_use: FirstUse::On,
            accept_audiences: Vec::new(),
            single_use: false,
            lifetime_max: None,
            attested_metadata: Vec::new(),
            statement_issuer: None,
            registrations: Rate::new(600, None),
            registrations_per_prefix: None,
            velocity_prefix_segments: 2,
            clients_max: None,
        }
    }
}
