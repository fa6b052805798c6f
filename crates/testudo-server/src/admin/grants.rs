//! Operations on what people granted to clients: list, revoke.

use super::acting::Administrator;
use super::input::{Json, Query};
use super::of_people::{Wanted, page_of};
use super::operation::Operation;
use super::reply::{Done, Reply, carry_out, until_unchanged};
use crate::change::Change;
use crate::person_records::{consent_for, deadlines_of};
use crate::state::app::App;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::sync::Arc;
use testudo_core::admin::grant::{self as order, Granted};
use testudo_core::people::GrantId;
use testudo_core::records::{Grant, GrantDeadlines, Person, Versioned};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Page>(
            "/admin/v1/grants",
            "What people granted to clients and has not ended, page by page.",
            get(list),
        )
        .by_query::<Filter>(),
        Operation::act::<Done>(
            "/admin/v1/grants/revoke",
            "Revoke a grant: its tokens are refused at this server, and the person is asked again.",
            post(revoke),
        )
        .by_body::<GrantChange>(),
    ]
}

/// What a person granted to a client, as the admin API shows it. Times are in RFC 3339.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct GrantView {
    /// Id of the grant, as access tokens name it.
    grant_id: String,
    /// `sub` of the person. Example: `u_AQIDBAUGBwgJCgsMDQ4PEA`.
    sub: String,
    /// Name of the account, where it has one.
    name: Option<String>,
    /// The client. Example: `spiffe://prod.example/ns/shop/sa/web`.
    client_id: String,
    /// Scope values, separated by spaces.
    scope: String,
    /// The resources for which tokens may be issued.
    resources: Vec<String>,
    /// True if the client can use it: the account of the person is not locked.
    is_usable: bool,
    /// True if the client has a refresh token.
    has_refresh_token: bool,
    /// When the client got its first token.
    created: String,
    /// When the grant ends also if the client refreshes it: the end of the authorization or of the client, whichever is
    /// earlier. Absent if it has no end.
    ends: Option<String>,
    /// When the grant ends if the client does not use its refresh token before; no later than `ends`.
    live_until: String,
}

impl GrantView {
    fn of(grant: Grant, is_usable: bool, name: Option<String>, deadlines: GrantDeadlines) -> GrantView {
        GrantView {
            grant_id: grant.id.to_string(),
            sub: grant.id.person().sub(),
            name,
            client_id: grant.client.client_id,
            scope: grant.terms.scope.to_string(),
            resources: grant
                .terms
                .resources
                .iter()
                .map(|resource| resource.as_str().to_owned())
                .collect(),
            is_usable,
            has_refresh_token: grant.refresh.is_some(),
            created: grant.created.to_string(),
            ends: deadlines.at_the_latest.map(|ends| ends.to_string()),
            live_until: deadlines.unused.to_string(),
        }
    }
}

/// Filters of the list. A grant is listed if all of them match.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Name of the account, or `sub` of the person: only what this person granted.
    user: Option<String>,
    /// Only what was granted to the client with this id.
    client_id: Option<String>,
    after: Option<String>,
    /// Maximum number of grants on the page, 1 to 1,000. Default: 1,000.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: Option<NonZeroU32>,
}

/// A page of grants.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Page {
    grants: Vec<GrantView>,
    /// The value of `after` for the next page; absent on the last page.
    next: Option<String>,
}

pub(super) async fn list(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Reply<Page> {
    let wanted = Wanted {
        kind: "grant",
        user: filter.user.as_deref(),
        after: filter.after.as_deref(),
        limit: filter.limit,
    };
    let now = app.now();
    let entry = |grant: Grant, account: Option<&Person>| {
        let client_id = filter.client_id.as_ref();
        let is_of_client = client_id.is_none_or(|client| *client == grant.client.client_id);
        let is_live = now < grant.live_until;
        (is_of_client && is_live).then(|| {
            let name = account.and_then(|account| account.name.clone());
            (grant, (account.is_some_and(Person::is_active), name))
        })
    };
    let (found, next) = page_of(&app, wanted, |grant| grant.id.person(), entry).await?;
    let (grants, accounts): (Vec<Grant>, Vec<_>) = found.into_iter().unzip();
    let deadlines = deadlines_of(&app, &grants).await?;
    let all = grants.into_iter().zip(accounts).zip(deadlines);
    let grants = all
        .filter_map(|((grant, (is_usable, name)), deadlines)| {
            Some(GrantView::of(grant, is_usable, name, deadlines?))
        })
        .collect();
    Ok(Json(Page { grants, next }))
}

/// The grant to revoke.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantChange {
    /// Id of the grant, from the list or from an access token.
    grant_id: String,
    /// The reason, which the event records.
    reason: Option<String>,
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<GrantChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    until_unchanged(|| revoke_once(&app, &change, &wanted.grant_id)).await
}

async fn revoke_once(app: &App, change: &Change<'_>, id: &str) -> Reply<Done> {
    let found: Option<Versioned<Grant>> = match GrantId::parse(id) {
        Some(id) => app.store.read(id.key()).await?,
        None => None,
    };
    let grant = order::known(id, found)?;
    let consent = consent_for(app, &grant.record).await?;
    let decided = order::revoke(&change.order()?, &Granted { grant, consent });
    carry_out(change, decided).await
}
