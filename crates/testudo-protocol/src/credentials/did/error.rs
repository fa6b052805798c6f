//! Why a DID or its document is refused.

use crate::jose::KeyError;
use std::fmt;

/// Why a DID or its document is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DidError {
    /// More than 2,048 bytes.
    TooLong,
    /// Not a DID: `did:`, a method in lower case, `:`, and segments.
    NotADid,
    /// A method other than `web`, `key` and `jwk`.
    UnknownMethod,
    /// The part after `did:key:` is not base58 with the prefix `z`, or has a second spelling.
    NotBase58,
    /// The code of the key type is not written in the shortest form.
    CodeNotMinimal,
    /// A code that is not a supported public key for signatures.
    KeyType {
        /// The code in the table of multicodec.
        code: u32,
    },
    /// The key is refused.
    Key(KeyError),
    /// The part after `did:jwk:` is not canonical base64url of a JWK.
    NotAJwk,
    /// The host of a `did:web` is not a domain name with at least two labels.
    Host,
    /// The port of a `did:web`.
    Port,
    /// A path segment of a `did:web` is empty, a dot segment, or has a forbidden character.
    Path,
    /// A document that is not JSON of the expected form.
    Document(String),
    /// `id` of the document is another DID.
    OtherId,
}

impl fmt::Display for DidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DidError::TooLong => f.write_str("is longer than 2048 bytes"),
            DidError::NotADid => f.write_str("is not a DID"),
            DidError::UnknownMethod => f.write_str(
                "is a DID of a method that is not supported; expected: did:web, did:key or did:jwk",
            ),
            DidError::NotBase58 => f.write_str("is a did:key that is not z and canonical base58"),
            DidError::CodeNotMinimal => {
                f.write_str("is a did:key whose key type is not in its shortest form")
            }
            DidError::KeyType { code } => write!(
                f,
                "is a did:key of key type 0x{code:x}; expected: Ed25519 (0xed), P-256 (0x1200) or P-384 (0x1201)"
            ),
            DidError::Key(error) => write!(f, "contains a key that is refused: {error}"),
            DidError::NotAJwk => f.write_str("is a did:jwk that is not canonical base64url of a JWK"),
            DidError::Host => f.write_str(
                "is a did:web whose host is not a domain name of at least two labels in lower case",
            ),
            DidError::Port => f.write_str("is a did:web whose port is not 1 to 65535"),
            DidError::Path => f.write_str(
                "is a did:web with a path segment that is empty, a dot segment, or has a forbidden character",
            ),
            DidError::Document(problem) => write!(f, "the DID document is refused: {problem}"),
            DidError::OtherId => f.write_str("the id of the DID document is another DID"),
        }
    }
}
