//! Signed authorization requests: whose keys verify one, and what it asks for. [RFC9101]
//!
//! Only a client with keys of its own can sign: a `[[clients]]` entry with `private_key_jwt`, and a client that
//! registered keys. An identity with an SVID has keys that change within hours, and pushes its requests instead: its
//! credential proves that they are its own.

use crate::doors::Facts;
use crate::policy::{ClientMethod, Policy};
use crate::rejection::{AuthorizationReason, Rejection};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::KeySet;
use testudo_protocol::oauth::authorization::AuthorizationParameters;
use testudo_protocol::oauth::request_object::{RequestObject, RequestObjectExpectation};

/// A signed request, of which nothing is verified yet.
pub struct SignedRequest {
    client_id: String,
    object: RequestObject,
}

impl SignedRequest {
    /// Reads an object that this client must have signed: the client that `client_id` beside the object names, or the
    /// client that authenticated. [RFC9126 §3]
    pub fn parse(client_id: &str, object: &str) -> Result<SignedRequest, Rejection> {
        Ok(SignedRequest {
            client_id: client_id.to_owned(),
            object: RequestObject::parse(object).map_err(AuthorizationReason::ObjectRefused)?,
        })
    }

    /// The client that must have signed it.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The key id in its header.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.object.unverified_kid()
    }

    /// True if it is valid at this time if its signature is. Otherwise keys are not fetched for it.
    pub fn is_worth_a_fetch(&self, policy: &Policy, now: Timestamp) -> bool {
        self.object.is_worth_a_fetch(self.expected(policy), now)
    }

    /// The parameters in the object. `facts` are the keys of the registered client with this id.
    pub fn verify(
        &self,
        facts: &Facts,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<AuthorizationParameters, Rejection> {
        let keys = self.keys(facts, policy)?;
        let verified = self.object.verify(keys, self.expected(policy), now);
        Ok(verified.map_err(AuthorizationReason::ObjectRefused)?)
    }

    /// The keys of the client. A configured client takes precedence over a registered one with the same id.
    fn keys<'k>(&self, facts: &'k Facts, policy: &'k Policy) -> Result<&'k KeySet, AuthorizationReason> {
        let configured = policy.clients.get(&*self.client_id);
        match (configured.map(|client| &client.method), facts) {
            (Some(ClientMethod::PrivateKeyJwt(keys)), _) => Ok(keys),
            (None, Facts::Client(client)) => Ok(&client.keys),
            (None, Facts::KeysElsewhere { why }) => {
                Err(AuthorizationReason::ObjectKeysUnavailable { why: why.clone() })
            }
            (Some(_), _) | (None, _) => Err(AuthorizationReason::ObjectNotTaken),
        }
    }

    fn expected<'e>(&'e self, policy: &'e Policy) -> RequestObjectExpectation<'e> {
        RequestObjectExpectation {
            client_id: &self.client_id,
            issuer: policy.issuer.as_str(),
        }
    }
}
