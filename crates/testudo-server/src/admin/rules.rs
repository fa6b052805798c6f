//! Operations on rules: list them, and test which rule governs an identity.

use super::explain::today;
use super::input::Json;
use super::operation::Operation;
use super::reply::{ErrorAnswer, Reply};
use crate::state::app::App;
use crate::state::in_force::InForce;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use testudo_core::Authority;
use testudo_core::admission::client_name::name_client;
use testudo_core::identity::{ClaimValue, Proof};
use testudo_core::metadata::attested::attested_scope;
use testudo_core::metadata::resolve::metadata_at_first_use;
use testudo_core::policy::{AuthorityPolicy, AuthorityUse};
use testudo_core::rejection::CredentialReason;
use testudo_core::rules::{GrainOfClient, INSTANCE, Match, Rule, Shown};
use testudo_core::{AttestedIdentity, CredentialKind, OccasionKind, Rejection};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::ScopeSet;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Vec<RuleView>>(
            "/admin/v1/rules",
            "Rules, in the order in which they govern.",
            get(list),
        ),
        Operation::ask::<Vec<Governed>>(
            "/admin/v1/rules/test",
            "Which rule governs an identity.",
            post(test),
        )
        .by_body::<Test>(),
    ]
}

/// Maximum number of identities in one request of `rule test`.
const TESTED_MAX: usize = 10_000;

/// A rule, as the admin API lists it.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleView {
    /// Name of the rule. Example: `payments`.
    pub name: String,
    /// Patterns of identities that the rule matches.
    pub identities: Vec<String>,
    /// Names of issuers all of whose identities the rule matches.
    #[serde(default)]
    pub authorities: Vec<String>,
    /// Values that claims of the credential must have, by the source of the claim. Example: `{"environment": "prod"}`.
    #[serde(default)]
    pub claims: BTreeMap<String, ClaimValue>,
    /// Kinds of credential that the rule is for; absent where it is for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credentials: Option<Vec<CredentialKind>>,
    /// Kinds of request that the rule is for; absent where it is for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occasions: Option<Vec<OccasionKind>>,
    /// Scope values that a client may request.
    pub scopes: Vec<String>,
    /// Scope values that are granted where the request contains no `scope`.
    pub default_scopes: Vec<String>,
    /// Resources for which tokens may be issued.
    pub resources: Vec<String>,
    /// First digits of the hash of the rule as it is written. Example: `3f9a1c0b27de`.
    pub revision: String,
    /// False where all identities that the rule matches are refused.
    pub enabled: bool,
    /// Number of clients that were registered under the rule, active and frozen.
    pub clients: i64,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Reply<Vec<RuleView>> {
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    let mut views = Vec::new();
    for rule in policy.rules.iter() {
        let clients = app
            .store
            .counter(&testudo_core::records::clients_of_rule(&rule.name))
            .await?;
        views.push(view(rule, clients));
    }
    Ok(Json(views))
}

fn view(rule: &Rule, clients: i64) -> RuleView {
    RuleView {
        name: rule.name.clone(),
        identities: rule
            .patterns
            .iter()
            .map(|pattern| pattern.as_str().to_owned())
            .collect(),
        authorities: rule.authorities.iter().map(ToString::to_string).collect(),
        claims: rule
            .claims
            .iter()
            .map(|(source, value)| (source.to_string(), value.clone()))
            .collect(),
        credentials: rule.credentials.clone(),
        occasions: rule.occasions.clone(),
        scopes: words(&rule.scopes),
        default_scopes: words(&rule.default_scopes),
        resources: rule
            .resources
            .iter()
            .map(|resource| resource.as_str().to_owned())
            .collect(),
        revision: rule.revision.clone(),
        enabled: rule.enabled,
        clients,
    }
}

fn words(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(|scope| scope.as_str().to_owned()).collect()
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    identities: Vec<String>,
    /// The instance that the credential of each identity names: the uid of a pod, or the thumbprint of its key.
    instance: Option<String>,
    /// The claims of that credential. `claims` of rules and `captures` of the authority read them, and those that
    /// `attested_metadata` of the authority lists become metadata of the client.
    #[serde(default)]
    claims: Map<String, Value>,
}

/// What an identity would get.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Governed {
    /// The identity that was tested.
    pub identity: String,
    /// The rule that governs it; absent where no rule does, so that it gets no token.
    pub rule: Option<String>,
    /// Values of the captures in the pattern. Example: `{"service": "api"}`.
    pub captures: BTreeMap<String, String>,
    /// Client id of the client of this identity, registered or not.
    pub client_id: Option<String>,
    /// True where each instance that a credential names is a client of its own. Where the request contains no `instance`,
    /// `client_id` is then the id that all of them may send.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_per_instance: bool,
    /// `client_name` of that client.
    pub client_name: Option<String>,
    /// Scope values that it may request.
    pub scopes: Vec<String>,
    /// Scope values that it gets where its request contains no `scope`.
    pub default_scopes: Vec<String>,
    /// Resources that it may request.
    pub resources: Vec<String>,
    /// Redirect URIs of that client.
    pub redirect_uris: Vec<String>,
    /// Claims that `claims` of an earlier rule names, and that the test did not state: with them, that rule may govern.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub claims_that_decide: Vec<String>,
    /// What a request of it must have beside its credential. Example: `needs a DPoP proof`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<String>,
    /// Name of the rejection, where it gets no token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rejection: Option<String>,
    /// Why it gets no token, as a sentence.
    pub problem: Option<String>,
    /// What to change so that it gets a token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

pub(super) async fn test(State(app): State<Arc<App>>, Json(test): Json<Test>) -> Reply<Vec<Governed>> {
    if test.identities.len() > TESTED_MAX {
        return Err(ErrorAnswer::bad_request(
            format!("identities must have at most {TESTED_MAX} entries"),
            None,
        ));
    }
    let in_force = app.in_force.load_full();
    let mut tested = Vec::with_capacity(test.identities.len());
    for identity in &test.identities {
        tested.push(test_one(&app, &in_force, identity, &test).await?);
    }
    Ok(Json(tested))
}

/// What the identity would get, and the first reason to refuse it a token, by the same steps as in a request.
async fn test_one(
    app: &App,
    in_force: &InForce,
    identity: &str,
    test: &Test,
) -> Result<Governed, ErrorAnswer> {
    let authority = match Authority::of_identity(identity) {
        Ok(authority) => authority,
        Err(fault) => {
            return Ok(Governed::refused(
                identity,
                format!("not an identity: it {fault}"),
            ));
        }
    };
    let Some(trusted) = in_force.policy.authority(&authority) else {
        let problem = format!("the {} is not configured", authority.described());
        return Ok(Governed::refused(identity, problem));
    };
    let kinds = match trusted.credentials.is_empty() {
        // An authority that may issue no kind is asked for a JWT-SVID, which it does not accept.
        true => &[CredentialKind::JwtSvid],
        false => &*trusted.credentials,
    };
    let occasion = occasion(trusted);
    let rules = &in_force.policy.rules;
    let claims = rules.named_claims(&authority, &Value::Object(test.claims.clone()));
    let kind = kinds.first().copied().unwrap_or(CredentialKind::JwtSvid);
    let mut attested = assumed(authority, identity, kind).with_instance(test.instance.as_deref());
    attested.proof.attested_claims = trusted
        .claimed(test.claims.clone().into_iter().collect())
        .attested;
    let shown = |kind| Shown {
        authority: &attested.authority,
        subject: &attested.subject,
        kind,
        claims: Some(&claims),
    };
    let found = kinds
        .iter()
        .find_map(|kind| rules.matching(shown(*kind), occasion).ok());
    let deciding = rules.claims_that_decide(shown(kind), occasion, found.as_ref().map(|found| found.rule));
    let mut governed = match found {
        None => Governed {
            identity: identity.to_owned(),
            ..Governed::default()
        },
        Some(found) => {
            let names_instances = kinds.iter().any(|kind| kind.names_instances());
            governed(&attested, &found, &app.keys.load(), names_instances)
        }
    };
    governed.claims_that_decide = deciding.iter().map(ToString::to_string).collect();
    attested.proof.claims = (!claims.is_empty()).then(|| Box::new(claims));
    match condition(app, in_force, &attested, (kinds, occasion)).await? {
        Ok(condition) => governed.condition = condition.map(str::to_owned),
        Err(Refused {
            rejection,
            problem,
            hint,
        }) => {
            governed.rejection = Some(rejection.to_owned());
            governed.problem = Some(problem);
            governed.hint = Some(hint);
        }
    }
    Ok(governed)
}

/// The request that is tested: a token request, or a registration where credentials of the authority are only software
/// statements.
fn occasion(trusted: &AuthorityPolicy) -> OccasionKind {
    match trusted.uses.contains(&AuthorityUse::Client) {
        true => OccasionKind::Token,
        false => OccasionKind::Registration,
    }
}

/// Why an identity gets no token.
struct Refused {
    rejection: &'static str,
    problem: String,
    hint: String,
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Refused {
        Refused {
            rejection: rejection.name(),
            problem: rejection.to_string(),
            hint: rejection.hint(),
        }
    }
}

/// The condition under which the identity gets a token: `None` where a kind of credential that the authority may issue
/// gets one without a condition. The refusal of the first kind where no kind gets one.
async fn condition(
    app: &App,
    in_force: &InForce,
    identity: &AttestedIdentity,
    (kinds, occasion): (&[CredentialKind], OccasionKind),
) -> Result<Result<Option<&'static str>, Refused>, ErrorAnswer> {
    let (mut condition, mut first) = (None, None);
    for kind in kinds {
        let mut shown = AttestedIdentity {
            kind: *kind,
            ..identity.clone()
        };
        // With an X.509-SVID there is a certificate to which the token can be bound.
        shown.proof.certificate_thumbprint = (*kind == CredentialKind::X509Svid).then_some([0; 32]);
        let refused = match today::of_identity(app, in_force, &shown, occasion).await? {
            Err(rejection) => Refused::from(rejection),
            Ok(_) if *kind == CredentialKind::X509Svid && !in_force.arrival.takes_certificates => {
                no_certificate_arrives()
            }
            Ok(allowed) if allowed.condition.is_some() => {
                condition = allowed.condition;
                continue;
            }
            Ok(_) => return Ok(Ok(None)),
        };
        first = first.or(Some(refused));
    }
    Ok(match (condition, first) {
        (None, Some(refused)) => Err(refused),
        (condition, _) => Ok(condition),
    })
}

/// Client certificates do not reach this server, so a request with an X.509-SVID arrives as one without a credential.
fn no_certificate_arrives() -> Refused {
    Refused {
        problem: "no client can send its X.509-SVID: this server has neither TLS nor a proxy that forwards client certificates".to_owned(),
        hint: "set server.tls, or server.proxy with client_certificate_header behind a TLS terminator".to_owned(),
        rejection: Rejection::from(CredentialReason::NoCredential).name(),
    }
}

impl Governed {
    /// An identity that gets no token.
    fn refused(identity: &str, problem: String) -> Governed {
        Governed {
            identity: identity.to_owned(),
            problem: Some(problem),
            ..Governed::default()
        }
    }
}

/// An identity that is treated as proven, to find out how a request of it would be decided. No token is issued to it.
pub(super) fn assumed(authority: Authority, subject: &str, kind: CredentialKind) -> AttestedIdentity {
    let proof = Proof {
        is_for_registration: true,
        ..Proof::until(Timestamp(i64::MAX))
    };
    AttestedIdentity::proven(authority, subject, kind, proof)
}

fn governed(
    identity: &AttestedIdentity,
    found: &Match<'_>,
    keys: &crate::state::keys::Keyring,
    names_instances: bool,
) -> Governed {
    let name = name_client(identity, found, &keys.opaque_key);
    let metadata = metadata_at_first_use(identity, found).unwrap_or_default();
    let rule = view(found.rule, 0);
    // A malformed claim is refused, which the caller finds by itself.
    let attested = attested_scope(identity).unwrap_or_default();
    let lowered = |scopes: &ScopeSet| match &attested {
        Some(attested) => words(&scopes.intersection(attested)),
        None => words(scopes),
    };
    Governed {
        identity: identity.subject.to_string(),
        captures: found
            .captures
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        client_id: Some(name.client_id.to_string()),
        is_per_instance: found.rule.client == GrainOfClient::Instance
            && found.captures.segment(INSTANCE).is_none()
            && names_instances,
        client_name: metadata.labels.text("client_name").map(str::to_owned),
        scopes: lowered(&found.rule.scopes),
        default_scopes: lowered(&found.rule.default_scopes),
        resources: rule.resources,
        redirect_uris: metadata.redirect_uris,
        rule: Some(rule.name),
        ..Governed::default()
    }
}
