//! A rule, which determines what the identities that match it may have; and its compilation from the text that an
//! administrator writes, which reports all errors.

use super::claim_captures::ClaimCaptures;
use super::claim_conditions::ClaimConditions;
use super::client_id::ClientIdTemplate;
use super::label::ConfiguredLabel;
use super::matched::Matched;
use super::pattern::Pattern;
use super::people::PeopleRule;
use super::redirect_uris::{HostTemplate, RedirectTemplate};
use super::rule_error::{RuleError, fault, fault_of_entry};
use super::spec::{FirstUse, GrainOfClient, PushedAuthorization, RegistrationForm, RuleSpec};
use crate::identity::{Authority, AuthorityKind, CredentialKind, OccasionKind, SenderConstraint};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::{GRANT_CLIENT_CREDENTIALS, Resource, Scope, ScopeSet, redirect_uri};

/// A compiled rule.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "each field is documented at RuleSpec, which it is compiled from"
)]
pub struct Rule {
    pub name: String,
    pub patterns: Vec<Pattern>,
    pub authorities: Vec<Authority>,
    pub claims: ClaimConditions,
    pub credentials: Option<Vec<CredentialKind>>,
    pub occasions: Option<Vec<OccasionKind>>,
    pub attested_by: Vec<Authority>,
    pub scopes: ScopeSet,
    pub default_scopes: ScopeSet,
    pub resources: Vec<Resource>,
    pub grant_types: Vec<String>,
    pub redirect_uris: Vec<RedirectTemplate>,
    pub redirect_uri_hosts: Vec<HostTemplate>,
    pub registration: RegistrationForm,
    /// The labels that the rule sets, `client_name` included.
    pub labels: Vec<ConfiguredLabel>,
    pub client_idle_lifetime: Option<Seconds>,
    pub client_lifetime: Option<Seconds>,
    pub access_token_lifetime: Option<Seconds>,
    pub client: GrainOfClient,
    pub sender_constraint: SenderConstraint,
    pub client_id: ClientIdTemplate,
    pub registrations_per_minute: Option<u32>,
    pub registrations_burst: Option<u32>,
    pub clients_max: Option<u64>,
    pub first_use: Option<FirstUse>,
    pub enabled: bool,
    pub people: PeopleRule,
    /// First bytes of the hash of the rule's text, which change with every change of the rule.
    pub revision: String,
}

impl Rule {
    /// Compiles a rule whose authorities capture no claims, or returns all its errors.
    pub fn compile(spec: &RuleSpec) -> Result<Rule, Vec<RuleError>> {
        Rule::compile_with(spec, &ClaimCaptures::default())
    }

    /// Compiles a rule, or returns all its errors.
    pub fn compile_with(spec: &RuleSpec, of_claims: &ClaimCaptures) -> Result<Rule, Vec<RuleError>> {
        let mut faults = Vec::new();
        if spec.name.is_empty() {
            faults.push(fault("name", "is missing"));
        }
        let matched = Matched::of(spec, of_claims, &mut faults);
        Rule::compile_permissions(spec, matched, PushedAuthorization::Required, faults)
    }

    /// Compiles the rule of a `[[clients]]` entry, which has no patterns and governs only that client.
    pub fn compile_for_client(spec: &RuleSpec) -> Result<Rule, Vec<RuleError>> {
        // Its redirect URIs are written down, so a browser may bring its requests.
        let pushed_authorization = PushedAuthorization::Optional;
        Rule::compile_permissions(spec, Matched::default(), pushed_authorization, Vec::new())
    }

    /// The authorities whose identities the rule can match.
    pub fn all_authorities(&self) -> impl Iterator<Item = &Authority> {
        let of_patterns = self.patterns.iter().map(Pattern::authority);
        of_patterns.chain(&self.authorities)
    }

    /// True if the rule can govern a request of this kind with this kind of credential.
    pub(super) fn accepts(&self, kind: CredentialKind, occasion: OccasionKind) -> bool {
        let (kinds, occasions) = (self.credentials.as_ref(), self.occasions.as_ref());
        kinds.is_none_or(|kinds| kinds.contains(&kind))
            && occasions.is_none_or(|list| list.contains(&occasion.governed_as()))
    }

    fn compile_permissions(
        spec: &RuleSpec,
        matched: Matched,
        pushed_authorization: PushedAuthorization,
        mut faults: Vec<RuleError>,
    ) -> Result<Rule, Vec<RuleError>> {
        let Matched {
            patterns,
            authorities,
            claims,
            captures,
            captured_claims,
        } = matched;
        let segments: Vec<&str> = captures.iter().map(String::as_str).collect();
        let captures: Vec<&str> = captures
            .iter()
            .chain(&captured_claims)
            .map(String::as_str)
            .collect();
        let mut labels = Vec::new();
        for (key, text) in spec.labels() {
            match ConfiguredLabel::parse(key, text, &captures) {
                Ok(label) => labels.push(label),
                Err((problem, hint)) => faults.push(RuleError {
                    hint,
                    ..fault(key, problem)
                }),
            }
        }
        let kinds: Vec<AuthorityKind> = patterns.iter().map(|known| known.authority().kind()).collect();
        let client_id = spec.client_id.as_deref().unwrap_or("identity");
        // A claim can change while the identity stays the same, and a client must keep its id.
        let client_id = ClientIdTemplate::parse(client_id, &segments, &kinds).unwrap_or_else(|problem| {
            let uses = |name: &String| client_id.contains(&format!("{{{name}}}"));
            let hint = captured_claims.iter().any(uses);
            faults.push(RuleError {
                hint: hint.then_some(
                    "use captures of `identities` only: a claim can change, and a client keeps its id",
                ),
                ..fault("client_id", problem)
            });
            ClientIdTemplate::Identity
        });
        let mut redirect_uris = Vec::new();
        for (entry, text) in spec.redirect_uris.iter().enumerate() {
            let template = RedirectTemplate::parse(text, &captures).and_then(|template| {
                redirect_uri::form(template.sample())
                    .map(|_| template)
                    .map_err(|fault| format!("is not a valid resource: {fault}"))
            });
            match template {
                Ok(template) => redirect_uris.push(template),
                Err(problem) => {
                    let problem = format!("{text:?} {problem}");
                    faults.push(fault_of_entry("redirect_uris", entry, problem));
                }
            }
        }
        let mut redirect_uri_hosts = Vec::new();
        for (entry, text) in spec.redirect_uri_hosts.iter().enumerate() {
            match HostTemplate::parse(text, &captures) {
                Ok(template) => redirect_uri_hosts.push(template),
                Err(problem) => {
                    let problem = format!("{text:?} {problem}");
                    faults.push(fault_of_entry("redirect_uri_hosts", entry, problem));
                }
            }
        }
        let scopes = scopes("scopes", &spec.scopes, &mut faults);
        let default_scopes = self::scopes("default_scopes", &spec.default_scopes, &mut faults);
        for (entry, text) in spec.default_scopes.iter().enumerate() {
            if !spec.scopes.contains(text) && Scope::parse(text).is_ok() {
                let problem = format!("{text:?} is not in `scopes`");
                faults.push(fault_of_entry("default_scopes", entry, problem));
            }
        }
        let mut resources = Vec::new();
        for (entry, text) in spec.resources.iter().enumerate() {
            match Resource::parse(text) {
                Ok(resource) => resources.push(resource),
                Err(problem) => {
                    faults.push(fault_of_entry("resources", entry, format!("{text:?} {problem}")));
                }
            }
        }
        let mut attested_by = Vec::new();
        for (entry, name) in spec.attested_by.iter().enumerate() {
            match Authority::issuer(name) {
                Some(attester) => attested_by.push(attester),
                None => {
                    let problem = format!("{name:?} is not the name of an issuer");
                    faults.push(fault_of_entry("attested_by", entry, problem));
                }
            }
        }
        let grant_types = spec
            .grant_types
            .clone()
            .unwrap_or_else(|| vec![GRANT_CLIENT_CREDENTIALS.into()]);
        let mut lifetime = |key: &'static str, text: &Option<String>| {
            let text = text.as_ref()?;
            match Seconds::parse(text) {
                Ok(Seconds(0)) => faults.push(fault(key, "is zero")),
                Ok(seconds) => return Some(seconds),
                Err(problem) => faults.push(fault(key, format!("{text:?} {problem}"))),
            }
            None
        };
        let client_idle_lifetime = lifetime("client_idle_lifetime", &spec.client_idle_lifetime);
        let client_lifetime = lifetime("client_lifetime", &spec.client_lifetime);
        let access_token_lifetime = lifetime("access_token_lifetime", &spec.access_token_lifetime);
        let people = PeopleRule::compile(spec, pushed_authorization, &redirect_uris, &mut faults);
        for (key, count) in [
            (
                "registrations_per_minute",
                spec.registrations_per_minute.map(u64::from),
            ),
            ("registrations_burst", spec.registrations_burst.map(u64::from)),
            ("clients_max", spec.clients_max),
        ] {
            if count == Some(0) {
                faults.push(RuleError {
                    hint: Some("to register no client, set first_use = \"off\""),
                    ..fault(key, "is zero")
                });
            }
        }
        for (key, is_empty) in [
            ("grant_types", grant_types.is_empty()),
            (
                "credentials",
                spec.credentials.as_ref().is_some_and(Vec::is_empty),
            ),
            ("occasions", spec.occasions.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if is_empty {
                faults.push(RuleError {
                    hint: Some("to refuse the identities of the rule, set enabled = false"),
                    ..fault(key, "is empty: every request under this rule would be refused")
                });
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Rule {
            name: spec.name.clone(),
            patterns,
            authorities,
            claims,
            credentials: spec.credentials.clone(),
            occasions: spec.occasions.clone(),
            attested_by,
            scopes,
            default_scopes,
            resources,
            grant_types,
            redirect_uris,
            redirect_uri_hosts,
            registration: spec.registration,
            labels,
            client_idle_lifetime,
            client_lifetime,
            access_token_lifetime,
            client: spec.client,
            sender_constraint: spec.sender_constraint.unwrap_or_default(),
            client_id,
            registrations_per_minute: spec.registrations_per_minute,
            registrations_burst: spec.registrations_burst,
            clients_max: spec.clients_max,
            first_use: spec.first_use,
            enabled: spec.enabled.unwrap_or(true),
            people,
            revision: revision(spec),
        })
    }
}

fn scopes(key: &'static str, texts: &[String], faults: &mut Vec<RuleError>) -> ScopeSet {
    let mut set = ScopeSet::default();
    for (entry, text) in texts.iter().enumerate() {
        match Scope::parse(text) {
            Ok(scope) => set.insert(scope),
            Err(problem) => faults.push(fault_of_entry(key, entry, format!("{text:?} {problem}"))),
        }
    }
    set
}

fn revision(spec: &RuleSpec) -> String {
    let text = serde_json::to_vec(spec).unwrap_or_default();
    let [a, b, c, d, e, f, ..] = testudo_protocol::jose::sha256(&text);
    hex::encode([a, b, c, d, e, f])
}
