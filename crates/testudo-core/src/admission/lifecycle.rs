//! The removal of clients, and events about existing clients.

use crate::actor::Actor;
use crate::entropy::Entropy;
use crate::identity::Authority;
use crate::records::{
    Batch, Client, ClientIdAlias, Event, EventKind, Removed, Versioned, clients_of_authority, clients_of_rule,
};
use testudo_protocol::{Seconds, Timestamp};

/// How long the history of a removed client and events about clients are kept.
pub const HISTORY_RETENTION: Seconds = Seconds(400 * 86_400);

/// How long events about a client without attester and sponsor are kept: shorter, since any caller can cause them up
/// to the rate.
const UNATTESTED_RETENTION: Seconds = Seconds(90 * 86_400);

/// How long events about a client are kept.
pub fn event_retention(authority_key: &str, has_sponsor: bool) -> Seconds {
    if !has_sponsor && authority_key == Authority::registration().key() {
        return UNATTESTED_RETENTION;
    }
    HISTORY_RETENTION
}

/// The actor, the reason and the time of a change.
#[derive(Debug, Clone)]
pub struct Cause<'a> {
    /// An administrator, or the sweep.
    pub actor: &'a Actor,
    /// The reason as one word, for the history of the client and the event.
    pub reason: &'a str,
    /// The reason that an administrator gave; the event has this one if it is present.
    pub note: Option<&'a str>,
    /// For the id of the event.
    pub entropy: &'a Entropy,
    /// When.
    pub now: Timestamp,
}

/// Other records of a client that its removal replaces or deletes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traces<'a> {
    /// The history of an earlier client with the same key, which is replaced.
    pub history: Option<&'a Versioned<Removed>>,
    /// The alias record of its `client_id`, if the id is not the identity.
    pub alias: Option<&'a Versioned<ClientIdAlias>>,
}

/// Removes a client at the version that was read, and writes an event. A client that was used meanwhile has a newer
/// version and is kept.
pub fn remove(client: &Versioned<Client>, traces: Traces<'_>, cause: &Cause<'_>) -> Batch {
    let mut batch = removal(client, traces, cause);
    batch.insert_event(event_about_client(
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
