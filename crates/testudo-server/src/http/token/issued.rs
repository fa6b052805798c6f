//! The line of the log for a token that was issued, where `[log] token_issued` asks for one.

use crate::audit::RequestTrail;
use serde::Deserialize;
use testudo_core::Authority;
use testudo_core::tokens::access_token::IssuedToken;
use testudo_protocol::jose::Jws;

/// What the line has of the token. It is read from the signed token itself: a server that does not log tokens pays
/// nothing, and what is logged is what the API will read.
#[derive(Deserialize)]
struct Claims {
    client_id: String,
    aud: String,
    jti: String,
    exp: i64,
}

/// Writes the line: who holds a token for which API, and until when. Without the signature nothing of it is usable.
pub(super) fn log(token: &IssuedToken, trail: &RequestTrail<'_>) {
    let claims = Jws::parse(&token.jwt).and_then(|jws| jws.unverified_claims::<Claims>());
    let Ok(claims) = claims else {
        // Our own token, signed a moment ago, is one.
        return;
    };
    let authority = trail.identity.as_deref().map(|identity| &identity.authority);
    tracing::info!(
        event = "token.issued",
        request.id = trail.id,
        client.id = claims.client_id,
        authority = authority.map(Authority::key),
        trust_domain = authority.and_then(Authority::trust_domain),
        audience = claims.aud,
        scope = token.scope,
        jti = claims.jti,
        exp = claims.exp,
        "token.issued"
    );
}
