//! The compiled configuration, and the switches that administrators set at run time.

mod authority;
mod client;
mod credential_status;
mod issuers;
mod login;
mod scopes;
mod verifiable_credential;

pub use authority::{
    ATTESTATION_AGE_MAX, AuthorityPolicy, AuthorityUse, ChallengeUse, Claimed, ReviewPolicy,
};
pub use client::{ClientMethod, ConfiguredClient};
pub use credential_status::{StatusPolicy, StatusUse};
pub use issuers::Issuers;
pub use login::{LoginPolicy, PASSKEY_ACR};
pub use scopes::{ScopeDescription, ScopeDescriptions};
pub use verifiable_credential::{HolderBinding, Unbound, VerifiableCredentialPolicy};

use crate::administration::Administration;
use crate::identity::{Authority, AuthorityKind, CredentialKind};
use crate::rules::FirstUse;
use crate::rules::blocks::Blocks;
use crate::rules::reserved_ids::ReservedIds;
use crate::rules::{Rule, RuleSet};
use crate::velocity::Rate;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::{Seconds, Timestamp};

/// The compiled configuration. A reload replaces it completely.
#[derive(Debug)]
pub struct Policy {
    /// Number of reloads. Verification results that were cached under an earlier policy are dropped.
    pub generation: u64,
    /// The issuer identifier of this server.
    pub issuer: IssuerUrl,
    /// The configured authorities with their policies.
    pub authorities: HashMap<Authority, AuthorityPolicy>,
    /// The authorities whose tokens are found by `iss`.
    pub issuers: Issuers,
    /// Clients that the configuration names, by `client_id`.
    pub clients: HashMap<Box<str>, ConfiguredClient>,
    /// Rules.
    pub rules: RuleSet,
    /// Client ids that a template of a rule must not make.
    pub reserved_ids: ReservedIds,
    /// Settings of access tokens.
    pub tokens: TokenPolicy,
    /// How people sign in; `None`: they cannot, and no grant of people is served.
    pub login: Option<LoginPolicy>,
    /// What scopes mean, for the people who are asked to grant them.
    pub scopes: ScopeDescriptions,
    /// Which unfinished drafts are enabled.
    pub experiments: Experiments,
    /// Who may register at the registration endpoint.
    pub registration: RegistrationPolicy,
    /// Who may use the admin API over HTTP.
    pub administration: Administration,
}

/// The `[experiments]` section: unfinished drafts, all off by default.
#[derive(Debug, Default)]
pub struct Experiments {
    /// True if a Workload Proof Token may prove the key of a WIT-SVID. [WPT §2]
    pub workload_proof_token: bool,
}

/// The `[registration]` section: who may register at the endpoint.
#[derive(Debug, Default)]
pub struct RegistrationPolicy {
    /// True if clients may register with evidence: a software statement or a certificate.
    pub takes_evidence: bool,
    /// True if client certificates can reach this server, so that a client can register that it uses one.
    pub receives_certificates: bool,
    /// True if a holder of an initial access token may register clients. [RFC7591 §3]
    pub takes_initial_access_tokens: bool,
    /// Settings of registration without evidence and without token, if it is enabled.
    pub open: Option<OpenPolicy>,
}

/// Limits of clients without attester and sponsor.
#[derive(Debug)]
pub struct OpenPolicy {
    /// The limits of such a client, as a rule.
    pub rule: Rule,
    /// Rate limit for new clients from one address.
    pub per_address: Rate,
    /// True if clients may register a `jwks_uri` instead of `jwks`.
    pub takes_jwks_uri: bool,
}

impl RegistrationPolicy {
    /// True if registration is enabled in any form.
    pub fn is_open(&self) -> bool {
        self.takes_evidence || self.registers_without_evidence()
    }

    /// True if clients without evidence can be registered.
    pub fn registers_without_evidence(&self) -> bool {
        self.takes_initial_access_tokens || self.open.is_some()
    }
}

/// The `[tokens]` section.
#[derive(Debug, Clone, Copy)]
pub struct TokenPolicy {
    /// Algorithm of this server's signing key.
    pub signing_algorithm: Algorithm,
    /// Lifetime of an access token.
    pub access_token_lifetime: Seconds,
    /// Whether DPoP proofs need a nonce of this server.
    pub dpop_nonce: NonceUse,
}

/// How much the clocks of the node that issued a token and of the node that reads it may differ.
const CLOCKS_APART_MAX: Seconds = Seconds(60);

impl TokenPolicy {
    /// True if this server can have issued a token at this time that is still valid. Rules and clients can only shorten the
    /// configured lifetime, so a token with a later `exp` is not accepted for longer: an attacker with a stolen signing
    /// key cannot make tokens that are valid long after the key was revoked.
    pub fn may_be_valid(&self, issued: Timestamp, now: Timestamp) -> bool {
        issued <= now + CLOCKS_APART_MAX && now < issued + self.access_token_lifetime
    }
}

/// Whether a proof needs a nonce of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NonceUse {
    /// A proof may have one; it must then be valid.
    #[default]
    Optional,
    /// Every proof needs one. [RFC9449 §8]
    Required,
}

/// Authorities that administrators disabled and identities that they blocked at run time; both are kept in the store.
#[derive(Debug, Default)]
pub struct Switches {
    /// Keys of disabled authorities.
    pub disabled: HashSet<String>,
    /// Blocked identities.
    pub blocks: Blocks,
}

impl Switches {
    /// True if no administrator disabled the authority.
    pub fn is_enabled(&self, authority: &Authority) -> bool {
        self.disabled.is_empty() || !self.disabled.contains(authority.key())
    }
}

#[cfg(test)]
impl Policy {
    /// For tests that need a policy but do not test it: it has one authority and no rules.
    pub(crate) fn of_tests() -> Policy {
        Policy {
            generation: 1,
            issuer: IssuerUrl::parse("https://as.example").unwrap(),
            authorities: HashMap::from([(
                Authority::of_key("spiffe://a.example").unwrap(),
                AuthorityPolicy::of_tests(),
            )]),
            issuers: Issuers::default(),
            clients: HashMap::new(),
            rules: RuleSet::default(),
            tokens: TokenPolicy {
                signing_algorithm: Algorithm::ES256,
                access_token_lifetime: Seconds(300),
                dpop_nonce: NonceUse::Optional,
            },
            login: None,
            scopes: Default::default(),
            experiments: Default::default(),
            registration: Default::default(),
            administration: Default::default(),
            reserved_ids: Default::default(),
        }
    }
}

impl Policy {
    /// URL of the registration endpoint, if registration is enabled.
    pub fn registration_endpoint(&self) -> Option<String> {
        let is_open = self.registration.is_open();
        is_open.then(|| format!("{}/register", self.issuer))
    }

    /// True if a configured client authenticates with this kind of credential.
    pub fn has_client_with(&self, kind: CredentialKind) -> bool {
        self.clients.values().any(|client| client.method.kind() == kind)
    }

    /// The policy of an authority, if it is configured.
    pub fn authority(&self, authority: &Authority) -> Option<&AuthorityPolicy> {
        self.authorities.get(authority)
    }

    /// The issuer of verifiable credentials with whose name this client id begins. Its clients have their identities as
    /// client ids.
    pub fn issuer_of_client(&self, client_id: &str) -> Option<Authority> {
        let authority = Authority::at_the_beginning(client_id)?;
        let settings = self.authority(&authority)?;
        settings.verifiable.is_some().then_some(authority)
    }

    /// The configured authority with this name or key: a trust domain, or else an issuer.
    pub fn authority_named(&self, name: &str) -> Option<&Authority> {
        let named = |authority: &&Authority| [authority.name(), authority.key()].contains(&name);
        self.authorities.keys().filter(named).min()
    }

    /// The configured attester of an attestation with these unverified values: the one with this `iss`, or else the
    /// only attester that has the key `kid`. If `iss` is that of no attester, only attesters without a configured
    /// `issuer` can be the right one.
    pub fn attester(
        &self,
        unverified_issuer: Option<&str>,
        has_kid: impl Fn(&Authority) -> bool,
    ) -> Option<&Authority> {
        let attesters = || {
            let entries = self.authorities.iter();
            entries.filter(|(_, policy)| policy.credentials.contains(&CredentialKind::Attestation))
        };
        let named = attesters()
            .find(|(_, policy)| unverified_issuer.is_some() && policy.issuer.as_deref() == unverified_issuer);
        if let Some((authority, _)) = named {
            return Some(authority);
        }
        let mut with_key = attesters().filter(|(authority, _)| has_kid(authority));
        match (with_key.next(), with_key.next()) {
            (Some((authority, policy)), None) if unverified_issuer.is_none() || policy.issuer.is_none() => {
                Some(authority)
            }
            _ => None,
        }
    }

    /// The rule of this name, whichever section of the configuration it is from.
    pub fn rule_named(&self, name: &str) -> Option<&Rule> {
        let open = self.registration.open.as_ref().map(|open| &open.rule);
        let of_clients = self.clients.values().map(|client| &client.rule);
        let mut rules = self.rules.iter().chain(of_clients).chain(open);
        rules.find(|rule| rule.name == name)
    }

    /// What happens at a first use, the stricter setting of authority and rule, with the name of the one that has this
    /// setting.
    pub fn first_use(&self, authority: &Authority, rule: &Rule) -> (FirstUse, String) {
        let (of_authority, says) = match authority.kind() {
            AuthorityKind::Spiffe | AuthorityKind::Issuer => {
                let policy = self.authority(authority);
                let first_use = policy.map_or(FirstUse::Off, |policy| policy.first_use);
                (first_use, authority.described())
            }
            // A configured client is always allowed: its record is created at its first request.
            AuthorityKind::Configuration => (FirstUse::On, authority.described()),
            // These clients can only be created at the registration endpoint.
            AuthorityKind::Registration => (FirstUse::Off, "clients without evidence".to_owned()),
        };
        match rule.first_use {
            Some(of_rule) if of_rule < of_authority => (of_rule, format!("rule `{}`", rule.name)),
            Some(_) | None => (of_authority, says),
        }
    }
}
