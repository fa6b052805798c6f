//! What happens to a client after it exists: freeze, thaw, removal.

use crate::actor::Actor;
use crate::entropy::Entropy;
use crate::identity::Authority;
use crate::records::{
    Batch, Client, ClientIdAlias, ClientState, Event, EventKind, Removed, Versioned, clients_of_authority,
    clients_of_rule,
};
use testudo_protocol::{Seconds, Timestamp};

/// How long a removed client and events about clients are remembered.
pub const HISTORY_RETENTION: Seconds = Seconds(400 * 86_400);

/// How long events about a client without attester and sponsor are kept: shorter, since any caller can cause them up
/// to the rate.
const STRANGERS_RETENTION: Seconds = Seconds(90 * 86_400);

/// How long events about a client are remembered.
pub fn event_retention(authority_key: &str, is_vouched_for: bool) -> Seconds {
    if !is_vouched_for && authority_key == Authority::registration().key() {
        return STRANGERS_RETENTION;
    }
    HISTORY_RETENTION
}

/// Who does it, and why.
#[derive(Debug, Clone)]
pub struct Cause<'a> {
    /// An administrator, or the sweep.
    pub actor: &'a Actor,
    /// In a word: the reason that a later life of the client remembers, and the event's.
    pub reason: &'a str,
    /// What an administrator gave as the reason: the event's, if there is one.
    pub note: Option<&'a str>,
}

/// Freezes or thaws; nothing where the client is in that state already.
pub fn set_state(
    client: &Versioned<Client>,
    state: ClientState,
    cause: &Cause<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Batch {
    let mut batch = Batch::default();
    if client.record.state == state {
        return batch;
    }
    let changed = Client {
        state,
        ..client.record.clone()
    };
    batch.replace(&changed, client.version);
    let kind = match state {
        ClientState::Active => EventKind::ClientThawed,
        ClientState::Frozen => EventKind::ClientFrozen,
    };
    batch.insert(&event_about(&changed, kind, cause, entropy, now));
    batch
}

/// Removes a client at the version that was looked at: one that woke up meanwhile stays. `history` is the
/// record of an earlier life, which the new one replaces; `alias` its public identifier where that is not the
/// identity.
pub fn remove(
    client: &Versioned<Client>,
    history: Option<&Versioned<Removed>>,
    alias: Option<&Versioned<ClientIdAlias>>,
    cause: &Cause<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Batch {
    let mut batch = Batch::default();
    batch.delete(&client.record, client.version);
    // Client ids that this server made are never used again, so no history record is needed.
    if client.record.authority != Authority::registration().key() {
        let removed = Removed {
            client: client.record.clone(),
            removed: now,
            reason: cause.reason.to_owned(),
            keep_until: now + HISTORY_RETENTION,
        };
        match history {
            Some(earlier) => batch.replace(&removed, earlier.version),
            None => batch.insert(&removed),
        }
    }
    if let Some(alias) = alias {
        batch.delete(&alias.record, alias.version);
    }
    batch.add(clients_of_authority(client.record.counted_under()), -1, None);
    batch.add(clients_of_rule(&client.record.rule), -1, None);
    batch.insert(&event_about(
        &client.record,
        EventKind::ClientRemoved,
        cause,
        entropy,
        now,
    ));
    batch
}

fn event_about(
    client: &Client,
    kind: EventKind,
    cause: &Cause<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Event {
    let keep_until = now + event_retention(&client.authority, client.sponsor.is_some());
    let mut event = Event::new(entropy.event_id(kind as u8), now, kind, keep_until);
    event.authority = Some(client.authority.clone());
    event.identity = Some(client.subject.clone());
    event.client_id = Some(client.client_id.clone());
    event.rule = Some(client.rule.clone());
    event.reason = Some(cause.note.unwrap_or(cause.reason).to_owned());
    event.actor = Some(cause.actor.to_string());
    event
}
