//! Access tokens of this server, shown to this server: at the registration endpoint and at the admin API.

use crate::app::App;
use testudo_core::policy::Policy;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::access_token::{Expectation, TokenFault, VerifiedToken, verify};

/// Verifies a token that should be for `audience`. A bound one is worth nothing without its certificate, of which
/// this is the SHA-256.
pub(crate) fn verify_own(
    app: &App,
    policy: &Policy,
    token: &str,
    audience: &str,
    certificate_thumbprint: Option<&[u8; 32]>,
) -> Result<VerifiedToken, TokenFault> {
    let expected = Expectation {
        issuer: policy.issuer.as_str(),
        audience,
        leeway: Seconds(0),
        certificate_thumbprint,
    };
    verify(token, &app.keys.load().published, expected, app.now())
}
