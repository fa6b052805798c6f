//! Verifies access tokens of this server that are sent to this server: to the registration endpoint and the admin API.

use crate::client_records::client_by_id;
use crate::state::app::App;
use std::fmt;
use testudo_core::policy::Policy;
use testudo_core::records::{Block, Client, ClientState};
use testudo_core::{Authority, AuthorityKind};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::access_token::{Expectation, SubjectType, TokenError, VerifiedToken, verify};
use testudo_store::StoreFault;

/// How much the clocks of the node that issued the token and of this node may differ.
const CLOCKS_APART_MAX: Seconds = Seconds(60);

/// The keys that a request with a token proved.
#[derive(Clone, Copy, Default)]
pub(crate) struct ProvenKeys<'a> {
    /// SHA-256 of its client certificate.
    pub(crate) certificate: Option<&'a [u8; 32]>,
    /// Thumbprint of the key of its DPoP proof. Only a token that is bound to this key is then accepted.
    pub(crate) dpop_key: Option<&'a [u8; 32]>,
}

/// Why this server does not accept a token of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnTokenError {
    /// It is not valid, or not for this endpoint.
    Invalid(TokenError),
    /// It was issued to a client that acts for a person.
    OfPerson,
}

impl fmt::Display for OwnTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnTokenError::Invalid(error) => error.fmt(f),
            OwnTokenError::OfPerson => {
                f.write_str("the token is for a person (sub_type is user), and not for the client itself")
            }
        }
    }
}

/// Verifies a token for `audience`. A token that is bound to a key or a certificate is refused unless the request proved
/// it.
///
/// The token is valid for the configured token lifetime at most, even if its `exp` is later: an attacker with a stolen
/// signing key cannot make tokens that are valid long after the key was revoked.
///
/// A token of a person is refused: the endpoints that call this function give the rights of the client that a token names,
/// and a client must not get them because a person granted it a scope with the same name.
pub(crate) fn verify_own(
    app: &App,
    policy: &Policy,
    token: &str,
    audience: &str,
    proven: ProvenKeys<'_>,
) -> Result<VerifiedToken, OwnTokenError> {
    let expected = Expectation {
        issuer: policy.issuer.as_str(),
        audience,
        leeway: Seconds(0),
        certificate_thumbprint: proven.certificate,
        dpop_key: proven.dpop_key,
    };
    let now = app.now();
    let verified =
        verify(token, &app.keys.load().published, expected, now).map_err(OwnTokenError::Invalid)?;
    // Rules and clients can only shorten the configured lifetime.
    let longest = policy.tokens.access_token_lifetime;
    let is_from_the_future = verified.issued > now + CLOCKS_APART_MAX;
    if is_from_the_future || now >= verified.issued + longest {
        return Err(OwnTokenError::Invalid(TokenError::Expired));
    }
    match verified.subject_type {
        Some(SubjectType::User) => Err(OwnTokenError::OfPerson),
        Some(SubjectType::Client) | None => Ok(verified),
    }
}

/// The identity to which a token was issued; `None` for a client that registered without evidence.
pub(crate) fn identity_of(client: &Client, token: &VerifiedToken) -> Option<(Authority, String)> {
    let authority = Authority::of_key(&client.authority)?;
    let subject = match authority.kind() {
        AuthorityKind::Spiffe => token.spiffe_id.clone().unwrap_or(client.subject.clone()),
        // The token names the instance, where several identities share the client.
        AuthorityKind::Issuer => match Block::before_instance(&client.subject) {
            Some(before) => format!("{before}{}", token.instance.as_deref()?),
            None => client.identity().to_owned(),
        },
        AuthorityKind::Configuration => client.subject.clone(),
        AuthorityKind::Registration => return None,
    };
    Some((authority, subject))
}

/// The client to which a valid token was issued, if that client is active. [decision 0009] A frozen client is refused
/// although its token has not expired. A client that was removed and registered again is refused with a token from
/// before its removal; otherwise the removal would not end its tokens.
pub(crate) async fn holder(app: &App, verified: &VerifiedToken) -> Result<Option<Client>, StoreFault> {
    let client = client_by_id(app, &verified.client_id).await?;
    let client = client.map(|client| client.record);
    Ok(client.filter(|client| {
        client.state == ClientState::Active
            && !client.is_expired(app.now())
            && verified.issued >= client.created
    }))
}
