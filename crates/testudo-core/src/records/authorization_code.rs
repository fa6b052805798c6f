//! A code, with which a client gets what a person granted. [RFC6749 §4.1.2]

use super::Kind;
use super::granted_client::{BoundTo, GrantedClient};
use super::record::{Announced, Record};
use crate::people::{PresentedSecret, SecretDigest};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::pkce::CodeChallenge;
use testudo_protocol::oauth::redirect_uri::RedirectUri;
use testudo_protocol::oauth::{Resource, ScopeSet};

/// A code. When it is redeemed, the record is replaced at the version that was read, in the batch that writes the grant.
/// It is kept until its end, so that a second redemption is detected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// Its digest, which is the key of the record, and the grant that it leads to. The grant names the person.
    pub name: PresentedSecret,
    /// The client that may redeem it.
    pub client: GrantedClient,
    /// Name of the rule that governed the client. For information only: the rules at redemption decide.
    pub rule: String,
    /// Where it was sent.
    pub redirect_uri: RedirectUri,
    /// The challenge of the request. [RFC7636 §4.4]
    pub code_challenge: CodeChallenge,
    /// What the client must prove to redeem it.
    pub bound_to: BoundTo,
    /// What the person granted.
    pub terms: GrantTerms,
    /// When it ends.
    pub expires: Timestamp,
    /// True if it was redeemed.
    pub is_redeemed: bool,
}

/// What a person granted, from the code on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantTerms {
    /// The scope.
    #[serde(skip_serializing_if = "ScopeSet::is_empty", default)]
    pub scope: ScopeSet,
    /// The resources for which tokens may be issued; the first is the default.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub resources: Vec<Resource>,
    /// When the authorization ends; absent if it has no end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends: Option<Timestamp>,
    /// When the person signed in.
    pub auth_time: Timestamp,
    /// The strength of that sign-in, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acr: Option<String>,
    /// Digest of what the consent page showed; absent if the rule trusts the client and no page was shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<SecretDigest>,
}

impl Record for AuthorizationCode {
    const KIND: Kind = Kind::AuthorizationCode;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.name.digest.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}
