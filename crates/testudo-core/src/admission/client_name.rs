//! The client of an identity: its `client_id`, and the subject under which its record is stored.

use crate::identity::AttestedIdentity;
use crate::identity::issuer_subject::subject_of;
use crate::records::Client;
use crate::rules::client_id::ClientIdTemplate;
use crate::rules::pieces::fill;
use crate::rules::{GrainOfClient, INSTANCE, Match};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testudo_protocol::jose::length_prefixed;

/// The key from which opaque client ids are derived. The code that creates it overwrites the secret bytes afterwards;
/// it has no `Debug`.
pub struct OpaqueKey(hmac::Key);

impl OpaqueKey {
    /// Makes the key from 32 random bytes that all nodes share.
    pub fn new(secret: &[u8; 32]) -> OpaqueKey {
        OpaqueKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A key for another purpose, the same on all nodes. What it protects tells nothing about this key.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        self.tag([b"derived key".as_slice(), purpose.as_bytes()])
    }

    fn derive(&self, parts: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(self.tag::<16>(parts.iter().map(|part| part.as_bytes())))
    }

    fn tag<'p, const N: usize>(&self, parts: impl IntoIterator<Item = &'p [u8]> + Clone) -> [u8; N] {
        let tag = hmac::sign(&self.0, &length_prefixed(parts));
        *tag.as_ref().first_chunk::<N>().unwrap_or(&[0; N])
    }

    /// A client id for a client that registers without an attested identity: random bytes and an HMAC of them, so that
    /// an invented id is refused without a read of the store.
    pub fn new_client_id(&self, random: &[u8; 16]) -> String {
        let seal = self.tag::<SEAL_BYTES>([SEALED, random]);
        format!(
            "{REGISTERED}{}",
            URL_SAFE_NO_PAD.encode([random.as_slice(), &seal].concat())
        )
    }

    /// True if this server, on any node, created this client id.
    pub fn has_named(&self, client_id: &str) -> bool {
        let decoded = client_id
            .strip_prefix(REGISTERED)
            .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
        let Some((random, seal)) = decoded
            .as_deref()
            .and_then(|bytes| bytes.split_first_chunk::<16>())
        else {
            return false;
        };
        let expected = self.tag::<SEAL_BYTES>([SEALED, random]);
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected, seal).is_ok()
    }
}

/// The prefix of the ids of registered clients.
const REGISTERED: &str = "c_";

const SEALED: &[u8] = b"client_id of a registered client";

const SEAL_BYTES: usize = 8;

/// The client of an identity under the rule that governs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    /// Public identifier.
    pub client_id: Box<str>,
    /// The subject under which the record is stored: the identity, or for instances that share a client the identity
    /// with `*` as its last segment.
    pub subject: Box<str>,
    /// The instance, unless the client id names it: a segment of the identity, or what the credential names, such as the
    /// thumbprint of its key.
    pub folded_instance: Option<Box<str>>,
    /// The id that the identity would have without its instance, if the client is one instance that its credential names.
    /// [ABCA §7.5] A request may contain it as `client_id`.
    pub id_of_all_instances: Option<Box<str>>,
}

/// Names the client of `identity` under `found`.
pub fn name_client(identity: &AttestedIdentity, found: &Match<'_>, key: &OpaqueKey) -> ClientName {
    if !identity.authority.kind().attests() {
        // The client keeps the id that was configured or assigned at registration.
        return ClientName {
            client_id: identity.subject.clone(),
            subject: identity.subject.clone(),
            folded_instance: None,
            id_of_all_instances: None,
        };
    }
    let instance = found.captures.segment(INSTANCE);
    let of_credential = || Some(Box::<str>::from(identity.proof.instance()?));
    let (subject, folded_instance): (Box<str>, _) = match (found.rule.client, instance) {
        (GrainOfClient::Workload, Some(instance)) => {
            let prefix = identity
                .subject
                .strip_suffix(instance)
                .unwrap_or(&identity.subject);
            (format!("{prefix}*").into(), Some(instance.into()))
        }
        // If the identity does not name the instance, the credential does.
        (GrainOfClient::Workload, None) => (identity.subject.clone(), of_credential()),
        (GrainOfClient::Instance, Some(_)) => (identity.subject.clone(), None),
        (GrainOfClient::Instance, None) => match of_credential() {
            Some(named) => (
                Client::subject_of_instance(&identity.subject, &named),
                Some(named),
            ),
            None => (identity.subject.clone(), None),
        },
    };
    let is_named_by_credential = found.rule.client == GrainOfClient::Instance && folded_instance.is_some();
    let client_id: Box<str> = match &found.rule.client_id {
        // The identity is that of all instances, so the id of one of them is derived.
        ClientIdTemplate::Identity if is_named_by_credential => {
            key.derive(&[identity.authority.key(), &subject]).into()
        }
        ClientIdTemplate::Identity => identity_as_id(identity, &subject),
        ClientIdTemplate::Opaque => key.derive(&[identity.authority.key(), &subject]).into(),
        ClientIdTemplate::Template(pieces) => {
            // A longer id is refused by [`govern`](super::governed::govern): if it were shortened, two clients could
            // get one id.
            fill(pieces, &found.captures).into()
        }
    };
    ClientName {
        client_id,
        id_of_all_instances: is_named_by_credential.then(|| identity_as_id(identity, &identity.subject)),
        subject,
        folded_instance,
    }
}

impl ClientName {
    /// The id that others can know: that of all instances, if the client is one of them.
    pub(super) fn public_id(&self) -> &str {
        self.id_of_all_instances.as_deref().unwrap_or(&self.client_id)
    }

    /// The ids with which a request may name the client, `client_id` being that of its record.
    pub(crate) fn is_named(&self, sent: &str, client_id: &str) -> bool {
        sent == client_id || self.id_of_all_instances.as_deref() == Some(sent)
    }
}

/// The client id of an identity whose rule has no other. [ABCA §4] For an attested client it is `sub` of the attestation.
pub(super) fn identity_as_id(identity: &AttestedIdentity, subject: &str) -> Box<str> {
    let is_attested = identity.is_named_by_attester();
    let segments = identity.authority.path(subject).filter(|_| is_attested);
    segments.map_or_else(|| subject.into(), |segments| subject_of(segments).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row RF-09.
    #[test]
    fn opaque_ids_are_22_characters_and_differ_by_part_boundaries() {
        let key = OpaqueKey::new(&[7; 32]);
        let id = key.derive(&["spiffe://a.example", "spiffe://a.example/x"]);
        assert_eq!(id.len(), 22);
        assert_eq!(
            id,
            OpaqueKey::new(&[7; 32]).derive(&["spiffe://a.example", "spiffe://a.example/x"])
        );
        assert_ne!(
            id,
            OpaqueKey::new(&[8; 32]).derive(&["spiffe://a.example", "spiffe://a.example/x"])
        );
        assert_ne!(key.derive(&["ab", "c"]), key.derive(&["a", "bc"]));
    }

    #[test]
    fn client_id_that_the_server_did_not_create_is_detected() {
        let (key, other) = (OpaqueKey::new(&[7; 32]), OpaqueKey::new(&[8; 32]));
        let id = key.new_client_id(&[1; 16]);
        assert_eq!(id.len(), 34);
        assert!(key.has_named(&id) && !other.has_named(&id));
        assert_ne!(id, key.new_client_id(&[2; 16]));
        let longer = format!("{id}A");
        let cut = &id[..33];
        let forged = format!("c_{}", "A".repeat(32));
        for wrong in ["", "c_", "c_AAAA", &longer, cut, &forged, "spiffe://a.example/x"] {
            assert!(!key.has_named(wrong), "{wrong}");
        }
    }
}
