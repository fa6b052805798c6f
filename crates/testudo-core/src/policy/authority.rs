//! The policy of an authority: which credentials it may issue, and what they allow.

use super::credential_status::StatusPolicy;
use super::verifiable_credential::VerifiableCredentialPolicy;
use crate::identity::{ClaimSource, CredentialKind};
use crate::members::{base, shadowed};
use crate::rules::FirstUse;
use crate::velocity::Rate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use testudo_protocol::Seconds;

/// Whether the proof of an attested key must have a challenge of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeUse {
    /// A proof may have one; it must then be valid.
    None,
    /// Every proof needs one; if a DPoP proof takes its place, that needs a nonce. [ABCA §6.1]
    #[default]
    Required,
}

/// What an authority may speak for. [decision 0007]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityUse {
    /// Its credentials authenticate clients.
    Client,
    /// Its credentials are software statements.
    Registration,
    /// Its tokens are authorization grants.
    Grant,
}

impl AuthorityUse {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            AuthorityUse::Client => "client",
            AuthorityUse::Registration => "registration",
            AuthorityUse::Grant => "grant",
        }
    }
}

/// The settings of a `[[trust_domains]]` entry, or of an entry of another kind of authority.
#[derive(Debug, Clone)]
pub struct AuthorityPolicy {
    /// Kinds of credential that it may issue. All others are refused.
    pub credentials: Vec<CredentialKind>,
    /// What its credentials are accepted for.
    pub uses: Vec<AuthorityUse>,
    /// The claim that names the client, instead of `sub`.
    pub subject_claim: Option<ClaimSource>,
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
    /// The `iss` of its credentials, if it is configured. [RFC7519 §4.1.1]
    pub issuer: Option<String>,
    /// Whether the proof of an attested key needs a challenge.
    pub challenge: ChallengeUse,
    /// How old an attestation may be, even if it has not expired.
    pub attestation_age_max: Seconds,
    /// The `iss` that a software statement must have, if one is configured.
    pub statement_issuer: Option<String>,
    /// How tokens are reviewed by the API server of the cluster, if they are. [K8S-REVIEW]
    pub review: Option<ReviewPolicy>,
    /// True if tokens of the service account `default` are accepted.
    pub takes_default_accounts: bool,
    /// How the status of its verifiable credentials is checked.
    pub status: StatusPolicy,
    /// Which verifiable credentials are accepted, if it issues such.
    pub verifiable: Option<Box<VerifiableCredentialPolicy>>,
    /// Rate limit for new clients.
    pub registrations: Rate,
    /// Rate limit for new clients whose subjects have the same prefix.
    pub registrations_per_prefix: Option<Rate>,
    /// Number of segments of a subject in its prefix.
    pub velocity_prefix_segments: usize,
    /// Maximum number of clients, active and frozen.
    pub clients_max: Option<u64>,
}

/// Claims of a credential that are about client metadata.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The claims that the configuration allows the authority to state, by name.
    pub attested: BTreeMap<String, serde_json::Value>,
    /// The names of the others. They have no effect, and neither do members with the same names in a registration.
    pub unlisted: Box<[String]>,
}

impl AuthorityPolicy {
    /// True if its identities may show this kind of credential. A client that registered with a verifiable credential
    /// authenticates with the key that the credential named: by its own signature, by its certificate if the credential
    /// named one, or by an attestation of the key.
    pub fn accepts(&self, kind: CredentialKind) -> bool {
        let of_holder = self.verifiable.as_deref().is_some_and(|verifiable| {
            matches!(
                kind,
                CredentialKind::PrivateKeyJwt | CredentialKind::SelfSignedTlsClientAuth
            ) || (kind == CredentialKind::Attestation && !verifiable.attesters.is_empty())
        });
        self.credentials.contains(&kind) || of_holder
    }

    /// True for a cluster: other entries may have the same issuer.
    pub fn shares_issuer(&self) -> bool {
        self.credentials.iter().any(|kind| kind.shares_issuer())
    }

    /// The claims of a credential that are about client metadata. [SPIFFE-ID §4.1.3] They have no effect unless
    /// `attested_metadata` lists them.
    pub fn claimed(&self, claims: BTreeMap<String, serde_json::Value>) -> Claimed {
        let listed = &self.attested_metadata;
        let is_listed = |name: &str| listed.iter().any(|listed| listed == base(name));
        let (attested, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            claims.into_iter().partition(|(name, _)| is_listed(name));
        let unlisted = others
            .into_keys()
            .filter(|name| shadowed(name).is_some())
            .collect();
        Claimed { attested, unlisted }
    }
}

/// What follows if the API server of a cluster does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewPolicy {
    /// For how long tokens are accepted without a review; `None` if they are refused.
    pub accept_for: Option<Seconds>,
}

/// How old an attestation may be if its attester has no `attestation_age_max`.
pub const ATTESTATION_AGE_MAX: Seconds = Seconds(86_400);

#[cfg(test)]
impl AuthorityPolicy {
    /// An authority that issues JWT-SVIDs, whose identities register on first use, without a quota.
    pub(crate) fn of_tests() -> AuthorityPolicy {
        AuthorityPolicy {
            credentials: vec![CredentialKind::JwtSvid],
            uses: vec![AuthorityUse::Client, AuthorityUse::Registration],
            subject_claim: None,
            first_use: FirstUse::On,
            accept_audiences: Vec::new(),
            single_use: false,
            lifetime_max: None,
            attested_metadata: Vec::new(),
            issuer: None,
            challenge: ChallengeUse::Required,
            attestation_age_max: ATTESTATION_AGE_MAX,
            statement_issuer: None,
            review: None,
            takes_default_accounts: false,
            status: StatusPolicy::default(),
            verifiable: None,
            registrations: Rate::new(600, None),
            registrations_per_prefix: None,
            velocity_prefix_segments: 2,
            clients_max: None,
        }
    }
}
