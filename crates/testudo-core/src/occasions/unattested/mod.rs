//! Clients that bring no evidence of their own: those that a sponsor, the holder of an initial access token, registers,
//! and strangers at the open door. [RFC7591 §3]
//!
//! They get a name from us, are public or have keys, never a secret, and live for a while. What one may have is
//! the rule of its sponsor, or that of the open door. One function, `resolve` in `record.rs`, judges the whole
//! record, when it is made and whenever it is changed.

mod defaults;
pub(super) mod record;

pub use defaults::SCOPE_REGISTER;
pub use record::kind;

use crate::admission::create::{Creation, create, event_about};
use crate::admission::known::Known;
use crate::admission::limits::limits_from;
use crate::admission::placed::Placed;
use crate::entropy::Entropy;
use crate::identity::Occasion;
use crate::metadata::requested::Requested;
use crate::occasions::registered::Registered;
use crate::policy::Policy;
use crate::records::{Batch, Client, EventKind, ManagementToken, Versioned};
use crate::rejection::{MetadataReason, Rejection};
use crate::velocity::Limit;
use defaults::lives;
use record::resolve;
use std::net::IpAddr;
use testudo_protocol::Timestamp;

/// A registration without evidence, or what replaces one.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What it asks for.
    pub requested: &'a Requested,
    /// For events.
    pub request_id: &'a str,
    /// SHA-256 of the token that it will manage its registration with.
    pub management_digest: [u8; 32],
    /// Where a stranger's request came from.
    pub address: Option<IpAddr>,
}

/// A new client. `room` takes one registration from every limit it is shown, or refuses.
pub fn register(
    placed: &Placed<'_>,
    asked: Asked<'_>,
    policy: &Policy,
    room: impl FnOnce(&[Limit]) -> Result<(), Rejection>,
    (entropy, now): (&Entropy, Timestamp),
) -> Result<Registered, Rejection> {
    // [RFC7591 §6] A client does not make its own identifier.
    if asked.requested.client_id.is_some() {
        return Err(MetadataReason::Member {
            member: "client_id",
            problem: "client_id is assigned, not chosen",
        }
        .into());
    }
    let (metadata, registration, answer) = resolve(placed, asked.requested, None, (policy, now))?;
    let limits = limits_from(placed, policy, asked.address);
    room(&limits)?;
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
        lives: lives(placed),
    };
    let occasion = (Occasion::Registration, asked.request_id);
    let time = (policy, entropy, now);
    let (client, batch) = create(placed, Known::default(), occasion, creation, time);
    Ok(Registered {
        client,
        answer,
        batch,
        limits,
        is_new: true,
    })
}

/// The client as it is replaced, whole, with the token that manages it from now on. [RFC7592 §2.2] It leaves an
/// event, and costs what a registration costs: to and fro would fill the store.
pub(crate) fn replace(
    placed: &Placed<'_>,
    client: &Versioned<Client>,
    (asked, management): (Asked<'_>, ManagementToken),
    room: impl FnOnce(&[Limit]) -> Result<(), Rejection>,
    (policy, entropy, now): (&Policy, &Entropy, Timestamp),
) -> Result<Registered, Rejection> {
    let (metadata, registration, answer) =
        resolve(placed, asked.requested, Some(&client.record), (policy, now))?;
    let limits = limits_from(placed, policy, asked.address);
    room(&limits)?;
    let changed = Client {
        metadata,
        registration: Some(Box::new(registration)),
        management: Some(Box::new(management)),
        ..client.record.clone()
    };
    let mut batch = Batch::default();
    batch.replace(&changed, client.version);
    let occasion = (Occasion::Registration, asked.request_id);
    let mut event = event_about(placed, occasion, EventKind::ClientUpdated, entropy, now);
    event.scope = Some(answer.scope.to_string());
    batch.insert(&event);
    Ok(Registered {
        client: changed,
        answer,
        batch,
        limits,
        is_new: false,
    })
}
