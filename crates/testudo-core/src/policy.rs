//! The administrator's will, compiled: what the configuration says, and what was switched since.

use crate::administration::Administration;
use crate::identity::{Authority, CredentialKind};
use crate::rules::FirstUse;
use crate::rules::blocks::Blocks;
use crate::rules::reserved_ids::ReservedIds;
use crate::rules::{Rule, RuleSet};
use crate::velocity::Rate;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use testudo_protocol::Seconds;
use testudo_protocol::jose::{Algorithm, KeySet};
use testudo_protocol::oauth::IssuerUrl;

/// What the configuration says. Replaced whole by a reload.
#[derive(Debug)]
pub struct Policy {
    /// Counts reloads; remembered verdicts of an earlier policy are forgotten.
    pub generation: u64,
    /// Our issuer identifier.
    pub issuer: IssuerUrl,
    /// Trust domains by name.
    pub trust_domains: HashMap<Box<str>, TrustDomainPolicy>,
    /// Clients that the configuration names, by `client_id`.
    pub clients: HashMap<Box<str>, ConfiguredClient>,
    /// Rules.
    pub rules: RuleSet,
    /// Ids that no template makes.
    pub reserved_ids: ReservedIds,
    /// How tokens are made.
    pub tokens: TokenPolicy,
    /// Who may register at the registration endpoint.
    pub registration: RegistrationPolicy,
    /// Who may use the admin API over HTTP.
    pub administration: Administration,
}

/// The `[registration]` section: which doors of the endpoint are open.
#[derive(Debug, Default)]
pub struct RegistrationPolicy {
    /// For clients with evidence: a software statement or a certificate.
    pub takes_evidence: bool,
    /// For clients that a holder of an initial access token registers. [RFC7591 §3]
    pub takes_initial_access_tokens: bool,
    /// For everybody else.
    pub open: Option<OpenPolicy>,
}

/// What a client may have that nobody vouches for.
#[derive(Debug)]
pub struct OpenPolicy {
    /// Its limits, as a rule of its own.
    pub rule: Rule,
    /// New clients from one address.
    pub per_address: Rate,
    /// Clients may say where their keys are, instead of what they are.
    pub takes_jwks_uri: bool,
}

impl RegistrationPolicy {
    /// True where one of the doors is open.
    pub fn is_open(&self) -> bool {
        self.takes_evidence || self.registers_without_evidence()
    }

    /// True where clients are registered that have no evidence of their own.
    pub fn registers_without_evidence(&self) -> bool {
        self.takes_initial_access_tokens || self.open.is_some()
    }
}

/// A `[[trust_domains]]` entry.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "each field is documented in the configuration section it comes from"
)]
pub struct TrustDomainPolicy {
    pub credentials: Vec<CredentialKind>,
    pub first_use: FirstUse,
    pub accept_audiences: Vec<String>,
    pub single_use: bool,
    pub lifetime_max: Option<Seconds>,
    pub attested_metadata: Vec<String>,
    pub statement_issuer: Option<String>,
    pub registrations: Rate,
    pub registrations_per_prefix: Option<Rate>,
    pub velocity_prefix_segments: usize,
    pub clients_max: Option<u64>,
}

/// A `[[clients]]` entry: an ordinary client with its own keys.
#[derive(Debug)]
pub struct ConfiguredClient {
    /// Its public keys.
    pub keys: Arc<KeySet>,
    /// What it may have, as a rule of its own.
    pub rule: Rule,
}

/// The `[tokens]` section.
#[derive(Debug, Clone, Copy)]
pub struct TokenPolicy {
    /// Algorithm of our signing key.
    pub signing_algorithm: Algorithm,
    /// Life of an access token.
    pub access_token_lifetime: Seconds,
}

/// What administrators switched while the server runs; kept in the store.
#[derive(Debug, Default)]
pub struct Standing {
    /// Keys of disabled authorities.
    pub disabled: HashSet<String>,
    /// Blocked identities.
    pub blocks: Blocks,
}

impl Standing {
    /// True where the authority may speak.
    pub fn is_enabled(&self, authority: &Authority) -> bool {
        self.disabled.is_empty() || !self.disabled.contains(&authority.key())
    }
}

impl Policy {
    /// URL of the registration endpoint, where it is open.
    pub fn registration_endpoint(&self) -> Option<String> {
        let is_open = self.registration.is_open();
        is_open.then(|| format!("{}/register", self.issuer))
    }

    /// The trust domain an authority is, where it is one that is configured.
    pub fn trust_domain(&self, authority: &Authority) -> Option<&TrustDomainPolicy> {
        match authority {
            Authority::TrustDomain(name) => self.trust_domains.get(name.as_str()),
            Authority::Configuration | Authority::Registration => None,
        }
    }

    /// What may happen at a first use, the stricter of authority and rule, with the name of who says so.
    pub fn first_use(&self, authority: &Authority, rule: &Rule) -> (FirstUse, String) {
        let of_authority = match authority {
            Authority::TrustDomain(_) => self
                .trust_domain(authority)
                .map_or(FirstUse::Off, |domain| domain.first_use),
            // A configured client is known by name: its record is made when it first comes.
            Authority::Configuration => FirstUse::On,
            // These come to be at the registration endpoint, or not at all.
            Authority::Registration => FirstUse::Off,
        };
        match rule.first_use {
            Some(of_rule) if of_rule < of_authority => (of_rule, format!("rule `{}`", rule.name)),
            _ if *authority == Authority::Registration => {
                (of_authority, "clients without evidence".to_owned())
            }
            _ => (of_authority, format!("trust domain `{authority}`")),
        }
    }
}
