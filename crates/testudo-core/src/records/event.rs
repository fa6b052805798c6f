//! Audit events.

use super::Kind;
use super::RequestDetails;
use super::event_kind::EventKind;
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
