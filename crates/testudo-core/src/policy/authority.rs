//! The policy of an authority: which credentials it may issue, and what they allow.

use crate::identity::CredentialKind;
use crate::rules::FirstUse;
use crate::velocity::Rate;
use testudo_protocol::Seconds;

/// The settings of a `[[trust_domains]]` entry, or of an entry of another kind of authority.
#[derive(Debug, Clone)]
pub struct AuthorityPolicy {
    /// Kinds of credential that it may issue. All others are refused.
    pub credentials: Vec<CredentialKind>,
    /// What happens at the first request of an unknown identity.
    pub first_use: FirstUse,
    /// Further exact audience values, besides the issuer identifier of this server.
    pub accept_audiences: Vec<String>,
    /// True if a bearer credential must have `jti` and is accepted only once.
    pub single_use: bool,
    /// Longest lifetime of a credential, instead of the bound of its door.
    pub lifetime_max: Option<Seconds>,
    /// Claims of its credentials that may become client metadata.
    pub attested_metadata: Vec<String>,
    /// The `iss` that a software statement must have, if one is configured.
    pub statement_issuer: Option<String>,
    /// Rate limit for new clients.
    pub registrations: Rate,
    /// Rate limit for new clients whose subjects have the same prefix.
    pub registrations_per_prefix: Option<Rate>,
    /// Number of segments of a subject in its prefix.
    pub velocity_prefix_segments: usize,
    /// Maximum number of clients, active and frozen.
    pub clients_max: Option<u64>,
}

#[cfg(test)]
impl AuthorityPolicy {
    /// An authority that issues JWT-SVIDs, whose identities register on first use, without a quota.
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
