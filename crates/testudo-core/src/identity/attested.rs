//! An identity that an authority vouched for, and what the credential says that proved it.

use super::{Authority, AuthorityKind, CredentialKind, Sponsor};
use std::collections::BTreeMap;
use testudo_protocol::Timestamp;

/// An identity that an authority vouched for, in a credential whose signature, time and audience were checked.
#[derive(Debug, Clone)]
pub struct AttestedIdentity {
    /// Who vouches.
    pub authority: Authority,
    /// The identity within the authority, as its kind of authority writes it: a SPIFFE ID, `cluster-a:pay/api`, or the
    /// id of a client that was configured or registered.
    pub subject: Box<str>,
    /// How it was proven.
    pub kind: CredentialKind,
    /// The sponsor that registered it, where it has one.
    pub sponsor: Option<Box<Sponsor>>,
    /// What its credential says beside who it is.
    pub proof: Proof,
}

/// What a credential says beside whom it proves. Which of these it says depends on its kind: a door fills in what its
/// credentials have, and leaves the rest as it is in [`Proof::until`].
#[derive(Debug, Clone)]
pub struct Proof {
    /// End of the credential's life.
    pub expires: Timestamp,
    /// Time of its issue, where it says so.
    pub issued: Option<Timestamp>,
    /// SHA-256 of the credential; nothing for a client that is only being named.
    pub digest: Option<[u8; 32]>,
    /// The credential's `jti`, for the record.
    pub jwt_id: Option<String>,
    /// The credential may be used once only; this is what marks it as used.
    pub single_use: Option<SingleUse>,
    /// The client certificate that proved it, as tokens are bound to it. [RFC8705 §3.1]
    pub certificate_thumbprint: Option<[u8; 32]>,
    /// The credential was made for the registration endpoint: its audience is that endpoint's URL.
    pub is_for_registration: bool,
    /// Claims that the authority is trusted to state about a client, by name. Others never get here.
    pub attested_claims: BTreeMap<String, serde_json::Value>,
    /// Members of client metadata that the credential states although its authority is not trusted to. They have
    /// no effect, and neither has what a request says under the same name.
    pub unlisted_claims: Vec<String>,
}

impl Proof {
    /// A proof that ends then, and says nothing else.
    pub fn until(expires: Timestamp) -> Proof {
        Proof {
            expires,
            issued: None,
            digest: None,
            jwt_id: None,
            single_use: None,
            certificate_thumbprint: None,
            is_for_registration: false,
            attested_claims: BTreeMap::new(),
            unlisted_claims: Vec::new(),
        }
    }
}

impl AttestedIdentity {
    /// An identity that its credential proved: what a door yields.
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

    /// A client that this server named: nothing of it is proven but what it will prove by its keys, and whatever
    /// its sponsor proved.
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

    /// The subject as a SPIFFE ID, where it is one.
    pub fn spiffe_id(&self) -> Option<&str> {
        match self.authority.kind() {
            AuthorityKind::Spiffe => Some(&self.subject),
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => None,
        }
    }

    /// True where the request that showed this identity proved possession of a key that is its own.
    pub fn has_proven_key(&self) -> bool {
        self.proof.certificate_thumbprint.is_some()
    }

    /// True where the request showed this kind of credential, alone or beside another one.
    pub fn shows(&self, kind: CredentialKind) -> bool {
        self.kind == kind || (kind == CredentialKind::X509Svid && self.has_proven_key())
    }

    /// Whose rule, rates and quota it stands under, and by which kind of credential: its own, or its sponsor's.
    pub fn governed_as(&self) -> (&Authority, &str, CredentialKind) {
        match &self.sponsor {
            Some(sponsor) => (&sponsor.authority, &sponsor.subject, sponsor.credential),
            None => (&self.authority, &self.subject, self.kind),
        }
    }
}

/// What makes a single-use credential the same as one seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// (door, authority, subject, jti), length-prefixed by being hashed part by part.
    pub key: [u8; 32],
    /// When the mark may be forgotten.
    pub keep_until: Timestamp,
}
