//! An identity that an authority attested, with the content of the credential that proved it.

use super::{
    Authority, AuthorityKind, CredentialKind, NamedClaims, Sponsor, SponsorLimits, VerifiedCredential,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use testudo_protocol::jose::{self, ProofKey};
use testudo_protocol::{Seconds, Timestamp, base64url};

/// An identity that an authority attested in a credential whose signature, times and audience were checked.
#[derive(Debug, Clone)]
pub struct AttestedIdentity {
    /// The authority that attested the identity.
    pub authority: Authority,
    /// The subject within the authority: a SPIFFE ID, a subject of an issuer (`cluster-a:pay/api`), or the id of a
    /// configured or registered client.
    pub subject: Box<str>,
    /// The kind of credential that proved it.
    pub kind: CredentialKind,
    /// The sponsor that registered the client, if there is one.
    pub sponsor: Option<Box<Sponsor>>,
    /// The content of the credential besides the subject.
    pub proof: Proof,
}

/// The content of a credential besides its subject. A door fills in the fields that its kind of credential has; the
/// others keep the values of [`Proof::until`].
#[derive(Debug, Clone)]
pub struct Proof {
    /// When the credential expires.
    pub expires: Timestamp,
    /// When the credential was issued, if it contains this time.
    pub issued: Option<Timestamp>,
    /// SHA-256 of the credential; `None` for a client that is being registered without a credential.
    pub digest: Option<[u8; 32]>,
    /// The `jti` of the credential, for events.
    pub jwt_id: Option<String>,
    /// If the credential may be used only once, the key under which its use is recorded.
    pub single_use: Option<SingleUse>,
    /// The client certificate of the request, to which tokens can be bound. [RFC8705 §3.1]
    pub certificate_thumbprint: Option<[u8; 32]>,
    /// The key in the credential that the sender must prove to have. [RFC7800 §3.2]
    pub confirmation: Option<Arc<ProofKey>>,
    /// The thumbprint of that key, if the identity is of an event: the key itself is not stored.
    pub recorded_confirmation: Option<Box<[u8; 32]>>,
    /// The running copy of the workload that the credential names in a claim (the uid of a pod), percent-encoded like a
    /// segment of an identity. Without it, the key that the credential confirms names the copy.
    pub named_instance: Option<Box<str>>,
    /// True if the audience of the credential is the URL of the registration endpoint.
    pub is_for_registration: bool,
    /// Claims that the configuration allows the authority to state about a client, by name. Other claims are not
    /// included.
    pub attested_claims: BTreeMap<String, serde_json::Value>,
    /// The claims that rules and `captures` of the authority name, if there are any.
    pub claims: Option<Box<NamedClaims>>,
    /// True if it is not known which of these claims the credential has, because they were not stored.
    pub claims_are_unknown: bool,
    /// Names of claims about client metadata that the configuration does not allow the authority to state. These claims
    /// have no effect, and neither do members with the same names in the request.
    pub unlisted_claims: Box<[String]>,
    /// What a verifiable credential states besides, if the client registers with it now, or registered with it and now
    /// authenticates with an attestation.
    pub credential: Option<Box<VerifiedCredential>>,
}

impl Proof {
    /// A proof with this expiry and no other content.
    pub fn until(expires: Timestamp) -> Proof {
        Proof {
            expires,
            issued: None,
            digest: None,
            jwt_id: None,
            single_use: None,
            certificate_thumbprint: None,
            confirmation: None,
            recorded_confirmation: None,
            named_instance: None,
            is_for_registration: false,
            attested_claims: BTreeMap::new(),
            claims: None,
            claims_are_unknown: false,
            unlisted_claims: Box::default(),
            credential: None,
        }
    }

    /// The thumbprint of the key in the credential that the sender must prove to have. [RFC7638 §3]
    pub fn confirmed_key(&self) -> Option<[u8; 32]> {
        let key = self.confirmation.as_ref().map(|key| *key.thumbprint());
        let of_holder = || self.credential.as_ref().and_then(|held| held.proven_key());
        key.or_else(of_holder)
            .or(self.recorded_confirmation.as_deref().copied())
    }

    /// The running copy of the workload that the credential names: by a claim, or by the key that it confirms, whose
    /// thumbprint in base64url it then is.
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        match &self.named_instance {
            Some(named) => Some(Cow::Borrowed(named)),
            // The key of a holder is that of the client, and not of one copy of it.
            None if self.credential.is_some() => None,
            None => Some(Cow::Owned(base64url::text(&self.confirmed_key()?))),
        }
    }
}

impl AttestedIdentity {
    /// An identity that a credential proved: the result of a door.
    pub fn proven(
        authority: Authority,
        subject: impl Into<Box<str>>,
        kind: CredentialKind,
        proof: Proof,
    ) -> AttestedIdentity {
        AttestedIdentity {
            authority,
            subject: subject.into(),
            kind,
            sponsor: None,
            proof,
        }
    }

    /// A client with an id that this server assigned. Nothing about it is proven at registration except the identity of
    /// its sponsor.
    pub fn named_here(
        client_id: &str,
        kind: CredentialKind,
        sponsor: Option<Box<Sponsor>>,
    ) -> AttestedIdentity {
        AttestedIdentity {
            sponsor,
            ..AttestedIdentity::proven(
                Authority::registration(),
                client_id,
                kind,
                Proof::until(Timestamp(0)),
            )
        }
    }

    /// The same identity with the instance that a token of this server names, unless the identity ends in it: then the
    /// credential may have named none.
    #[must_use]
    pub fn with_instance(mut self, instance: Option<&str>) -> AttestedIdentity {
        let is_last = |text: &&str| self.subject.rsplit(['/', ':']).next() == Some(text);
        if let Some(text) = instance.filter(|text| !is_last(text)) {
            match base64url::parse(text) {
                Some(thumbprint) => self.proof.recorded_confirmation = Some(Box::new(thumbprint)),
                None => self.proof.named_instance = Some(text.into()),
            }
        }
        self
    }

    /// The subject as a SPIFFE ID, if it is one.
    pub fn spiffe_id(&self) -> Option<&str> {
        match self.authority.kind() {
            AuthorityKind::Spiffe => Some(&self.subject),
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => None,
        }
    }

    /// True if the request proved possession of a private key of this identity: that of its certificate, or the one that
    /// its credential confirms, without whose proof no credential is accepted (`possession/`).
    pub fn has_proven_key(&self) -> bool {
        self.has_certificate() || self.proof.confirmed_key().is_some()
    }

    /// True if the request has a client certificate of this identity.
    pub fn has_certificate(&self) -> bool {
        self.proof.certificate_thumbprint.is_some()
    }

    /// True if the request presented this kind of credential, alone or together with another one.
    pub fn shows(&self, kind: CredentialKind) -> bool {
        let has_attested_key = || self.proof.credential.is_some() && self.proof.confirmation.is_some();
        self.kind == kind
            || (kind == CredentialKind::X509Svid
                && self.kind != CredentialKind::Public
                && self.has_certificate()
                && self.proof.credential.is_none())
            || (kind == CredentialKind::Attestation && has_attested_key())
    }

    /// True if an attester names the client. That of a verifiable credential is named by the issuer of the credential,
    /// also if it authenticates with an attestation.
    pub(crate) fn is_named_by_attester(&self) -> bool {
        self.kind == CredentialKind::Attestation && self.proof.credential.is_none()
    }

    /// The most that its sponsor may have: what the authority of the sponsor attested, and what the sponsor registered.
    pub fn sponsor_limits(&self) -> &SponsorLimits {
        static NONE: SponsorLimits = SponsorLimits::NONE;
        let limits = self
            .sponsor
            .as_ref()
            .and_then(|sponsor| sponsor.limits.as_deref());
        limits.unwrap_or(&NONE)
    }

    /// The claims of the credential that determine which rule governs. `None` if they are not known: those of a sponsor
    /// are not stored.
    pub fn governing_claims(&self) -> Option<&NamedClaims> {
        static NONE: NamedClaims = NamedClaims::new();
        if self.sponsor.is_some() || self.proof.claims_are_unknown {
            return None;
        }
        Some(self.proof.claims.as_deref().unwrap_or(&NONE))
    }

    /// The identity and kind of credential that determine rule, rate limits and quota: those of the client, or those of
    /// its sponsor.
    pub fn governed_as(&self) -> (&Authority, &str, CredentialKind) {
        match &self.sponsor {
            Some(sponsor) => (&sponsor.authority, &sponsor.subject, sponsor.credential),
            None => (&self.authority, &self.subject, self.kind),
        }
    }
}

/// How much longer than it is accepted the record of the use of a credential or proof is kept. If the clock is set back
/// by less than this, or the clock of another node is behind by less, everything that is still accepted has its record.
const MARK_MARGIN: Seconds = Seconds(300);

/// Identifies a single-use credential or proof, so that its second use is detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// Hash of the parts that identify it, each preceded by its length.
    pub key: [u8; 32],
    /// When the record of the use may be deleted.
    pub keep_until: Timestamp,
}

impl SingleUse {
    /// `parts` identify it: what it is, whose it is, its `jti`.
    pub(crate) fn of(parts: &[&[u8]], accepted_until: Timestamp) -> SingleUse {
        SingleUse {
            key: jose::sha256(&jose::length_prefixed(parts.iter().copied())),
            keep_until: accepted_until + MARK_MARGIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_of_a_token_is_that_of_the_credential_unless_the_identity_ends_in_it() {
        let of = |subject: &str, instance: Option<&str>| {
            let authority = Authority::of_identity(subject).unwrap();
            let proof = Proof::until(Timestamp(9));
            let identity = AttestedIdentity::proven(authority, subject, CredentialKind::JwtSvid, proof);
            let identity = identity.with_instance(instance);
            let named = identity.proof.instance().map(Cow::into_owned);
            (named, identity.proof.confirmed_key())
        };
        let thumbprint = base64url::text(&[7; 32]);
        assert_eq!(of("ci:a/b", None), (None, None));
        assert_eq!(of("ci:a/b", Some("b")), (None, None));
        assert_eq!(of("ci:b", Some("b")), (None, None));
        assert_eq!(of("ci:a/b", Some("a")), (Some("a".to_owned()), None));
        assert_eq!(
            of("spiffe://a.example/x", Some(&thumbprint)),
            (Some(thumbprint.clone()), Some([7; 32]))
        );
    }
}
