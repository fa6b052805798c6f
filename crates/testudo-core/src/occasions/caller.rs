//! A client that sent a request: a proven identity whose rule is known, and how it authenticated.

use crate::admission::attested_by::BesideAttestation;
use crate::admission::conflicts::conflict_of_client;
use crate::admission::create::single_use;
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::is_not_frozen;
use crate::decision::Resolution;
use crate::identity::{AttestedIdentity, AuthMethod};
use crate::possession::Possession;
use crate::records::{Batch, Client, ClientCredential, Conflict, Registration};
use crate::rejection::{AdmissionReason, NotAcceptedBy, Rejection};
use testudo_protocol::Timestamp;

/// A proven identity whose rule is known, and how it authenticated.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The identity.
    pub governed: &'a GovernedIdentity<'a>,
    /// `client_id` as sent.
    pub client_id: Option<&'a str>,
    /// The attestation beside the client's own authentication.
    pub attestation: BesideAttestation<'a>,
    /// The keys that the request proved.
    pub possession: &'a Possession,
}

impl Caller<'_> {
    /// The marks of what the request used up.
    pub(super) fn single_use(&self) -> Batch {
        let mut batch = single_use(self.governed.identity);
        batch.extend(self.possession.single_use());
        batch
    }

    /// How a conflict is resolved.
    pub(super) fn conflict(&self, on: &Conflict) -> Resolution {
        let of_proofs = self.possession.conflict(on);
        of_proofs.unwrap_or_else(|| conflict_of_client(self.governed, on))
    }
}

/// Step 6: the client is not frozen, and the credential is of the method that it registered.
pub(super) fn known_client_may_act(
    identity: &AttestedIdentity,
    client: &Client,
    possession: &Possession,
    now: Timestamp,
) -> Result<(), Rejection> {
    is_not_frozen(client)?;
    let credential = client.credential.as_deref();
    let of_issuer = credential.and_then(ClientCredential::auth_method);
    let registered = client.registration_at(now).and_then(Registration::auth_method);
    for method in [of_issuer, registered].into_iter().flatten() {
        method_is_registered(identity, method, possession)?;
    }
    Ok(())
}

/// A client that registered an authentication method, or whose issuer stated one, may use only this method.
fn method_is_registered(
    identity: &AttestedIdentity,
    method: AuthMethod,
    possession: &Possession,
) -> Result<(), Rejection> {
    let is_shown = |kind| kind == identity.kind;
    if method.is_used(is_shown, possession.is_combined) {
        return Ok(());
    }
    Err(AdmissionReason::CredentialNotAccepted {
        kind: identity.kind,
        by: NotAcceptedBy::Registration,
    }
    .into())
}
