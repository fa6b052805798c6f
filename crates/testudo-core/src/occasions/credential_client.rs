//! The client of a verifiable credential: its id, its key and its end follow from the credential.

use crate::admission::governed::GovernedIdentity;
use crate::identity::{AttestedIdentity, CredentialKind};
use crate::metadata::keys::known_members;
use crate::rejection::{Rejection, VerifiableReason};
use serde_json::{Value, json};

/// The keys of the client are found by its id, so the rule must not give it another one than its identity.
pub(crate) fn has_its_own_id(governed: &GovernedIdentity<'_>) -> Result<(), Rejection> {
    let identity = governed.identity;
    let is_own = governed.name.client_id == identity.subject && governed.name.subject == identity.subject;
    if identity.kind != CredentialKind::VerifiableCredential || is_own {
        return Ok(());
    }
    let rule = governed.found.rule.name.clone();
    Err(VerifiableReason::ClientIdNotIdentity { rule }.into())
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
