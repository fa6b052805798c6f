//! A client that sent a request: a proven identity whose rule is known, and how it authenticated.

use crate::admission::attested_by::{BesideAttestation, attestation_agrees};
use crate::admission::conflicts::conflict_of_client;
use crate::admission::create::single_use;
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::{client_id_agrees, is_not_frozen};
use crate::decision::{ClientMemory, Moment, Resolution};
use crate::identity::{AttestedIdentity, AuthMethod};
use crate::possession::Possession;
use crate::records::{Batch, Client, ClientCredential, Conflict, Loaded, Needs, Registration};
use crate::rejection::{AdmissionReason, NotAcceptedBy, Rejection};
use crate::rules::FirstUse;
use crate::trace::Trace;
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

impl<'a> Caller<'a> {
    /// The client, which may be in memory.
    pub(super) fn needs(&self) -> Needs<'a> {
        Needs::one::<Client>(&self.governed.client_key).from_memory()
    }

    /// Steps 5 to 7 of admission, of a client that asks about a token or revokes one. `None`: the identity is no client yet. It is not registered, because nothing is issued to
    /// it, but its rule must allow its first use.
    pub(super) fn admit<'l>(
        &self,
        loaded: &'l Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Option<&'l Client>, Rejection> {
        let governed = self.governed;
        let client = loaded.find::<Client>(&governed.client_key);
        let client = client.filter(|client| !client.record.is_expired(at.now));
        let client = client.map(|client| &client.record);
        let client_id = client.map_or(&*governed.name.client_id, |client| &client.client_id);
        client_id_agrees(self.client_id, client_id, &governed.name)?;
        attestation_agrees(governed, client_id, self.attestation, trace)?;
        match client {
            Some(client) => known_client_may_act(governed.identity, client, self.possession, at.now)?,
            None => first_use_is_on(governed, at)?,
        }
        Ok(client)
    }

    /// The client id of the caller.
    pub(super) fn id<'c>(&'c self, client: Option<&'c Client>) -> &'c str {
        client.map_or(&*self.governed.name.client_id, |client| &client.client_id)
    }

    /// The marks of what the request used up.
    pub(super) fn single_use(&self) -> Batch {
        let mut batch = single_use(self.governed.identity);
        batch.extend(self.possession.single_use());
        batch
    }

    /// A client that only asks about tokens is in use as well.
    pub(super) fn use_of(&self, client: Option<&Client>) -> ClientMemory {
        match client {
            Some(_) => ClientMemory::Used(self.governed.identity.kind),
            None => ClientMemory::Unchanged,
        }
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

/// Step 7: an identity that may not become a client may not act as one.
fn first_use_is_on(governed: &GovernedIdentity<'_>, at: &Moment<'_>) -> Result<(), Rejection> {
    let authority = &governed.identity.authority;
    let (first_use, by) = at.policy.first_use(authority, governed.found.rule);
    match first_use {
        FirstUse::On => Ok(()),
        FirstUse::Off => Err(AdmissionReason::FirstUseOff { by }.into()),
        FirstUse::Observe => Err(AdmissionReason::FirstUseObserved { by }.into()),
    }
}
