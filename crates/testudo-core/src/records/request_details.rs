//! What an event keeps of the request that caused it. Together with the identity and the scope in the event, it is
//! everything that a decision depends on, so that `testudo explain` can make the decision again.

use super::authorization_details::AuthorizationDetails;
use super::rfc3339::Rfc3339;
use crate::identity::{AttestedIdentity, NamedClaims, OccasionKind, Proof, SingleUse, Sponsor};
use crate::members::{Field, Kind, base, member};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use testudo_protocol::{Timestamp, base64url};

/// Most bytes of client metadata and claims, together, that one event keeps. Callers can cause up to 200 such
/// events in a minute.
pub const METADATA_KEPT_BYTES_MAX: usize = 8 * 1024;

/// The request that causes an event.
#[derive(Clone, Copy, Debug)]
pub struct RequestRef<'a> {
    /// The kind of request.
    pub occasion: OccasionKind,
    /// Its id, as the answer has it in `Request-Id`.
    pub id: &'a str,
    /// The content of the request.
    pub details: &'a RequestDetails,
}

/// What a request carried besides scope and resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct RequestDetails {
    /// The grant of a token request; of one that is not supported, at most the first 80 characters. Absent in events of
    /// earlier versions, which supported `client_credentials` only. Example: `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<Cow<'static, str>>,
    /// The parameter `client_id`, as the client sent it, or the client id in the path of a registration. Example:
    /// `spiffe://prod.example/ns/pay/sa/api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The members of a registration request that this server knows, without `software_statement`. Example:
    /// `{"client_name": "Pay"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// True where `metadata`, `attested_claims` and `claims` were left out because together they have more than 8 KiB.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_shortened: bool,
    /// True where the request reads, replaces or deletes a registration and is authenticated by the registration access
    /// token. The token is not kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_management: bool,
    /// The `X-Request-Id` of the request, where a trusted proxy sent it. In an event of an earlier version it may be the
    /// `traceparent`. Example: `edge-17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_request_id: Option<String>,
    /// The `traceparent` of the request, where a trusted proxy sent it. Example:
    /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The claim `aud` of a credential that was refused for it. Example: `["https://other.example"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_audience: Vec<String>,
    /// The claim `iat` of the credential. Example: `2026-11-18T11:06:40Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Rfc3339>")]
    pub credential_issued: Option<Timestamp>,
    /// SHA-256 of the client certificate, in base64url, 43 characters. [RFC8705 §3.1]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The attested identity beside the client's own authentication. Example: `agents:batch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<String>,
    /// Thumbprint of the key in the credential that the request proved to have, in base64url, 43 characters.
    /// [RFC7638 §3]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_key: Option<String>,
    /// The running copy of the workload that a claim of the credential names. Example:
    /// `77b3a5b4-2ad1-4a44-a3f7-3f9c0d2d5c11`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_instance: Option<String>,
    /// Thumbprint of the key of the DPoP proof, in base64url, 43 characters. [RFC9449 §6.1]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop_key: Option<String>,
    /// True where the audience of the credential was the registration endpoint, and not the issuer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_for_registration: bool,
    /// The record that keeps a single-use credential from being used twice: its key, in base64url, and until when it is
    /// kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<(String, Rfc3339)>")]
    pub single_use: Option<(String, Timestamp)>,
    /// Claims of the credential that set client metadata and that `attested_metadata` of the authority lists. Example:
    /// `{"client_name": "Pay"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attested_claims: BTreeMap<String, Value>,
    /// Claims of the credential that rules or `captures` of the issuer name, by their source. Example:
    /// `{"repository_id": "12345"}`.
    #[serde(skip_serializing_if = "NamedClaims::is_empty")]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub claims: NamedClaims,
    /// Names of claims of the credential that set client metadata and that `attested_metadata` of the authority does
    /// not list. Their values are not used. Example: `["scope"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted_claims: Vec<String>,
    /// The holder of the initial access token with which a client is registered, alone or beside evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<Sponsor>,
    /// What an authorization request contained, at the authorization endpoint or pushed. Absent if that is more than
    /// 2 KiB, where a parameter is wrong, and where the request was refused before its parameters were read: those of a
    /// signed one are read after its signature is verified, those of a pushed one at the authorization endpoint are read
    /// from the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Box<AuthorizationDetails>>,
}

/// The trace id of a `traceparent`: 32 hexadecimal digits after the version.
fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

impl RequestDetails {
    /// The ids by which a proxy and its traces name the request: its `X-Request-Id`, its `traceparent` and the trace id
    /// in it.
    pub fn ids_of_proxy(&self) -> impl Iterator<Item = &str> {
        let whole = [self.proxy_request_id.as_deref(), self.traceparent.as_deref()];
        whole
            .into_iter()
            .flatten()
            .flat_map(|id| std::iter::once(id).chain(trace_id(id)))
    }

    /// These details with what the credential of the request proves; `None` where all of them are empty. Without a
    /// proven identity, the metadata is dropped: `explain` cannot decide such a request again, and any caller can send
    /// one.
    pub fn proven(&self, identity: Option<&AttestedIdentity>) -> Option<Box<RequestDetails>> {
        let mut details = self.clone();
        match identity {
            Some(identity) => details.note_proof(identity),
            None => details.metadata = None,
        }
        let metadata = details.metadata.as_ref().map_or(0, bytes_of);
        let claims = bytes_of(&details.attested_claims) + bytes_of(&details.claims);
        if metadata + claims > METADATA_KEPT_BYTES_MAX {
            details.metadata = None;
            details.attested_claims.clear();
            details.claims.clear();
            details.is_shortened = true;
        }
        (details != RequestDetails::default()).then(|| Box::new(details))
    }

    /// Adds what the credential states besides the identity.
    fn note_proof(&mut self, identity: &AttestedIdentity) {
        let proof = &identity.proof;
        self.credential_issued = proof.issued;
        self.certificate = proof
            .certificate_thumbprint
            .map(|digest| base64url::text(&digest));
        self.confirmed_key = proof.confirmed_key().map(|digest| base64url::text(&digest));
        self.named_instance = proof.named_instance.as_deref().map(str::to_owned);
        self.is_for_registration = proof.is_for_registration;
        self.single_use = proof
            .single_use
            .as_ref()
            .map(|mark| (base64url::text(&mark.key), mark.keep_until));
        self.unlisted_claims = proof.unlisted_claims.to_vec();
        if let Some(sponsor) = identity.sponsor.as_deref() {
            self.sponsor = Some(sponsor.clone());
        }
        self.attested_claims.clone_from(&proof.attested_claims);
        self.claims = proof.claims.as_deref().cloned().unwrap_or_default();
    }

    /// Keeps the audiences of a refused credential, unless they are longer than what an event keeps.
    pub fn note_refused_audience(&mut self, audiences: &[String]) {
        let bytes: usize = audiences.iter().map(String::len).sum();
        if bytes <= METADATA_KEPT_BYTES_MAX {
            self.refused_audience = audiences.to_vec();
        }
    }

    /// Keeps the members of a registration request that this server knows and that are text, flags or lists of text.
    /// `software_statement` is never kept, since it is a credential. `jwks` is kept only after it was checked, since it
    /// may contain a private key.
    pub fn note_metadata(&mut self, mut metadata: Map<String, Value>) {
        let is_kept = |name: &str| {
            member(base(name)).is_some_and(|member| {
                member.kind != Kind::Field(Field::SoftwareStatement)
                    && member.kind != Kind::Field(Field::Jwks)
            })
        };
        let is_plain = |value: &Value| match value {
            Value::String(_) | Value::Bool(_) => true,
            Value::Array(items) => items.iter().all(Value::is_string),
            Value::Null | Value::Number(_) | Value::Object(_) => false,
        };
        metadata.retain(|name, value| is_kept(name) && is_plain(value));
        self.metadata = Some(metadata);
    }

    /// Adds the public keys of a registration request, after they were checked.
    pub fn note_keys(&mut self, jwks: Option<&Value>) {
        if let (Some(jwks), Some(metadata)) = (jwks, &mut self.metadata) {
            metadata.insert("jwks".to_owned(), jwks.clone());
        }
    }

    /// What the credential stated, for an identity that it proved until `expires`.
    pub fn proof(&self, expires: Timestamp) -> Proof {
        Proof {
            issued: self.credential_issued,
            certificate_thumbprint: self.certificate.as_deref().and_then(base64url::parse),
            recorded_confirmation: self
                .confirmed_key
                .as_deref()
                .and_then(base64url::parse)
                .map(Box::new),
            named_instance: self.named_instance.as_deref().map(Box::from),
            is_for_registration: self.is_for_registration,
            single_use: self.single_use.as_ref().and_then(|(key, keep_until)| {
                let (key, keep_until) = (base64url::parse(key)?, *keep_until);
                Some(SingleUse { key, keep_until })
            }),
            attested_claims: self.attested_claims.clone(),
            claims: (!self.claims.is_empty()).then(|| Box::new(self.claims.clone())),
            claims_are_unknown: self.is_shortened,
            unlisted_claims: self.unlisted_claims.clone().into(),
            ..Proof::until(expires)
        }
    }
}

fn bytes_of(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ClaimSource;
    use serde_json::json;

    fn noted(metadata: Value) -> RequestDetails {
        let mut details = RequestDetails::default();
        details.note_metadata(metadata.as_object().unwrap().clone());
        details
    }

    #[test]
    fn credentials_private_keys_and_unknown_members_of_a_registration_are_not_kept() {
        let details = noted(json!({
            "client_name": "Orders",
            "client_name#de": "Bestellungen",
            "software_statement": "eyJ",
            "jwks": { "keys": [{ "kty": "EC", "d": "secret" }] },
            "x": "unknown",
        }));
        let kept = details.metadata.unwrap();
        let names: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(names, ["client_name", "client_name#de"]);
    }

    #[test]
    fn metadata_and_claims_of_more_than_8_kib_together_are_left_out_and_the_event_records_this() {
        let mut identity = AttestedIdentity::named_here("c", crate::CredentialKind::JwtSvid, None);
        let half = "x".repeat(METADATA_KEPT_BYTES_MAX / 2);
        let details = noted(json!({ "client_name": half }));
        let kept = details.proven(Some(&identity)).unwrap();
        assert!(kept.metadata.is_some() && !kept.is_shortened);
        identity
            .proof
            .attested_claims
            .insert("contacts".to_owned(), json!([half]));
        let kept = details.proven(Some(&identity)).unwrap();
        assert!(kept.metadata.is_none() && kept.attested_claims.is_empty() && kept.is_shortened);
        let mut with_keys = details;
        with_keys.note_keys(Some(&json!({ "keys": [half] })));
        assert!(
            with_keys
                .proven(Some(&AttestedIdentity::named_here(
                    "c",
                    crate::CredentialKind::Public,
                    None
                )))
                .unwrap()
                .is_shortened
        );
    }

    #[test]
    fn metadata_of_a_request_that_proved_no_identity_is_not_kept() {
        assert_eq!(noted(json!({ "client_name": "Orders" })).proven(None), None);
    }

    #[test]
    fn key_set_as_the_value_of_another_member_is_not_kept() {
        let details =
            noted(json!({ "jwks_uri": { "keys": [{ "d": "secret" }] }, "contacts": [{ "d": "secret" }] }));
        assert!(details.metadata.unwrap().is_empty());
    }

    #[test]
    fn proof_of_a_credential_is_the_same_after_it_was_read_from_an_event() {
        let mut identity = AttestedIdentity::named_here("c", crate::CredentialKind::JwtSvid, None);
        identity.proof = Proof {
            issued: Some(Timestamp(5)),
            certificate_thumbprint: Some([7; 32]),
            recorded_confirmation: Some(Box::new([8; 32])),
            named_instance: Some("77b3a5b4".into()),
            is_for_registration: true,
            single_use: Some(SingleUse {
                key: [9; 32],
                keep_until: Timestamp(11),
            }),
            attested_claims: [("client_name".to_owned(), json!("Orders"))].into(),
            claims: Some(Box::new(
                [(ClaimSource::parse("/k.io/uid").unwrap(), json!("u"))].into(),
            )),
            unlisted_claims: ["scope".to_owned()].into(),
            ..Proof::until(Timestamp(10))
        };
        let details = RequestDetails::default().proven(Some(&identity)).unwrap();
        let read: RequestDetails = serde_json::from_slice(&serde_json::to_vec(&details).unwrap()).unwrap();
        assert_eq!(
            format!("{:?}", read.proof(Timestamp(10))),
            format!("{:?}", identity.proof)
        );
    }

    #[test]
    fn request_without_content_has_no_details_in_its_event() {
        assert_eq!(RequestDetails::default().proven(None), None);
    }
}
