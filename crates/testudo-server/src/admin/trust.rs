//! Operations on authorities: show them, fetch or accept a bundle, disable and enable them.

use super::acting::Administrator;
use super::failure::Failure;
use super::input::{Json, Name};
use super::operation::Operation;
use super::reason::Reason;
use super::reply::{Done, ErrorAnswer, Reply, carry_out, done};
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::trust::{self, Anchor, AnchorStatus, AuthorityStatus, Refreshed};
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;
use std::sync::Arc;
use testudo_core::Authority;
use testudo_core::admin::{Decided, Order, trust as order};
use testudo_core::policy::AuthorityUse;
use testudo_core::records::Kind;
use testudo_store::StoreFault;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Vec<TrustView>>(
            "/admin/v1/trust",
            "Authorities and their bundles.",
            get(list),
        ),
        Operation::read::<TrustView>("/admin/v1/trust/{name}", "One authority.", get(show)),
        Operation::act::<Done>(
            "/admin/v1/trust/{name}/refresh",
            "Fetch the bundle of an authority now.",
            post(refresh),
        )
        .by_optional_body::<Reason>()
        .asking_a_publisher(),
        Operation::act::<Done>(
            "/admin/v1/trust/{name}/accept",
            "Fetch the bundle of an authority now, and accept it also where it would be held back: its sequence is lower or missing, or the Workload API sent it without the JWT keys or without the X.509 authorities that the bundle in force has.",
            post(accept),
        )
        .by_optional_body::<Reason>()
        .asking_a_publisher(),
        Operation::act::<Done>(
            "/admin/v1/trust/{name}/disable",
            "Disable an authority: its identities are refused from the next request on.",
            post(disable),
        )
        .by_optional_body::<Reason>(),
        Operation::act::<Done>(
            "/admin/v1/trust/{name}/enable",
            "Enable a disabled authority.",
            post(enable),
        )
        .by_optional_body::<Reason>(),
    ]
}

/// An authority with its bundle.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct TrustView {
    /// False where an administrator disabled the authority.
    is_enabled: bool,
    /// What happens at the first token request of an identity.
    first_use: testudo_core::rules::FirstUse,
    /// Kinds of credential that are accepted from the authority.
    credentials: Vec<testudo_core::CredentialKind>,
    /// What they are accepted for.
    uses: Vec<AuthorityUse>,
    /// The `iss` that its credentials must have, where one is configured. Example:
    /// `https://kubernetes.default.svc.cluster.local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// URL of the API server that reviews the tokens of a cluster, where they are reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_review: Option<String>,
    /// Number of clients of the authority, active and frozen.
    clients: i64,
    /// The X.509 authorities of the bundle, each with its validity.
    x509_authority_validity: Vec<AuthorityStatus>,
    #[serde(flatten)]
    bundle: AnchorStatus,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Reply<Vec<TrustView>> {
    let in_force = app.in_force.load_full();
    let mut authorities: Vec<&Authority> = in_force.policy.authorities.keys().collect();
    authorities.sort();
    let mut views = Vec::new();
    for authority in authorities {
        views.push(view(&app, &in_force, authority).await?);
    }
    Ok(Json(views))
}

pub(super) async fn show(State(app): State<Arc<App>>, Name(name): Name) -> Reply<TrustView> {
    let in_force = app.in_force.load_full();
    let authority = order::known(&name, &in_force.policy)?;
    view(&app, &in_force, &authority).await.map(Json)
}

pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    by: Administrator,
    Name(name): Name,
    body: Reason,
) -> Reply<Done> {
    let in_force = app.in_force.load_full();
    let anchor = anchor(&in_force, &order::known(&name, &in_force.policy)?)?;
    let outcome = trust::refresh_for(&app, &anchor, by.because(body.reason.as_deref())).await;
    answer(&name, &anchor, outcome, &app)
}

pub(super) async fn accept(
    State(app): State<Arc<App>>,
    by: Administrator,
    Name(name): Name,
    body: Reason,
) -> Reply<Done> {
    let in_force = app.in_force.load_full();
    let anchor = anchor(&in_force, &order::known(&name, &in_force.policy)?)?;
    match trust::accept(&app, &anchor, by.because(body.reason.as_deref())).await {
        Refreshed::Updated => Ok(done(format!("{name}: updated; nothing was held back"))),
        Refreshed::Unchanged => Ok(done(format!("{name}: unchanged; nothing is held back"))),
        other @ (Refreshed::Accepted(_)
        | Refreshed::HeldBack(_)
        | Refreshed::Failed(_)
        | Refreshed::NotTaken(_)) => answer(&name, &anchor, other, &app),
    }
}

fn answer(name: &str, anchor: &Anchor, outcome: Refreshed, app: &App) -> Reply<Done> {
    match outcome {
        Refreshed::Updated => Ok(done(format!("{name}: updated"))),
        Refreshed::Unchanged => Ok(done(format!("{name}: unchanged"))),
        Refreshed::Accepted(what) => Ok(done(format!("{name}: accepted: {what}"))),
        Refreshed::Failed(why) => Err(ErrorAnswer {
            failure: Failure::Publisher,
            error: format!("{name}: the keys could not be fetched: {why}"),
            hint: Some(after_failure(anchor, app)),
        }),
        Refreshed::NotTaken(why) => Err(ErrorAnswer {
            failure: Failure::Unavailable,
            error: format!("{name}: {why}"),
            hint: Some(after_failure(anchor, app)),
        }),
        Refreshed::HeldBack(held_back) => Err(ErrorAnswer::bad_request(
            format!("{name}: {held_back}: not put in force"),
            Some(format!(
                "if the publisher confirms the change, run `testudo trust accept {name}`"
            )),
        )),
    }
}

/// Which bundle is in force after a refresh that failed.
fn after_failure(anchor: &Anchor, app: &App) -> String {
    let document = anchor.source().authority.kind().document();
    if anchor.current(app.moment()).is_some() {
        return format!("the earlier {document} stays in force until its maximum age");
    }
    let missing = match anchor.held_keys_once() {
        true => format!("the earlier {document} is older than its maximum age"),
        false => format!("this server has no {document} of this authority"),
    };
    format!(
        "{missing}, so every credential of it is refused until a fetch succeeds: `testudo doctor` checks the source"
    )
}

pub(super) async fn disable(
    State(app): State<Arc<App>>,
    by: Administrator,
    Name(name): Name,
    body: Reason,
) -> Reply<Done> {
    turn_switch(&app, by, &name, body, order::disable).await
}

pub(super) async fn enable(
    State(app): State<Arc<App>>,
    by: Administrator,
    Name(name): Name,
    body: Reason,
) -> Reply<Done> {
    turn_switch(&app, by, &name, body, order::enable).await
}

/// Disables or enables an authority, under the lock of changes.
async fn turn_switch(
    app: &App,
    by: Administrator,
    name: &str,
    body: Reason,
    decide: fn(&Order<'_>, &Authority, Option<u64>) -> Decided,
) -> Reply<Done> {
    let change = by.change(app, body.reason.as_deref()).await;
    let authority = authority(app, name)?;
    let held = switch(app, &authority).await?;
    carry_out(&change, decide(&change.order()?, &authority, held)).await
}

/// Version of the stored switch, whether or not its record can be read.
async fn switch(app: &App, authority: &Authority) -> Result<Option<u64>, StoreFault> {
    let stored = app.store.get(Kind::Switch, authority.key().as_bytes()).await?;
    Ok(stored.map(|stored| stored.version))
}

fn authority(app: &App, name: &str) -> Result<Authority, ErrorAnswer> {
    Ok(order::known(name, &app.in_force.load().policy)?)
}

fn anchor(in_force: &InForce, authority: &Authority) -> Result<Arc<Anchor>, ErrorAnswer> {
    let anchor = in_force.anchor(authority).cloned();
    anchor.ok_or_else(|| unknown(authority.name()))
}

fn unknown(name: &str) -> ErrorAnswer {
    order::not_configured(name).into()
}

async fn view(app: &App, in_force: &InForce, authority: &Authority) -> Result<TrustView, ErrorAnswer> {
    let counter = testudo_core::records::clients_of_authority(authority.key());
    let clients = app.store.counter(&counter).await?;
    let trusted = in_force.policy.authority(authority);
    let trusted = trusted.ok_or_else(|| unknown(authority.name()))?;
    let anchor = anchor(in_force, authority)?;
    Ok(TrustView {
        is_enabled: app.switches.load().is_enabled(authority),
        first_use: trusted.first_use,
        credentials: trusted.credentials.clone(),
        uses: trusted.uses.clone(),
        issuer: trusted.issuer.clone(),
        token_review: in_force
            .reviews
            .get(authority)
            .map(|review| review.url.to_string()),
        clients,
        x509_authority_validity: anchor.x509_authorities(app.now()),
        bundle: anchor.status(app.moment()),
    })
}
