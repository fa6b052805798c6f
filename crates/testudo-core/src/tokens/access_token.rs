//! Access tokens for clients that act for themselves or for a person. [RFC9068 §2.2]

use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::grants::{BEARER, Binding, Granted, Members};
use testudo_protocol::Seconds;
use testudo_protocol::jose::{SigningFault, SigningKey};
use testudo_protocol::oauth::access_token::{AccessToken, SUB_TYPE_CLIENT, SUB_TYPE_USER};

/// A signed access token.
pub struct IssuedToken {
    /// The signed JWT.
    pub jwt: String,
    /// The time until `exp`.
    pub lifetime: Seconds,
    /// Its scope; absent if no scope was granted.
    pub scope: Option<String>,
    /// `token_type`: the scheme with which the client sends it.
    pub token_type: &'static str,
    /// Members that the answer contains beside it.
    pub members: Members,
}

/// Signs the access token of a client.
pub fn issue(
    governed: &GovernedIdentity<'_>,
    client_id: &str,
    granted: Granted,
    key: &SigningKey,
    at: &Moment<'_>,
) -> Result<IssuedToken, SigningFault> {
    let scope = (!granted.scope.is_empty()).then(|| granted.scope.to_string());
    let jwt_id = at.entropy.jwt_id();
    let instance = governed.name.folded_instance.as_deref();
    let person = granted.person.as_deref();
    let token = AccessToken {
        iss: at.policy.issuer.as_str(),
        // [RFC9068 §2.2] Without a person, the subject is the client.
        sub: person.map_or(client_id, |person| &person.sub),
        client_id,
        aud: &granted.resource,
        exp: at.now + granted.lifetime,
        iat: at.now,
        jti: &jwt_id,
        scope: scope.as_deref(),
        sub_type: person.map_or(SUB_TYPE_CLIENT, |_| SUB_TYPE_USER),
        // If the client id does not name the workload, the token has a claim that does.
        spiffe_id: governed.identity.spiffe_id().filter(|id| *id != client_id),
        instance,
        cnf: granted.binding.as_ref().map(Binding::confirmation),
        auth_time: person.map(|person| person.auth_time),
        acr: person.and_then(|person| person.acr.as_deref()),
        grant_id: person.map(|person| &*person.grant_id),
        registration_limits: granted.registration_limits.as_deref(),
    };
    Ok(IssuedToken {
        jwt: token.sign(key)?,
        lifetime: granted.lifetime,
        scope,
        token_type: granted.binding.as_ref().map_or(BEARER, Binding::token_type),
        members: granted.members,
    })
}
