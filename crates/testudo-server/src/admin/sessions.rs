//! Operations on the sessions of people: list, end.

use super::acting::Administrator;
use super::input::{Json, Query};
use super::of_people::{Wanted, page_of};
use super::operation::Operation;
use super::reply::{Done, ErrorAnswer, Reply, carry_out, until_unchanged};
use super::users;
use crate::change::Change;
use crate::person_records::erase_sessions;
use crate::state::app::App;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::sync::Arc;
use testudo_core::admin::session as order;
use testudo_core::people::{PersonId, SessionName};
use testudo_core::records::{Person, Session, Versioned};
use testudo_protocol::Seconds;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Page>(
            "/admin/v1/sessions",
            "Sessions of people that have not ended, page by page.",
            get(list),
        )
        .by_query::<Filter>(),
        Operation::act::<Done>("/admin/v1/sessions/end", "End one session.", post(end))
            .by_body::<SessionChange>(),
        Operation::act::<Done>(
            "/admin/v1/users/sessions/end",
            "End all sessions of a person.",
            post(end_all),
        )
        .by_body::<users::UserChange>(),
    ]
}

/// A session, as the admin API shows it. Times are in RFC 3339.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct SessionView {
    /// Id of the session. It is not the cookie, which only the browser has.
    session: String,
    /// `sub` of the person. Example: `u_AQIDBAUGBwgJCgsMDQ4PEA`.
    sub: String,
    /// Name of the account, where it has one.
    name: Option<String>,
    /// How the person signed in: `passkey`, `development`, or the name of a provider.
    method: String,
    /// The strength of the sign-in, where it has a name.
    acr: Option<String>,
    /// When the person signed in.
    created: String,
    /// When the session was used last; a use within a minute after the last one is not recorded.
    last_used: String,
    /// When the session ends, also if it is used.
    ends: String,
}

impl SessionView {
    fn of(session: Session, name: Option<String>) -> SessionView {
        SessionView {
            session: session.name.id(),
            sub: session.name.person.sub(),
            name,
            method: session.method,
            acr: session.acr,
            created: session.created.to_string(),
            last_used: session.last_used.to_string(),
            ends: session.ends.to_string(),
        }
    }
}

/// Filters of the list.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Name of the account, or `sub` of the person: only the sessions of this person.
    user: Option<String>,
    after: Option<String>,
    /// Maximum number of sessions on the page, 1 to 1,000. Default: 1,000.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: Option<NonZeroU32>,
}

/// A page of sessions.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Page {
    sessions: Vec<SessionView>,
    /// The value of `after` for the next page; absent on the last page.
    next: Option<String>,
}

pub(super) async fn list(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Reply<Page> {
    let wanted = Wanted {
        kind: "session",
        user: filter.user.as_deref(),
        after: filter.after.as_deref(),
        limit: filter.limit,
    };
    let (idle, now) = (idle_lifetime(&app), app.now());
    let entry = |session: Session, account: Option<&Person>| {
        let account = account.filter(|person| session.is_alive(person, idle, now))?;
        Some(SessionView::of(session, account.name.clone()))
    };
    let (sessions, next) = page_of(&app, wanted, |session| session.name.person, entry).await?;
    Ok(Json(Page { sessions, next }))
}

/// Without `[login]`, no session can be used, and the list is empty.
fn idle_lifetime(app: &App) -> Seconds {
    let in_force = app.in_force.load();
    let login = in_force.login.as_ref();
    login.map_or(Seconds(0), |login| login.session_idle_lifetime)
}

/// The session to end.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionChange {
    /// Id of the session, from the list.
    session: String,
    /// The reason, which the event records.
    reason: Option<String>,
}

pub(super) async fn end(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<SessionChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    until_unchanged(|| end_once(&app, &change, &wanted.session)).await
}

async fn end_once(app: &App, change: &Change<'_>, id: &str) -> Reply<Done> {
    let found: Option<Versioned<Session>> = match SessionName::of_id(id) {
        Some(name) => app.store.read(&name.key()).await?,
        None => None,
    };
    let session = order::known(id, found)?;
    carry_out(change, order::end(&change.order()?, &session)).await
}

pub(super) async fn end_all(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<users::UserChange>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let (person, done) = until_unchanged(|| end_all_once(&app, &change, &wanted.user)).await?;
    erase_sessions(&app, person).await?;
    Ok(done)
}

async fn end_all_once(
    app: &App,
    change: &Change<'_>,
    user: &str,
) -> Result<(PersonId, Json<Done>), ErrorAnswer> {
    let person = users::find(app, user).await?;
    let done = carry_out(change, order::end_all(&change.order()?, &person)).await?;
    Ok((person.record.id, done))
}
