//! Reasons to refuse a code or a refresh token [RFC6749 §5.2], and to revoke no token [RFC7009 §2.2.1].
//!
//! The sentence for a code that is unknown, used or of another client is the same, so that an attacker does not learn which
//! of them is the case.

use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::oauth::pkce::PkceError;
use testudo_protocol::printable::excerpt;

/// What a client sent to get an access token for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// `code`.
    Code,
    /// `refresh_token`.
    RefreshToken,
}

impl Presented {
    /// The name of the parameter.
    pub fn parameter(self) -> &'static str {
        match self {
            Presented::Code => "code",
            Presented::RefreshToken => "refresh_token",
        }
    }

    fn is_not_valid(self) -> &'static str {
        match self {
            Presented::Code => "code is not valid",
            Presented::RefreshToken => "refresh_token is not valid",
        }
    }
}

/// Why a code or a refresh token gives no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantReason {
    /// The parameter is missing.
    GrantMissing(Presented),
    /// It was never issued, was revoked, or its record was deleted after its end.
    GrantUnknown(Presented),
    /// It has expired.
    GrantExpired(Presented),
    /// It was issued to another client.
    OfOtherClient(Presented),
    /// It was issued to an earlier client of the same identity, which was removed.
    OfEarlierClient(Presented),
    /// The request does not prove the key to which it is bound.
    KeyNotProven(Presented),
    /// The code was redeemed before. What was issued for it is revoked.
    CodeUsed,
    /// Another refresh token was issued in its place. All tokens of the grant are revoked.
    RefreshTokenUsed,
    /// The grant was revoked, or its record was deleted after its end.
    GrantRevoked,
    /// The authorization has ended.
    AuthorizationEnded,
    /// The account of the person is locked or removed.
    PersonNotActive,
    /// The person is in none of the groups that the rule requires.
    NotInGroup {
        /// The name of the rule.
        rule: String,
    },
    /// `code_verifier` is malformed.
    VerifierMalformed(PkceError),
    /// `code_verifier` is missing.
    VerifierMissing,
    /// `code_verifier` is not that of the authorization request.
    VerifierWrong,
    /// `redirect_uri` is not the one to which the code was sent.
    RedirectUriDiffers,
    /// The person did not grant this scope.
    ScopeNotGranted {
        /// The first scope value that was not granted.
        refused: String,
    },
    /// The person did not grant access to this resource.
    ResourceNotGranted {
        /// The resource.
        refused: String,
    },
    /// A client tries to revoke a token that was issued to another client.
    TokenOfOtherClient,
    /// A client tries to revoke an access token that it got for itself: no grant leads to it.
    TokenNotRevocable,
}

impl GrantReason {
    pub(super) fn row(&self) -> Row {
        let invalid = |name, sentence: &'static str| Row::new(name, ErrorCode::InvalidGrant, sentence);
        match self {
            GrantReason::GrantMissing(Presented::Code) => {
                Row::new("code_missing", ErrorCode::InvalidRequest, "code is missing")
            }
            GrantReason::GrantMissing(Presented::RefreshToken) => Row::new(
                "refresh_token_missing",
                ErrorCode::InvalidRequest,
                "refresh_token is missing",
            ),
            GrantReason::GrantUnknown(what) => invalid("grant_unknown", what.is_not_valid()),
            GrantReason::GrantExpired(what) => invalid("grant_expired", what.is_not_valid()),
            GrantReason::OfOtherClient(what) => invalid("grant_of_other_client", what.is_not_valid()),
            GrantReason::OfEarlierClient(what) => invalid("grant_of_earlier_client", what.is_not_valid()),
            GrantReason::KeyNotProven(what) => invalid("grant_key_not_proven", what.is_not_valid()),
            GrantReason::CodeUsed => invalid("code_used", Presented::Code.is_not_valid()),
            GrantReason::RefreshTokenUsed => {
                invalid("refresh_token_used", Presented::RefreshToken.is_not_valid())
            }
            GrantReason::GrantRevoked => invalid("grant_revoked", Presented::RefreshToken.is_not_valid()),
            GrantReason::AuthorizationEnded => invalid("authorization_ended", "the authorization has ended"),
            GrantReason::PersonNotActive => invalid("person_not_active", "the authorization has ended"),
            GrantReason::NotInGroup { .. } => invalid("person_not_in_group", "the authorization has ended"),
            GrantReason::VerifierMalformed(_) => Row::new(
                "code_verifier_malformed",
                ErrorCode::InvalidRequest,
                "code_verifier must have 43 to 128 letters, digits, or characters of -._~",
            ),
            GrantReason::VerifierMissing => invalid("code_verifier_missing", "code_verifier is missing"),
            GrantReason::VerifierWrong => invalid(
                "code_verifier_wrong",
                "code_verifier is not that of the authorization request",
            ),
            GrantReason::RedirectUriDiffers => invalid(
                "redirect_uri_differs",
                "redirect_uri is not that of the authorization request",
            ),
            GrantReason::ScopeNotGranted { .. } => Row::new(
                "scope_not_granted",
                ErrorCode::InvalidScope,
                "scope has a value that the person did not grant",
            ),
            GrantReason::ResourceNotGranted { .. } => Row::new(
                "resource_not_granted",
                ErrorCode::InvalidTarget,
                "resource is not one that the person granted",
            ),
            // [RFC7009 §2.1] The answer is an error.
            GrantReason::TokenOfOtherClient => {
                invalid("token_of_other_client", "token was issued to another client")
            }
            // [RFC7009 §2.2.1]
            GrantReason::TokenNotRevocable => Row::new(
                "token_not_revocable",
                ErrorCode::UnsupportedTokenType,
                "token is an access token of the client itself, which cannot be revoked and ends soon",
            ),
        }
    }
}

impl fmt::Display for GrantReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GrantReason::GrantMissing(what) => write!(f, "{} is missing", what.parameter()),
            GrantReason::GrantUnknown(what) => {
                write!(
                    f,
                    "{} was not issued, or does not exist any more",
                    what.parameter()
                )
            }
            GrantReason::GrantExpired(what) => write!(f, "{} has expired", what.parameter()),
            GrantReason::OfOtherClient(what) => {
                write!(f, "{} was issued to another client", what.parameter())
            }
            GrantReason::OfEarlierClient(what) => write!(
                f,
                "{} was issued to an earlier client of this identity, which was removed",
                what.parameter()
            ),
            GrantReason::KeyNotProven(what) => write!(
                f,
                "{} is bound to a key, and the request does not prove it",
                what.parameter()
            ),
            GrantReason::CodeUsed => f.write_str("code was redeemed before"),
            GrantReason::RefreshTokenUsed => {
                f.write_str("refresh_token was used before, and its successor is in use")
            }
            GrantReason::GrantRevoked => f.write_str("the grant was revoked or has ended"),
            GrantReason::AuthorizationEnded => f.write_str("the authorization of the person has ended"),
            GrantReason::PersonNotActive => f.write_str("the account of the person is locked or removed"),
            GrantReason::NotInGroup { rule } => {
                write!(f, "the person is in none of the groups of rule `{rule}`")
            }
            GrantReason::VerifierMalformed(fault) => write!(f, "{fault}"),
            GrantReason::VerifierMissing => f.write_str("code_verifier is missing"),
            GrantReason::VerifierWrong => {
                f.write_str("code_verifier does not match the code_challenge of the authorization request")
            }
            GrantReason::RedirectUriDiffers => {
                f.write_str("redirect_uri is not the one to which the code was sent")
            }
            GrantReason::ScopeNotGranted { refused } => {
                write!(f, "the person did not grant the scope `{}`", excerpt(refused))
            }
            GrantReason::ResourceNotGranted { refused } => {
                write!(f, "the person did not grant access to {}", excerpt(refused))
            }
            GrantReason::TokenOfOtherClient => f.write_str("token was issued to another client"),
            GrantReason::TokenNotRevocable => {
                f.write_str("token is an access token that the client got for itself, without a grant")
            }
        }
    }
}
