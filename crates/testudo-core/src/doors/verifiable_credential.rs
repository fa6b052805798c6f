//! A verifiable credential as a software statement: an SD-JWT VC, or a W3C credential as a JWT, alone or in a
//! presentation of its holder. [SD-JWT-VC §2] [VC-JOSE-COSE §3] [VCDM1 §6.3.1]
//!
//! It registers a client and never authenticates one: the client authenticates afterwards with the key that the
//! credential names. Before the signature of its issuer is verified, nothing is fetched for a credential but
//! the keys of this issuer, at most once in a while, if it names a key that is not among them.

mod concealed;
mod form;
mod holder;

use super::shared::claims::CLOCK_LEEWAY;
use super::shared::facts::{Facts, Lookup, Terms, policy_and_keys};
use super::shared::issued_token::{VerifiedClaims, speaks_for};
use super::shared::known_credential::lifetime_max;
use super::shared::presented::Presented;
use super::shared::published_keys::CredentialKeys;
use crate::identity::issuer_subject::segments_of;
use crate::identity::{
    AttestedIdentity, Authority, CredentialKind, IssuedCredential, Proof, VerifiedCredential,
};
use crate::policy::{Claimed, Unbound};
use crate::rejection::{CredentialReason, Rejection, VerifiableReason};
use crate::trace::Trace;
use form::{Form, UnverifiedIssuer, VerifiedForm};
use std::sync::Arc;
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::jose::JoseError;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;

/// A parsed credential; nothing in it is verified yet.
pub struct VerifiableCredential {
    form: Form,
    unverified_issuer: UnverifiedIssuer,
    digest: [u8; 32],
}

impl VerifiableCredential {
    /// Reads the part of the credential that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<VerifiableCredential, Rejection> {
        let form = Form::parse(presented.assertion()?).map_err(VerifiableReason::Refused)?;
        if form.jws().algorithm().is_err() {
            return Err(CredentialReason::AlgorithmNotAllowed {
                found: form.jws().header.alg.clone(),
            }
            .into());
        }
        Ok(VerifiableCredential {
            unverified_issuer: form.unverified_issuer().ok_or(VerifiableReason::UnknownIssuer)?,
            form,
            digest: presented.digest,
        })
    }

    /// The only keys used are those of the entry with this issuer or, without `iss`, with the name of the certificate.
    pub fn lookups(&self) -> Lookup<'_> {
        match &self.unverified_issuer {
            UnverifiedIssuer::Named(issuer) => Lookup::Issuer {
                unverified_issuer: issuer,
                unverified_kid: self.form.jws().header.kid.as_deref(),
            },
            UnverifiedIssuer::OfCertificate(unverified_names) => {
                Lookup::CertificateIssuer { unverified_names }
            }
        }
    }

    /// Verifies the signature of the issuer first; what the credential states is checked only after it.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let Terms { policy, purpose, now } = terms;
        let (authority, facts) = self.entry(facts)?;
        let (entry, keys) = policy_and_keys(authority, facts, policy, trace)?;
        let (Some(accepted), Some(issuer)) = (&entry.verifiable, &entry.issuer) else {
            return Err(VerifiableReason::UnknownIssuer.into());
        };
        let (jws, format) = (self.form.jws(), self.form.format());
        if !accepted.formats.contains(&format) {
            let issuer = authority.clone();
            return Err(VerifiableReason::FormatNotAllowed { issuer, format }.into());
        }
        // [VC-JOSE-COSE §3.3.1] A DID may have several keys, and each has its own purposes.
        if issuer.starts_with("did:") && jws.header.kid.is_none() {
            return Err(VerifiableReason::KeyIdMissing.into());
        }
        let keys = keys.for_credential(jws, now).map_err(VerifiableReason::Refused)?;
        let verified = self.form.verify(keys.issuer_keys());
        let VerifiedForm {
            mut claims,
            payload,
            hash,
            concealed,
        } = verified.map_err(VerifiableReason::Refused)?;
        let signer = keys.signer_of(jws).ok_or_else(|| {
            let forged = CredentialError::Jose(JoseError::BadSignature);
            VerifiableReason::Refused(forged)
        })?;
        trace.passed("signature", || jws.header.algorithm_and_key());
        speaks_for(authority, entry, CredentialKind::VerifiableCredential, purpose)?;
        let is_of_entry = match (&claims.issuer, &self.unverified_issuer) {
            (Some(named), _) => named == issuer,
            // The chain leads to an authority of the entry and has its name.
            (None, UnverifiedIssuer::OfCertificate(_)) => matches!(keys, CredentialKeys::Certificate(_)),
            (None, UnverifiedIssuer::Named(_)) => false,
        };
        if !is_of_entry {
            let expected = issuer.clone();
            return Err(VerifiableReason::IssuerDiffers { expected }.into());
        }
        let end = claims.times.end(lifetime_max(entry), CLOCK_LEEWAY, now);
        let end = end.map_err(VerifiableReason::Refused)?;
        trace.passed("times", || format!("valid until {end}"));
        // [SD-JWT-VC §7.6] An issuer may state only the types that the entry lists.
        let listed = claims.types.iter().filter(|named| accepted.types.contains(named));
        let types: Vec<Box<str>> = listed.map(|named| named.as_str().into()).collect();
        if types.is_empty() {
            return Err(VerifiableReason::TypeNotAllowed {
                issuer: authority.clone(),
                types: claims.types,
            }
            .into());
        }
        trace.passed("type", || claims.types.join(", "));
        let key = holder::key(&mut claims)?;
        let expected = holder::Expected {
            key: key.as_ref(),
            names_certificate: claims.certificate.is_some(),
            entry: accepted,
            server: policy.issuer.as_str(),
            now,
        };
        let holder = holder::proven(&self.form, hash, &claims.subject, expected)?;
        trace.passed("holder", || holder.to_string());
        let segments = segments_of(&claims.subject);
        let subject = authority
            .subject(&segments)
            .filter(|subject| !segments.is_empty() && subject.len() <= IDENTIFIER_BYTES_MAX)
            .ok_or_else(|| CredentialReason::SubjectUnusable {
                claim: "sub".to_owned(),
            })?;
        let states_keys = claims.about_client.contains_key("jwks");
        let names_key = key.is_some() || claims.certificate.is_some();
        let is_unbound = !names_key && !states_keys && accepted.unbound == Unbound::Allow;
        let named = VerifiedClaims::of_payload(payload).named(authority, policy);
        let Claimed { attested, unlisted } = entry.claimed(claims.about_client.into_iter().collect());
        let known = named.as_deref();
        concealed::shows_keys(concealed, is_unbound)?;
        concealed::shows_limits(concealed, entry, &attested)?;
        let withheld = concealed::labels_not_requested(concealed, entry);
        let absent = policy.rules.absent_claims(authority, &subject, known);
        concealed::shows_claims(concealed, &absent)?;
        let proof = Proof {
            issued: claims.times.issued.or(claims.times.not_before),
            digest: Some(self.digest),
            is_for_registration: true,
            attested_claims: attested,
            unlisted_claims: [unlisted.into_vec(), withheld].concat().into(),
            claims: named,
            credential: Some(Box::new(VerifiedCredential {
                issued: Some(Box::new(IssuedCredential {
                    signer,
                    format,
                    types,
                    at: claims.times.issued_or_begun().unwrap_or(now),
                    expires: claims.times.expires,
                })),
                status: claims.status,
                is_unbound,
                key: key.map(Arc::new),
                certificate: claims.certificate,
                holder,
            })),
            ..Proof::until(end)
        };
        let kind = CredentialKind::VerifiableCredential;
        Ok(AttestedIdentity::proven(authority.clone(), subject, kind, proof))
    }

    /// The entry that was found, and its keys.
    fn entry<'f>(&self, facts: &'f Facts) -> Result<(&'f Authority, &'f Facts), VerifiableReason> {
        match facts {
            Facts::Issuer(authority, facts) => Ok((authority, facts)),
            Facts::SeveralIssuers(entries) => Err(VerifiableReason::SeveralIssuers {
                entries: entries.clone(),
            }),
            Facts::Keys(_)
            | Facts::Clusters(_)
            | Facts::NoKeysOf(_)
            | Facts::NoKeys
            | Facts::Disabled
            | Facts::Client(_)
            | Facts::Public(_)
            | Facts::KeysElsewhere { .. }
            | Facts::Nothing => Err(VerifiableReason::UnknownIssuer),
        }
    }
}
