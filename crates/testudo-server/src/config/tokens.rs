//! `[tokens]`: signature algorithm, lifetime and proofs of access tokens.

use super::checker::Checker;
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::policy::{NonceUse, TokenPolicy};
use testudo_protocol::Seconds;
use testudo_protocol::jose::Algorithm;

/// `[tokens]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokensSection {
    /// Algorithm of new signing keys: `ES256`, `EdDSA`, `ES384`, `RS256` or `PS256`. Default: `"ES256"`.
    pub signing_algorithm: Option<String>,
    /// Lifetime of an access token, at most `"1h"`. Default: `"5m"`.
    pub access_token_lifetime: Option<String>,
    /// Whether DPoP proofs need a nonce of this server: `optional` (default) or `required`.
    pub dpop_nonce: NonceUse,
}

impl Checker<'_> {
    pub(super) fn tokens(&mut self, section: &TokensSection) -> Option<TokenPolicy> {
        let signing_algorithm = match section.signing_algorithm.as_deref() {
            None => Some(Algorithm::ES256),
            Some(name) => match Algorithm::parse(name) {
                Some(
                    algorithm @ (Algorithm::ES256
                    | Algorithm::EdDSA
                    | Algorithm::ES384
                    | Algorithm::RS256
                    | Algorithm::PS256),
                ) => Some(algorithm),
                _ => {
                    self.report.error(
                        "tokens.signing_algorithm",
                        format!("{name:?} cannot sign tokens"),
                        None,
                    );
                    None
                }
            },
        };
        let text = section.access_token_lifetime.as_deref();
        let lifetime = self.duration("tokens.access_token_lifetime", text, Seconds(300))?;
        if !(10..=3600).contains(&lifetime.0) {
            self.report.error(
                "tokens.access_token_lifetime",
                format!("{:?} is not between 10s and 1h", text.unwrap_or_default()),
                Some("an access token cannot be revoked before it expires: keep its lifetime short"),
            );
            return None;
        }
        Some(TokenPolicy {
            signing_algorithm: signing_algorithm?,
            access_token_lifetime: lifetime,
            dpop_nonce: section.dpop_nonce,
        })
    }
}
