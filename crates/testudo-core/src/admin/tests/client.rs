//! Tests of freezing, thawing and deleting clients.

use super::*;
use crate::admin::client::{delete, freeze, known, thaw};
use crate::admission::lifecycle::Traces;
use crate::records::{ClientIdAlias, Removed};
use ClientState::{Active, Frozen};

const A: &str = "spiffe://a.example";
const PAY: &str = "spiffe://a.example/pay/1";

#[test]
fn freeze_of_a_frozen_client_and_thaw_of_an_active_one_write_nothing() {
    check(&freeze(&order(), &client(A, PAY, Frozen)), &[], "c1: frozen");
    check(&thaw(&order(), &client(A, PAY, Active)), &[], "c1: thawed");
}

#[test]
fn freeze_and_thaw_replace_the_client_at_the_version_that_was_read() {
    let place = format!("{A} {PAY} @3");
    let replace = format!("replace Client {place}");
    let frozen = freeze(&order(), &client(A, PAY, Active));
    check(&frozen, &[&replace, "client.frozen"], "c1: frozen");
    let thawed = thaw(&order(), &client(A, PAY, Frozen));
    check(&thawed, &[&replace, "client.thawed"], "c1: thawed");
    for (decided, state) in [(frozen, Frozen), (thawed, Active)] {
        let batch = decided.changes.unwrap().batch();
        let Some(Write::Replace(document, 3)) = batch.writes.first() else {
            panic!("{batch:?}");
        };
        let written: Client = serde_json::from_slice(&document.body).unwrap();
        let mut expected = client(A, PAY, state).record;
        expected.state = state;
        assert_eq!(written, expected, "only the state of the client may change");
    }
}

#[test]
fn client_id_that_no_client_has_is_not_found() {
    for id in ["", "c2", "C1", "c1 ", "\u{0}"] {
        check_not_done(known(id, None), true, "no client has the id");
    }
    let found = client(A, PAY, Active);
    assert_eq!(known("c1", Some(found.clone())).unwrap().record, found.record);
}

#[test]
fn deletion_of_a_client_removes_its_alias_lowers_counters_and_writes_its_history() {
    let client = client(A, PAY, Frozen);
    let history = Versioned {
        version: 7,
        record: Removed {
            client: client.record.clone(),
            removed: NOW,
            reason: "idle".into(),
            keep_until: NOW,
        },
    };
    let alias = Versioned {
        version: 2,
        record: ClientIdAlias {
            client_id: "c1".into(),
            authority: A.into(),
            subject: PAY.into(),
        },
    };
    let delete_it = format!("delete Client {A} {PAY} @3");
    let first_history = format!("insert Removed {A} {PAY}");
    let next_history = format!("replace Removed {A} {PAY} @7");
    let counters = [
        format!("add {} -1", crate::records::clients_of_authority(A)),
        format!("add {} -1", crate::records::clients_of_rule("pay")),
    ];
    let bare = delete(&order(), &client, Traces::default(), &policy());
    let [of_authority, of_rule] = [&counters[0], &counters[1]];
    check(
        &bare,
        &[
            &delete_it,
            &first_history,
            of_authority,
            of_rule,
            "client.removed",
        ],
        "c1: deleted",
    );
    let traces = Traces {
        history: Some(&history),
        alias: Some(&alias),
    };
    check(
        &delete(&order(), &client, traces, &policy()),
        &[
            &delete_it,
            &next_history,
            "delete ClientIdAlias c1 @2",
            of_authority,
            of_rule,
            "client.removed",
        ],
        "c1: deleted",
    );
}

#[test]
fn deletion_warns_only_if_a_rule_admits_the_identity() {
    let registration = Authority::registration().key().to_owned();
    for (authority, subject, warns) in [
        (A, PAY, true),
        // A client that several instances share.
        (A, "spiffe://a.example/pay/*", true),
        // No rule matches.
        (A, "spiffe://a.example/other/1", false),
        (A, "spiffe://a.example/pay/1/2", false),
        // The trust domain is not configured.
        ("spiffe://b.example", "spiffe://b.example/pay/1", false),
        // The configuration no longer has this client.
        ("configuration", "ops-tool", false),
        // The client id was assigned by this server and is not assigned again.
        (&registration, "c1", false),
        // The key of its authority is not valid.
        ("", "x", false),
    ] {
        for state in [Active, Frozen] {
            let decided = delete(
                &order(),
                &client(authority, subject, state),
                Traces::default(),
                &policy(),
            );
            assert_eq!(
                decided.warning.is_some(),
                warns,
                "{authority} {subject} {state:?}"
            );
            assert!(
                decided.changes.is_some(),
                "{authority} {subject}: the client must be removed"
            );
        }
    }
}
