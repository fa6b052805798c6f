//! gather and verify: gets the facts that a credential needs and verifies it.

use crate::chains;
use crate::fault::Stop;
use crate::gather::{gather, keys_of_client};
use crate::peer::Peer;
use crate::state::app::App;
use crate::state::in_force::InForce;
use std::sync::Arc;
use testudo_core::admission::governed::is_switched_on;
use testudo_core::doors::{
    Acceptance, AttestedClient, Credential, Facts, Presented, Purpose, ReviewNeeded, Terms,
};
use testudo_core::rejection::Rejection;
use testudo_core::{AttestedIdentity, Trace};

/// The identity that the credential proves, and the facts with which it was verified. Certificate chains are verified
/// on blocking threads, since that may take long.
pub(crate) async fn verify_credential(
    app: &App,
    in_force: &Arc<InForce>,
    peer: &Peer,
    credential: Credential,
    purpose: Purpose<'_>,
) -> Result<(AttestedIdentity, Facts), Stop> {
    let facts = gather(app, in_force, credential.lookups()).await?;
    let terms = Terms {
        policy: &in_force.policy,
        purpose,
        now: app.now(),
    };
    let identity = if let Credential::X509Svid(door) = credential {
        chains::verify(app, peer, door, &facts, in_force).await?
    } else if let Credential::TlsClientAuth(door) = credential {
        chains::verify_of_client(app, door, in_force).await?
    } else {
        credential.verify(&facts, terms, &mut Trace::off())?
    };
    Ok((identity, facts))
}

/// The client of a verifiable credential that authenticates with a verified attestation, and the facts of its record.
/// `None` for every other identity, which is the client itself.
pub(crate) async fn attested_client(
    app: &App,
    in_force: &InForce,
    attested: &AttestedIdentity,
) -> Result<Option<(AttestedIdentity, Facts)>, Stop> {
    let Some(client) = AttestedClient::of(attested, &in_force.policy)? else {
        return Ok(None);
    };
    is_switched_on(attested, &app.switches.load())?;
    let keys = keys_of_client(app, client.record_key()).await?;
    let identity = client.authenticate(keys.as_deref())?;
    Ok(Some((identity, keys.map_or(Facts::Nothing, Facts::Client))))
}

/// Refuses a verified token whose cluster states that it is not valid any more, if the configuration has it reviewed.
/// Called for identities that a rule governs.
pub(crate) async fn review(
    app: &App,
    in_force: &InForce,
    presented: &Presented,
    identity: &AttestedIdentity,
) -> Result<(), Rejection> {
    let Some(needed) = ReviewNeeded::of(presented, identity, &in_force.policy)? else {
        return Ok(());
    };
    let Some(source) = in_force.reviews.get(needed.cluster) else {
        return Ok(());
    };
    // Boxed: only these requests need the memory of this future.
    let asked = Box::pin(app.memory.token_reviews.get(&app.clock, &needed, source));
    let (reviewed, outage) = asked.await?;
    if needed.decide(&reviewed, outage)? == Acceptance::InOutage {
        app.metrics.tokens_not_reviewed.inc();
    }
    Ok(())
}
