//! The client of a verifiable credential: its id, its key and its end follow from the credential.

use crate::admission::governed::GovernedIdentity;
use crate::admission::known::StoredClient;
use crate::identity::{AttestedIdentity, Holder};
use crate::metadata::keys::known_members;
use crate::metadata::requested::RequestedMetadata;
use crate::rejection::{MetadataReason, Rejection, VerifiableReason};
use serde_json::{Value, json};
use testudo_protocol::Timestamp;

/// The keys of the client are found by its id, so the rule must not give it another one than its identity.
pub(crate) fn has_its_own_id(governed: &GovernedIdentity<'_>) -> Result<(), Rejection> {
    let identity = governed.identity;
    let is_own = governed.name.client_id == identity.subject && governed.name.subject == identity.subject;
    if !identity.kind.only_registers() || is_own {
        return Ok(());
    }
    let rule = governed.found.rule.name.clone();
    Err(VerifiableReason::ClientIdNotIdentity { rule }.into())
}

/// The client of this identity ended. If a newer credential registered it last, an older one does not bring back its own
/// key and metadata, as long as the history of the client is kept.
pub(crate) fn is_not_superseded(
    governed: &GovernedIdentity<'_>,
    ended: StoredClient<'_>,
    issued: Timestamp,
) -> Result<(), Rejection> {
    let expired = ended.client.map(|client| &client.record);
    let last = expired.or(ended.removed.map(|removed| &removed.record.client));
    let of_credential = last.filter(|client| client.credential.is_some());
    let registered = of_credential.and_then(|client| client.registration.as_ref());
    let is_older = registered.is_some_and(|last| last.issued > issued);
    match governed.identity.proof.credential.is_some() && is_older {
        true => Err(VerifiableReason::Superseded.into()),
        false => Ok(()),
    }
}

/// Everyone who has a credential that needs no proof of its holder can send it, so the request must not state the names
/// and addresses that users of the client see.
pub(crate) fn names_itself(
    identity: &AttestedIdentity,
    requested: &RequestedMetadata,
) -> Result<(), Rejection> {
    let credential = identity.proof.credential.as_deref();
    let is_proven = credential.is_none_or(|credential| credential.holder != Holder::Unproven);
    match requested.labels.iter().next() {
        Some((name, _)) if !is_proven => Err(MetadataReason::LabelNeedsKey {
            member: name.member.name,
        }
        .into()),
        Some(_) | None => Ok(()),
    }
}

/// The keys of the client, as a JWK Set: the key of the holder, or else the keys that the issuer states. `None` for a
/// client of another kind of evidence, whose keys are those of its authority.
pub(crate) fn keys(
    identity: &AttestedIdentity,
    attested: Option<&Value>,
) -> Result<Option<Value>, Rejection> {
    let Some(credential) = &identity.proof.credential else {
        return Ok(None);
    };
    match (&credential.key, attested) {
        (Some(held), _) => Ok(Some(known_members(&json!({ "keys": [held.jwk] })))),
        (None, Some(stated)) => Ok(Some(stated.clone())),
        (None, None) => Err(VerifiableReason::NoClientKey.into()),
    }
}

/// True if the credential names no key, and its entry lets the request name the keys of the client.
pub(crate) fn is_unbound(identity: &AttestedIdentity) -> bool {
    identity
        .proof
        .credential
        .as_deref()
        .is_some_and(|credential| credential.is_unbound)
}

/// Everyone who has a copy of a credential without a key can send it with its own key. Therefore the keys that the
/// identity registered first stay, also after its client ended, as long as the history of the client is kept.
pub(crate) fn first_keys_stay(
    identity: &AttestedIdentity,
    requested: &RequestedMetadata,
    stored: StoredClient<'_>,
) -> Result<(), Rejection> {
    let present = stored.client.map(|client| &client.record);
    let last = present.or(stored.removed.map(|removed| &removed.record.client));
    let (first, asked) = (
        last.and_then(|client| client.metadata.jwks.as_ref()),
        &requested.jwks,
    );
    match (first, asked) {
        (Some(first), Some(asked)) if is_unbound(identity) && first != asked => {
            Err(VerifiableReason::OtherKeysRegistered.into())
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}
