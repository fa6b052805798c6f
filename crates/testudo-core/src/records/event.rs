//! Audit events.

use super::Kind;
use super::RequestDetails;
use super::record::{Announced, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// What happened. Fields that do not apply are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are the audit vocabulary of the design")]
pub struct Event {
    pub id: String,
    #[schemars(with = "i64")]
    pub time: Timestamp,
    pub event: EventKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occasion: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential_jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<i64>")]
    pub credential_expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// OAuth code that the caller of a refused request was answered with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What the request carried beside scope and resource.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<Box<RequestDetails>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<String>,
    /// Until when it is kept.
    #[schemars(with = "i64")]
    pub keep_until: Timestamp,
}

/// The audit vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are the audit vocabulary of the design")]
pub enum EventKind {
    #[serde(rename = "client.registered")]
    ClientRegistered,
    #[serde(rename = "client.returned")]
    ClientReturned,
    #[serde(rename = "client.updated")]
    ClientUpdated,
    #[serde(rename = "client.would_register")]
    ClientWouldRegister,
    #[serde(rename = "client.refused")]
    ClientRefused,
    #[serde(rename = "client.frozen")]
    ClientFrozen,
    #[serde(rename = "client.thawed")]
    ClientThawed,
    #[serde(rename = "client.removed")]
    ClientRemoved,
    #[serde(rename = "identity.blocked")]
    IdentityBlocked,
    #[serde(rename = "identity.unblocked")]
    IdentityUnblocked,
    #[serde(rename = "authority.disabled")]
    AuthorityDisabled,
    #[serde(rename = "authority.enabled")]
    AuthorityEnabled,
    #[serde(rename = "authority.bundle_updated")]
    BundleUpdated,
    #[serde(rename = "authority.bundle_stale")]
    BundleStale,
    #[serde(rename = "authority.bundle_rolled_back")]
    BundleRolledBack,
    #[serde(rename = "rule.changed")]
    RulesChanged,
    #[serde(rename = "velocity.limited")]
    VelocityLimited,
    #[serde(rename = "quota.reached")]
    QuotaReached,
    #[serde(rename = "key.created")]
    KeyCreated,
    #[serde(rename = "key.retired")]
    KeyRetired,
    #[serde(rename = "key.revoked")]
    KeyRevoked,
    #[serde(rename = "authority.bundle_accepted")]
    BundleAccepted,
    #[serde(rename = "tls.certificate_renewed")]
    CertificateRenewed,
    #[serde(rename = "tls.certificate_refused")]
    CertificateRefused,
    #[serde(rename = "configuration.refused")]
    ConfigurationRefused,
    #[serde(rename = "key.taken_over")]
    KeyTakenOver,
    #[serde(rename = "record.refused")]
    RecordRefused,
}

impl EventKind {
    /// True where something of ours or of an administrator cannot be used: it has to be looked at, and the log has it
    /// as an error. Refused clients are not among them, since any caller can cause those.
    pub fn is_failure(self) -> bool {
        match self {
            EventKind::BundleStale
            | EventKind::BundleRolledBack
            | EventKind::CertificateRefused
            | EventKind::ConfigurationRefused
            | EventKind::RecordRefused => true,
            EventKind::ClientRegistered
            | EventKind::ClientReturned
            | EventKind::ClientUpdated
            | EventKind::ClientWouldRegister
            | EventKind::ClientRefused
            | EventKind::ClientFrozen
            | EventKind::ClientThawed
            | EventKind::ClientRemoved
            | EventKind::IdentityBlocked
            | EventKind::IdentityUnblocked
            | EventKind::AuthorityDisabled
            | EventKind::AuthorityEnabled
            | EventKind::BundleUpdated
            | EventKind::BundleAccepted
            | EventKind::RulesChanged
            | EventKind::VelocityLimited
            | EventKind::QuotaReached
            | EventKind::KeyCreated
            | EventKind::KeyRetired
            | EventKind::KeyRevoked
            | EventKind::KeyTakenOver
            | EventKind::CertificateRenewed => false,
        }
    }

    /// The name in the vocabulary.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

impl Event {
    /// An event with nothing but its time and kind.
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
