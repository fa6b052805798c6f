//! The verifiable credential of a client that is registered, at a token request: whether the entry of its issuer would still
//! accept it. What an administrator or the issuer withdraws ends for registered clients too, and not only for new ones.

use super::authority_keys::AuthorityKeys;
use crate::identity::{Authority, Sponsor};
use crate::policy::{AuthorityPolicy, HolderBinding, Unbound};
use crate::records::{AcceptedCredential, Client, ClientCredential, OriginOfKeys};
use crate::rejection::{AdmissionReason, Rejection, VerifiableReason};
use testudo_protocol::{Seconds, Timestamp};

/// A verifiable credential from which a client has its rights, and which is judged at its requests: its own, or that of the
/// sponsor that registered it. Otherwise a sponsor could register clients that outlive the withdrawal of its credential.
#[derive(Debug, Clone, Copy)]
pub struct KnownCredential<'a> {
    /// The entry that issued it.
    pub issuer: &'a Authority,
    /// What is kept of it.
    pub credential: &'a ClientCredential,
    /// The sponsor, if it is the credential of the sponsor.
    pub sponsor: Option<&'a Sponsor>,
}

impl<'a> KnownCredential<'a> {
    /// The credential of the client itself, with the authority that issued it, or else that of its sponsor.
    pub fn of(
        own: Option<(&'a Authority, &'a ClientCredential)>,
        of_sponsor: Option<(&'a Sponsor, &'a ClientCredential)>,
    ) -> Option<KnownCredential<'a>> {
        match (own, of_sponsor) {
            (Some((issuer, credential)), _) => Some(KnownCredential {
                issuer,
                credential,
                sponsor: None,
            }),
            (None, Some((sponsor, credential))) => Some(KnownCredential {
                issuer: &sponsor.authority,
                credential,
                sponsor: Some(sponsor),
            }),
            (None, None) => None,
        }
    }

    /// The refusal of the client whose credential is refused for this reason. That of a sponsor is named.
    pub fn refused(self, why: Rejection) -> Rejection {
        match self.sponsor {
            None => why,
            Some(sponsor) => AdmissionReason::SponsorCredential {
                sponsor: sponsor.subject.clone(),
                why: Box::new(why),
            }
            .into(),
        }
    }
}

/// Longest lifetime of a credential if the entry has no `lifetime_max`. The registration ends with the credential.
pub const CREDENTIAL_LIFETIME_MAX: Seconds = Seconds(86_400);

/// Longest lifetime of credentials of this entry.
pub(in crate::doors) fn lifetime_max(entry: &AuthorityPolicy) -> Seconds {
    entry.lifetime_max.unwrap_or(CREDENTIAL_LIFETIME_MAX)
}

/// When the credential ends from which the client has its rights: as it was at the registration, or earlier, if
/// `lifetime_max` of the entry of its issuer was reduced since. Its tokens are not valid for longer.
pub fn end_of_credential(client: &Client, entry: Option<&AuthorityPolicy>) -> Option<Timestamp> {
    let registered = client.end_of_credential()?;
    let accepted = client.judged_credential().and_then(ClientCredential::accepted);
    let issued = accepted.and_then(|accepted| accepted.issued);
    let longest = entry
        .zip(issued)
        .map(|(entry, issued)| issued + lifetime_max(entry));
    Some(longest.map_or(registered, |longest| longest.min(registered)))
}

/// Compares what was accepted at the registration with the entry of `issuer` and with its keys. `keys` are the last ones
/// that this node has, however old: keys that cannot be fetched are not withdrawn.
pub fn is_still_accepted(
    accepted: &AcceptedCredential,
    issuer: &Authority,
    entry: &AuthorityPolicy,
    keys: Option<&AuthorityKeys>,
    now: Timestamp,
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
    let is_over = |issued: Timestamp| {
        let longest = issued + lifetime_max(entry);
        now >= longest || accepted.expires.is_some_and(|end| end > longest)
    };
    if accepted.issued.is_some_and(is_over) {
        return refused(|issuer| VerifiableReason::LifetimeReduced { issuer });
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
    use crate::identity::{CredentialFormat, Signer};
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

    fn keys(count: usize) -> (AuthorityKeys, Signer) {
        let mut set = KeySet::default();
        let mut last = [0; 32];
        for _ in 0..count {
            let key = generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
            let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
            let key = PublicKey::from_jwk(&jwk).unwrap();
            last = key.thumbprint();
            set.push(key);
        }
        let signer = Signer {
            key: last,
            certificate_name: None,
        };
        (AuthorityKeys::Keys(Arc::new(set)), signer)
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
            issued: None,
            expires: None,
        };
        let check = |accepted: &AcceptedCredential, entry: &AuthorityPolicy, keys: Option<&AuthorityKeys>| {
            is_still_accepted(accepted, &issuer, entry, keys, Timestamp(1000))
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

    #[test]
    fn credential_is_accepted_for_lifetime_max_of_today_after_its_issue_and_not_with_a_later_end() {
        let issuer = Authority::issuer("agents").unwrap();
        let check = |allowed: Option<i64>, expires: Option<i64>, now: i64| {
            let accepted = AcceptedCredential {
                signer: Signer {
                    key: [0; 32],
                    certificate_name: None,
                },
                format: CredentialFormat::VcJwt,
                types: vec!["a".into()],
                members: Vec::new(),
                keys: OriginOfKeys::Proven,
                issued: Some(Timestamp(1000)),
                expires: expires.map(Timestamp),
            };
            let entry = AuthorityPolicy {
                lifetime_max: allowed.map(Seconds),
                ..entry(|_| {})
            };
            is_still_accepted(&accepted, &issuer, &entry, None, Timestamp(now)).is_ok()
        };
        for (allowed, expires, now, is_accepted) in [
            (Some(100), None, 1099, true),
            (Some(100), None, 1100, false),
            (Some(100), Some(1100), 1000, true),
            (Some(100), Some(1101), 1000, false),
            (None, Some(87_400), 1000, true),
            (None, Some(87_401), 1000, false),
        ] {
            assert_eq!(
                check(allowed, expires, now),
                is_accepted,
                "{allowed:?} {expires:?} {now}"
            );
        }
    }
}
