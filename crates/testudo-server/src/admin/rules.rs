//! Rules: the list, and which one governs an identity.

use super::explain::today;
use super::input::Json;
use super::operation::Operation;
use super::reply::{Failure, Reply};
use crate::state::app::App;
use crate::state::in_force::InForce;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::Authority;
use testudo_core::admission::client_name::name_client;
use testudo_core::identity::Proof;
use testudo_core::metadata::resolve::resolve;
use testudo_core::rules::{Match, Rule};
use testudo_core::{AttestedIdentity, CredentialKind, Rejection};
use testudo_protocol::Timestamp;

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

/// Identities of one `rule test` at most.
const TESTED_MAX: usize = 10_000;

/// A rule, as it is listed.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleView {
    /// Name.
    pub name: String,
    /// Patterns.
    pub identities: Vec<String>,
    /// Scopes.
    pub scopes: String,
    /// Default scopes.
    pub default_scopes: String,
    /// Resources.
    pub resources: Vec<String>,
    /// Revision.
    pub revision: String,
    /// False refuses all it matches.
    pub enabled: bool,
    /// Clients, active and frozen.
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
        scopes: rule.scopes.to_string(),
        default_scopes: rule.default_scopes.to_string(),
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

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    identities: Vec<String>,
}

/// What an identity would be given.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Governed {
    /// The identity that was asked about.
    pub identity: String,
    /// The rule that governs it; absent: no client and no token.
    pub rule: Option<String>,
    /// What the pattern captured.
    pub captures: std::collections::BTreeMap<String, String>,
    /// The client it is or would be.
    pub client_id: Option<String>,
    /// Its display name.
    pub client_name: Option<String>,
    /// Scopes it may ask for.
    pub scopes: String,
    /// Scopes it gets by default.
    pub default_scopes: String,
    /// Resources it may ask for.
    pub resources: Vec<String>,
    /// Its redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Name of the first reason to refuse it a token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rejection: Option<String>,
    /// Why it gets no token, where it gets none.
    pub problem: Option<String>,
    /// What to change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

pub(super) async fn test(State(app): State<Arc<App>>, Json(test): Json<Test>) -> Reply<Vec<Governed>> {
    if test.identities.len() > TESTED_MAX {
        return Err(Failure::bad_request(
            format!("at most {TESTED_MAX} identities at once"),
            None,
        ));
    }
    let in_force = app.in_force.load_full();
    let mut tested = Vec::with_capacity(test.identities.len());
    for identity in &test.identities {
        tested.push(test_one(&app, &in_force, identity).await?);
    }
    Ok(Json(tested))
}

/// What the identity would be given, and the first reason to refuse it a token, by the same steps as in a request.
async fn test_one(app: &App, in_force: &InForce, identity: &str) -> Result<Governed, Failure> {
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
    let first = trusted.credentials.first().copied();
    let attested = assumed(
        authority.clone(),
        identity,
        first.unwrap_or(CredentialKind::JwtSvid),
    );
    let rules = &in_force.policy.rules;
    let mut governed = match rules.first_match(&attested.authority, &attested.subject, |_| true) {
        None => Governed {
            identity: identity.to_owned(),
            ..Governed::default()
        },
        Some(found) => governed(&attested, &found, &app.keys.load()),
    };
    let refusal = first_refusal(app, in_force, &attested, &trusted.credentials).await?;
    governed.rejection = refusal.as_ref().map(|rejection| rejection.name().to_owned());
    governed.problem = refusal.as_ref().map(ToString::to_string);
    governed.hint = refusal.map(|rejection| rejection.hint());
    Ok(governed)
}

/// Why no kind of credential that the authority may issue gets a token; that of the first kind.
async fn first_refusal(
    app: &App,
    in_force: &InForce,
    identity: &AttestedIdentity,
    kinds: &[CredentialKind],
) -> Result<Option<Rejection>, Failure> {
    let mut first = None;
    for kind in kinds {
        let mut shown = AttestedIdentity {
            kind: *kind,
            ..identity.clone()
        };
        // Who shows a certificate has one that tokens can be bound to.
        shown.proof.certificate_thumbprint = (*kind == CredentialKind::X509Svid).then_some([0; 32]);
        match today::of_identity(app, in_force, &shown).await? {
            Ok(_) => return Ok(None),
            Err(rejection) => first = first.or(Some(rejection)),
        }
    }
    Ok(first)
}

impl Governed {
    /// Nothing is given to the identity.
    fn refused(identity: &str, problem: String) -> Governed {
        Governed {
            identity: identity.to_owned(),
            problem: Some(problem),
            ..Governed::default()
        }
    }
}

/// An identity as if proven just now, to ask how it would be judged: nothing is granted to it.
pub(super) fn assumed(authority: Authority, subject: &str, kind: CredentialKind) -> AttestedIdentity {
    let proof = Proof {
        is_for_registration: true,
        ..Proof::until(Timestamp(i64::MAX))
    };
    AttestedIdentity::proven(authority, subject, kind, proof)
}

fn governed(identity: &AttestedIdentity, found: &Match<'_>, keys: &crate::state::keys::Keyring) -> Governed {
    let name = name_client(identity, found, &keys.opaque_key);
    let metadata = resolve(identity, found).unwrap_or_default();
    let rule = view(found.rule, 0);
    Governed {
        identity: identity.subject.to_string(),
        captures: found
            .captures
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        client_id: Some(name.client_id.to_string()),
        client_name: metadata.labels.text("client_name").map(str::to_owned),
        scopes: rule.scopes,
        default_scopes: rule.default_scopes,
        resources: rule.resources,
        redirect_uris: metadata.redirect_uris,
        rule: Some(rule.name),
        ..Governed::default()
    }
}
