//! Blocks identities, and removes blocks.

use super::order::{Audited, Decided, NotDone, Order};
use crate::identity::{Authority, AuthorityKind};
use crate::policy::Policy;
use crate::records::{Batch, Block, EventKind, Kind};
use crate::rules::INSTANCE;
use crate::rules::blocks::{self, BLOCK_PATTERNS_MAX, Blocks};

const EXPECTED: &str = "expected: spiffe://prod.example/ns/x/sa/y, with * and ** for whole segments, or the name of a \
                        configured trust domain or issuer for all of its identities";

const INSTANCE_HINT: &str =
    "expected: the claim `instance` of a token, and the identity without it; `testudo event list` shows both";

const UNBLOCK_HINT: &str =
    "`testudo identity list` shows the blocks; a block is removed by the text with which it was made";

/// The longest instance that can be blocked.
pub const INSTANCE_BYTES_MAX: usize = 255;

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

/// The text under which the block of one instance is stored. `identity` is that of the workload, or the id of the client
/// that its instances share.
pub fn canonical_of_instance(identity: &str, instance: &str) -> Result<String, NotDone> {
    let is_one = !instance.is_empty()
        && instance.len() <= INSTANCE_BYTES_MAX
        && instance.bytes().all(|byte| byte.is_ascii_graphic())
        && !instance.contains(['*', '{', '}']);
    if !is_one {
        let problem = format!("{instance:?} is not an instance");
        return Err(NotDone::refused(problem, Some(INSTANCE_HINT)));
    }
    Ok(Block::text_of_instance(identity, instance))
}

/// Checks that one instance of this identity can be blocked: a rule makes it an instance, or a credential can name it.
/// Otherwise the block would have no effect, and the administrator would not notice.
pub fn check_instance(identity: &str, instance: &str, policy: &Policy) -> Result<(), NotDone> {
    let text = Block::text_of_instance(identity, instance);
    let is_shared = Block::before_instance(identity).is_some();
    let named = if is_shared { text.as_str() } else { identity };
    let refused = |problem: String, hint| Err(NotDone::refused(problem, Some(hint)));
    let Ok(authority) = Authority::of_identity(named) else {
        let problem =
            format!("{identity:?} is neither an identity nor the id of a client that instances share");
        return refused(problem, INSTANCE_HINT);
    };
    let found = policy.rules.first_match(&authority, named, |_| true);
    let captured = found.as_ref().and_then(|found| found.captures.segment(INSTANCE));
    let credentials = policy.authority(&authority).map(|trusted| &trusted.credentials);
    match (is_shared, captured) {
        (true, Some(_)) => Ok(()),
        (true, None) => refused(
            format!("no rule with {{instance}} governs {named:?}"),
            "give the identity without the last `/*`, if its credentials name the instance",
        ),
        (false, Some(_)) => refused(
            format!("{identity:?} is one instance already: its rule ends in {{instance}}"),
            "block it without an instance",
        ),
        (false, None)
            if credentials.is_some_and(|kinds| !kinds.iter().any(|kind| kind.names_instances())) =>
        {
            refused(
                format!("no credential of the {} names an instance", authority.described()),
                "block the identity, or name the instances by {instance} at the end of its rule's pattern",
            )
        }
        (false, None) => Ok(()),
    }
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
    let (identity, instance) = Block::parts(identity);
    let mut event = order.event(kind);
    event.identity = Some(identity.to_owned());
    event.instance = instance.map(str::to_owned);
    Audited::new(batch, event)
}

/// Checks that the text is an identity, a pattern, or the id of a configured client: a block with a typing error would
/// block no identity, and the administrator would not notice.
fn check(text: &str, policy: &Policy, held: &Blocks) -> Result<(), NotDone> {
    let not_done = |problem: String, hint| Err(NotDone::refused(problem, hint));
    let (identity, instance) = Block::parts(text);
    if let Some(instance) = instance {
        check_instance(identity, instance, policy)?;
    }
    match blocks::pattern(text) {
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
        None => Authority::of_identity(Block::parts(identity).0).ok(),
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
