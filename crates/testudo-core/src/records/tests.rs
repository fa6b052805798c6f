//! Tests of the needed and the loaded records, and of decisions that are made before reading.

use super::{Batch, Block, Kind, Loaded, Needs, Record, Switch, Versioned};
use testudo_protocol::Timestamp;

fn switch(authority: &str) -> Switch {
    Switch {
        authority: authority.to_owned(),
        by: "alice".to_owned(),
        since: Timestamp(9),
    }
}

/// Reads the needed records from a store that has these records, each at version 3.
fn load<'n>(needs: &Needs<'n>, stored: &[Switch]) -> Loaded<'n> {
    let mut loaded = Loaded::nothing();
    for wanted in needs.to_read(None) {
        let found = stored
            .iter()
            .find(|record| wanted.kind == Kind::Switch && wanted.key == record.key());
        if let Some(found) = found {
            loaded
                .add(&wanted, &serde_json::to_vec(found).unwrap(), 3)
                .unwrap();
        }
    }
    loaded
}

#[test]
fn record_is_found_only_by_its_kind_and_key() {
    let (here, elsewhere) = (switch("a"), switch("b"));
    let (key, other) = (here.key(), elsewhere.key());
    let needs = Needs::one::<Switch>(&key)
        .or_else::<Block>()
        .and::<Switch>(&other);
    let kinds: Vec<_> = needs.to_read(None).map(|wanted| wanted.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Switch, Kind::Block, Kind::Switch],
        "all records must be read at once"
    );
    let mut loaded = load(&needs, std::slice::from_ref(&here));
    let found = Versioned {
        record: here,
        version: 3,
    };
    assert_eq!(loaded.find::<Switch>(&key), Some(&found));
    assert_eq!(loaded.find::<Switch>(&other), None);
    assert!(loaded.find::<Block>(&key).is_none());
    assert_eq!(loaded.take::<Switch>(&key), Some(found));
    assert_eq!(
        loaded.find::<Switch>(&key),
        None,
        "the record was removed by take"
    );
}

#[test]
fn document_that_is_another_record_is_an_error_and_not_an_absence() {
    let key = switch("a").key();
    let needs = Needs::one::<Switch>(&key);
    let wanted = needs.to_read(None).next().unwrap();
    assert!(Loaded::nothing().add(&wanted, b"{}", 1).is_err());
}

#[test]
fn guess_is_used_only_if_the_batch_requires_the_absence_of_every_needed_record() {
    let record = switch("a");
    let key = record.key();
    let needs = Needs::one::<Switch>(&key).or_else::<Block>();
    let mut batch = Batch::default();
    assert!(!needs.are_absent_where(&batch), "an empty batch requires nothing");
    batch.insert(&record);
    assert!(!needs.are_absent_where(&batch), "the other record may exist");
    batch.absent(Kind::Block, switch("b").key());
    assert!(!needs.are_absent_where(&batch), "another key");
    batch.absent(Kind::Block, key.clone());
    assert!(needs.are_absent_where(&batch));
    let mut replaced = Batch::default();
    replaced.replace(&record, 1);
    replaced.absent(Kind::Block, key.clone());
    assert!(
        !needs.are_absent_where(&replaced),
        "a replacement requires that the record exists"
    );
}
