//! Why a public key is refused, in one sentence each.

use std::fmt;

/// Why a public key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum KeyFault {
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
    /// `kid` has characters that a terminal obeys or a reader does not see.
    KeyIdUnprintable,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyFault::PrivateMaterial => "the key contains private or symmetric material",
            KeyFault::UnknownType => "the key type or curve is unknown",
            KeyFault::MissingMember => "a member of the key is missing",
            KeyFault::NotBase64Url => "a member of the key is not unpadded base64url",
            KeyFault::WrongLength => "a coordinate has the wrong length",
            KeyFault::NotOnCurve => "the point is not on the curve",
            KeyFault::RsaSize => "the RSA modulus is not between 2048 and 8192 bits",
            KeyFault::RsaEvenModulus => "the RSA modulus is even",
            KeyFault::RsaExponent => "the RSA exponent is even, below 65537, or above 2^32",
            KeyFault::ClientRsaSize => "the RSA modulus of a client's key has more than 4096 bits",
            KeyFault::ClientRsaExponent => "the RSA exponent of a client's key is not 65537",
            KeyFault::MalformedSpki => "the certificate's SubjectPublicKeyInfo is malformed",
            KeyFault::SmallOrder => "the Ed25519 key has small order: anybody can sign for it",
            KeyFault::NonCanonical => "the Ed25519 key is not canonically encoded",
            KeyFault::AlgorithmMismatch => "the key's alg does not fit its type",
            KeyFault::NotForVerification => "the key's use or key_ops rule out verification",
            KeyFault::KeyIdTooLong => "the kid is too long",
            KeyFault::KeyIdUnprintable => "the kid has control or invisible characters",
        })
    }
}
