//! Operations on clients: list, show, freeze, thaw, delete, sweep.

use super::acting::Administrator;
use super::input::{Json, Query};
use super::operation::Operation;
use super::paging;
use super::reply::{Done, ErrorAnswer, Reply, carry_out};
use crate::client_records::{self, Swept, client_by_id};
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::sync::Arc;
use testudo_core::admin::{client as order, trust as authorities};
use testudo_core::admission::governing::{governing_match, workload_and_instance};
use testudo_core::identity::Sponsor;
use testudo_core::records::{
    Client, ClientMetadata, ClientState, Predecessor, Record as _, Registration, Versioned,
    clients_of_authority, clients_of_rule,
};
use testudo_core::{Authority, CredentialKind, OccasionKind};
use testudo_protocol::{Seconds, Timestamp};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Page>("/admin/v1/clients", "Clients, page by page.", get(list))
            .by_query::<Filter>(),
        Operation::ask::<ClientView>("/admin/v1/clients/show", "One client.", post(show)).by_body::<Named>(),
        Operation::act::<Done>(
            "/admin/v1/clients/freeze",
            "Freeze a client: its requests are refused until it is thawed.",
            post(freeze),
        )
        .by_body::<Change>(),
        Operation::act::<Done>(
            "/admin/v1/clients/thaw",
            "Thaw a frozen client: its requests are served again.",
            post(thaw),
        )
        .by_body::<Change>(),
        Operation::act::<Done>("/admin/v1/clients/delete", "Remove a client.", post(delete))
            .by_body::<Change>(),
        Operation::act::<Swept>(
            "/admin/v1/clients/sweep",
            "Remove idle and expired clients now.",
            post(sweep),
        )
        .by_body::<SweepRequest>(),
    ]
}

/// A client, as the admin API shows it. Times are in RFC 3339.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct ClientView {
    /// Client id. Example: `spiffe://prod.example/ns/pay/sa/api`.
    pub client_id: String,
    /// Name, without `spiffe://`, of the trust domain whose number of clients includes this one: the trust domain of the
    /// client, or of its sponsor if it has one. Example: `prod.example`.
    pub trust_domain: Option<String>,
    /// Key of the authority that vouches for the client: `spiffe://prod.example`, `cluster-a:`, `configuration` or
    /// `registration`.
    pub authority: String,
    /// Identity of the client within the authority. Example: `spiffe://prod.example/ns/pay/sa/api`.
    pub subject: String,
    /// Where the client is one of several instances of a workload: the identity of the workload, with `*` in the place of
    /// the instance if it ends in it. Example: `spiffe://prod.example/fleet/cam/*`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workload: Option<String>,
    /// The instance that the client is, where it is one of several of a workload. Example: `7`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// `active`, or `frozen` by an administrator or because its credential was revoked.
    pub state: ClientState,
    /// Where the server froze the client because its credential was revoked: what the status list states.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frozen_because: Option<String>,
    /// Name of the rule that governed the client when it was registered. Example: `payments`.
    pub rule: String,
    /// First digits of the hash of that rule as it was then. Example: `3f9a1c0b27de`.
    pub rule_revision: String,
    /// Name of the rule that governs the client now; absent where no rule does.
    pub governed_by: Option<String>,
    /// True where no rule governs the client now, so that it gets no token.
    pub is_orphaned: bool,
    /// Kind of the request that registered the client: `token` or `registration`.
    pub occasion: OccasionKind,
    /// Kind of the credential that the client used last.
    pub credential_kind: CredentialKind,
    /// Kind of the credential with which the client was registered.
    pub first_credential_kind: CredentialKind,
    /// When the client was registered.
    pub first_seen: String,
    /// When the client last got a token or registered with evidence.
    pub last_used: String,
    /// When the client's lifetime ends; absent where it has no end.
    pub expires: Option<String>,
    /// Seconds without use after which the client is removed; absent if it is not removed for this reason.
    pub idle_lifetime_seconds: Option<i64>,
    /// How often a client of this identity has been registered: 1 for the first time.
    pub generation: u32,
    /// The client of the same identity that was removed before this one was registered.
    pub predecessor: Option<Predecessor>,
    /// Names, redirect URIs, keys and attested limits of the client.
    pub metadata: ClientMetadata,
    /// Limits that the client set for itself when it registered.
    #[serde(default)]
    pub registration: Option<Registration>,
    /// The holder of the initial access token with which the client was registered, where there was one.
    #[serde(default)]
    pub sponsor: Option<Sponsor>,
}

/// Filters of the list. A client is listed if all of them match.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Name or key of a trust domain or another authority: only its clients, and those that they sponsored.
    authority: Option<String>,
    /// The same as `authority`.
    trust_domain: Option<String>,
    /// Name of the rule that governed the client when it was registered.
    rule: Option<String>,
    /// State of the client.
    state: Option<ClientState>,
    /// Only clients that were not used for this time, such as `30d`.
    #[schemars(regex(pattern = r"^[0-9]{1,9}[smhd]$"))]
    unused_for: Option<String>,
    #[serde(default)]
    orphaned: bool,
    after: Option<String>,
    /// Maximum number of clients on the page, 1 to 1,000. Default: 1,000.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: Option<NonZeroU32>,
}

/// A page of clients.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Page {
    clients: Vec<ClientView>,
    /// The value of `after` for the next page; absent on the last page.
    next: Option<String>,
}

pub(super) async fn list(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Reply<Page> {
    let unused_before = match filter.unused_for.as_deref().map(Seconds::parse) {
        None => None,
        Some(Ok(seconds)) => Some(app.now() - seconds),
        Some(Err(problem)) => {
            let given = filter.unused_for.as_deref().unwrap_or_default();
            let hint = "write a number and its unit, s, m, h or d, such as 30d";
            return Err(ErrorAnswer::bad_request(
                format!("unused_for {given:?} {problem}"),
                Some(hint.to_owned()),
            ));
        }
    };
    let names = [&filter.authority, &filter.trust_domain].into_iter().flatten();
    let counted_under: Vec<String> = names.map(|name| counted_under(&app, name.clone())).collect();
    let wanted = paging::size(filter.limit);
    let mut clients = Vec::new();
    let mut pages = app.store.pages::<Client>(paging::start(filter.after.as_deref()));
    while let Some(page) = pages.next().await? {
        for row in page {
            let client = match row.record {
                Ok(client) => client,
                Err(fault) => {
                    app.note_refused_client(&RefusedRecord::of_client(&row.key, &fault));
                    continue;
                }
            };
            let view = view(&app, &client);
            let is_wanted = counted_under.iter().all(|key| key == client.counted_under())
                && filter.rule.as_ref().is_none_or(|rule| view.rule == *rule)
                && filter.state.is_none_or(|state| view.state == state)
                && (!filter.orphaned || view.is_orphaned)
                && unused_before.is_none_or(|before| last_used(&app, &client) <= before);
            if is_wanted {
                clients.push(view);
                if clients.len() == wanted {
                    let next = Some(hex::encode(row.key));
                    return Ok(Json(Page { clients, next }));
                }
            }
        }
    }
    if clients.is_empty() && filter.after.is_none() {
        must_be_known(&app, filter.rule.as_deref(), &counted_under).await?;
    }
    Ok(Json(Page { clients, next: None }))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    client_id: String,
}

pub(super) async fn show(State(app): State<Arc<App>>, Json(named): Json<Named>) -> Reply<ClientView> {
    let client = find(&app, &named.client_id).await?;
    Ok(Json(view(&app, &client.record)))
}

/// The client to change.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    client_id: String,
    /// The reason, which the event records.
    reason: Option<String>,
}

pub(super) async fn freeze(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<Change>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let client = find(&app, &wanted.client_id).await?;
    carry_out(&change, order::freeze(&change.order()?, &client)).await
}

pub(super) async fn thaw(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<Change>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let client = find(&app, &wanted.client_id).await?;
    carry_out(&change, order::thaw(&change.order()?, &client)).await
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<Change>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let client = find(&app, &wanted.client_id).await?;
    let left = client_records::left_by(&app, &client.record).await?;
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    let decided = order::delete(&change.order()?, &client, left.traces(), policy);
    carry_out(&change, decided).await
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SweepRequest {
    #[serde(default)]
    dry_run: bool,
    /// The reason, which the events record.
    reason: Option<String>,
}

/// Does not take the lock of changes, so that an urgent change need not wait until the sweep ends. Instead, each client is
/// removed only if it still has the version that was read.
pub(super) async fn sweep(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(request): Json<SweepRequest>,
) -> Reply<Swept> {
    let note = by.because(request.reason.as_deref());
    Ok(Json(client_records::sweep(&app, request.dry_run, note).await?))
}

/// For a filter that matches no client: fails if the name of the rule or authority is misspelled. It must be configured,
/// or have clients from an earlier configuration.
async fn must_be_known(app: &App, rule: Option<&str>, authorities: &[String]) -> Result<(), ErrorAnswer> {
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    if let Some(rule) = rule {
        let is_configured = policy.rule_named(rule).is_some();
        if !is_configured && app.store.counter(&clients_of_rule(rule)).await? == 0 {
            let problem = format!("no rule is named {rule:?}, and no client was registered under one");
            return Err(ErrorAnswer::not_found(
                problem,
                "`testudo rule list` shows the rules",
            ));
        }
    }
    for key in authorities {
        let is_configured = policy.authority_named(key).is_some();
        if !is_configured && app.store.counter(&clients_of_authority(key)).await? == 0 {
            let name = Authority::of_key(key).map_or(key.to_owned(), |authority| authority.name().to_owned());
            return Err(authorities::not_configured(&name).into());
        }
    }
    Ok(())
}

/// The key of the authority that has this name or key. An authority that is no longer configured can still have clients:
/// then the name is used as that of a trust domain, if it can be one, as for `testudo trust`.
fn counted_under(app: &App, name: String) -> String {
    if Authority::of_key(&name).is_some() {
        return name;
    }
    let in_force = app.in_force.load();
    let configured = in_force.policy.authority_named(&name).cloned();
    let named = configured.or_else(|| Authority::of_key(&format!("spiffe://{name}")));
    named.map_or(name, |authority| authority.key().to_owned())
}

async fn find(app: &App, client_id: &str) -> Result<Versioned<Client>, ErrorAnswer> {
    let found = client_by_id(app, client_id).await?;
    Ok(order::known(client_id, found)?)
}

fn view(app: &App, client: &Client) -> ClientView {
    let known = app.memory.clients.get(&client.key());
    let in_force = app.in_force.load();
    let policy = &in_force.policy;
    let found = governing_match(client, policy);
    let (workload, instance) = workload_and_instance(client, found.as_ref()).unzip();
    let governed_by = found.map(|found| found.rule.name.clone());
    ClientView {
        workload,
        instance,
        trust_domain: Authority::of_key(client.counted_under())
            .and_then(|authority| authority.trust_domain().map(str::to_owned)),
        is_orphaned: governed_by.is_none(),
        governed_by,
        credential_kind: known
            .as_ref()
            .map_or(client.last_credential, |known| known.last_credential()),
        last_used: last_used(app, client).to_string(),
        client_id: client.client_id.clone(),
        authority: client.authority.clone(),
        subject: client.subject.clone(),
        state: client.state,
        frozen_because: client
            .judged_credential()
            .and_then(|credential| credential.revoked.as_deref().map(str::to_owned)),
        rule: client.rule.clone(),
        rule_revision: client.rule_revision.clone(),
        occasion: client.occasion,
        first_credential_kind: client.first_credential,
        first_seen: client.created.to_string(),
        expires: client.expires.map(|end| end.to_string()),
        idle_lifetime_seconds: client.idle_lifetime.map(|seconds| seconds.0),
        generation: client.generation,
        predecessor: client.predecessor.clone(),
        metadata: client.metadata.clone(),
        registration: client.registration_at(app.now()).cloned(),
        sponsor: client.sponsor.as_deref().cloned(),
    }
}

/// The last use, including one that is in memory and not yet in the store.
fn last_used(app: &App, client: &Client) -> Timestamp {
    let known = app.memory.clients.get(&client.key());
    known.map_or(client.last_used, |known| known.last_used().max(client.last_used))
}
