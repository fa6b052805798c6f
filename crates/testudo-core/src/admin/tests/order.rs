//! Tests that changes always have an event.

use super::*;
use crate::admin::Audited;
use crate::records::{EventKind, Switch};

#[test]
fn changes_without_an_event_cannot_be_made() {
    let mut batch = Batch::default();
    batch.insert(&Switch {
        authority: "spiffe://a.example".into(),
        by: ALICE.into(),
        since: NOW,
    });
    assert!(Audited::with_events(batch.clone(), Vec::new()).is_none());
    let event = order().event(EventKind::AuthorityDisabled);
    let changes = Audited::with_events(batch.clone(), vec![event]).unwrap();
    let expected = ["insert Switch spiffe://a.example", "authority.disabled"];
    assert_eq!(lines(&changes.batch()), expected);
    let mut more = Batch::default();
    more.add("n".into(), 1, None);
    let with_more = lines(&changes.and(more).batch());
    assert_eq!(
        with_more,
        [
            "insert Switch spiffe://a.example",
            "authority.disabled",
            "add n 1"
        ]
    );
}

#[test]
fn events_of_one_order_differ_in_their_ids_by_kind_and_number() {
    let order = order();
    let ids = [
        order.event(EventKind::KeyRevoked).id,
        order.numbered_event(EventKind::KeyRevoked, 1).id,
        order.numbered_event(EventKind::KeyRevoked, 2).id,
        order.event(EventKind::KeyCreated).id,
        order.numbered_event(EventKind::KeyCreated, 1).id,
    ];
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(ids.iter().position(|other| other == id), Some(number), "{ids:?}");
    }
    let first = order.event(EventKind::KeyRevoked).id;
    assert_eq!(first, order.numbered_event(EventKind::KeyRevoked, 0).id);
    assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?} sort by number");
}

#[test]
fn event_of_an_order_without_a_reason_has_none() {
    let order = Order {
        reason: None,
        ..order()
    };
    let event = order.event(EventKind::ClientFrozen);
    assert_eq!((event.reason, event.actor.as_deref()), (None, Some(ALICE)));
}
