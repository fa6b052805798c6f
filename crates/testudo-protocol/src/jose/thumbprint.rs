//! The members of a JWK that its thumbprint is computed from. [RFC7638 §3.2]

use super::algorithm::Algorithm;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The members of an elliptic or Edwards key in lexicographic order, without white space. [RFC7638 §3.2] The key is an
/// uncompressed point, or the 32 bytes of Ed25519.
pub(super) fn curve_members(algorithm: Algorithm, key: &[u8]) -> String {
    let curve = match algorithm {
        Algorithm::ES384 => "P-384",
        Algorithm::ES512 => "P-521",
        Algorithm::EdDSA => {
            let x = URL_SAFE_NO_PAD.encode(key);
            return format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        }
        Algorithm::ES256
        | Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => "P-256",
    };
    let coordinates = key.get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

/// As [`curve_members`], of an RSA key. Its numbers have no leading zero bytes. [RFC7518 §6.3.1]
pub(super) fn rsa_members(n: &[u8], e: &[u8]) -> String {
    let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
    format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
}
