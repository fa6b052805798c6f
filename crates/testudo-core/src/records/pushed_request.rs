//! An authorization request that a client pushed. [RFC9126 §2]

use super::Kind;
use super::granted_client::{BoundTo, GrantedClient};
use super::record::{Announced, Record};
use crate::people::SecretDigest;
use serde::{Deserialize, Serialize};
use testudo_protocol::oauth::authorization::AuthorizationRequest;
use testudo_protocol::oauth::redirect_uri::RedirectUri;
use testudo_protocol::{Seconds, Timestamp};

/// A pushed request. It is deleted, at the version that was read, with the batch that writes the code or the refusal of
/// the person, so it is used once on any node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedRequest {
    /// SHA-256 of its `request_uri`; the key of the record.
    pub digest: SecretDigest,
    /// The client that pushed it.
    pub client: GrantedClient,
    /// The request.
    pub request: AuthorizationRequest,
    /// Where the response is sent; the client proved its identity when it named it.
    pub redirect_uri: RedirectUri,
    /// What the code will be bound to.
    pub bound_to: BoundTo,
    /// When a browser can no longer arrive with it. Then it is kept for [`PushedRequest::KEPT`], because a person may take
    /// longer to sign in.
    pub expires: Timestamp,
}

impl PushedRequest {
    /// How long a person may take from the first visit to the answer.
    pub const KEPT: Seconds = Seconds(3600);

    /// True if a visit may use it that began at this time.
    pub fn is_alive(&self, begun: Timestamp, now: Timestamp) -> bool {
        begun < self.expires && now < self.expires + PushedRequest::KEPT
    }
}

impl Record for PushedRequest {
    const KIND: Kind = Kind::PushedRequest;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.digest.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires + PushedRequest::KEPT)
    }
}
