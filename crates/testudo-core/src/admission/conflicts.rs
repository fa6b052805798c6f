//! What a conflict means for a batch that makes, changes or uses a client.

use super::governed::GovernedIdentity;
use crate::decision::Resolution;
use crate::records::{Conflict, Kind, clients_of_authority};
use crate::rejection::{AdmissionReason, CredentialReason};

/// A race for the client itself is decided again. What deciding again cannot cure is refused.
pub(crate) fn conflict_of_client(governed: &GovernedIdentity<'_>, on: &Conflict) -> Resolution {
    match on {
        Conflict::Changed(..) => Resolution::Again,
        Conflict::Exists(kind, _) => match kind {
            // Another node was first, there was an earlier life, or two events met on one id.
            Kind::Client | Kind::Removed | Kind::Event => Resolution::Again,
            Kind::Replay => Resolution::Refuse(CredentialReason::AssertionReplayed.into()),
            Kind::ClientIdAlias => Resolution::Refuse(
                AdmissionReason::ClientIdClash {
                    client_id: governed.name.client_id.to_string(),
                }
                .into(),
            ),
            // No batch of a client holds one of these. Deciding again ends after a few times, as our own failure.
            Kind::Block
            | Kind::Switch
            | Kind::SigningKey
            | Kind::ServerSecret
            | Kind::ReloadOrder
            | Kind::WithdrawnKey
            | Kind::BundleSequence => Resolution::Again,
        },
        Conflict::OverLimit(counter) => {
            let (authority, ..) = governed.identity.governed_as();
            let limit = if *counter == clients_of_authority(authority.key()) {
                authority.described()
            } else {
                format!("rule `{}`", governed.found.rule.name)
            };
            Resolution::Refuse(AdmissionReason::TooManyClients { limit }.into())
        }
    }
}
