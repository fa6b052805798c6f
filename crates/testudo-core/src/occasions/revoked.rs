//! A client is frozen because a status list states that the credential with which it, or its sponsor, registered is revoked.

use crate::actor::Actor;
use crate::admission::conflicts::conflict_of_client;
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::StoredClient;
use crate::admission::lifecycle::{Cause, event_about_client};
use crate::decision::{ClientMemory, Decision, Moment, Resolution};
use crate::occasions::occasion::Occasion;
use crate::records::{Batch, Client, ClientCredential, ClientState, Conflict, EventKind, Loaded, Needs};
use crate::rejection::{CredentialReason, Rejection, StatusReason};
use crate::trace::Trace;

/// A proven client whose credential is revoked.
#[derive(Debug)]
pub struct Revocation<'a> {
    governed: &'a GovernedIdentity<'a>,
    credential: &'a ClientCredential,
    reason: &'a StatusReason,
}

impl<'a> Revocation<'a> {
    /// The revocation, if this is why the status of the credential of the client is refused. A suspended credential may
    /// become valid again without an administrator, and a list that cannot be fetched states nothing: both refuse the
    /// request, and change nothing.
    pub fn of(
        governed: &'a GovernedIdentity<'a>,
        credential: &'a ClientCredential,
        refused: &'a Rejection,
    ) -> Option<Revocation<'a>> {
        let Rejection::Credential(CredentialReason::Status(reason)) = refused else {
            return None;
        };
        matches!(**reason, StatusReason::Revoked { .. }).then_some(Revocation {
            governed,
            credential,
            reason,
        })
    }
}

impl Occasion for Revocation<'_> {
    type Outcome = ();

    /// The client is read from the store and not from memory, since it is changed.
    fn needs(&self) -> Needs<'_> {
        StoredClient::needs(self.governed)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let unchanged = Decision {
            memory: ClientMemory::Outdated,
            ..Decision::of(())
        };
        let Some(client) = StoredClient::of(self.governed, loaded).alive(at.now) else {
            return Ok(unchanged);
        };
        // The client may have registered with another credential since its request was verified.
        let stored = client.record.judged_credential();
        let Some(stored) = stored.filter(|stored| stored.status == self.credential.status) else {
            return Ok(unchanged);
        };
        if client.record.state == ClientState::Frozen {
            return Ok(unchanged);
        }
        let why = self.reason.to_string();
        let revoked = ClientCredential {
            revoked: Some(why.as_str().into()),
            ..stored.clone()
        };
        let frozen = Client {
            state: ClientState::Frozen,
            ..client.record.clone()
        };
        let frozen = frozen.with_judged_credential(revoked);
        let cause = Cause {
            actor: &Actor::StatusList,
            reason: &why,
            note: None,
            entropy: at.entropy,
            now: at.now,
        };
        let mut batch = Batch::default();
        batch.replace(&frozen, client.version);
        batch.insert_event(event_about_client(&frozen, EventKind::ClientFrozen, &cause));
        Ok(Decision { batch, ..unchanged })
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        conflict_of_client(self.governed, on)
    }
}
