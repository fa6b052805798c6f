//! The verifiable credential of a client that is registered, at a token request: whether the entry of its issuer would still
//! accept it. What an administrator or the issuer withdraws ends for registered clients too, and not only for new ones.

use super::authority_keys::AuthorityKeys;
use crate::identity::Authority;
use crate::policy::{AuthorityPolicy, HolderBinding, Unbound};
use crate::records::{AcceptedCredential, OriginOfKeys};
use crate::rejection::VerifiableReason;

/// Compares what was accepted at the registration with the entry of `issuer` and with its keys. `keys` are the last ones
/// that this node has, however old: keys that cannot be fetched are not withdrawn.
pub fn is_still_accepted(
    accepted: &AcceptedCredential,
    issuer: &Authority,
    entry: &AuthorityPolicy,
    keys: Option<&AuthorityKeys>,
) -> Result<(), VerifiableReason> {
    let refused = |reason: fn(Authority) -> VerifiableReason| Err(reason(issuer.clone()));
    let Some(settings) = &entry.verifiable else {
        return Err(VerifiableReason::UnknownIssuer);
    };
    if keys.is_some_and(|keys| !keys.have_signer(&accepted.signer)) {
        return refused(|issuer| VerifiableReason::KeyWithdrawn { issuer });
    }
    if !settings.formats.contains(&accepted.format) {
        let (issuer, format) = (issuer.clone(), accepted.format);
        return Err(VerifiableReason::FormatNotAllowed { issuer, format });
    }
    // [SD-JWT-VC §7.6]
    let is_listed = |named: &str| settings.types.iter().any(|listed| listed == named);
    if !accepted.types.iter().any(|named| is_listed(named)) {
        return Err(VerifiableReason::TypeNotAllowed {
            issuer: issuer.clone(),
            types: accepted.types.iter().map(ToString::to_string).collect(),
        });
    }
    let is_attested = |name: &str| entry.attested_metadata.iter().any(|listed| listed == name);
    if let Some(member) = accepted.members.iter().find(|name| !is_attested(name)) {
        return Err(VerifiableReason::MemberNotAttested {
            issuer: issuer.clone(),
            member: member.to_string(),
        });
    }
    match (accepted.keys, settings.holder_binding, settings.unbound) {
        (OriginOfKeys::Unproven, HolderBinding::Required, _) => {
            refused(|issuer| VerifiableReason::RegisteredUnproven { issuer })
        }
        (OriginOfKeys::Requested, _, Unbound::Refuse) => {
            refused(|issuer| VerifiableReason::RegisteredUnbound { issuer })
        }
        (OriginOfKeys::Proven, _, _)
        | (OriginOfKeys::Unproven, HolderBinding::None, _)
        | (OriginOfKeys::Requested, _, Unbound::Allow) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CredentialFormat;
    use crate::policy::VerifiableCredentialPolicy;
    use std::sync::Arc;
    use testudo_protocol::jose::{KeySet, PublicKey};
    use testudo_testkit::generate_key;

    fn entry(change: impl FnOnce(&mut VerifiableCredentialPolicy)) -> AuthorityPolicy {
        let mut settings = VerifiableCredentialPolicy {
            types: vec!["a".to_owned(), "b".to_owned()],
            formats: vec![CredentialFormat::SdJwtVc, CredentialFormat::VcJwt],
            holder_binding: HolderBinding::Required,
            attesters: Vec::new(),
            unbound: Unbound::Refuse,
        };
        change(&mut settings);
        AuthorityPolicy {
            verifiable: Some(Box::new(settings)),
            attested_metadata: vec!["client_name".to_owned(), "redirect_uris".to_owned()],
            ..AuthorityPolicy::of_tests()
        }
    }

    fn keys(count: usize) -> (AuthorityKeys, [u8; 32]) {
        let mut set = KeySet::default();
        let mut last = [0; 32];
        for _ in 0..count {
            let key = generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
            let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
            let key = PublicKey::from_jwk(&jwk).unwrap();
            last = key.thumbprint();
            set.push(key);
        }
        (AuthorityKeys::Keys(Arc::new(set)), last)
    }

    #[test]
    fn credential_is_accepted_until_its_key_format_type_member_or_proof_is_not() {
        let (known, signer) = keys(3);
        let (others, _) = keys(2);
        let (none, _) = keys(0);
        let issuer = Authority::issuer("agents").unwrap();
        let accepted = |members: &[&str], keys| AcceptedCredential {
            signer,
            format: CredentialFormat::VcJwt,
            types: vec!["other".into(), "b".into()],
            members: members.iter().map(|member| (*member).into()).collect(),
            keys,
        };
        let check = |accepted: &AcceptedCredential, entry: &AuthorityPolicy, keys: Option<&AuthorityKeys>| {
            is_still_accepted(accepted, &issuer, entry, keys)
        };
        let good = accepted(&["redirect_uris"], OriginOfKeys::Proven);
        let unproven = accepted(&[], OriginOfKeys::Unproven);
        let requested = accepted(&[], OriginOfKeys::Requested);
        let known = Some(&known);
        assert_eq!(check(&good, &entry(|_| {}), known), Ok(()));
        assert_eq!(
            check(&good, &entry(|_| {}), None),
            Ok(()),
            "no keys were loaded yet"
        );
        let without_proof = entry(|entry| entry.holder_binding = HolderBinding::None);
        assert_eq!(check(&unproven, &without_proof, known), Ok(()));
        assert_eq!(check(&good, &without_proof, known), Ok(()));
        let unbound = entry(|entry| entry.unbound = Unbound::Allow);
        assert_eq!(check(&requested, &unbound, known), Ok(()));

        let withdrawn = Err(VerifiableReason::KeyWithdrawn {
            issuer: issuer.clone(),
        });
        assert_eq!(check(&good, &entry(|_| {}), Some(&others)), withdrawn);
        assert_eq!(
            check(&good, &entry(|_| {}), Some(&none)),
            withdrawn,
            "deactivated"
        );
        let narrow = entry(|entry| entry.formats = vec![CredentialFormat::SdJwtVc]);
        let (issuer_of, format) = (issuer.clone(), CredentialFormat::VcJwt);
        let expected = VerifiableReason::FormatNotAllowed {
            issuer: issuer_of,
            format,
        };
        assert_eq!(check(&good, &narrow, known), Err(expected));
        let narrow = entry(|entry| entry.types = vec!["a".to_owned()]);
        let expected = VerifiableReason::TypeNotAllowed {
            issuer: issuer.clone(),
            types: vec!["other".to_owned(), "b".to_owned()],
        };
        assert_eq!(check(&good, &narrow, known), Err(expected));
        let with_keys = accepted(&["redirect_uris", "jwks"], OriginOfKeys::Proven);
        let expected = VerifiableReason::MemberNotAttested {
            issuer: issuer.clone(),
            member: "jwks".to_owned(),
        };
        assert_eq!(check(&with_keys, &entry(|_| {}), known), Err(expected));
        let expected = VerifiableReason::RegisteredUnproven {
            issuer: issuer.clone(),
        };
        assert_eq!(check(&unproven, &unbound, known), Err(expected));
        let expected = VerifiableReason::RegisteredUnbound {
            issuer: issuer.clone(),
        };
        assert_eq!(check(&requested, &without_proof, known), Err(expected));
        let other_kind = AuthorityPolicy::of_tests();
        assert_eq!(
            check(&good, &other_kind, known),
            Err(VerifiableReason::UnknownIssuer)
        );
    }
}
