//! Verifies certificate chains of clients: on blocking threads, with a bound, and a refused chain only once per
//! connection.
//!
//! A chain has up to five signatures, with algorithms that the client chooses. Chains are verified on blocking threads,
//! so that other requests do not wait; a request is answered with 503 where too many chains already wait. After a
//! client closed its connection, its chain is not verified if it still waits. A short chain costs about as much as
//! signing a token, and another thread would add to that, so it is verified on the async worker if no other chain is
//! ahead of it.

use crate::fault::{Fault, Stop};
use crate::peer::Peer;
use crate::state::app::App;
use crate::state::in_force::InForce;
use std::sync::Arc;
use testudo_core::doors::tls_client_auth::TlsClientAuth;
use testudo_core::doors::x509_svid::X509Svid;
use testudo_core::doors::{AuthorityKeys, Facts, Purpose, Terms};
use testudo_core::policy::Policy;
use testudo_core::rejection::{CredentialReason, Rejection};
use testudo_core::{AttestedIdentity, Trace};
use testudo_protocol::Timestamp;

/// verify: a chain of certificates.
pub(crate) async fn verify(
    app: &App,
    peer: &Peer,
    door: X509Svid,
    facts: &Facts,
    in_force: &Arc<InForce>,
) -> Result<AttestedIdentity, Stop> {
    // Without a bundle no signature is verified: `X509Svid::verify` only returns the reason.
    let Facts::Keys(AuthorityKeys::Bundle(bundle)) = facts else {
        return Ok(door.verify(facts, terms(&in_force.policy, app.now()), &mut Trace::off())?);
    };
    let (memory, digest) = (&peer.chains, door.digest());
    // On a connection from a proxy there are chains of many clients, which must not wait for each other.
    let is_own = peer.certificates.as_ref().is_some_and(|own| own.digest == digest);
    let _turn = match is_own {
        true => Some(memory.turn.lock().await),
        false => None,
    };
    if let Some(fault) = memory.recall(&digest, bundle) {
        return Err(CredentialReason::Certificate(fault).into());
    }
    let is_short = door.is_short();
    let (known, by, now) = (facts.clone(), in_force.clone(), app.now());
    let work = move || door.verify(&known, terms(&by.policy, now), &mut Trace::off());
    let verified = run(app, is_short, work).await?;
    if let Err(Rejection::Credential(CredentialReason::Certificate(fault))) = &verified {
        memory.remember(digest, bundle, fault);
    }
    Ok(verified?)
}

/// verify: the chain of a client that has its own authorities.
pub(crate) async fn verify_of_client(
    app: &App,
    door: TlsClientAuth,
    in_force: &Arc<InForce>,
) -> Result<AttestedIdentity, Stop> {
    let (is_short, by, now) = (door.is_short(), in_force.clone(), app.now());
    let work = move || door.verify(&Facts::Nothing, terms(&by.policy, now), &mut Trace::off());
    Ok(run(app, is_short, work).await??)
}

/// Verifies a chain on a thread for such work. Fails if too many wait for one.
async fn run(
    app: &App,
    is_short: bool,
    work: impl FnOnce() -> Result<AttestedIdentity, Rejection> + Send + 'static,
) -> Result<Result<AttestedIdentity, Rejection>, Stop> {
    let Some(verified) = app.chain_work.run(is_short, work).await else {
        app.metrics.certificate_chains_shed.inc();
        return Err(Fault::ChainsWaiting.into());
    };
    app.metrics.certificate_chains_verified.inc();
    Ok(verified)
}

/// The purpose of the request does not matter: a chain proves the same identity for each.
fn terms(policy: &Policy, now: Timestamp) -> Terms<'_> {
    Terms {
        policy,
        purpose: Purpose::Authentication,
        now,
    }
}
