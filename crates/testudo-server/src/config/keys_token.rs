//! The token that the server of an issuer's keys requires.

use std::path::PathBuf;
use zeroize::Zeroizing;

/// The token that the server of an issuer's keys requires.
#[derive(Clone, PartialEq, Eq)]
pub enum KeysToken {
    /// The content of a file, which is read at each fetch.
    File(PathBuf),
    /// The token itself.
    Text(Zeroizing<String>),
}

/// Without the token.
impl std::fmt::Debug for KeysToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeysToken::File(path) => write!(f, "a token in the file {}", path.display()),
            KeysToken::Text(_) => f.write_str("a token"),
        }
    }
}
