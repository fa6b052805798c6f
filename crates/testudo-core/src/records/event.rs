//! Audit events.

use super::ConfigurationChange;
use super::Kind;
use super::RequestDetails;
use super::event_kind::EventKind;
use super::record::{Announced, Record};
use super::rfc3339::Rfc3339;
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// What happened. Fields that do not apply are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// Id of the event, and its key in the store: 32 hexadecimal digits, of which the first 16 are the time in
    /// milliseconds, so that ids sort by time. Example: `000001a1ee565e7b0000002a07c1d2e3`.
    pub id: String,
    /// When it happened, by the clock of the node that wrote the event. Example: `2026-11-18T11:06:40Z`.
    #[schemars(with = "Rfc3339")]
    pub time: Timestamp,
    /// What happened. Example: `client.registered`.
    pub event: EventKind,
    /// Id of the request that caused the event, as the answer had it in `Request-Id`: 28 hexadecimal digits. Absent
    /// where no client's request caused it. Example: `01a1ee565e7bdeadbeef00000007`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
    /// The authority of the identity, or the authority that the event is about: a trust domain, another issuer,
    /// `configuration` or `registration`. Where no identity was proven, it is present only if the refusal is about the
    /// authority that the credential names. Example: `spiffe://prod.example`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authority: Option<String>,
    /// The identity that the credential proved, or the identity or pattern that an administrator blocked. Example:
    /// `spiffe://prod.example/ns/pay/sa/api`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// The running copy of the workload that made the request, where its identity or its credential names one: what
    /// `{instance}` of the rule matched, the uid of a pod, or the thumbprint of the attested key. Of a block, the copy that
    /// is blocked. Example: `pod-7f9c`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// Client id of the client that the event is about; of a refused request only where it proved the identity and a rule
    /// governs it. What a request sent as `client_id` is in `request`. Example: `spiffe://prod.example/ns/pay/sa/api`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_id: Option<String>,
    /// `sub` of the person whom the event is about. Example: `u_AQIDBAUGBwgJCgsMDQ4PEA`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub person: Option<String>,
    /// What the person granted to the client, as access tokens name it in `grant_id`. 43 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant: Option<String>,
    /// Name of the rule that governed the request or governs the client. None for a refused request that proved no
    /// identity, or whose identity no rule governs. Example: `payments`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// First digits of the hash of that rule as it was written: they change whenever the rule changes. Example:
    /// `3f9a1c0b27de`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule_revision: Option<String>,
    /// Kind of the credential that proved the identity: `jwt_svid`, `x509_svid`, `wit_svid`, `private_key_jwt`, or
    /// `none` for a client without credential.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door: Option<String>,
    /// Kind of the request: `token` for the token endpoint, `registration` for the registration endpoints,
    /// `pushed_authorization` for the endpoint of pushed requests, `authorization` for the authorization endpoint,
    /// `introspection` or `revocation`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occasion: Option<String>,
    /// SHA-256 of the credential, in hexadecimal: the credential itself is not kept. Of a chain of certificates, of all
    /// of them. 64 digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential_digest: Option<String>,
    /// The claim `jti` of the credential, where it has one. Example: `5f0c7a9e-1b2c`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential_jti: Option<String>,
    /// When the credential ends. Example: `2026-11-18T11:11:40Z`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<Rfc3339>")]
    pub credential_expires: Option<Timestamp>,
    /// Scope values, separated by spaces: those that were granted, or those that a refused request asked for. Example:
    /// `orders.read orders.write`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// The resource server for which the token was granted, or was asked for in a refused request. [RFC8707 §2]
    /// Example: `https://orders.example`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// Why. Of a refusal, the name of the rejection (`scope_not_allowed`); of a removed client, `deleted`, `idle` or
    /// `expired`; of an administrator's change, what the administrator gave as `--reason`, which then stands in the
    /// place of the others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// One sentence or a short text that depends on the kind of event: why the request was refused, what changed, which
    /// key was made. Of `client.would_register`, the client metadata in JSON. For readers, not for programs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What an administrator or client can do so that the refused request succeeds. Only in events of refusals.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// The OAuth error code with which the refused request was answered. Example: `invalid_client`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What the request carried beside scope and resource, so that `testudo explain` can decide it again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<Box<RequestDetails>>,
    /// Of `rule.changed`: which configuration took the place of which one, and what differs, by name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub configuration: Option<Box<ConfigurationChange>>,
    /// Number of refusals that this one event counts, because they have no event of their own. Example: `40`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    /// Who caused it: the identity of an administrator (`spiffe://prod.example/admin/alice`), the process at the admin
    /// socket (`uid:1000(alice) gid:100 pid:4711`), `signal`, `watch` (a file changed), `client`, `clock`, `sweep` or
    /// `status_list` (a list states that the credential is revoked).
    /// Of a request with an initial access token, the sponsor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<String>,
    /// When the event may be deleted: 30 days after a refusal, 400 days after other events, 90 days for a
    /// client with neither attester nor sponsor. Example: `2027-12-23T11:06:40Z`.
    #[schemars(with = "Rfc3339")]
    pub keep_until: Timestamp,
}

impl Event {
    /// An event with its id, time, kind and end, and no other field.
    pub fn new(id: String, time: Timestamp, event: EventKind, keep_until: Timestamp) -> Event {
        Event {
            id,
            time,
            event,
            keep_until,
            request_id: None,
            authority: None,
            identity: None,
            instance: None,
            client_id: None,
            person: None,
            grant: None,
            rule: None,
            rule_revision: None,
            door: None,
            occasion: None,
            credential_digest: None,
            credential_jti: None,
            credential_expires: None,
            scope: None,
            resource: None,
            reason: None,
            detail: None,
            hint: None,
            error: None,
            request: None,
            configuration: None,
            count: None,
            actor: None,
        }
    }
}

impl Record for Event {
    const KIND: Kind = Kind::Event;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.keep_until)
    }
}
