//! The supported signature algorithms. [RFC7518 §3.1] [RFC8037 §3.1] [RFC9864]

use aws_lc_rs::signature as lc;
use std::fmt;

/// A signature algorithm. MACs and `none` are not representable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub enum Algorithm {
    ES256,
    ES384,
    ES512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    EdDSA,
}

impl Algorithm {
    /// All of them, in the order in which metadata lists them.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::EdDSA,
    ];

    /// [RFC8725 §3.1] Compared exactly: `noNE` and `es256` name no algorithm.
    /// [RFC9864 §2.2] `Ed25519` is the fully specified name of the only `EdDSA` curve that is supported.
    pub fn parse(name: &str) -> Option<Algorithm> {
        match name {
            "ES256" => Some(Algorithm::ES256),
            "ES384" => Some(Algorithm::ES384),
            "ES512" => Some(Algorithm::ES512),
            "RS256" => Some(Algorithm::RS256),
            "RS384" => Some(Algorithm::RS384),
            "RS512" => Some(Algorithm::RS512),
            "PS256" => Some(Algorithm::PS256),
            "PS384" => Some(Algorithm::PS384),
            "PS512" => Some(Algorithm::PS512),
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
            _ => None,
        }
    }

    /// The name for the `alg` of a header that this server writes.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::ES512 => "ES512",
            Algorithm::RS256 => "RS256",
            Algorithm::RS384 => "RS384",
            Algorithm::RS512 => "RS512",
            Algorithm::PS256 => "PS256",
            Algorithm::PS384 => "PS384",
            Algorithm::PS512 => "PS512",
            Algorithm::EdDSA => "EdDSA",
        }
    }

    /// [JWT-SVID §2.1] [WIT-SVID §2.1] Nine algorithms are allowed; EdDSA is not one of them.
    pub fn is_legal_in_svid(self) -> bool {
        self != Algorithm::EdDSA
    }

    pub(super) fn verification(self) -> &'static dyn lc::VerificationAlgorithm {
        match self {
            Algorithm::ES256 => &lc::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &lc::ECDSA_P384_SHA384_FIXED,
            Algorithm::ES512 => &lc::ECDSA_P521_SHA512_FIXED,
            Algorithm::RS256 => &lc::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &lc::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &lc::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &lc::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &lc::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &lc::RSA_PSS_2048_8192_SHA512,
            Algorithm::EdDSA => &lc::ED25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_names_round_trip_and_other_texts_are_refused() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
        }
        for name in [
            "none", "None", "noNE", "", "HS256", "HS384", "HS512", "es256", "ES256K", "RSA-OAEP", "ESxxx",
        ] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
