//! Verifies access tokens of this server that are sent to this server: to the registration endpoint and the admin API; and
//! finds the client of a token that another client asks about.

use crate::client_records::{client_by_id, known_client};
use crate::state::app::App;
use crate::state::clients::CachedClient;
use std::fmt;
use std::sync::Arc;
use testudo_core::admission::governed::is_switched_on;
use testudo_core::admission::governing::governing_client;
use testudo_core::identity::Proof;
use testudo_core::policy::Policy;
use testudo_core::records::{Block, Client, ClientState};
use testudo_core::{AttestedIdentity, Authority, AuthorityKind};
use testudo_protocol::oauth::access_token::{
    Expectation, SubjectType, TokenClaims, TokenError, VerifiedToken, verify,
};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::StoreFault;

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
    if !policy.tokens.may_be_valid(verified.issued, now) {
        return Err(OwnTokenError::Invalid(TokenError::Expired));
    }
    match verified.subject_type {
        Some(SubjectType::User) => Err(OwnTokenError::OfPerson),
        Some(SubjectType::Client) | None => Ok(verified),
    }
}

/// The identity to which a token was issued; `None` for a client that registered without evidence.
/// `spiffe_id` and `instance` are claims of the token.
pub(crate) fn identity_of(
    client: &Client,
    spiffe_id: Option<&str>,
    instance: Option<&str>,
) -> Option<(Authority, String)> {
    let authority = Authority::of_key(&client.authority)?;
    let subject = match authority.kind() {
        AuthorityKind::Spiffe => spiffe_id.unwrap_or(&client.subject).to_owned(),
        // The token names the instance, where several identities share the client.
        AuthorityKind::Issuer => match Block::before_instance(&client.subject) {
            Some(before) => format!("{before}{}", instance?),
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
    Ok(client.filter(|client| may_act(client, verified.issued, app.now())))
}

/// True if the client of a token with this time of issue is the same as then, and active.
fn may_act(client: &Client, issued: Timestamp, now: Timestamp) -> bool {
    client.state == ClientState::Active && !client.is_expired(now) && issued >= client.created
}

/// The client to which a token of this server was issued, if it may act now: it is active, a rule governs it, and neither
/// the identity in the token nor its authority is blocked or disabled. [RFC7662 §4]
pub(crate) async fn holder_of(
    app: &App,
    policy: &Policy,
    claims: &TokenClaims,
) -> Result<Option<Arc<CachedClient>>, StoreFault> {
    let known = known_client(app, &claims.client_id).await?;
    Ok(known.filter(|known| {
        let client = &known.stored.record;
        let is_on = identity_in(client, claims)
            .is_some_and(|identity| is_switched_on(&identity, &app.switches.load()).is_ok());
        is_on && may_act(client, claims.iat, app.now()) && governing_client(client, policy).is_some()
    }))
}

/// The identity that a token names.
fn identity_in(client: &Client, claims: &TokenClaims) -> Option<AttestedIdentity> {
    let (spiffe_id, instance) = (claims.spiffe_id.as_deref(), claims.instance.as_deref());
    let (kind, sponsor) = (client.last_credential, client.sponsor.clone());
    if client.authority == Authority::registration().key() {
        return Some(AttestedIdentity::named_here(&client.client_id, kind, sponsor));
    }
    let (authority, subject) = identity_of(client, spiffe_id, instance)?;
    let proof = Proof::until(claims.exp);
    Some(AttestedIdentity {
        sponsor,
        ..AttestedIdentity::proven(authority, subject, kind, proof).with_instance(instance)
    })
}
