//! Tests of blocking and unblocking identities.

use super::*;
use crate::admin::block::{Held, block, canonical, canonical_of_instance, unblock};
use crate::records::Block;
use crate::rules::blocks::{BLOCK_PATTERNS_MAX, Blocks};

const PAY: &str = "spiffe://a.example/pay/1";

fn record(identity: &str) -> Block {
    Block {
        identity: identity.into(),
        reason: None,
        by: "uid:0(root) gid:0".into(),
        since: Timestamp(1),
    }
}

fn blocked(identity: &str) -> Result<Decided, NotDone> {
    block(&order(), identity, None, &policy(), &Blocks::default())
}

#[test]
fn identity_that_is_blocked_already_is_not_written_again() {
    let held = Held {
        version: 4,
        block: Some(record(PAY)),
    };
    let decided = block(&order(), PAY, Some(held), &policy(), &Blocks::default()).unwrap();
    check(&decided, &[], "spiffe://a.example/pay/1 is blocked already");
}

#[test]
fn unreadable_or_wrong_record_of_a_block_is_replaced_at_its_version() {
    for (case, block_found) in [
        ("it cannot be read", None),
        (
            "it blocks another identity",
            Some(record("spiffe://a.example/other")),
        ),
    ] {
        let held = Held {
            version: 4,
            block: block_found,
        };
        let decided = block(&order(), PAY, Some(held), &policy(), &Blocks::default());
        let decided = decided.unwrap_or_else(|why| panic!("{case}: {why:?}"));
        let expected = ["replace Block spiffe://a.example/pay/1 @4", "identity.blocked"];
        check(&decided, &expected, "spiffe://a.example/pay/1: blocked");
    }
}

#[test]
fn block_names_the_identity_the_administrator_and_the_reason() {
    for identity in [
        PAY,
        "spiffe://a.example/pay/*",
        "spiffe://a.example/**",
        // A trust domain may be blocked before it is configured.
        "spiffe://not.configured.example/x",
        "ci:ops/deploy",
    ] {
        let decided = blocked(identity).unwrap_or_else(|why| panic!("{identity}: {why:?}"));
        let insert = format!("insert Block {identity}");
        check(
            &decided,
            &[&insert, "identity.blocked"],
            &format!("{identity}: blocked"),
        );
        let batch = decided.changes.unwrap().batch();
        let Some(Write::Insert(document)) = batch.writes.first() else {
            panic!("{batch:?}");
        };
        let written: Block = serde_json::from_slice(&document.body).unwrap();
        let expected = Block {
            identity: identity.into(),
            reason: Some("incident 7".into()),
            by: ALICE.into(),
            since: NOW,
        };
        assert_eq!(written, expected);
    }
}

#[test]
fn block_of_a_trust_domain_that_is_not_configured_is_warned_of() {
    for (identity, is_warned) in [
        (PAY, false),
        ("spiffe://a.example/**", false),
        ("ci:ops/deploy", false),
        ("spiffe://not.configured.example/x", true),
        ("spiffe://not.configured.example/**", true),
    ] {
        let decided = blocked(identity).unwrap();
        assert_eq!(decided.warning.is_some(), is_warned, "{identity}");
    }
}

#[test]
fn block_that_would_match_no_identity_is_refused() {
    for (identity, words) in [
        ("", "neither a pattern nor an identity"),
        ("https://a.example/pay", "neither a pattern nor an identity"),
        ("spiffe://", "neither a pattern nor an identity"),
        ("spiffe://A.example/pay", "neither a pattern nor an identity"),
        ("spiffe://a.example/pay/", "neither a pattern nor an identity"),
        ("spiffe://a.example/p*y", "spiffe://a.example/p*y"),
        ("spiffe://*/pay", "spiffe://*/pay"),
        ("spiffe://a.example/**/x", "spiffe://a.example/**/x"),
    ] {
        check_not_done(blocked(identity), false, words);
    }
    for name in ["pay", "ops-tool", "pay:"] {
        check_not_done(blocked(name), true, "neither a pattern nor an identity");
    }
}

#[test]
fn identity_of_an_issuer_that_is_not_configured_is_refused() {
    let mut policy = policy();
    policy
        .authorities
        .remove(&Authority::of_identity("ci:x").unwrap());
    for identity in ["ci:ops/deploy", "ci:ops/*"] {
        let outcome = block(&order(), identity, None, &policy, &Blocks::default());
        check_not_done(outcome, true, "which is not configured");
    }
}

#[test]
fn number_of_blocked_patterns_is_limited_and_number_of_blocked_identities_is_not() {
    let blocks = |count: usize| {
        let records: Vec<Block> = (0..count)
            .map(|number| record(&format!("spiffe://a.example/n{number}/*")))
            .collect();
        Blocks::new(&records)
    };
    let (all_but_one, all) = (blocks(BLOCK_PATTERNS_MAX - 1), blocks(BLOCK_PATTERNS_MAX));
    let pattern = "spiffe://a.example/pay/*";
    let with = |identity: &str, held: &Blocks| block(&order(), identity, None, &policy(), held);
    assert!(with(pattern, &all_but_one).is_ok());
    check_not_done(with(pattern, &all), false, "at most 1000 patterns");
    assert!(
        with(PAY, &all).is_ok(),
        "an exact identity does not count as a pattern"
    );
}

#[test]
fn identity_that_is_not_blocked_is_not_unblocked() {
    for wanted in [PAY, "", "spiffe://a.example/**", "ops-tool"] {
        check_not_done(unblock(&order(), wanted, None), true, "is not blocked");
    }
    let decided = unblock(&order(), "a.example", Some(("spiffe://a.example/**", 6))).unwrap();
    check(
        &decided,
        &["delete Block spiffe://a.example/** @6", "identity.unblocked"],
        "spiffe://a.example/**: unblocked",
    );
}

#[test]
fn block_of_an_authority_is_stored_as_the_pattern_of_all_its_identities() {
    for (text, expected) in [
        ("a.example", "spiffe://a.example/**"),
        ("spiffe://a.example", "spiffe://a.example/**"),
        (
            "spiffe://not.configured.example",
            "spiffe://not.configured.example/**",
        ),
        // A text that is not the name of a configured authority is not changed.
        ("not.configured.example", "not.configured.example"),
        (PAY, PAY),
        ("", ""),
    ] {
        assert_eq!(canonical(text, &policy()), expected);
    }
}

#[test]
fn block_of_an_instance_names_identity_and_instance_in_its_event() {
    let (identity, instance) = ("ci:ops/deploy", "77b3a5b4-2ad1");
    let text = canonical_of_instance(identity, instance).unwrap();
    assert_eq!(text, "ci:ops/deploy{77b3a5b4-2ad1}");
    let mut policy = policy();
    let trusted = policy
        .authorities
        .get_mut(&Authority::of_identity(identity).unwrap());
    trusted.unwrap().credentials = vec![CredentialKind::Attestation];
    let decided = block(&order(), &text, None, &policy, &Blocks::default()).unwrap();
    let insert = format!("insert Block {text}");
    check(
        &decided,
        &[&insert, "identity.blocked"],
        &format!("{text}: blocked"),
    );
    let removed = unblock(&order(), &text, Some((&text, 4))).unwrap();
    for decided in [decided, removed] {
        let event = &decided.changes.unwrap().events()[0].clone();
        assert_eq!(
            (event.identity.as_deref(), event.instance.as_deref()),
            (Some(identity), Some(instance))
        );
    }
    // Neither the text of a capture nor a brace inside an identity is that of an instance.
    for text in [
        "ci:{job}",
        "ci:ops/{job}",
        "spiffe://a.example/{a}",
        "ci:ops/x{}",
        "ci:ops/{a}/x{b}",
    ] {
        assert_eq!(Block::parts(text), (text, None), "{text}");
    }
    // Without a credential that names instances, the block has no effect.
    let none = blocked("spiffe://a.example/x{1}");
    check_not_done(
        none,
        false,
        "no credential of the trust domain `a.example` names an instance",
    );
}
