//! Why a public key is refused, in one sentence each.

use std::fmt;

/// Why a public key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum KeyError {
    PrivateMaterial,
    UnknownType,
    MissingMember,
    NotBase64Url,
    WrongLength,
    NotOnCurve,
    RsaSize,
    RsaEvenModulus,
    RsaExponent,
    ClientRsaSize,
    ClientRsaExponent,
    MalformedSpki,
    SmallOrder,
    NonCanonical,
    AlgorithmMismatch,
    NotForVerification,
    KeyIdTooLong,
    /// `kid` has control characters or invisible characters.
    KeyIdUnprintable,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::PrivateMaterial => "the key contains private or symmetric material",
            KeyError::UnknownType => "the key type or curve is unknown",
            KeyError::MissingMember => "a member of the key is missing",
            KeyError::NotBase64Url => "a member of the key is not unpadded base64url",
            KeyError::WrongLength => "a coordinate has the wrong length",
            KeyError::NotOnCurve => "the point is not on the curve",
            KeyError::RsaSize => "the RSA modulus is not between 2048 and 8192 bits",
            KeyError::RsaEvenModulus => "the RSA modulus is even",
            KeyError::RsaExponent => "the RSA exponent is even, below 65537, or above 2^32",
            KeyError::ClientRsaSize => "the RSA modulus of a client's key has more than 4096 bits",
            KeyError::ClientRsaExponent => "the RSA exponent of a client's key is not 65537",
            KeyError::MalformedSpki => "the certificate's SubjectPublicKeyInfo is malformed",
            KeyError::SmallOrder => {
                "the Ed25519 key has small order: signatures can be made for it without the private key"
            }
            KeyError::NonCanonical => "the Ed25519 key is not canonically encoded",
            KeyError::AlgorithmMismatch => "the key's alg does not fit its type",
            KeyError::NotForVerification => "the key's use or key_ops rule out verification",
            KeyError::KeyIdTooLong => "the kid is too long",
            KeyError::KeyIdUnprintable => "the kid has control or invisible characters",
        })
    }
}
