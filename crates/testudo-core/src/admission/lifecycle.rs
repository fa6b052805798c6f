//! What happens to a client after it exists: its removal, and events about it.

use crate::actor::Actor;
use crate::entropy::Entropy;
use crate::identity::Authority;
use crate::records::{
    Batch, Client, ClientIdAlias, Event, EventKind, Removed, Versioned, clients_of_authority, clients_of_rule,
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

/// Who does it, why and when.
#[derive(Debug, Clone)]
pub struct Cause<'a> {
    /// An administrator, or the sweep.
    pub actor: &'a Actor,
    /// In a word: the reason that a later life of the client remembers, and the event's.
    pub reason: &'a str,
    /// What an administrator gave as the reason: the event's, if there is one.
    pub note: Option<&'a str>,
    /// For the id of the event.
    pub entropy: &'a Entropy,
    /// When.
    pub now: Timestamp,
}

/// What a client leaves behind, or takes with it, when it is removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traces<'a> {
    /// The record of an earlier life, which the new one replaces.
    pub history: Option<&'a Versioned<Removed>>,
    /// Its public identifier, where that is not the identity.
    pub alias: Option<&'a Versioned<ClientIdAlias>>,
}

/// Removes a client at the version that was looked at, and tells it: one that woke up meanwhile stays.
pub fn remove(client: &Versioned<Client>, traces: Traces<'_>, cause: &Cause<'_>) -> Batch {
    let mut batch = removal(client, traces, cause);
    batch.insert(&event_about_client(
        &client.record,
        EventKind::ClientRemoved,
        cause,
    ));
    batch
}

/// The removal without its event.
pub fn removal(client: &Versioned<Client>, traces: Traces<'_>, cause: &Cause<'_>) -> Batch {
    let mut batch = Batch::default();
    batch.delete(&client.record, client.version);
    // Client ids that this server made are never used again, so no history record is needed.
    if client.record.authority != Authority::registration().key() {
        let removed = Removed {
            client: client.record.clone(),
            removed: cause.now,
            reason: cause.reason.to_owned(),
            keep_until: cause.now + HISTORY_RETENTION,
        };
        match traces.history {
            Some(earlier) => batch.replace(&removed, earlier.version),
            None => batch.insert(&removed),
        }
    }
    if let Some(alias) = traces.alias {
        batch.delete(&alias.record, alias.version);
    }
    batch.add(clients_of_authority(client.record.counted_under()), -1, None);
    batch.add(clients_of_rule(&client.record.rule), -1, None);
    batch
}

/// An event about a client that exists.
pub fn event_about_client(client: &Client, kind: EventKind, cause: &Cause<'_>) -> Event {
    let now = cause.now;
    let keep_until = now + event_retention(&client.authority, client.sponsor.is_some());
    let mut event = Event::new(cause.entropy.event_id(kind as u8), now, kind, keep_until);
    event.authority = Some(client.authority.clone());
    event.identity = Some(client.subject.clone());
    event.client_id = Some(client.client_id.clone());
    event.rule = Some(client.rule.clone());
    event.reason = Some(cause.note.unwrap_or(cause.reason).to_owned());
    event.actor = Some(cause.actor.to_string());
    event
}
