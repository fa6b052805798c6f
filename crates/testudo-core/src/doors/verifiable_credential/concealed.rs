//! What the holder of an SD-JWT must disclose. [RFC9901 §9.7]
//!
//! The holder chooses what it discloses. Without these checks it could leave out an attested limit, or the claim by which
//! a stricter rule governs it, and get more rights than with the whole credential. A digest does not tell the name of what
//! it conceals, so while there is one without a disclosure, everything on which rights depend must be present.

use crate::identity::{ClaimSource, LIMITS};
use crate::members::{Kind, shadowed};
use crate::policy::AuthorityPolicy;
use crate::rejection::VerifiableReason;
use serde_json::Value;
use std::collections::BTreeMap;
use testudo_protocol::credentials::disclosures::Concealed;

/// Checks that no limit that the entry lets the issuer attest can be among the concealed members.
pub(super) fn shows_limits(
    concealed: Concealed,
    entry: &AuthorityPolicy,
    attested: &BTreeMap<String, Value>,
) -> Result<(), VerifiableReason> {
    let absent = LIMITS.iter().find(|limit| {
        entry.attested_metadata.iter().any(|listed| listed == *limit) && !attested.contains_key(**limit)
    });
    match (concealed, absent) {
        (Concealed::Members, Some(limit)) => Err(VerifiableReason::Concealed {
            claim: (*limit).to_owned(),
        }),
        // An element that a list does not show only makes the list shorter.
        (Concealed::Members | Concealed::Within | Concealed::Nothing, _) => Ok(()),
    }
}

/// The labels that the entry lets the issuer attest, if they may be among the concealed members. They are not taken from
/// the request either: otherwise the holder could withhold the name that the issuer states, and show users another one.
pub(super) fn labels_not_requested(concealed: Concealed, entry: &AuthorityPolicy) -> Vec<String> {
    let is_label =
        |name: &&String| shadowed(name).is_some_and(|member| matches!(member.kind, Kind::Label(_)));
    match concealed {
        Concealed::Members => entry.attested_metadata.iter().filter(is_label).cloned().collect(),
        Concealed::Within | Concealed::Nothing => Vec::new(),
    }
}

/// Checks that a credential which names no key conceals none. The entry accepts the keys of the request for such a
/// credential (`unbound = "allow"`): an attacker with a copy could withhold `jwks`, and name a key of its own.
pub(super) fn shows_keys(concealed: Concealed, is_unbound: bool) -> Result<(), VerifiableReason> {
    match (concealed, is_unbound) {
        (Concealed::Members, true) => Err(VerifiableReason::KeysMayBeConcealed),
        // What is concealed within other members is not `jwks` or `cnf`: these would be there.
        (Concealed::Members | Concealed::Within | Concealed::Nothing, _) => Ok(()),
    }
}

/// Checks that none of the claims that rules and captures name, and that were not found, can be concealed.
pub(super) fn shows_claims(concealed: Concealed, absent: &[&ClaimSource]) -> Result<(), VerifiableReason> {
    let may_be_concealed = |source: &&&ClaimSource| match concealed {
        Concealed::Nothing => false,
        Concealed::Within => source.is_nested(),
        Concealed::Members => true,
    };
    match absent.iter().find(may_be_concealed) {
        Some(source) => Err(VerifiableReason::Concealed {
            claim: source.to_string(),
        }),
        None => Ok(()),
    }
}
