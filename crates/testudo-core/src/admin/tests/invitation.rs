//! Tests of invitations: which are made, which are refused, and that no record and no event has the token of the link.

use super::*;
use crate::admin::invitation::{Found, INVITATIONS_MAX, Invited, Made, invite};
use crate::people::SecretDigest;
use crate::policy::LoginPolicy;
use crate::records::{Invitation, InvitedName};
use PersonState::{Active, Locked, Removed};

const LOGIN: LoginPolicy = LoginPolicy {
    session_idle_lifetime: Seconds(3600),
    has_passkeys: true,
};

fn new<'a>(user: &'a str, groups: &'a [String]) -> Invited<'a> {
    Invited {
        user,
        groups,
        is_recovery: false,
    }
}

fn recovery(user: &str) -> Invited<'_> {
    Invited {
        user,
        groups: &[],
        is_recovery: true,
    }
}

/// The decision where no invitation is stored.
fn decide(wanted: &Invited<'_>, account: Option<Versioned<Person>>) -> Result<Made, NotDone> {
    let found = Found {
        account,
        ..Found::default()
    };
    invite(&order(), wanted, found, Some(&LOGIN))
}

/// The decision for the new name `carol`, beside these invitations.
fn decide_beside(invitations: &[Versioned<Invitation>]) -> Result<Made, NotDone> {
    let found = Found {
        invitations: invitations.to_vec(),
        ..Found::default()
    };
    invite(&order(), &new("carol", &[]), found, Some(&LOGIN))
}

fn stored(number: u64, name: &str, expires: Timestamp) -> Versioned<Invitation> {
    let record = Invitation {
        digest: SecretDigest::of(&number.to_string()),
        name: name.into(),
        groups: Vec::new(),
        person: PersonId::of_random(&[1; 16]),
        is_recovery: false,
        unlocks: None,
        by: ALICE.into(),
        expires,
    };
    let person = PersonId::of_random(&(u128::from(number) << 8).to_be_bytes());
    Versioned {
        record: Invitation { person, ..record },
        version: number,
    }
}

/// The record of an invitation that was made.
fn written(made: &Made) -> Invitation {
    let batch = made.decided.changes.as_ref().unwrap().batch();
    let inserted = batch.writes.iter().rev().nth(1);
    let Some(Write::Insert(document)) = inserted else {
        panic!("{batch:?}");
    };
    assert_eq!(document.kind, Kind::Invitation, "it is written before the event");
    serde_json::from_slice(&document.body).unwrap()
}

#[test]
fn invitation_for_a_new_account_ends_after_a_day_and_has_its_groups() {
    let groups = ["staff".to_owned(), "auditors".to_owned(), "staff".to_owned()];
    let made = decide(&new("carol", &groups), None).unwrap();
    let expires = NOW + Seconds(86_400);
    assert_eq!(made.expires, expires);
    let expected = Invitation {
        digest: Invitation::digest_of(&made.token).unwrap(),
        name: "carol".into(),
        groups: vec!["staff".into(), "auditors".into()],
        person: PersonId::of_random(&[9; 16]),
        is_recovery: false,
        unlocks: None,
        by: ALICE.into(),
        expires,
    };
    assert_eq!(written(&made), expected);
    let events = made.decided.changes.as_ref().unwrap().events();
    assert_eq!(events[0].event.name(), "person.invited");
    assert_eq!(events[0].person, Some(expected.person.sub()));
    assert_eq!(
        events[0].detail.as_deref(),
        Some("new account, groups staff auditors")
    );
    assert!(made.decided.done.starts_with("carol: invited"), "{made:?}");
}

#[test]
fn token_of_the_link_is_in_no_record_and_no_event() {
    let made = decide(&new("carol", &[]), None).unwrap();
    assert_eq!(made.token.len(), 43);
    for write in made.decided.changes.as_ref().unwrap().batch().writes {
        let Write::Insert(document) = write else {
            panic!("{write:?}");
        };
        let body = String::from_utf8(document.body).unwrap();
        assert!(!body.contains(&made.token), "{body}");
        assert!(
            !body.contains("carol") || [Kind::Invitation, Kind::InvitedName].contains(&document.kind),
            "{body}"
        );
    }
    assert!(!made.decided.done.contains(&made.token));
}

/// Two nodes that invite a person at the same time do not read the invitation of one another.
#[test]
fn recovery_is_ordered_at_the_version_of_the_account_so_that_one_link_remains() {
    let made = decide(&recovery("alice"), Some(alice(Active))).unwrap();
    let batch = made.decided.changes.as_ref().unwrap().batch();
    let Some(Write::Replace(document, 3)) = batch.writes.first() else {
        panic!("{batch:?}");
    };
    let unchanged: Person = serde_json::from_slice(&document.body).unwrap();
    assert_eq!(unchanged, alice(Active).record);
}

/// The same for a name that no account has yet.
#[test]
fn first_invitation_of_a_name_is_ordered_at_the_record_of_the_name_so_that_one_link_remains() {
    let written = |invited: Option<Versioned<InvitedName>>| {
        let found = Found {
            invited,
            ..Found::default()
        };
        let made = invite(&order(), &new("carol", &[]), found, Some(&LOGIN)).unwrap();
        let writes = made.decided.changes.as_ref().unwrap().batch().writes;
        let first = writes.into_iter().next().unwrap();
        let (Write::Insert(document) | Write::Replace(document, 3)) = &first else {
            panic!("{first:?}");
        };
        let record: InvitedName = serde_json::from_slice(&document.body).unwrap();
        assert_eq!((record.name.as_str(), record.expires), ("carol", made.expires));
        assert_eq!(Some(record.digest), Invitation::digest_of(&made.token));
        (matches!(first, Write::Insert(_)), record)
    };
    let (is_inserted, record) = written(None);
    assert!(is_inserted);
    let (is_inserted, _) = written(Some(Versioned { record, version: 3 }));
    assert!(!is_inserted);
}

#[test]
fn recovery_of_a_locked_account_unlocks_it_from_the_lock_that_it_has_now() {
    let unlocks = |state| {
        let made = decide(&recovery("alice"), Some(alice(state))).unwrap();
        let events = made.decided.changes.as_ref().unwrap().events();
        (written(&made).unlocks, events[0].detail.clone().unwrap())
    };
    assert_eq!(unlocks(Active), (None, "recovery".to_owned()));
    let locked = alice(Locked).record.sessions_from;
    assert_eq!(
        unlocks(Locked),
        (Some(locked), "recovery of a locked account".to_owned())
    );
}

#[test]
fn recovery_is_for_an_account_that_exists_and_keeps_its_groups() {
    let made = decide(&recovery("alice"), Some(alice(Active))).unwrap();
    let record = written(&made);
    assert!(record.is_recovery && record.groups.is_empty(), "{record:?}");
    assert_eq!(record.person, alice(Active).record.id);
    let events = made.decided.changes.as_ref().unwrap().events();
    assert_eq!(events[0].detail.as_deref(), Some("recovery"));
    check_not_done(
        decide(&recovery("alice"), Some(alice(Removed))),
        true,
        "was removed",
    );
    check_not_done(decide(&recovery("alice"), None), true, "no person is named");
    let groups = ["staff".to_owned()];
    let with_groups = Invited {
        groups: &groups,
        ..recovery("alice")
    };
    check_not_done(
        decide(&with_groups, Some(alice(Active))),
        false,
        "keeps its groups",
    );
}

#[test]
fn account_that_exists_is_not_invited_again_without_the_word_recovery() {
    let refused = decide(&new("alice", &[]), Some(alice(Active)));
    assert!(
        refused
            .as_ref()
            .unwrap_err()
            .hint
            .as_ref()
            .unwrap()
            .contains("--recover")
    );
    check_not_done(refused, false, "named \"alice\" already");
}

#[test]
fn name_that_is_not_one_word_or_looks_like_a_sub_is_refused() {
    let longest = "n".repeat(64);
    for name in ["a", "Zoë.Müller", "alice@mail.example", "u_alice", &longest] {
        assert!(decide(&new(name, &[]), None).is_ok(), "{name}");
    }
    let sub = PersonId::of_random(&[3; 16]).sub();
    let longer = "n".repeat(65);
    for name in [
        "",
        " ",
        "a b",
        "alice ",
        "corp/alice",
        "a\u{202e}b",
        "a\nb",
        "a\u{0}b",
        &sub,
        &longer,
    ] {
        check_not_done(decide(&new(name, &[]), None), false, "cannot be the name");
    }
}

#[test]
fn group_of_a_provider_and_more_groups_than_possible_are_refused() {
    check_not_done(
        decide(&new("carol", &["corp/staff".to_owned()]), None),
        false,
        "group of this server",
    );
    let most: Vec<String> = (0..100).map(|number| format!("g{number}")).collect();
    assert!(decide(&new("carol", &most), None).is_ok());
    let more: Vec<String> = (0..101).map(|number| format!("g{number}")).collect();
    check_not_done(decide(&new("carol", &more), None), false, "at most 100 groups");
}

#[test]
fn earlier_invitation_for_the_same_name_ends() {
    let others = [
        stored(1, "carol", NOW + Seconds(60)),
        stored(2, "dave", NOW + Seconds(60)),
    ];
    let made = decide_beside(&others).unwrap();
    let batch = made.decided.changes.as_ref().unwrap().batch();
    let deleted: Vec<_> = batch
        .writes
        .iter()
        .filter(|write| matches!(write, Write::Delete(..)))
        .collect();
    let key = others[0].record.digest.key().to_vec();
    assert_eq!(deleted, [&Write::Delete(Kind::Invitation, key, 1)]);
}

#[test]
fn number_of_open_invitations_has_a_limit() {
    let open = |count: usize| -> Vec<Versioned<Invitation>> {
        let expires = NOW + Seconds(1);
        let numbers = 1..=u64::try_from(count).unwrap();
        numbers
            .map(|number| stored(number, &format!("n{number}"), expires))
            .collect()
    };
    assert!(decide_beside(&open(INVITATIONS_MAX - 1)).is_ok());
    check_not_done(
        decide_beside(&open(INVITATIONS_MAX)),
        false,
        "1000 invitations are open",
    );
    let mut ended = open(INVITATIONS_MAX);
    ended[0].record.expires = NOW;
    assert!(decide_beside(&ended).is_ok(), "one has ended");
}

#[test]
fn invitation_is_refused_where_people_cannot_sign_in_with_passkeys() {
    let without = LoginPolicy {
        has_passkeys: false,
        ..LOGIN
    };
    for login in [None, Some(&without)] {
        let refused = invite(&order(), &new("carol", &[]), Found::default(), login);
        check_not_done(refused, false, "cannot sign in with passkeys");
    }
}
