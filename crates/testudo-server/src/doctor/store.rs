//! Checks of the store: it can be opened and written, its keys can be decrypted, and its records can be read.

use super::finding::{Finding, finding, of_record, problem};
use crate::config::Configuration;
use crate::database_clock;
use crate::key_encryption::KeyEncryption;
use crate::open_store::{InspectedKeys, InspectedStore, inspect_keys, inspect_store, try_a_write};
use crate::state::clock::Clock;
use crate::state::refused::{EVENTS_MAX, RefusedRecord};
use crate::state::switches;
use testudo_core::records::{Client, Grant, Person, Record, Session};
use testudo_store::{Store, StoreFault};

/// The opened store, and the key that decrypts its encrypted records.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) encryption: Option<KeyEncryption>,
}

pub(super) async fn examine(
    configuration: &Configuration,
    clock: &Clock,
    findings: &mut Vec<Finding>,
) -> Option<Opened> {
    let InspectedStore { store, what, exists } = match inspect_store(configuration).await {
        Ok(inspected) => inspected,
        Err(why) => {
            findings.push(finding("store", Err(why.into())));
            return None;
        }
    };
    findings.push(finding("store", Ok(what)));
    if exists {
        let written = match try_a_write(&store).await {
            Ok(()) => Ok("a record was written and removed again".to_owned()),
            Err(why) => Err(problem(
                format!("a record cannot be written: {why}"),
                "check the free space and the owner of the database; without writes no new client gets a token",
            )),
        };
        findings.push(finding("store, writing", written));
    }
    // Without the right key-encryption key, the sequences of bundles cannot be decrypted either.
    let (keys, inspected) = match inspect_keys(configuration, &store, clock.now()).await {
        Ok(mut inspected) => (Ok(std::mem::take(&mut inspected.what)), inspected),
        Err(why) => (Err(why.into()), InspectedKeys::default()),
    };
    findings.push(finding("key-encryption key", keys));
    if let Some(outcome) = database_clock::examine(&store, clock).await {
        let outcome = outcome.map_err(Into::into);
        findings.push(finding("clock of the database", outcome));
    }
    findings.extend(inspected.refused.into_iter().map(of_record));
    match switches::load(&store).await {
        Ok((_, refused)) => findings.extend(refused.into_iter().map(of_record)),
        Err(fault) => findings.push(finding("switches and blocks", Err(fault.to_string().into()))),
    }
    let clients = unreadable::<Client>(&store, RefusedRecord::of_client).await;
    findings.extend(of_unreadable("records of clients", clients));
    let people = unreadable::<Person>(&store, |key, fault| {
        RefusedRecord::of_people("person", key, fault)
    });
    findings.extend(of_unreadable("records of people", people.await));
    let sessions = unreadable::<Session>(&store, |key, fault| {
        RefusedRecord::of_people("session", key, fault)
    });
    findings.extend(of_unreadable("records of sessions", sessions.await));
    let grants = unreadable::<Grant>(&store, |key, fault| RefusedRecord::of_people("grant", key, fault));
    findings.extend(of_unreadable("records of grants", grants.await));
    Some(Opened {
        store,
        encryption: inspected.encryption,
    })
}

/// Records of a kind that cannot be read: the first of them, and their number.
struct Unreadable {
    first: Vec<RefusedRecord>,
    count: usize,
}

fn of_unreadable(subject: &'static str, outcome: Result<Unreadable, StoreFault>) -> Vec<Finding> {
    let Unreadable { first, count } = match outcome {
        Ok(unreadable) => unreadable,
        Err(fault) => return vec![finding(subject, Err(fault.to_string().into()))],
    };
    let left_out = count - first.len();
    let mut findings: Vec<Finding> = first.into_iter().map(of_record).collect();
    if left_out > 0 {
        let text = format!("{left_out} more cannot be read");
        findings.push(finding(subject, Err(text.into())));
    }
    findings
}

/// Reads every record of a kind, page by page.
async fn unreadable<R: Record>(
    store: &Store,
    refused: impl Fn(&[u8], &StoreFault) -> RefusedRecord,
) -> Result<Unreadable, StoreFault> {
    let mut unreadable = Unreadable {
        first: Vec::new(),
        count: 0,
    };
    let mut pages = store.pages::<R>(Vec::new());
    while let Some(page) = pages.next().await? {
        for row in page {
            if let Err(fault) = row.record {
                unreadable.count += 1;
                if unreadable.first.len() < EVENTS_MAX {
                    unreadable.first.push(refused(&row.key, &fault));
                }
            }
        }
    }
    Ok(unreadable)
}
