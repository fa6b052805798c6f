//! Chains of client certificates: verified beside the async workers, behind a bound, and not twice in vain.
//!
//! A chain is up to five signatures of the client's choice of algorithm. While one is verified no other request
//! may wait for it, so this happens on threads of its own kind; what cannot be verified soon is answered with 503
//! instead of being queued. Work whose caller has gone away is five signatures at most, and none where it has not
//! begun. A short chain costs about what a token costs, and handing it to another thread would add to that: it is
//! verified where it arrived, if its turn comes at once.

use crate::fault::{Fault, Stop};
use crate::peer::Peer;
use crate::state::app::App;
use crate::state::in_force::InForce;
use std::sync::Arc;
use testudo_core::doors::x509_svid::X509Svid;
use testudo_core::doors::{AuthorityKeys, Facts, Purpose, Terms};
use testudo_core::policy::Policy;
use testudo_core::rejection::{CredentialReason, Rejection};
use testudo_core::{AttestedIdentity, Trace};
use testudo_protocol::Timestamp;

/// verify: a chain of certificates, at its door.
pub(crate) async fn verify(
    app: &App,
    peer: &Peer,
    door: X509Svid,
    facts: &Facts,
    in_force: &Arc<InForce>,
) -> Result<AttestedIdentity, Stop> {
    // Without a bundle nothing is verified: the door says why.
    let Facts::Keys(AuthorityKeys::Bundle(bundle)) = facts else {
        return Ok(door.verify(facts, terms(&in_force.policy, app.now()), &mut Trace::off())?);
    };
    let (memory, digest) = (&peer.chains, door.digest());
    // The connection of a proxy brings chains of many clients, which need not wait for each other.
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
    let Some(verified) = app.chain_work.run(is_short, work).await else {
        app.metrics.certificate_chains_shed.inc();
        return Err(Fault::ChainsWaiting.into());
    };
    app.metrics.certificate_chains_verified.inc();
    if let Err(Rejection::Credential(CredentialReason::Certificate(fault))) = &verified {
        memory.remember(digest, bundle, fault);
    }
    Ok(verified?)
}

/// A chain proves the same identity whatever it is shown for.
fn terms(policy: &Policy, now: Timestamp) -> Terms<'_> {
    Terms {
        policy,
        purpose: Purpose::Authentication,
        now,
    }
}
