//! The answer of the token endpoint to a request that is granted. [RFC6749 §5.1]

use serde::Serialize;
use testudo_core::grants::Members;
use testudo_core::tokens::access_token::IssuedToken;

#[derive(Serialize)]
struct TokenReply<'a> {
    access_token: &'a str,
    token_type: &'static str,
    /// Lifetime of the token in seconds.
    expires_in: i64,
    /// The scope values that were granted, separated by spaces; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    /// Members that the grant adds.
    #[serde(flatten)]
    members: &'a Members,
}

/// The body of the answer.
pub(super) fn render(token: &IssuedToken) -> Vec<u8> {
    let reply = TokenReply {
        access_token: &token.jwt,
        token_type: token.token_type,
        expires_in: token.lifetime.0,
        scope: token.scope.as_deref(),
        members: &token.members,
    };
    serde_json::to_vec(&reply).unwrap_or_default()
}
