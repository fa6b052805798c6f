//! Finds an account, and the records that name it.

use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use std::collections::{BTreeSet, HashMap};
use testudo_core::admin::user::Traces;
use testudo_core::people::PersonId;
use testudo_core::records::{
    Client, Consent, Grant, GrantDeadlines, Invitation, Kind, Person, PersonLink, PersonName, Versioned,
};
use testudo_store::{StoreFault, typed};

/// The account with this `sub` or this name.
pub(crate) async fn account_named(app: &App, text: &str) -> Result<Option<Versioned<Person>>, StoreFault> {
    let person = match PersonId::parse_sub(text) {
        Some(person) => person,
        None => match app.store.read::<PersonName>(text.as_bytes()).await? {
            Some(name) => name.record.person,
            None => return Ok(None),
        },
    };
    app.store.read::<Person>(person.key()).await
}

/// The records that name this person: those of the name, of accounts at providers, and of invitations that were not used.
pub(crate) async fn traces_of(app: &App, person: &Person) -> Result<Traces, StoreFault> {
    let mut traces = Traces::default();
    if let Some(name) = &person.name {
        let named = app.store.read::<PersonName>(name.as_bytes()).await?;
        traces.name = named.filter(|named| named.record.person == person.id);
    }
    for key in person.link_keys() {
        let link = app.store.read::<PersonLink>(&key).await?;
        traces
            .links
            .extend(link.filter(|link| link.record.person == person.id));
    }
    let invitations = invitations(app).await?.into_iter();
    traces.invitations = invitations
        .filter(|invitation| invitation.record.person == person.id)
        .collect();
    Ok(traces)
}

/// All invitations that can be read. Only administrators write them, and each ends after a day: there are few.
pub(crate) async fn invitations(app: &App) -> Result<Vec<Versioned<Invitation>>, StoreFault> {
    let rows = app.store.read_each::<Invitation>().await?;
    Ok(rows.into_iter().filter_map(|row| row.versioned().ok()).collect())
}

/// The consent that is remembered for the client of a grant.
pub(crate) async fn consent_for(app: &App, grant: &Grant) -> Result<Option<Versioned<Consent>>, StoreFault> {
    let key = Consent::key_of(grant.id.person(), &grant.client.key());
    app.store.read::<Consent>(&key).await
}

/// The accounts of these people, in one call of the store. One that cannot be read is left out.
pub(crate) async fn accounts_of(
    app: &App,
    people: BTreeSet<PersonId>,
) -> Result<HashMap<PersonId, Person>, StoreFault> {
    let keys = people.iter().map(|person| (Kind::Person, person.key().to_vec()));
    let found = app.store.get_many(keys.collect()).await?;
    let mut accounts = HashMap::new();
    for stored in found.into_iter().flatten() {
        let key = stored.key.clone();
        match typed::<Person>(stored) {
            Ok(account) => drop(accounts.insert(account.record.id, account.record)),
            Err(fault) => app.note_refused_of_people(&RefusedRecord::of_people("person", &key, &fault)),
        }
    }
    Ok(accounts)
}

/// When these grants end, in their order, in one call of the store. `None`: the grant has ended, by itself or with its client.
/// A consent that cannot be read is left out. If the client cannot be read, the grant may be in force.
pub(crate) async fn deadlines_of(
    app: &App,
    grants: &[Grant],
) -> Result<Vec<Option<GrantDeadlines>>, StoreFault> {
    let keys = grants.iter().flat_map(|grant| {
        let client = grant.client.key();
        let consent = Consent::key_of(grant.id.person(), &client);
        [(Kind::Client, client), (Kind::Consent, consent)]
    });
    let found = app.store.get_many(keys.collect()).await?;
    let mut found = found.into_iter();
    let now = app.now();
    let deadlines = grants.iter().map(|grant| {
        let client = found.next().flatten().map(typed::<Client>);
        let consent = found
            .next()
            .flatten()
            .and_then(|stored| typed::<Consent>(stored).ok());
        let consent = consent.as_ref().map(|found| &found.record);
        let (client, is_unreadable) = match &client {
            Some(Ok(client)) => (Some(&client.record), false),
            Some(Err(_)) => (None, true),
            None => (None, false),
        };
        let deadlines = grant.deadlines(consent, client);
        let is_in_force = now < deadlines.unused && (is_unreadable || grant.is_of(client));
        is_in_force.then_some(deadlines)
    });
    Ok(deadlines.collect())
}
