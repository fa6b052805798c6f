//! Freezes, thaws and deletes clients.

use super::order::{Audited, Decided, NotDone, Order};
use crate::admission::governing::governing_client;
use crate::admission::lifecycle::{Cause, Traces, event_about_client, removal};
use crate::identity::Authority;
use crate::policy::Policy;
use crate::records::{Batch, Client, ClientState, EventKind, Versioned};

/// The warning if a deleted client will be created again at its next request.
const WILL_RETURN: &str = "a rule still admits this identity: the client will be registered again at its next request; freeze the \
                           client or block the identity to keep it out";

/// The client with this id, which must exist.
pub fn known(client_id: &str, found: Option<Versioned<Client>>) -> Result<Versioned<Client>, NotDone> {
    found.ok_or_else(|| {
        let problem = format!("no client has the id {client_id:?}");
        NotDone::not_found(problem, "`testudo client list` shows all clients")
    })
}

/// Freezes a client: its requests are refused until it is thawed.
pub fn freeze(order: &Order<'_>, client: &Versioned<Client>) -> Decided {
    set_state(order, client, ClientState::Frozen)
}

/// Thaws a frozen client.
pub fn thaw(order: &Order<'_>, client: &Versioned<Client>) -> Decided {
    set_state(order, client, ClientState::Active)
}

fn set_state(order: &Order<'_>, client: &Versioned<Client>, state: ClientState) -> Decided {
    let (kind, word) = match state {
        ClientState::Active => (EventKind::ClientThawed, "thawed"),
        ClientState::Frozen => (EventKind::ClientFrozen, "frozen"),
    };
    let done = format!("{}: {word}", client.record.client_id);
    if client.record.state == state {
        return Decided::nothing(done);
    }
    let mut changed = Client {
        state,
        ..client.record.clone()
    };
    let credentials = [&mut changed.credential, &mut changed.sponsor_credential];
    for credential in credentials.into_iter().flatten() {
        credential.revoked = None;
    }
    let mut batch = Batch::default();
    batch.replace(&changed, client.version);
    let event = event_about_client(&changed, kind, &cause(order, word));
    Decided::change(Audited::new(batch, event), done)
}

/// Deletes a client at the version that was read. If a rule still admits its identity, the next request registers it
/// again, and the answer warns of this.
pub fn delete(order: &Order<'_>, client: &Versioned<Client>, traces: Traces<'_>, policy: &Policy) -> Decided {
    let cause = cause(order, "deleted");
    let batch = removal(client, traces, &cause);
    let event = event_about_client(&client.record, EventKind::ClientRemoved, &cause);
    let done = format!("{}: deleted", client.record.client_id);
    // An id that this server assigned is not assigned again.
    let is_named_here = client.record.authority == Authority::registration().key();
    let will_return = !is_named_here && governing_client(&client.record, policy).is_some();
    Decided {
        warning: will_return.then_some(WILL_RETURN),
        ..Decided::change(Audited::new(batch, event), done)
    }
}

fn cause<'a>(order: &'a Order<'_>, word: &'a str) -> Cause<'a> {
    Cause {
        actor: order.actor,
        reason: word,
        note: order.reason,
        entropy: &order.entropy,
        now: order.now,
    }
}
