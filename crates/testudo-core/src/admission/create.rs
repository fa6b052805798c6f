//! The records and events that are written with a new client.
//!
//! Invariant: every client is created by [`create`], for every kind of request.

use crate::admission::governed::GovernedIdentity;
use crate::admission::known::StoredClient;
use crate::admission::lifecycle::event_retention;
use crate::admission::sweep::EndOfLife;
use crate::decision::Moment;
use crate::identity::AttestedIdentity;
use crate::records::RequestRef;
use crate::records::{
    Batch, Client, ClientCredential, ClientIdAlias, ClientMetadata, ClientState, Event, EventKind, Kind,
    ManagementToken, Predecessor, Registration, clients_of_authority, clients_of_rule,
};
use crate::rules::Rule;
use std::borrow::Cow;
use testudo_protocol::{Seconds, Timestamp};

/// The values with which a client is created.
pub(crate) struct Creation {
    pub(crate) metadata: ClientMetadata,
    pub(crate) registration: Option<Registration>,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) management: Option<ManagementToken>,
    pub(crate) sponsor_credential: Option<Box<ClientCredential>>,
    pub(crate) lifetimes: Lifetimes,
}

/// The lifetimes of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// The client is removed after this time without use.
    pub(crate) idle: Option<Seconds>,
    /// The client ends at this age, even if it is used.
    pub(crate) at_most: Option<Seconds>,
}

impl Lifetimes {
    /// When a client that was created at this time ends. A registration ends with its verifiable credential, and with that
    /// of its sponsor: nothing that a credential allows is valid for longer than the credential.
    pub(crate) fn end(self, created: Timestamp, identity: &AttestedIdentity) -> Option<Timestamp> {
        let by_age = self.at_most.map(|lifetime| created + lifetime);
        let of_credential = identity.proof.credential.as_ref().map(|_| identity.proof.expires);
        let of_sponsor = identity.sponsor.as_ref().and_then(|sponsor| sponsor.ends);
        by_age.into_iter().chain(of_credential).chain(of_sponsor).min()
    }

    /// The lifetimes of the rule.
    pub(crate) fn by(rule: &Rule) -> Lifetimes {
        Lifetimes {
            idle: rule.client_idle_lifetime,
            at_most: rule.client_lifetime,
        }
    }
}

/// Step 11 of admission: one batch, which is written completely or not at all.
pub(crate) fn create(
    governed: &GovernedIdentity<'_>,
    stored: StoredClient<'_>,
    request: RequestRef<'_>,
    creation: Creation,
    at: &Moment<'_>,
) -> (Client, Batch) {
    let now = at.now;
    let rule = governed.found.rule;
    let mut batch = single_use(governed.identity);
    let earlier = match (stored.client, stored.removed) {
        // A client whose absolute lifetime has ended is removed here.
        (Some(expired), _) => {
            batch.delete(&expired.record, expired.version);
            batch.add(clients_of_authority(expired.record.counted_under()), -1, None);
            batch.add(clients_of_rule(&expired.record.rule), -1, None);
            Some((
                expired.record.created,
                expired.record.expires.unwrap_or(now),
                EndOfLife::Expired.name(),
            ))
        }
        (None, Some(removed)) => Some((
            removed.record.client.created,
            removed.record.removed,
            removed.record.reason.as_str(),
        )),
        (None, None) => {
            // The caller may have decided without reading the history: if a removed client has this key, the commit
            // fails, and the history is loaded.
            batch.absent(Kind::Removed, governed.client_key.clone());
            None
        }
    };
    let client = Client {
        format: 1,
        authority: governed.identity.authority.key().to_owned(),
        subject: governed.name.subject.to_string(),
        client_id: governed.name.client_id.to_string(),
        state: ClientState::Active,
        rule: rule.name.clone(),
        rule_revision: rule.revision.clone(),
        occasion: request.occasion,
        first_credential: governed.identity.kind,
        last_credential: governed.identity.kind,
        created: now,
        last_used: now,
        idle_lifetime: creation.lifetimes.idle,
        expires: creation.lifetimes.end(now, governed.identity),
        generation: stored.next_generation(),
        predecessor: earlier.map(|(created, removed, reason)| Predecessor {
            created,
            removed,
            reason: reason.to_owned(),
        }),
        metadata: creation.metadata,
        registration: creation.registration.map(Box::new),
        credential: ClientCredential::of(governed.identity),
        sponsor: governed.identity.sponsor.clone(),
        sponsor_credential: creation.sponsor_credential,
        management: creation.management.map(Box::new),
    };
    batch.insert(&client);
    // Assertions can name the identity before it registers, and a node then keeps in memory that there is no such client.
    batch.announces_clients |= client.credential.is_some();
    let alias_stands = stored
        .client
        .is_some_and(|old| old.record.client_id == client.client_id);
    if client.has_alias() && !alias_stands {
        batch.insert(&ClientIdAlias {
            client_id: client.client_id.clone(),
            authority: client.authority.clone(),
            subject: client.subject.clone(),
        });
    }
    let (authority, ..) = governed.identity.governed_as();
    let authority_max = at
        .policy
        .authority(authority)
        .and_then(|trusted| trusted.clients_max);
    batch.add(clients_of_authority(client.counted_under()), 1, authority_max);
    batch.add(clients_of_rule(&rule.name), 1, rule.clients_max);
    let kind = if earlier.is_some() {
        EventKind::ClientReturned
    } else {
        EventKind::ClientRegistered
    };
    let mut event = event_of_request(governed, request, kind, at);
    event.scope = creation.scope;
    event.resource = creation.resource;
    batch.insert_event(event);
    (client, batch)
}

/// The mark that a single-use credential was used. It is written when a token is issued, so that a refused request
/// does not use up the credential.
pub(crate) fn single_use(identity: &AttestedIdentity) -> Batch {
    let mut batch = Batch::default();
    if let Some(single_use) = &identity.proof.single_use {
        batch.mark(single_use);
    }
    batch
}

/// An event with all known values of the client and its request.
pub fn event_of_request(
    governed: &GovernedIdentity<'_>,
    request: RequestRef<'_>,
    kind: EventKind,
    at: &Moment<'_>,
) -> Event {
    let identity = governed.identity;
    let keep_until = at.now + event_retention(identity.authority.key(), identity.sponsor.is_some());
    let mut event = Event::new(at.entropy.event_id(kind as u8), at.now, kind, keep_until);
    describe_identity(&mut event, identity);
    event.instance = governed.instance().map(str::to_owned);
    event.client_id = Some(governed.name.client_id.to_string());
    event.rule = Some(governed.found.rule.name.clone());
    event.rule_revision = Some(governed.found.rule.revision.clone());
    event.request_id = Some(request.id.to_owned());
    event.occasion = Some(request.occasion.name().to_owned());
    event.request = request.details.proven(Some(identity));
    event
}

/// Fills in the fields of an event that come from the credential.
pub fn describe_identity(event: &mut Event, identity: &AttestedIdentity) {
    event.authority = Some(identity.authority.key().to_owned());
    event.identity = Some(identity.subject.to_string());
    event.door = Some(identity.kind.name().to_owned());
    event.instance = identity.proof.instance().map(Cow::into_owned);
    event.actor = identity.sponsor.as_ref().map(|sponsor| sponsor.subject.clone());
    let Some(digest) = &identity.proof.digest else {
        return;
    };
    event.credential_digest = Some(hex::encode(digest));
    event.credential_jti = identity.proof.jwt_id.clone();
    event.credential_expires = Some(identity.proof.expires);
}
