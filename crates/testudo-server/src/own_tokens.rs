//! Access tokens of this server, shown to this server: at the registration endpoint and at the admin API.

use crate::client_records::client_by_id;
use crate::state::app::App;
use testudo_core::policy::Policy;
use testudo_core::records::{Client, ClientState};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::access_token::{Expectation, TokenError, VerifiedToken, verify};
use testudo_store::StoreFault;

/// How far the clocks of two nodes may be apart: one issued the token, another one is shown it.
const CLOCKS_APART_MAX: Seconds = Seconds(60);

/// Verifies a token that should be for `audience`. A bound one is worth nothing without its certificate, of which
/// this is the SHA-256.
///
/// Whatever its `exp` says, the token ends when the longest life is over that we give a token today: one that was
/// signed with a stolen key for a year to come does not outlive that key by a year.
pub(crate) fn verify_own(
    app: &App,
    policy: &Policy,
    token: &str,
    audience: &str,
    certificate_thumbprint: Option<&[u8; 32]>,
) -> Result<VerifiedToken, TokenError> {
    let expected = Expectation {
        issuer: policy.issuer.as_str(),
        audience,
        leeway: Seconds(0),
        certificate_thumbprint,
    };
    let now = app.now();
    let verified = verify(token, &app.keys.load().published, expected, now)?;
    // Rules and clients can only shorten it.
    let longest = policy.tokens.access_token_lifetime;
    let is_from_the_future = verified.issued > now + CLOCKS_APART_MAX;
    if is_from_the_future || now >= verified.issued + longest {
        return Err(TokenError::Expired);
    }
    Ok(verified)
}

/// The client that a good token was given to, if it is active in the same life. [decision 0009] The token may be good for
/// minutes yet: a frozen client is refused now. One that was deleted and came back is refused with tokens of before,
/// or its deletion would end no token.
pub(crate) async fn holder(app: &App, verified: &VerifiedToken) -> Result<Option<Client>, StoreFault> {
    let client = client_by_id(app, &verified.client_id).await?;
    let client = client.map(|client| client.record);
    Ok(client.filter(|client| {
        client.state == ClientState::Active
            && !client.is_expired(app.now())
            && verified.issued >= client.created
    }))
}
