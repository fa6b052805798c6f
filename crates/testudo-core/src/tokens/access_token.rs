//! Access tokens for clients that act for themselves. [RFC9068 §2.2]

use crate::admission::placed::Placed;
use crate::entropy::Entropy;
use crate::grants::Granted;
use crate::policy::Policy;
use serde::Serialize;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{SigningFault, SigningKey};
use testudo_protocol::oauth::access_token::{AccessToken, Confirmation};

/// A successful answer of the token endpoint. [RFC6749 §5.1]
#[derive(Serialize)]
pub struct TokenReply {
    /// The token.
    pub access_token: String,
    /// Always `Bearer` until tokens can be bound.
    pub token_type: &'static str,
    /// Life, seconds.
    pub expires_in: i64,
    /// What was granted; absent where that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Signs the access token of a client.
pub fn issue(
    placed: &Placed<'_>,
    client_id: &str,
    granted: &Granted,
    policy: &Policy,
    key: &SigningKey,
    (entropy, now): (&Entropy, Timestamp),
) -> Result<TokenReply, SigningFault> {
    let scope = (!granted.scope.is_empty()).then(|| granted.scope.to_string());
    let jwt_id = entropy.jwt_id();
    let instance = placed.name.folded_instance.as_deref();
    let token = AccessToken {
        iss: policy.issuer.as_str(),
        // [RFC9068 §2.2] No person is involved: the subject is the client.
        sub: client_id,
        client_id,
        aud: &granted.resource,
        exp: now + granted.lifetime,
        iat: now,
        jti: &jwt_id,
        scope: scope.as_deref(),
        sub_type: "client",
        // Where the client's id does not name the workload, the token still does.
        spiffe_id: placed.identity.spiffe_id().filter(|id| *id != client_id),
        instance,
        cnf: granted
            .certificate_thumbprint
            .as_ref()
            .map(Confirmation::certificate),
    };
    Ok(TokenReply {
        access_token: token.sign(key)?,
        token_type: "Bearer",
        expires_in: granted.lifetime.0,
        scope,
    })
}
