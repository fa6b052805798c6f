//! What pages show to a person about a client and about what it asks for. The consent page shows all of it, and its digest
//! is what the person consents to.

use super::client::{AskingClient, FoundBy};
use super::terms::Terms;
use crate::members::Labels;
use crate::metadata::resolve::configured_labels;
use crate::people::SecretDigest;
use crate::policy::Policy;
use crate::records::Client;
use crate::rules::Match;
use serde::Serialize;
use testudo_protocol::Seconds;
use testudo_protocol::jose::sha256;
use testudo_protocol::oauth::RedirectUri;

/// What pages show about a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientShown {
    /// Its `client_id`.
    pub client_id: String,
    /// Its name, if the rule or an attester states it.
    pub name: Option<String>,
    /// Names and values of the other labels that the rule or an attester states.
    pub vouched: Vec<(&'static str, String)>,
    /// Names and values of the labels that the client states about itself; its name may be one of them.
    pub stated: Vec<(&'static str, String)>,
    /// Where the browser is sent afterwards: scheme, host and port, or the scheme of an application.
    pub redirect: String,
    /// True if the client has not proven yet that the request is its own: it does when it redeems the code.
    pub is_provisional: bool,
}

/// One scope value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScopeShown {
    /// The value.
    pub scope: String,
    /// What it means, if the configuration says it.
    pub text: Option<String>,
}

/// What the consent page shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsentContent {
    /// Who asks.
    pub client: ClientShown,
    /// What is asked for.
    pub scopes: Vec<ScopeShown>,
    /// The servers at which it can be used.
    pub resources: Vec<String>,
    /// For how long. `None`: without end.
    pub lasts: Option<Seconds>,
}

impl ConsentContent {
    pub(super) fn of(client: ClientShown, terms: &Terms, policy: &Policy) -> ConsentContent {
        let scopes = terms.scope.iter().map(|scope| ScopeShown {
            scope: scope.as_str().to_owned(),
            text: policy
                .scopes
                .of(scope)
                .map(|described| described.text.to_string()),
        });
        ConsentContent {
            client,
            scopes: scopes.collect(),
            resources: terms
                .resources
                .iter()
                .map(|resource| resource.as_str().to_owned())
                .collect(),
            lasts: terms.lasts,
        }
    }

    /// The digest of everything that the page shows.
    pub fn digest(&self) -> SecretDigest {
        // Texts, lists and numbers can always be serialised.
        SecretDigest::of_bytes(sha256(&serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// The labels that pages show, besides the name.
const SHOWN: [&str; 4] = ["client_name", "client_uri", "policy_uri", "tos_uri"];

impl ClientShown {
    pub(super) fn of(
        client: &AskingClient<'_>,
        record: Option<&Client>,
        found: &Match<'_>,
        redirect: &RedirectUri,
    ) -> ClientShown {
        let configured = configured_labels(found);
        let is_provisional = matches!(client.found, FoundBy::Name(_));
        // A visitor who invents names must not see which of them are registered.
        let recorded = record.filter(|_| !is_provisional);
        let mut shown = ClientShown {
            client_id: client.client_id.clone(),
            name: None,
            vouched: Vec::new(),
            stated: Vec::new(),
            redirect: redirect.origin(),
            is_provisional,
        };
        for name in SHOWN {
            let is_configured = text(&configured, name).is_some();
            let registered = recorded.and_then(|record| text(&record.metadata.labels, name));
            let Some(value) = text(&configured, name).or(registered) else {
                continue;
            };
            // The record does not say which labels of a registration a statement had, so all of them count as the
            // client's own.
            let is_stated = !is_configured && recorded.is_some_and(|record| record.registration.is_some());
            match (is_stated, name) {
                (true, _) => shown.stated.push((name, value)),
                (false, "client_name") => shown.name = Some(value),
                (false, _) => shown.vouched.push((name, value)),
            }
        }
        shown
    }
}

fn text(labels: &Labels, name: &str) -> Option<String> {
    labels.text(name).map(str::to_owned)
}
