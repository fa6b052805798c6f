//! Tests of locking, unlocking and removing accounts, and of the groups that administrators give.

use super::*;
use crate::admin::user::{
    GROUPS_MAX, Traces, add_group, existing, known, lock, remove, remove_group, unlock,
};
use crate::people::{SecretDigest, SessionName};
use crate::records::{Invitation, PersonLink, PersonName, Record as _, Session};
use PersonState::{Active, Locked, Removed};

const REPLACED: &str = "replace Person alice-alice-alic @3";

/// The account as it is written.
fn written(decided: &Decided) -> Person {
    let batch = decided.changes.as_ref().unwrap().batch();
    let Some(Write::Replace(document, 3)) = batch.writes.first() else {
        panic!("{batch:?}");
    };
    serde_json::from_slice(&document.body).unwrap()
}

#[track_caller]
fn names_the_person_by_sub_only(decided: &Decided) {
    let [event] = decided.changes.as_ref().unwrap().events() else {
        panic!("{decided:?}");
    };
    let sub = alice(Active).record.id.sub();
    assert_eq!(event.person.as_deref(), Some(sub.as_str()));
    let text = serde_json::to_string(event).unwrap();
    for personal in ["\"alice\"", "Alice A.", "mail.example", "id-at-login"] {
        assert!(!text.contains(personal), "{personal} is in {text}");
    }
}

#[test]
fn account_that_does_not_exist_or_was_removed_is_not_found() {
    check_not_done(known("bob", None), true, "no person is named \"bob\"");
    check_not_done(existing("bob", None), true, "no person is named \"bob\"");
    let removed = || Some(alice(Removed));
    check_not_done(existing("alice", removed()), true, "was removed");
    assert!(known("alice", removed()).is_ok());
    for state in [Active, Locked] {
        assert_eq!(existing("alice", Some(alice(state))).unwrap(), alice(state));
    }
}

#[test]
fn lock_and_unlock_write_nothing_if_the_account_is_in_this_state() {
    check(&lock(&order(), &alice(Locked)), &[], "alice: locked");
    check(&unlock(&order(), &alice(Active)), &[], "alice: unlocked");
}

#[test]
fn lock_ends_sessions_also_for_the_time_after_the_account_is_unlocked() {
    let locked = lock(&order(), &alice(Active));
    check(&locked, &[REPLACED, "person.locked"], "alice: locked");
    names_the_person_by_sub_only(&locked);
    let account = Versioned {
        record: written(&locked),
        version: 3,
    };
    assert!(!account.record.is_active());
    let unlocked = unlock(&order(), &account);
    check(&unlocked, &[REPLACED, "person.unlocked"], "alice: unlocked");
    let account = written(&unlocked);
    assert!(account.is_active());
    let session = |began: Timestamp| Session {
        name: SessionName::make(account.id, &[2; 32]).1,
        created: began,
        last_used: began,
        authenticated: began,
        acr: None,
        method: "passkey".into(),
        passkey: None,
        ends: NOW + Seconds(3600),
    };
    let is_alive = |began| session(began).is_alive(&account, Seconds(3600), NOW + Seconds(2));
    assert!(!is_alive(NOW - Seconds(9)));
    assert!(!is_alive(NOW), "it began in the second of the lock");
    assert!(is_alive(NOW + Seconds(1)), "the person signed in again");
    let expected = Person {
        sessions_from: NOW + Seconds(1),
        ..alice(Active).record
    };
    assert_eq!(account, expected, "nothing else of the account may change");
}

#[test]
fn lock_ends_sessions_that_began_after_an_earlier_lock_of_the_same_second() {
    let first = written(&lock(&order(), &alice(Active)));
    let again = Versioned {
        record: Person {
            state: Active,
            ..first.clone()
        },
        version: 3,
    };
    let second = written(&lock(&order(), &again));
    assert!(second.sessions_from > first.sessions_from.max(NOW), "{second:?}");
}

#[test]
fn groups_are_added_and_removed_once() {
    let added = add_group(&order(), &alice(Active), "staff").unwrap();
    check(
        &added,
        &[REPLACED, "person.groups_changed"],
        "alice: in the group staff",
    );
    assert_eq!(written(&added).groups, ["auditors", "staff"]);
    let events = added.changes.as_ref().unwrap().events();
    assert_eq!(events[0].detail.as_deref(), Some("added to staff"));
    names_the_person_by_sub_only(&added);
    let again = add_group(&order(), &alice(Active), "auditors").unwrap();
    check(&again, &[], "alice: in the group auditors");
    let removed = remove_group(&order(), &alice(Active), "auditors");
    check(
        &removed,
        &[REPLACED, "person.groups_changed"],
        "alice: not in the group auditors",
    );
    assert!(written(&removed).groups.is_empty());
    for not_there in ["staff", "corp/staff", "Auditors", ""] {
        let decided = remove_group(&order(), &alice(Active), not_there);
        check(&decided, &[], &format!("alice: not in the group {not_there}"));
    }
}

#[test]
fn name_of_a_group_of_a_provider_or_with_blanks_is_refused() {
    let longest = "g".repeat(64);
    assert!(add_group(&order(), &alice(Active), &longest).is_ok());
    let longer = "g".repeat(65);
    for wrong in [
        "",
        " ",
        "corp/staff",
        "/",
        "staff ",
        " staff",
        "a\nb",
        "a\u{0}",
        &longer,
    ] {
        let outcome = add_group(&order(), &alice(Active), wrong);
        check_not_done(outcome, false, "is not the name of a group");
    }
}

#[test]
fn person_is_in_at_most_100_groups() {
    let mut account = alice(Active);
    account.record.groups = (1..GROUPS_MAX).map(|number| format!("g{number}")).collect();
    assert!(add_group(&order(), &account, "last").is_ok());
    account.record.groups.push("last".into());
    check_not_done(
        add_group(&order(), &account, "more"),
        false,
        "is in 100 groups already",
    );
    assert!(add_group(&order(), &account, "last").is_ok());
}

#[test]
fn removal_erases_every_datum_of_the_account_and_what_leads_to_it() {
    let account = alice(Active);
    let id = account.record.id;
    let link = PersonLink {
        account: account.record.links[0].clone(),
        person: id,
    };
    let traces = Traces {
        name: Some(Versioned {
            record: PersonName {
                name: "alice".into(),
                person: id,
            },
            version: 1,
        }),
        links: vec![Versioned {
            record: link,
            version: 4,
        }],
        invitations: vec![Versioned {
            record: Invitation {
                digest: SecretDigest::of_bytes(*b"digest-of-the-secret-of-the-link"),
                name: "alice".into(),
                groups: Vec::new(),
                person: id,
                is_recovery: true,
                unlocks: None,
                by: "bob".into(),
                expires: NOW,
            },
            version: 1,
        }],
    };
    for state in [Active, Locked] {
        let removed = remove(&order(), &alice(state), &traces);
        let lines = [
            REPLACED,
            "delete PersonName alice @1",
            "delete PersonLink https://login.example id-at-login @4",
            "delete Invitation digest-of-the-secret-of-the-link @1",
            "person.removed",
        ];
        check(&removed, &lines, "alice: removed, and its data erased");
        names_the_person_by_sub_only(&removed);
        assert!(removed.warning.unwrap().contains("provider"), "{removed:?}");
        let left = written(&removed);
        assert_eq!(left.state, Removed);
        assert_eq!(left.expires(), Some(NOW + Seconds(400 * 86_400)));
        let text = serde_json::to_value(&left).unwrap();
        let members: Vec<&String> = text.as_object().unwrap().keys().collect();
        assert_eq!(members, ["created", "id", "sessions_from", "state"]);
    }
    assert_eq!(alice(Active).record.expires(), None);
}

#[test]
fn removal_of_a_removed_account_writes_nothing_and_one_without_provider_has_no_warning() {
    let again = remove(&order(), &alice(Removed), &Traces::default());
    check(&again, &[], "alice: removed, and its data erased");
    let mut account = alice(Active);
    account.record.links.clear();
    let removed = remove(&order(), &account, &Traces::default());
    assert_eq!(removed.warning, None);
    check(
        &removed,
        &[REPLACED, "person.removed"],
        "alice: removed, and its data erased",
    );
}
