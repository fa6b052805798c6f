//! The record of a client: the values that cannot be computed from the current rules.

use super::Kind;
use super::accepted_credential::AcceptedCredential;
use super::record::{Announced, Held, Record};
use super::rfc3339::Rfc3339;
use crate::identity::{
    AttestedIdentity, AuthMethod, AuthorityKind, CredentialKind, NamedClaims, OccasionKind, Sponsor,
    SponsorLimits,
};
use crate::members::Labels;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use testudo_protocol::credentials::status::StatusReference;
use testudo_protocol::oauth::ScopeSet;
use testudo_protocol::{Seconds, Timestamp};

/// A registered client, created by `admission::create` and nowhere else. Fields that most clients do not use are boxed,
/// because up to a hundred thousand clients are kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Format of this document: 1. A field that is added has a default, so that servers of both versions read it.
    pub format: u8,
    /// Key of the authority that attested the identity: `spiffe://prod.example` or `configuration`.
    pub authority: String,
    /// The subject within the authority; its last segment is `*` if instances share the client.
    pub subject: String,
    /// The `client_id` that requests and tokens name.
    pub client_id: String,
    /// Whether the client is active, or frozen by an administrator or because its credential was revoked.
    pub state: ClientState,
    /// Name of the rule that applied when the client was admitted. For information only: today's rules decide.
    pub rule: String,
    /// Revision of that rule when the client was admitted.
    pub rule_revision: String,
    /// Kind of request in which the client was admitted.
    pub occasion: OccasionKind,
    /// Kind of credential that was used then.
    pub first_credential: CredentialKind,
    /// Kind of credential that was used last.
    pub last_credential: CredentialKind,
    /// When the client was admitted.
    pub created: Timestamp,
    /// When it last got a token, in seconds since the epoch; the record may lag by a minute.
    pub last_used: Timestamp,
    /// The client is removed after this number of seconds without use. `None`: no such limit.
    pub idle_lifetime: Option<Seconds>,
    /// End of its absolute lifetime. `None`: no end.
    pub expires: Option<Timestamp>,
    /// How often a client of this (authority, subject) was admitted: 1 for the first, one more each time a removed
    /// client is admitted again.
    pub generation: u32,
    /// The client of the same (authority, subject) before this one.
    pub predecessor: Option<Predecessor>,
    /// Client metadata as it was computed at admission.
    pub metadata: ClientMetadata,
    /// The limits that the client set for itself in its last registration.
    #[serde(default)]
    pub registration: Option<Box<Registration>>,
    /// The verifiable credential with which the client registered last, and with which it ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential: Option<Box<ClientCredential>>,
    /// The sponsor: the client whose access token registered this one, if it had no evidence of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sponsor: Option<Box<Sponsor>>,
    /// The verifiable credential that the sponsor had when it registered this client, with which this client ends. Absent
    /// in records of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sponsor_credential: Option<Box<ClientCredential>>,
    /// The token with which the client manages its registration. [RFC7592 §3]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub management: Option<Box<ManagementToken>>,
}

/// What remains of the verifiable credential of a client. Its key is in the metadata, its end is that of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCredential {
    /// Where its status is, which is read again at token requests.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub status: Vec<StatusReference>,
    /// The claims that rules and `captures` of the issuer name.
    #[serde(skip_serializing_if = "NamedClaims::is_empty", default)]
    pub claims: NamedClaims,
    /// The attested members that limit the tokens of the client.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub limits: BTreeMap<String, Value>,
    /// What of it the entry of its issuer accepted. Absent in records of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted: Option<Box<AcceptedCredential>>,
    /// Where this server froze the client because a status list states that the credential is revoked: what it states.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<Box<str>>,
}

/// The member of client metadata that names the authentication method.
const AUTH_METHOD: &str = "token_endpoint_auth_method";

impl ClientCredential {
    /// The claims that rules name, if there are any.
    pub fn named_claims(&self) -> Option<Box<NamedClaims>> {
        (!self.claims.is_empty()).then(|| Box::new(self.claims.clone()))
    }

    /// What of it the entry of its issuer accepted.
    pub fn accepted(&self) -> Option<&AcceptedCredential> {
        self.accepted.as_deref()
    }

    /// What the clients of a sponsor keep of its credential: they have other limits, and other rules do not govern them.
    pub fn of_sponsor(&self) -> Box<ClientCredential> {
        Box::new(ClientCredential {
            status: self.status.clone(),
            accepted: self.accepted.clone(),
            claims: NamedClaims::default(),
            limits: BTreeMap::new(),
            revoked: None,
        })
    }

    /// The only authentication method of the client, if the issuer states one.
    pub fn auth_method(&self) -> Option<AuthMethod> {
        AuthMethod::of_holder(self.limits.get(AUTH_METHOD)?.as_str()?)
    }

    /// What is kept of the credential of an identity, if it is one.
    pub fn of(identity: &AttestedIdentity) -> Option<Box<ClientCredential>> {
        const LIMITS: [&str; 6] = [
            AUTH_METHOD,
            "scope",
            "grant_types",
            "response_types",
            "dpop_bound_access_tokens",
            "tls_client_certificate_bound_access_tokens",
        ];
        let proof = &identity.proof;
        let is_limit = |name: &str| LIMITS.contains(&name);
        let limits = proof.attested_claims.iter().filter(|(name, _)| is_limit(name));
        Some(Box::new(ClientCredential {
            status: proof.credential.as_ref()?.status.clone(),
            accepted: AcceptedCredential::of(identity).map(Box::new),
            claims: proof.claims.as_deref().cloned().unwrap_or_default(),
            limits: limits
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            revoked: None,
        }))
    }
}

/// A registration access token, of which only the SHA-256 is stored. It is valid until the client is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementToken {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Digest of the token before this one, and until when it is still accepted: the answer with its successor may have
    /// been lost. The digest is kept after that time, so that a later use is detected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<([u8; 32], Timestamp)>,
    /// Successors that were issued but not used when the previous token was used again, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unused: Vec<[u8; 32]>,
}

/// The registered limits of a client. They apply to every request and can only reduce what the rule allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Registration {
    /// `iat` of the evidence. Older evidence changes nothing. [decision 0016]
    #[schemars(with = "Rfc3339")]
    pub issued: Timestamp,
    /// When the limits end, if bearer evidence set them. Absent: they end with the client or the next registration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<Rfc3339>")]
    pub until: Option<Timestamp>,
    /// The client proved possession of a key when it registered, so bearer evidence cannot change the registration.
    #[serde(default)]
    pub is_by_possession: bool,
    /// The scope values that remain; `None`: all that the rule allows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub scope: Option<ScopeSet>,
    /// The grant types that remain; `None`: all that the rule allows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant_types: Option<Vec<String>>,
    /// The redirect URIs that remain of those of the rule and of the attester.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub redirect_uris: Option<Vec<String>>,
    /// The only kind of credential that is accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential: Option<CredentialKind>,
    /// Its attestation is accepted only with a DPoP proof in the place of a PoP. [ABCA §8]
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_combined: bool,
    /// The only signature algorithm of its assertions that is accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signing_algorithm: Option<String>,
    /// Tokens are issued only if they are bound to the client's certificate.
    #[serde(default)]
    pub must_bind_tokens: bool,
    /// Tokens are issued only if they are bound to the key of a DPoP proof. [RFC9449 §5.2]
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Authorization requests of the client are accepted only if they are pushed. [RFC9126 §6]
    #[serde(default)]
    pub must_push: bool,
    /// Authorization requests of the client are accepted only if they are signed. [RFC9101 §10.5]
    #[serde(default)]
    pub must_sign_requests: bool,
}

/// What is known of a client besides its identity: names, redirect URIs, keys and attested limits. [RFC7591 §2]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ClientMetadata {
    /// The members that are text for people and machines to read, such as `client_name` and `client_uri`, each also by
    /// language.
    #[serde(flatten)]
    pub labels: Labels,
    /// URL of the bundle endpoint that the client states for its trust domain. It is recorded and shown; the server
    /// neither fetches it nor trusts keys from it. [decision 0007]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_bundle_endpoint: Option<String>,
    /// Whether the client is a web server or runs on a user's device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_type: Option<ApplicationType>,
    /// The only URIs to which authorization answers may be sent. Example: `https://app.example/callback`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// Scope values, separated by spaces, that the authority attests as the most that the client may have, where
    /// `attested_metadata` of the authority lists `scope`. Example: `orders.read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Grant types that the client may use; absent where its rule alone decides. Example: `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<String>>,
    /// True where the authority attests that tokens must be bound to the key of a DPoP proof. [RFC9449 §5.2]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dpop_bound_access_tokens: bool,
    /// True where the authority attests that tokens must be bound to the client's certificate. [RFC8705 §3.4]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// True where the authority attests that authorization requests must be pushed. [RFC9126 §6]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_pushed_authorization_requests: bool,
    /// True where the authority attests that authorization requests must be signed. [RFC9101 §10.5]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_signed_request_object: bool,
    /// Public keys that a client without an attester registered by value, as a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// URL at which a client without an attester publishes its JWK set, in place of `jwks`. Example:
    /// `https://app.example/jwks.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
}

impl ClientMetadata {
    /// What the authority attests as the most that the client may have.
    pub(crate) fn attested_limits(&self) -> SponsorLimits {
        SponsorLimits {
            // A scope that cannot be read leaves nothing.
            scope: self
                .scope
                .as_deref()
                .map(|scope| ScopeSet::parse(scope).unwrap_or_default()),
            grant_types: self.grant_types.clone(),
            dpop_bound_access_tokens: self.dpop_bound_access_tokens,
            tls_client_certificate_bound_access_tokens: self.tls_client_certificate_bound_access_tokens,
            require_pushed_authorization_requests: self.require_pushed_authorization_requests,
            require_signed_request_object: self.require_signed_request_object,
        }
    }
}

/// Where a client runs, which determines the allowed forms of its redirect URIs. [OIDCR §2]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// On a server: https.
    Web,
    /// On a user's device: loopback, an app-specific scheme, or a claimed https URI.
    Native,
}

/// State of a client that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// Served as its rule allows.
    Active,
    /// Every request is refused until an administrator thaws the client.
    Frozen,
}

/// The client of the same (authority, subject) that was removed before this one was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Predecessor {
    /// When that client was admitted.
    #[schemars(with = "Rfc3339")]
    pub created: Timestamp,
    /// When that client was removed.
    #[schemars(with = "Rfc3339")]
    pub removed: Timestamp,
    /// Why it was removed: `deleted`, `idle` or `expired`.
    pub reason: String,
}

/// A removed client, kept for its history under the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The client's record as it was when it was removed.
    pub client: Client,
    /// When it was removed.
    pub removed: Timestamp,
    /// Why it was removed: `deleted`, `idle` or `expired`.
    pub reason: String,
    /// Until when this history is kept.
    pub keep_until: Timestamp,
}

/// Key of a client and of its history: (authority, subject).
pub fn client_key(authority_key: &str, subject: &str) -> Vec<u8> {
    // Neither part can contain NUL, so two different pairs never have the same key.
    [authority_key.as_bytes(), &[0], subject.as_bytes()].concat()
}

impl Registration {
    /// The only authentication method that is accepted, if the client registered one.
    pub fn auth_method(&self) -> Option<AuthMethod> {
        Some(AuthMethod {
            kind: self.credential?,
            is_combined: self.is_combined,
        })
    }

    /// What remains of these limits of a sponsor that registered this itself. What the sponsor must do is demanded of the
    /// clients that it registers: otherwise it could use them to do without it.
    fn narrowing(&self, limits: SponsorLimits) -> SponsorLimits {
        let narrowed = limits.narrowed(self.scope.as_ref(), self.grant_types.as_ref());
        SponsorLimits {
            dpop_bound_access_tokens: narrowed.dpop_bound_access_tokens || self.dpop_bound_access_tokens,
            tls_client_certificate_bound_access_tokens: narrowed.tls_client_certificate_bound_access_tokens
                || self.must_bind_tokens,
            require_pushed_authorization_requests: narrowed.require_pushed_authorization_requests
                || self.must_push,
            require_signed_request_object: narrowed.require_signed_request_object || self.must_sign_requests,
            ..narrowed
        }
    }

    /// A registration without limits.
    pub fn of_nothing(issued: Timestamp) -> Registration {
        Registration {
            issued,
            until: None,
            is_by_possession: false,
            scope: None,
            grant_types: None,
            redirect_uris: None,
            credential: None,
            is_combined: false,
            signing_algorithm: None,
            must_bind_tokens: false,
            dpop_bound_access_tokens: false,
            must_push: false,
            must_sign_requests: false,
        }
    }
}

impl Record for Client {
    const KIND: Kind = Kind::Client;
    const ANNOUNCED: Announced = Announced::Changes(Held::Clients);
    fn key(&self) -> Vec<u8> {
        client_key(&self.authority, &self.subject)
    }
}

impl Record for Removed {
    const KIND: Kind = Kind::Removed;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.client.key()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.keep_until)
    }
}

impl Client {
    /// The subject of a client that is one instance of an identity, which its key names. No identity has this form: `{`
    /// is in no SPIFFE ID, and percent-encoded in the subjects of issuers.
    pub fn subject_of_instance(identity: &str, key: &str) -> Box<str> {
        format!("{identity}{{{key}}}").into()
    }

    /// The attested identity of the client: its subject without the key of the instance.
    pub fn identity(&self) -> &str {
        let attests = AuthorityKind::of_key(&self.authority).is_some_and(AuthorityKind::attests);
        let of_instance = self.subject.split_once('{').filter(|_| attests);
        of_instance.map_or(&self.subject, |(identity, _)| identity)
    }

    /// True if the absolute lifetime has ended: the client counts as unknown. A frozen client does not expire: as an
    /// unknown one it would be registered again, active, and the freeze would end without an administrator.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state == ClientState::Active && self.expires.is_some_and(|end| now >= end)
    }

    /// When the verifiable credential ends from which the client has its rights: its own, or that of its sponsor. Its
    /// tokens are not valid for longer.
    pub fn end_of_credential(&self) -> Option<Timestamp> {
        let of_sponsor = self.sponsor.as_ref().and_then(|sponsor| sponsor.ends);
        match &self.credential {
            Some(_) => self.expires,
            None => of_sponsor,
        }
    }

    /// The credential from which the client has its rights: its own, or that of its sponsor.
    pub fn judged_credential(&self) -> Option<&ClientCredential> {
        let own = self.credential.as_deref();
        own.or(self.sponsor_credential.as_deref())
    }

    /// The same client with this credential in its place.
    #[must_use]
    pub fn with_judged_credential(mut self, judged: ClientCredential) -> Client {
        match &mut self.credential {
            Some(own) => **own = judged,
            None => self.sponsor_credential = Some(Box::new(judged)),
        }
        self
    }

    /// True if the client registered that it has no credential.
    pub fn is_registered_as_public(&self) -> bool {
        let registered = self.registration.as_deref();
        registered.is_some_and(|stands| stands.credential == Some(CredentialKind::Public))
    }

    /// The limits of the client as a sponsor, if it has any: the clients that it registers get no more. `stated` are those
    /// that its authority attested when it got its token: the record of a client that registered by first use has those of
    /// that moment. Limits that a verifiable credential attests are in the record, which is of the last credential.
    pub fn limits_as_sponsor(
        &self,
        stated: Option<SponsorLimits>,
        now: Timestamp,
    ) -> Option<Box<SponsorLimits>> {
        let stated = stated.filter(|_| self.credential.is_none());
        let attested = stated.unwrap_or_else(|| self.metadata.attested_limits());
        let limits = match self.registration_at(now) {
            Some(stands) => stands.narrowing(attested),
            None => attested,
        };
        (limits != SponsorLimits::default()).then(|| Box::new(limits))
    }

    /// The registered limits at this time; `None` if there are none or they have ended.
    pub fn registration_at(&self, now: Timestamp) -> Option<&Registration> {
        let registration = self.registration.as_deref()?;
        registration
            .until
            .is_none_or(|until| now < until)
            .then_some(registration)
    }

    /// True if an alias record reserves the `client_id`, so that no second client gets it. No alias is needed if the id
    /// is the attested identity, which is unique as the key of the client, or if this server assigned the id: no rule
    /// can make such ids.
    pub fn has_alias(&self) -> bool {
        match AuthorityKind::of_key(&self.authority) {
            Some(AuthorityKind::Registration) => false,
            Some(kind) => !(kind.attests() && self.client_id == self.subject),
            None => true,
        }
    }

    /// Key of the authority whose quota counts this client.
    pub fn counted_under(&self) -> &str {
        match &self.sponsor {
            Some(sponsor) => sponsor.authority.key(),
            None => &self.authority,
        }
    }

    /// True if the client was not used for longer than its idle lifetime. A frozen client cannot be used, and does not
    /// become idle.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let is_over = |idle| now >= self.last_used + idle;
        self.state == ClientState::Active && self.idle_lifetime.is_some_and(is_over)
    }
}
