//! Access tokens for clients that act for themselves. [RFC9068 §2.2]

use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::grants::{Binding, Granted};
use serde::Serialize;
use testudo_protocol::jose::{SigningFault, SigningKey};
use testudo_protocol::oauth::access_token::AccessToken;

/// A successful answer of the token endpoint. [RFC6749 §5.1]
#[derive(Serialize)]
pub struct TokenReply {
    /// The token.
    pub access_token: String,
    /// `Bearer`, also for a token that is bound to a certificate. [RFC8705 §3]
    pub token_type: &'static str,
    /// Life, seconds.
    pub expires_in: i64,
    /// What was granted; absent where that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Signs the access token of a client.
pub fn issue(
    governed: &GovernedIdentity<'_>,
    client_id: &str,
    granted: &Granted,
    key: &SigningKey,
    at: &Moment<'_>,
) -> Result<TokenReply, SigningFault> {
    let scope = (!granted.scope.is_empty()).then(|| granted.scope.to_string());
    let jwt_id = at.entropy.jwt_id();
    let instance = governed.name.folded_instance.as_deref();
    let token = AccessToken {
        iss: at.policy.issuer.as_str(),
        // [RFC9068 §2.2] No person is involved: the subject is the client.
        sub: client_id,
        client_id,
        aud: &granted.resource,
        exp: at.now + granted.lifetime,
        iat: at.now,
        jti: &jwt_id,
        scope: scope.as_deref(),
        sub_type: "client",
        // Where the client's id does not name the workload, the token still does.
        spiffe_id: governed.identity.spiffe_id().filter(|id| *id != client_id),
        instance,
        cnf: granted.binding.as_ref().map(Binding::confirmation),
    };
    Ok(TokenReply {
        access_token: token.sign(key)?,
        token_type: "Bearer",
        expires_in: granted.lifetime.0,
        scope,
    })
}
