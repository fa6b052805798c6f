//! People with sessions and grants, written into the database of a site before its server starts.

use crate::binary::{self, Site};
use serde_json::Value;
use testudo_core::people::{GrantId, PersonId, SessionName};
use testudo_core::records::{
    Batch, BoundTo, Grant, GrantTerms, GrantedClient, Person, PersonName, PersonState, Session,
};
use testudo_protocol::oauth::ScopeSet;
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::Store;

fn now() -> Timestamp {
    Timestamp(binary::now())
}

/// Writes the account of a person who signed in in two browsers and granted something to two clients.
pub async fn write(site: &Site, name: &str) {
    let store = Store::sqlite(&site.folder.join("testudo.db")).unwrap();
    let mut id = [0; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    let person = PersonId::of_random(&id);
    let mut batch = Batch::default();
    batch.insert(&Person {
        id: person,
        name: Some(name.into()),
        display: Some(format!("{name} surname")),
        email: Some(format!("{name}@mail.example")),
        groups: Vec::new(),
        provider_groups: [("corp".to_owned(), vec!["staff".to_owned()])].into(),
        passkeys: Vec::new(),
        links: Vec::new(),
        state: PersonState::Active,
        created: now(),
        sessions_from: now(),
    });
    batch.insert(&PersonName {
        name: name.into(),
        person,
    });
    for number in 0..2 {
        batch.insert(&Session {
            name: SessionName::make(person, &[number; 32]).1,
            created: now(),
            last_used: now(),
            authenticated: now(),
            acr: None,
            method: "corp".into(),
            passkey: None,
            ends: now() + Seconds(3600),
        });
        batch.insert(&grant(GrantId::new(person, &[number; 16])));
    }
    store.commit(batch).await.unwrap();
    store.release_lock();
}

fn grant(id: GrantId) -> Grant {
    let subject = "spiffe://prod.example/ns/shop/sa/web".to_owned();
    Grant {
        id,
        client: GrantedClient {
            authority: "spiffe://prod.example".into(),
            client_id: subject.clone(),
            subject,
            // There is no record of this client.
            generation: None,
        },
        terms: GrantTerms {
            scope: ScopeSet::parse("orders.read").unwrap(),
            resources: Vec::new(),
            ends: None,
            auth_time: now(),
            acr: None,
            consent: None,
        },
        created: now(),
        bound_to: BoundTo::default(),
        refresh: None,
        live_until: now() + Seconds(3600),
    }
}

/// A member of the first entry that a command lists.
#[track_caller]
pub fn first(site: &Site, list: &[&str], member: &str) -> Value {
    let entries = site.json(list);
    let entry = entries.as_array().unwrap().first();
    entry.unwrap_or_else(|| panic!("{list:?}: {entries}"))[member].clone()
}
