//! How a conflict is resolved for a batch that creates, changes or uses a client.

use super::governed::GovernedIdentity;
use crate::decision::Resolution;
use crate::records::{Conflict, Kind, clients_of_authority};
use crate::rejection::{AdmissionReason, CredentialReason};

/// A lost race for the client record is decided again. A conflict that would occur again is a refusal.
pub(crate) fn conflict_of_client(governed: &GovernedIdentity<'_>, on: &Conflict) -> Resolution {
    match on {
        Conflict::Used(_) => Resolution::Refuse(CredentialReason::AssertionReplayed.into()),
        Conflict::Exists(kind, _) if *kind == Kind::ClientIdAlias => Resolution::Refuse(
            AdmissionReason::ClientIdClash {
                client_id: governed.name.client_id.to_string(),
            }
            .into(),
        ),
        // Another node wrote first, the client existed before, or two events got the same id. Conflicts of a grant's
        // own records are resolved by the grant. Any other conflict ends after a few attempts as an error of the
        // server.
        Conflict::Changed(..) | Conflict::Exists(..) => Resolution::Again,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::client_name::ClientName;
    use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
    use crate::rejection::Rejection;
    use crate::rules::{Match, Rule, RuleSpec};
    use testudo_protocol::Timestamp;

    #[test]
    fn only_a_used_credential_and_a_client_id_in_use_are_refused_at_once() {
        let authority = Authority::of_key("spiffe://a.example").unwrap();
        let proof = Proof::until(Timestamp(9));
        let identity =
            AttestedIdentity::proven(authority, "spiffe://a.example/x", CredentialKind::JwtSvid, proof);
        let rule = Rule::compile_for_client(&RuleSpec::default()).unwrap();
        let name = ClientName {
            client_id: "x".into(),
            subject: "spiffe://a.example/x".into(),
            folded_instance: None,
            id_of_all_instances: None,
        };
        let governed = GovernedIdentity {
            identity: &identity,
            found: Match::plain(&rule),
            name,
            client_key: b"k".to_vec(),
        };
        let client_id = "x".to_owned();
        let used = conflict_of_client(&governed, &Conflict::Used([7; 32]));
        assert_eq!(
            used,
            Resolution::Refuse(CredentialReason::AssertionReplayed.into())
        );
        let refusals: [(Kind, Rejection); 1] = [(
            Kind::ClientIdAlias,
            AdmissionReason::ClientIdClash { client_id }.into(),
        )];
        for kind in Kind::ALL {
            let refusal = refusals.iter().find(|(refused, _)| *refused == kind);
            let refusal = refusal.map(|(_, refusal)| refusal.clone());
            let exists = conflict_of_client(&governed, &Conflict::Exists(kind, b"k".to_vec()));
            let expected = refusal.map_or(Resolution::Again, Resolution::Refuse);
            assert_eq!(exists, expected, "{kind:?}");
            let changed = conflict_of_client(&governed, &Conflict::Changed(kind, b"k".to_vec()));
            assert_eq!(changed, Resolution::Again, "{kind:?}");
        }
    }
}
