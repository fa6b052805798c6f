//! Blocks identities, and removes blocks.

use super::order::{Audited, Decided, NotDone, Order};
use crate::identity::{Authority, AuthorityKind};
use crate::policy::Policy;
use crate::records::{Batch, Block, EventKind, Kind};
use crate::rules::blocks::{self, BLOCK_PATTERNS_MAX, Blocks};

const EXPECTED: &str = "expected: spiffe://prod.example/ns/x/sa/y, with * and ** for whole segments, or the name of a \
                        configured trust domain or issuer for all of its identities";

const UNBLOCK_HINT: &str =
    "`testudo identity list` shows the blocks; a block is removed by the text with which it was made";

/// The record that is stored under the text of a block.
#[derive(Debug)]
pub struct Held {
    /// Its version.
    pub version: u64,
    /// The block, if the record can be read.
    pub block: Option<Block>,
}

/// The text under which a block is stored. The name of an authority means all of its identities.
pub fn canonical(text: &str, policy: &Policy) -> String {
    blocks::canonical(text, |name| {
        let authority = policy.authority_named(name);
        authority.filter(|_| !policy.clients.contains_key(name)).cloned()
    })
}

/// Blocks an identity, by its canonical text.
pub fn block(
    order: &Order<'_>,
    identity: &str,
    held: Option<Held>,
    policy: &Policy,
    blocks: &Blocks,
) -> Result<Decided, NotDone> {
    check(identity, policy, blocks)?;
    let block = Block {
        identity: identity.to_owned(),
        reason: order.reason.map(str::to_owned),
        by: order.actor.to_string(),
        since: order.now,
    };
    let mut batch = Batch::default();
    match held {
        None => batch.insert(&block),
        Some(Held {
            block: Some(held), ..
        }) if held.identity == identity => {
            return Ok(Decided::nothing(format!("{identity} is blocked already")));
        }
        // The stored record cannot be read, or blocks another identity: this block replaces it.
        Some(Held { version, .. }) => batch.replace(&block, version),
    }
    let changes = audited(order, batch, EventKind::IdentityBlocked, identity);
    Ok(Decided {
        warning: has_no_effect(identity, policy).then_some(
            "the trust domain is not configured: the block has no effect until it is; check the spelling",
        ),
        ..Decided::change(changes, format!("{identity}: blocked"))
    })
}

/// Removes the block of an identity, also if the record of the block cannot be read. `held`: the text under which the
/// block is stored, and its version.
pub fn unblock(order: &Order<'_>, wanted: &str, held: Option<(&str, u64)>) -> Result<Decided, NotDone> {
    let Some((identity, version)) = held else {
        return Err(NotDone::not_found(
            format!("{wanted:?} is not blocked"),
            UNBLOCK_HINT,
        ));
    };
    let mut batch = Batch::default();
    batch.remove(Kind::Block, identity.as_bytes().to_vec(), version);
    let changes = audited(order, batch, EventKind::IdentityUnblocked, identity);
    Ok(Decided::change(changes, format!("{identity}: unblocked")))
}

fn audited(order: &Order<'_>, batch: Batch, kind: EventKind, identity: &str) -> Audited {
    let mut event = order.event(kind);
    event.identity = Some(identity.to_owned());
    Audited::new(batch, event)
}

/// Checks that the text is an identity, a pattern, or the id of a configured client: a block with a typing error would
/// block no identity, and the administrator would not notice.
fn check(identity: &str, policy: &Policy, held: &Blocks) -> Result<(), NotDone> {
    let not_done = |problem: String, hint| Err(NotDone::refused(problem, hint));
    match blocks::pattern(identity) {
        Some(Ok(_)) if held.pattern_count() >= BLOCK_PATTERNS_MAX => not_done(
            format!("at most {BLOCK_PATTERNS_MAX} patterns can be blocked"),
            None,
        ),
        Some(Ok(pattern)) => require_configured(identity, policy, pattern.authority()),
        Some(Err(fault)) => not_done(format!("{identity:?} {fault}"), None),
        None if policy.clients.contains_key(identity) => Ok(()),
        None => match Authority::of_identity(identity) {
            Ok(authority) => require_configured(identity, policy, &authority),
            Err(fault) => {
                let problem = format!("{identity:?} is neither a pattern nor an identity: it {fault}");
                let name = identity.strip_suffix(':').unwrap_or(identity);
                match name.contains([':', '/']) || name.is_empty() {
                    true => not_done(problem, Some(EXPECTED)),
                    // The text may be the name of an authority or the id of a configured client.
                    false => Err(NotDone::not_found(problem, EXPECTED)),
                }
            }
        },
    }
}

/// True for an identity or a pattern of an authority that is not configured.
fn has_no_effect(identity: &str, policy: &Policy) -> bool {
    let authority = match blocks::pattern(identity) {
        Some(Ok(pattern)) => Some(pattern.authority().clone()),
        Some(Err(_)) => None,
        None => Authority::of_identity(identity).ok(),
    };
    authority.is_some_and(|authority| policy.authority(&authority).is_none())
        && !policy.clients.contains_key(identity)
}

/// The issuer of an identity must be configured, because almost every text with a colon has the form of an issuer's
/// identity, and a typing error would block no identity. A trust domain may be blocked before it is configured.
fn require_configured(identity: &str, policy: &Policy, authority: &Authority) -> Result<(), NotDone> {
    let is_known = policy.authority(authority).is_some();
    match authority.kind() {
        AuthorityKind::Issuer if !is_known => Err(NotDone::not_found(
            format!(
                "{identity:?} is of the {}, which is not configured",
                authority.described()
            ),
            "`testudo trust list` shows the configured authorities",
        )),
        AuthorityKind::Issuer
        | AuthorityKind::Spiffe
        | AuthorityKind::Configuration
        | AuthorityKind::Registration => Ok(()),
    }
}
