//! Whether a credential that was verified is still good: reads the status lists that it refers to, and refuses it if one of
//! them does not state that it is valid; and compares that of a registered client with the entry of its issuer.

use crate::audit::write_event;
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::trust::status_lists::Answer;
use std::time::Duration;
use testudo_core::doors::{KnownCredential, ListAge, StatusNeeded, is_still_accepted};
use testudo_core::policy::StatusUse;
use testudo_core::records::{Client, EventKind};
use testudo_core::rejection::{AdmissionReason, CredentialReason, Rejection};
use testudo_core::{AttestedIdentity, Authority};
use testudo_protocol::Timestamp;
use testudo_protocol::credentials::status::StatusReference;
use tokio::time::{Instant, timeout_at};

/// The longest time that a request waits for all lists of its credential.
const CHECK_MAX: Duration = Duration::from_secs(10);

/// Refuses a credential of `authority` whose status is not that of a valid one. Its signature, its times, its type and the
/// proof of its holder are verified before: a credential that is refused for them causes no fetch. [TSL §8.3]
pub async fn check(
    app: &App,
    in_force: &InForce,
    authority: &Authority,
    references: &[StatusReference],
) -> Result<(), Rejection> {
    let Some(settings) = in_force.policy.authority(authority) else {
        let authority = authority.clone();
        return Err(CredentialReason::UnknownAuthority { authority }.into());
    };
    let issuer = settings.issuer.as_deref().unwrap_or_default();
    let lists = StatusNeeded::of(authority, issuer, &settings.status, references)?;
    if lists.is_empty() {
        return Ok(());
    }
    // Credentials of a disabled authority are refused in any case, so nothing is fetched for them.
    if !app.switches.load().is_enabled(authority) {
        let authority = authority.clone();
        return Err(AdmissionReason::AuthorityDisabled { authority }.into());
    }
    let keys = in_force.authority_keys(authority, app.moment());
    let (Some(anchor), Some(keys)) = (in_force.anchor(authority), keys) else {
        let authority = authority.clone();
        return Err(CredentialReason::BundleUnavailable { authority }.into());
    };
    let deadline = Instant::now() + CHECK_MAX;
    for needed in &lists {
        let lists = &app.memory.status_lists;
        // Boxed: only these requests need the memory of this future. A fetch continues after the deadline.
        let answer = timeout_at(deadline, Box::pin(lists.get(&app.clock, needed, anchor, &keys))).await;
        let answer = answer.unwrap_or_else(|_| Answer::too_late());
        if needed.decide(&answer.found, app.now())? == ListAge::Stale {
            app.metrics.status_lists_stale.inc();
            if answer.is_news() {
                note_stale(app, needed).await;
            }
        }
    }
    Ok(())
}

/// Refuses a credential with which a client registered, if it was revoked, or if the entry of its issuer would not accept it
/// any more.
pub async fn judge(app: &App, in_force: &InForce, known: KnownCredential<'_>) -> Result<(), Rejection> {
    still_accepted(in_force, known, app.now())?;
    check(app, in_force, known.issuer, &known.credential.status).await
}

/// Refuses a credential that the entry of its issuer would not accept any more. Nothing is fetched or read for it.
fn still_accepted(in_force: &InForce, known: KnownCredential<'_>, now: Timestamp) -> Result<(), Rejection> {
    let issuer = known.issuer;
    let (Some(accepted), Some(entry)) = (known.credential.accepted(), in_force.policy.authority(issuer))
    else {
        return Ok(());
    };
    let keys = in_force.anchor(issuer).and_then(|anchor| anchor.of_any_age());
    Ok(is_still_accepted(accepted, issuer, entry, keys.as_ref(), now)?)
}

/// Refuses the holder of a token of this server whose verifiable credential, or that of its sponsor, is not good any more.
pub async fn of_holder(app: &App, in_force: &InForce, client: &Client) -> Result<(), Rejection> {
    let authority = Authority::of_key(&client.authority);
    let own = authority.as_ref().zip(client.credential.as_deref());
    let of_sponsor = client
        .sponsor
        .as_deref()
        .zip(client.sponsor_credential.as_deref());
    match KnownCredential::of(own, of_sponsor) {
        None => Ok(()),
        Some(known) => judge(app, in_force, known)
            .await
            .map_err(|why| known.refused(why)),
    }
}

/// The event of a list that is used although it could not be fetched again: once until a fetch succeeds.
async fn note_stale(app: &App, needed: &StatusNeeded<'_>) {
    write_event(app, EventKind::StatusListStale, |event| {
        event.authority = Some(needed.authority.key().to_owned());
        event.detail = Some(format!(
            "the list at {} is used although it is too old",
            needed.list.url
        ));
    })
    .await;
}

/// The event of a client that registered with a credential whose status has a kind that this server cannot check.
pub async fn note_unchecked(app: &App, in_force: &InForce, identity: &AttestedIdentity) {
    let settings = in_force.policy.authority(&identity.authority);
    let is_checked = settings.is_some_and(|settings| settings.status.r#use != StatusUse::Ignore);
    let credential = identity.proof.credential.as_ref();
    let is_unknown = credential.is_some_and(|known| known.status.contains(&StatusReference::Unknown));
    if !(is_checked && is_unknown) {
        return;
    }
    write_event(app, EventKind::StatusUnknown, |event| {
        event.authority = Some(identity.authority.key().to_owned());
        event.identity = Some(identity.subject.to_string());
    })
    .await;
}
