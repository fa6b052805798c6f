//! Operations on invitations: a link with which a person makes a passkey.

use super::acting::Administrator;
use super::input::Json;
use super::operation::Operation;
use super::reply::{ErrorAnswer, Reply, carry_out, until_unchanged};
use crate::change::Change;
use crate::person_records::{account_named, invitations};
use crate::state::app::App;
use axum::extract::State;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::admin::invitation::{Found, Invited, invite};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::act::<Invitation>(
            "/admin/v1/users/invite",
            "Make a link with which a person makes a passkey, for a new account or to recover an account. The link is in no other answer.",
            post(make),
        )
        .by_body::<Wanted>(),
    ]
}

/// Whom to invite.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Name of the new account; to recover an account, its name or the `sub` of its person.
    user: String,
    /// Groups of this server that the new account will have. An account that is recovered keeps its groups.
    #[serde(default)]
    groups: Vec<String>,
    /// True if the account exists and its person has lost the passkeys: its passkeys, sessions and accounts at providers end when the link is used, and so does a lock that it has now.
    #[serde(default)]
    recover: bool,
    /// The reason, which the event records.
    reason: Option<String>,
}

/// An invitation.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Invitation {
    done: String,
    /// What to send to the person. A person who has the link can use it, once. Example:
    /// `https://as.example.net/invite#AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA`.
    link: String,
    /// When the link ends, in RFC 3339.
    expires: String,
}

pub(super) async fn make(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<Wanted>,
) -> Reply<Invitation> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    until_unchanged(|| make_once(&app, &change, &wanted)).await
}

async fn make_once(app: &App, change: &Change<'_>, wanted: &Wanted) -> Reply<Invitation> {
    let in_force = app.in_force.load_full();
    let invited = Invited {
        user: &wanted.user,
        groups: &wanted.groups,
        is_recovery: wanted.recover,
    };
    // The record of the name is read before the invitations: if another administrator invites this name meanwhile, the
    // decision cannot be committed with the version that was read here.
    let invited_name = app.store.read(wanted.user.as_bytes()).await?;
    let found = Found {
        invited: invited_name,
        account: account_named(app, &wanted.user).await?,
        invitations: invitations(app).await?,
    };
    let login = in_force.policy.login.as_ref();
    let made = invite(&change.order()?, &invited, found, login).map_err(ErrorAnswer::from)?;
    let Json(answer) = carry_out(change, made.decided).await?;
    let issuer = in_force.policy.issuer.as_str().trim_end_matches('/');
    Ok(Json(Invitation {
        done: answer.done,
        // The token is in the fragment, which browsers send to no server: it is in no log of a proxy.
        link: format!("{issuer}/invite#{}", made.token),
        expires: made.expires.to_string(),
    }))
}
