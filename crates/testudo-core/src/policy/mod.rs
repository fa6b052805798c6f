//! The compiled configuration, and the switches that administrators set at run time.

mod authority;

pub use authority::AuthorityPolicy;

use crate::administration::Administration;
use crate::identity::{Authority, AuthorityKind};
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
    /// Authorities that vouch for identities, each with what it is trusted for.
    pub authorities: HashMap<Authority, AuthorityPolicy>,
    /// Clients that the configuration names, by `client_id`.
    pub clients: HashMap<Box<str>, ConfiguredClient>,
    /// Rules.
    pub rules: RuleSet,
    /// Client ids that the template of a rule must not produce.
    pub reserved_ids: ReservedIds,
    /// How tokens are made.
    pub tokens: TokenPolicy,
    /// Who may register at the registration endpoint.
    pub registration: RegistrationPolicy,
    /// Who may use the admin API over HTTP.
    pub administration: Administration,
}

/// The `[registration]` section: who may register at the endpoint.
#[derive(Debug, Default)]
pub struct RegistrationPolicy {
    /// For clients with evidence: a software statement or a certificate.
    pub takes_evidence: bool,
    /// For clients that a holder of an initial access token registers. [RFC7591 §3]
    pub takes_initial_access_tokens: bool,
    /// For everybody else.
    pub open: Option<OpenPolicy>,
}

/// What a client without attester and sponsor may have.
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
pub struct Switches {
    /// Keys of disabled authorities.
    pub disabled: HashSet<String>,
    /// Blocked identities.
    pub blocks: Blocks,
}

impl Switches {
    /// True where no administrator disabled the authority.
    pub fn is_enabled(&self, authority: &Authority) -> bool {
        self.disabled.is_empty() || !self.disabled.contains(authority.key())
    }
}

impl Policy {
    /// URL of the registration endpoint, where it is open.
    pub fn registration_endpoint(&self) -> Option<String> {
        let is_open = self.registration.is_open();
        is_open.then(|| format!("{}/register", self.issuer))
    }

    /// What an authority is trusted for, where it is one that is configured.
    pub fn authority(&self, authority: &Authority) -> Option<&AuthorityPolicy> {
        self.authorities.get(authority)
    }

    /// The configured authority of this name or key: a trust domain, else an issuer.
    pub fn authority_named(&self, name: &str) -> Option<&Authority> {
        let named = |authority: &&Authority| [authority.name(), authority.key()].contains(&name);
        self.authorities.keys().filter(named).min()
    }

    /// What may happen at a first use, the stricter of authority and rule, with the name of who says so.
    pub fn first_use(&self, authority: &Authority, rule: &Rule) -> (FirstUse, String) {
        let (of_authority, says) = match authority.kind() {
            AuthorityKind::Spiffe | AuthorityKind::Issuer => {
                let policy = self.authority(authority);
                let first_use = policy.map_or(FirstUse::Off, |policy| policy.first_use);
                (first_use, authority.described())
            }
            // A configured client is known by name: its record is made when it first comes.
            AuthorityKind::Configuration => (FirstUse::On, authority.described()),
            // These come to be at the registration endpoint, or not at all.
            AuthorityKind::Registration => (FirstUse::Off, "clients without evidence".to_owned()),
        };
        match rule.first_use {
            Some(of_rule) if of_rule < of_authority => (of_rule, format!("rule `{}`", rule.name)),
            Some(_) | None => (of_authority, says),
        }
    }
}
