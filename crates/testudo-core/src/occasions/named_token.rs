//! The token that a request to introspect or to revoke one is about.

use crate::grants::with_consent;
use crate::people::{GrantId, PresentedSecret};
use crate::policy::Policy;
use crate::records::{Grant, Needs, Person, RefreshToken};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::KeySet;
use testudo_protocol::oauth::access_token::{SubjectType, TokenClaims, verify_for_issuer};

/// A token, as far as it is known without a record. The hint of the caller is not needed: an access token is a JWT, and a
/// refresh token is none.
#[derive(Debug)]
pub enum NamedToken {
    /// An access token that this server issued and that has not expired.
    Access(Box<NamedAccessToken>),
    /// A text in the form of a refresh token.
    Refresh(PresentedSecret),
    /// Anything else: it cannot be a valid token of this server.
    Unknown,
}

/// An access token of this server.
#[derive(Debug)]
pub struct NamedAccessToken {
    /// What it contains.
    pub claims: TokenClaims,
    /// What a person granted, if the client acts for one.
    pub grant: Option<GrantId>,
}

impl NamedToken {
    /// Reads a token. `keys` are those of this server.
    pub fn read(token: &str, keys: &KeySet, policy: &Policy, now: Timestamp) -> NamedToken {
        if let Some(presented) = PresentedSecret::parse(token) {
            return NamedToken::Refresh(presented);
        }
        let Ok(claims) = verify_for_issuer(token, keys, policy.issuer.as_str(), now) else {
            return NamedToken::Unknown;
        };
        if !policy.tokens.may_be_valid(claims.iat, now) {
            return NamedToken::Unknown;
        }
        let grant = match claims.sub_type {
            Some(SubjectType::User) => match claims.grant_id.as_deref().and_then(GrantId::parse) {
                Some(grant) => Some(grant),
                // Without the grant, it is not known whether the person revoked it.
                None => return NamedToken::Unknown,
            },
            Some(SubjectType::Client) | None => None,
        };
        NamedToken::Access(Box::new(NamedAccessToken { claims, grant }))
    }

    /// Adds the records that tell whether the token is valid.
    pub(super) fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        let grant = match self {
            NamedToken::Access(token) => token.grant.as_ref(),
            NamedToken::Refresh(presented) => Some(&presented.grant),
            NamedToken::Unknown => None,
        };
        let needs = match grant {
            Some(grant) => needs.and::<Grant>(grant.key()).and::<Person>(grant.person_key()),
            None => needs,
        };
        match self {
            NamedToken::Refresh(presented) => {
                let needs = needs.and::<RefreshToken>(presented.digest.key());
                with_consent(Some(presented), needs)
            }
            NamedToken::Access(_) | NamedToken::Unknown => needs,
        }
    }
}
