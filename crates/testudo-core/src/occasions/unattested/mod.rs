//! Clients without their own evidence: those that a sponsor, the holder of an initial access token, registers, and
//! those that register without any evidence (`registration.open`). [RFC7591 §3]
//!
//! The server assigns their client id. They are public clients or have keys, but no secret, and they end after a
//! lifetime. Their limits are those of the sponsor's rule or of `registration.open`. The function
//! `resolve_without_evidence` in `record.rs` validates the whole record, when it is created and when it is changed.

mod defaults;
pub(super) mod record;

pub use record::kind;

use crate::admission::conflicts::conflict_of_client;
use crate::admission::create::{Creation, create, event_of_request};
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::StoredClient;
use crate::admission::limits::limits_from;
use crate::decision::{ClientMemory, Decision, Moment, Resolution};
use crate::metadata::requested::RequestedMetadata;
use crate::occasions::occasion::Occasion;
use crate::occasions::registered::Registered;
use crate::possession::Possession;
use crate::records::RequestRef;
use crate::records::{
    Batch, Client, ClientCredential, Conflict, EventKind, Loaded, ManagementToken, Needs, Versioned,
};
use crate::rejection::{MetadataReason, Rejection};
use crate::trace::Trace;
use defaults::lifetimes;
use record::resolve_without_evidence;
use std::net::IpAddr;

/// A registration request without evidence, for a new client or a replacement.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationRequest<'a> {
    /// The requested metadata.
    pub requested: &'a RequestedMetadata,
    /// For events.
    pub request: RequestRef<'a>,
    /// SHA-256 of the token with which the client will manage its registration.
    pub management_digest: [u8; 32],
    /// The address of the caller, if there is no sponsor.
    pub address: Option<IpAddr>,
}

/// The registration of a client without evidence, with the client id that was just created for it.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationWithoutEvidence<'a> {
    /// The client id and the sponsor.
    pub governed: &'a GovernedIdentity<'a>,
    /// The requested metadata.
    pub asked: RegistrationRequest<'a>,
    /// What is kept of the verifiable credential of the sponsor, if it registered with one.
    pub sponsor_credential: Option<&'a ClientCredential>,
    /// The key to which the initial access token is bound, if the request proved it.
    pub possession: &'a Possession,
}

impl Occasion for RegistrationWithoutEvidence<'_> {
    type Outcome = Registered;

    /// No record has the new id, but it is read anyway: while the store cannot be read, the answer is 503 before the
    /// request is validated.
    fn needs(&self) -> Needs<'_> {
        StoredClient::needs(self.governed)
    }

    fn decide(
        &self,
        _loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<Registered>, Rejection> {
        let (governed, asked) = (self.governed, &self.asked);
        // [RFC7591 §6] A client must not choose its own identifier.
        if asked.requested.client_id.is_some() {
            return Err(MetadataReason::ClientIdChosen.into());
        }
        let (metadata, registration, answer) = resolve_without_evidence(governed, asked.requested, None, at)?;
        let creation = Creation {
            metadata,
            registration: Some(registration),
            scope: Some(answer.scope.to_string()),
            resource: None,
            management: Some(ManagementToken {
                digest: asked.management_digest,
                previous: None,
                unused: Vec::new(),
            }),
            sponsor_credential: self.sponsor_credential.map(ClientCredential::of_sponsor),
            lifetimes: lifetimes(governed),
        };
        let (client, mut batch) = create(governed, StoredClient::default(), asked.request, creation, at);
        batch.extend(self.possession.single_use());
        Ok(Decision {
            outcome: Registered {
                client,
                answer,
                is_new: true,
            },
            batch,
            limits: limits_from(governed, at.policy, asked.address),
            memory: ClientMemory::Outdated,
        })
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        let of_proofs = self.possession.conflict(on);
        of_proofs.unwrap_or_else(|| conflict_of_client(self.governed, on))
    }
}

/// The replaced client, with its new registration access token. [RFC7592 §2.2] A replacement writes an event, so it
/// counts against the rate limits like a new registration: a client that changes a member again and again must not fill
/// the store.
pub(super) fn replace(
    governed: &GovernedIdentity<'_>,
    client: &Versioned<Client>,
    asked: &RegistrationRequest<'_>,
    management: ManagementToken,
    at: &Moment<'_>,
) -> Result<Decision<Registered>, Rejection> {
    let (metadata, registration, answer) =
        resolve_without_evidence(governed, asked.requested, Some(&client.record), at)?;
    let changed = Client {
        metadata,
        registration: Some(Box::new(registration)),
        management: Some(Box::new(management)),
        ..client.record.clone()
    };
    let mut batch = Batch::default();
    batch.replace(&changed, client.version);
    let mut event = event_of_request(governed, asked.request, EventKind::ClientUpdated, at);
    event.scope = Some(answer.scope.to_string());
    batch.insert_event(event);
    Ok(Decision {
        outcome: Registered {
            client: changed,
            answer,
            is_new: false,
        },
        batch,
        limits: limits_from(governed, at.policy, asked.address),
        memory: ClientMemory::Outdated,
    })
}
