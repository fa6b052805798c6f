//! Proof Key for Code Exchange: only the client that made the authorization request can redeem its code. [RFC7636]
//!
//! The only method is S256. With `plain`, an attacker who reads the request has the verifier. [RFC7636 §7.2]

use crate::base64url;
use crate::jose::sha256;
use aws_lc_rs::constant_time;
use std::fmt;
use zeroize::Zeroizing;

/// The name of the only method that is accepted.
pub const METHOD_S256: &str = "S256";

/// `code_challenge` of the method S256: the SHA-256 of a verifier. [RFC7636 §4.2]
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(#[serde(with = "base64url")] [u8; 32]);

/// `code_verifier`: the secret of one authorization request. [RFC7636 §4.1] It has no `Debug`.
pub struct CodeVerifier(Zeroizing<String>);

/// The text cannot be a `code_challenge` or a `code_verifier`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PkceError {
    /// `code_challenge` is not the base64url form of 32 bytes.
    MalformedChallenge,
    /// `code_verifier` has fewer than 43 or more than 128 characters, or one that is not allowed.
    MalformedVerifier,
}

impl fmt::Display for PkceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PkceError::MalformedChallenge => {
                "code_challenge must be the SHA-256 of the verifier: 43 characters of base64url without padding"
            }
            PkceError::MalformedVerifier => {
                "code_verifier must have 43 to 128 letters, digits, or characters of `-._~`"
            }
        })
    }
}

impl CodeChallenge {
    /// Parses the 43 characters. Trailing bits that are not zero are refused: a challenge has one spelling.
    pub fn parse(text: &str) -> Result<CodeChallenge, PkceError> {
        base64url::parse(text)
            .map(CodeChallenge)
            .ok_or(PkceError::MalformedChallenge)
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::text(&self.0))
    }
}

impl CodeVerifier {
    /// Parses a verifier: 43 to 128 unreserved characters. [RFC7636 §4.1]
    pub fn parse(text: &str) -> Result<CodeVerifier, PkceError> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&text.len()) || !text.bytes().all(is_unreserved) {
            return Err(PkceError::MalformedVerifier);
        }
        Ok(CodeVerifier(Zeroizing::new(text.to_owned())))
    }

    /// The verifier of 32 random bytes, as this server and the SDK make it. [RFC7636 §7.1]
    pub fn of_random(bytes: &[u8; 32]) -> CodeVerifier {
        CodeVerifier(Zeroizing::new(base64url::text(bytes)))
    }

    /// The text that is sent to the token endpoint.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The challenge of this verifier. [RFC7636 §4.2]
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(sha256(self.0.as_bytes()))
    }

    /// True if the challenge was made from this verifier. [RFC7636 §4.6]
    pub fn matches(&self, challenge: &CodeChallenge) -> bool {
        constant_time::verify_slices_are_equal(&self.challenge().0, &challenge.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [RFC7636 B] and the example of [OAUTH-2.1 §4.1.1].
    const VECTORS: [(&str, &str); 2] = [
        (
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        (
            "3641a2d12d66101249cdf7a79c000c1f8c05d2aafcf14bf146497bed",
            "6fdkQaPm51l13DSukcAH3Mdx7_ntecHYd1vi3n0hMZY",
        ),
    ];

    // Rows TK-01, TK-02.
    #[test]
    fn rfc7636_b_verifier_matches_its_own_challenge_only() {
        for (position, (verifier, challenge)) in VECTORS.into_iter().enumerate() {
            let verifier = CodeVerifier::parse(verifier).unwrap();
            assert_eq!(verifier.challenge().to_string(), challenge);
            assert!(verifier.matches(&CodeChallenge::parse(challenge).unwrap()));
            let (_, other) = VECTORS[1 - position];
            assert!(!verifier.matches(&CodeChallenge::parse(other).unwrap()));
        }
        // [RFC7636 A] The bytes of the example.
        let bytes = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
            214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        assert_eq!(CodeVerifier::of_random(&bytes).as_str(), VECTORS[0].0);
    }

    // Row TK-05: with `plain`, the challenge is the verifier.
    #[test]
    fn verifier_that_equals_the_challenge_does_not_match() {
        let (_, challenge) = VECTORS[0];
        let verifier = CodeVerifier::parse(challenge).unwrap();
        assert!(!verifier.matches(&CodeChallenge::parse(challenge).unwrap()));
    }

    // Row TK-07.
    #[test]
    fn rfc7636_4_1_verifier_has_43_to_128_unreserved_characters() {
        for good in [
            "a".repeat(43),
            "a".repeat(128),
            format!("-._~{}", "Z9".repeat(20)),
        ] {
            assert!(CodeVerifier::parse(&good).is_ok(), "{good}");
        }
        let with = |character: &str| format!("{}{character}", "a".repeat(43));
        for bad in [
            String::new(),
            "a".repeat(42),
            "a".repeat(129),
            with("+"),
            with("/"),
            with("="),
            with(" "),
            with("%"),
            with("\u{e9}"),
            with("\n"),
            with("\0"),
        ] {
            assert!(
                CodeVerifier::parse(&bad).err() == Some(PkceError::MalformedVerifier),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn rfc7636_4_2_challenge_is_canonical_base64url_of_32_bytes() {
        let (verifier, good) = VECTORS[0];
        let stored = serde_json::to_string(&CodeChallenge::parse(good).unwrap()).unwrap();
        assert_eq!(stored, format!("\"{good}\""));
        let read: CodeChallenge = serde_json::from_str(&stored).unwrap();
        assert!(CodeVerifier::parse(verifier).unwrap().matches(&read));
        for bad in [
            "",
            &good[..42],
            &format!("{good}="),
            &format!("{good}A"),
            &format!(" {good}"),
            // The same bytes, with trailing bits that are not zero.
            &good.replace("-cM", "-cN"),
            &good.replace('-', "+"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(
                CodeChallenge::parse(bad),
                Err(PkceError::MalformedChallenge),
                "{bad}"
            );
            assert!(
                serde_json::from_str::<CodeChallenge>(&format!("\"{bad}\"")).is_err(),
                "{bad}"
            );
        }
    }
}
