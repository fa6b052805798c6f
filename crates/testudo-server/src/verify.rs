//! gather and verify: gets the facts that a credential needs and verifies it.

use crate::chains;
use crate::fault::Stop;
use crate::gather::gather;
use crate::peer::Peer;
use crate::state::app::App;
use crate::state::in_force::InForce;
use std::sync::Arc;
use testudo_core::doors::{Credential, Facts, Purpose, Terms};
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
