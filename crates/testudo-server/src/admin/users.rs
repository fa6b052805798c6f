//! Operations on the accounts of people: list, show, lock, unlock, remove, and the groups that administrators give.

use super::acting::Administrator;
use super::input::{Json, Query};
use super::operation::Operation;
use super::paging;
use super::reply::{Done, ErrorAnswer, Reply, carry_out, until_unchanged};
use crate::change::Change;
use crate::person_records::{account_named, erase_all, erase_sessions, traces_of};
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use testudo_core::admin::user as order;
use testudo_core::people::PersonId;
use testudo_core::records::{Passkey, Person, PersonState, ProviderAccount, Versioned};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Page>("/admin/v1/users", "Accounts of people, page by page.", get(list))
            .by_query::<Filter>(),
        Operation::ask::<UserView>(
            "/admin/v1/users/show",
            "The account of one person.",
            post(show),
        )
        .by_body::<Named>(),
        Operation::act::<Done>(
            "/admin/v1/users/lock",
            "Lock an account: its sessions end, and what the person granted cannot be used until it is unlocked.",
            post(lock),
        )
        .by_body::<UserChange>(),
        Operation::act::<Done>(
            "/admin/v1/users/unlock",
            "Unlock an account: the person can sign in again.",
            post(unlock),
        )
        .by_body::<UserChange>(),
        Operation::act::<Done>(
            "/admin/v1/users/remove",
            "Remove an account and erase its data: names, links, passkeys, sessions, grants and consents.",
            post(remove),
        )
        .by_body::<UserChange>(),
        Operation::act::<Done>(
            "/admin/v1/users/groups/add",
            "Add a person to a group of this server.",
            post(add_group),
        )
        .by_body::<GroupChange>(),
        Operation::act::<Done>(
            "/admin/v1/users/groups/remove",
            "Remove a person from a group of this server.",
            post(remove_group),
        )
        .by_body::<GroupChange>(),
    ]
}

/// The account of a person, as the admin API shows it. Times are in RFC 3339.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct UserView {
    /// `sub` of the person in tokens. Example: `u_AQIDBAUGBwgJCgsMDQ4PEA`.
    sub: String,
    /// Name of the account, unique at this server. Accounts of people who sign in at a provider have none.
    name: Option<String>,
    /// The name that other people see, as the provider or the person states it.
    display_name: Option<String>,
    /// A verified e-mail address. It is a label: no account is found by it.
    email: Option<String>,
    /// `active`, `locked`, or `removed`: then only the id is left.
    state: PersonState,
    /// Groups that administrators gave.
    groups: Vec<String>,
    /// Groups that each provider stated when the person last signed in there, by the name of the provider.
    provider_groups: BTreeMap<String, Vec<String>>,
    /// The passkeys with which the person signs in.
    passkeys: Vec<PasskeyView>,
    /// The accounts at providers with which the person signs in.
    providers: Vec<ProviderAccountView>,
    /// When the account was created.
    created: String,
}

/// A passkey, without its public key.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct PasskeyView {
    /// The name that the person gave.
    name: String,
    /// When it was added.
    created: String,
    /// When the person last signed in with it.
    last_used: Option<String>,
}

/// An account at a provider.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct ProviderAccountView {
    /// Issuer identifier of the provider. Example: `https://login.example.net`.
    issuer: String,
    /// The person's `sub` there.
    sub: String,
}

impl UserView {
    fn of(person: Person) -> UserView {
        UserView {
            sub: person.id.sub(),
            name: person.name,
            display_name: person.display,
            email: person.email,
            state: person.state,
            groups: person.groups,
            provider_groups: person.provider_groups,
            passkeys: person.passkeys.into_iter().map(PasskeyView::of).collect(),
            providers: person.links.into_iter().map(ProviderAccountView::of).collect(),
            created: person.created.to_string(),
        }
    }
}

impl PasskeyView {
    fn of(passkey: Passkey) -> PasskeyView {
        PasskeyView {
            name: passkey.name,
            created: passkey.created.to_string(),
            last_used: passkey.last_used.map(|time| time.to_string()),
        }
    }
}

impl ProviderAccountView {
    fn of(account: ProviderAccount) -> ProviderAccountView {
        ProviderAccountView {
            issuer: account.issuer,
            sub: account.sub,
        }
    }
}

/// Filters of the list. An account is listed if all of them match.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// State of the account. Removed accounts are listed only with `removed`.
    state: Option<PersonState>,
    /// A group, as rules name it: `PROVIDER/GROUP`, or the plain name of a group of this server.
    group: Option<String>,
    after: Option<String>,
    /// Maximum number of accounts on the page, 1 to 1,000. Default: 1,000.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: Option<NonZeroU32>,
}

impl Filter {
    fn matches(&self, person: &Person) -> bool {
        let has_state = match self.state {
            Some(state) => person.state == state,
            None => person.state != PersonState::Removed,
        };
        has_state && self.group.as_ref().is_none_or(|group| person.is_in(group))
    }
}

/// A page of accounts.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Page {
    users: Vec<UserView>,
    /// The value of `after` for the next page; absent on the last page.
    next: Option<String>,
}

pub(super) async fn list(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Reply<Page> {
    let wanted = paging::size(filter.limit);
    let mut users = Vec::new();
    let mut pages = app.store.pages::<Person>(paging::start(filter.after.as_deref()));
    while let Some(page) = pages.next().await? {
        for row in page {
            let person = match row.record {
                Ok(person) => person,
                Err(fault) => {
                    app.note_refused_of_people(&RefusedRecord::of_people("person", &row.key, &fault));
                    continue;
                }
            };
            if filter.matches(&person) {
                users.push(UserView::of(person));
            }
            if users.len() == wanted {
                let next = Some(hex::encode(row.key));
                return Ok(Json(Page { users, next }));
            }
        }
    }
    Ok(Json(Page { users, next: None }))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// Name of the account, or `sub` of the person.
    user: String,
}

pub(super) async fn show(State(app): State<Arc<App>>, Json(named): Json<Named>) -> Reply<UserView> {
    let found = account_named(&app, &named.user).await?;
    Ok(Json(UserView::of(order::known(&named.user, found)?.record)))
}

/// The account to change.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    /// Name of the account, or `sub` of the person.
    pub(super) user: String,
    /// The reason, which the event records.
    pub(super) reason: Option<String>,
}

pub(super) async fn lock(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<UserChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let (person, done) = until_unchanged(|| lock_once(&app, &change, &wanted.user)).await?;
    erase_sessions(&app, person).await?;
    Ok(done)
}

async fn lock_once(
    app: &App,
    change: &Change<'_>,
    user: &str,
) -> Result<(PersonId, Json<Done>), ErrorAnswer> {
    let person = find(app, user).await?;
    let done = carry_out(change, order::lock(&change.order()?, &person)).await?;
    Ok((person.record.id, done))
}

pub(super) async fn unlock(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<UserChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    until_unchanged(|| unlock_once(&app, &change, &wanted.user)).await
}

async fn unlock_once(app: &App, change: &Change<'_>, user: &str) -> Reply<Done> {
    let person = find(app, user).await?;
    carry_out(change, order::unlock(&change.order()?, &person)).await
}

/// The account cannot be used from the first batch on, and what belongs to it is erased after that: a person can have more
/// records than one batch can delete. If that is interrupted, the same order completes it, by the `sub` of the person.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<UserChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let (person, done) = until_unchanged(|| remove_once(&app, &change, &wanted.user)).await?;
    erase_all(&app, person).await?;
    Ok(done)
}

async fn remove_once(
    app: &App,
    change: &Change<'_>,
    user: &str,
) -> Result<(PersonId, Json<Done>), ErrorAnswer> {
    let person = order::known(user, account_named(app, user).await?)?;
    let traces = traces_of(app, &person.record).await?;
    let decided = order::remove(&change.order()?, &person, &traces);
    let done = carry_out(change, decided).await?;
    Ok((person.record.id, done))
}

/// The group to which a person is added, or from which the person is removed.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupChange {
    /// Name of the account, or `sub` of the person.
    user: String,
    /// Plain name of a group of this server. Example: `auditors`.
    #[schemars(regex(pattern = r"^[^\s/\x00-\x1f\x7f-\x9f]{1,64}$"))]
    group: String,
    /// The reason, which the event records.
    reason: Option<String>,
}

pub(super) async fn add_group(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<GroupChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    until_unchanged(|| add_group_once(&app, &change, &wanted)).await
}

async fn add_group_once(app: &App, change: &Change<'_>, wanted: &GroupChange) -> Reply<Done> {
    let person = find(app, &wanted.user).await?;
    let decided = order::add_group(&change.order()?, &person, &wanted.group)?;
    carry_out(change, decided).await
}

pub(super) async fn remove_group(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<GroupChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    until_unchanged(|| remove_group_once(&app, &change, &wanted)).await
}

async fn remove_group_once(app: &App, change: &Change<'_>, wanted: &GroupChange) -> Reply<Done> {
    let person = find(app, &wanted.user).await?;
    let decided = order::remove_group(&change.order()?, &person, &wanted.group);
    carry_out(change, decided).await
}

/// The account with this name or `sub`, which must not be removed.
pub(super) async fn find(app: &App, user: &str) -> Result<Versioned<Person>, ErrorAnswer> {
    Ok(order::existing(user, account_named(app, user).await?)?)
}
