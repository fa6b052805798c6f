//! An example of each reason to refuse a code or a refresh token.

use super::{GrantReason, Presented};
use testudo_protocol::oauth::pkce::PkceError;

pub fn grant_reasons() -> Vec<GrantReason> {
    let rule = || "payments".to_owned();
    let of_both = [Presented::Code, Presented::RefreshToken]
        .into_iter()
        .flat_map(|what| {
            [
                GrantReason::GrantMissing(what),
                GrantReason::GrantUnknown(what),
                GrantReason::GrantExpired(what),
                GrantReason::OfOtherClient(what),
                GrantReason::OfEarlierClient(what),
                GrantReason::KeyNotProven(what),
            ]
        });
    let others = [
        GrantReason::CodeUsed,
        GrantReason::RefreshTokenUsed,
        GrantReason::GrantRevoked,
        GrantReason::AuthorizationEnded,
        GrantReason::PersonNotActive,
        GrantReason::NotInGroup { rule: rule() },
        GrantReason::VerifierMalformed(PkceError::MalformedVerifier),
        GrantReason::VerifierMissing,
        GrantReason::VerifierWrong,
        GrantReason::RedirectUriDiffers,
        GrantReason::ScopeNotGranted {
            refused: "orders.write".to_owned(),
        },
        GrantReason::ResourceNotGranted {
            refused: "https://api.example/other".to_owned(),
        },
        GrantReason::TokenOfOtherClient,
        GrantReason::TokenNotRevocable,
    ];
    of_both.chain(others).collect()
}
