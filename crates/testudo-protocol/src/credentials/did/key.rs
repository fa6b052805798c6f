//! `did:key`: the key is in the DID. [DID-KEY]

use super::DidError;
use crate::jose::{Jwk, KeyError, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;
use serde_json::{Value, json};

/// Characters of the part after `did:key:`; P-384 has 70. Decoding costs the square of the length.
const CHARACTERS_MAX: usize = 128;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The JWK of the part after `did:key:`. Base64url (`u`) and a version segment would be second spellings of one key.
pub(super) fn jwk(specific: &str) -> Result<Value, DidError> {
    let encoded = specific.strip_prefix('z').ok_or(DidError::NotBase58)?;
    let bytes = base58(encoded).ok_or(DidError::NotBase58)?;
    let (code, key) = split_code(&bytes)?;
    let jwk = match code {
        0xed => {
            let x = key.len().eq(&32).then(|| URL_SAFE_NO_PAD.encode(key));
            json!({"kty": "OKP", "crv": "Ed25519", "x": x.ok_or(DidError::Key(KeyError::WrongLength))?})
        }
        0x1200 => elliptic(&P256, key)?,
        0x1201 => elliptic(&P384, key)?,
        code => return Err(DidError::KeyType { code }),
    };
    let parsed: Jwk = serde_json::from_value(jwk.clone()).map_err(|_| DidError::NotBase58)?;
    PublicKey::from_client_jwk(&parsed).map_err(DidError::Key)?;
    Ok(jwk)
}

/// Bytes of base58, where each leading `1` is a zero byte. Each value has exactly one spelling.
fn base58(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > CHARACTERS_MAX {
        return None;
    }
    let mut value = BigUint::ZERO;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        value = value * 58u32 + digit;
    }
    let zeros = text.bytes().take_while(|byte| *byte == b'1').count();
    let mut bytes = vec![0; zeros];
    if value != BigUint::ZERO {
        bytes.extend(value.to_bytes_be());
    }
    Some(bytes)
}

/// The code of the key type, an unsigned varint of at most three bytes in its shortest form, and the key.
fn split_code(bytes: &[u8]) -> Result<(u32, &[u8]), DidError> {
    let mut code = 0;
    for (position, byte) in bytes.iter().take(3).enumerate() {
        code |= u32::from(byte & 0x7f) << (7 * position);
        if *byte < 0x80 {
            if *byte == 0 && position > 0 {
                return Err(DidError::CodeNotMinimal);
            }
            return Ok((code, bytes.get(position + 1..).unwrap_or_default()));
        }
    }
    Err(DidError::CodeNotMinimal)
}

/// The curve y^2 = x^3 - 3x + b modulo p, with p = 3 modulo 4.
struct Curve {
    name: &'static str,
    coordinate_bytes: usize,
    p: &'static str,
    b: &'static str,
}

const P256: Curve = Curve {
    name: "P-256",
    coordinate_bytes: 32,
    p: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
};

const P384: Curve = Curve {
    name: "P-384",
    coordinate_bytes: 48,
    p: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
};

/// The JWK of a compressed point. The point of an `x` that is not on the curve is refused when the key is imported: it
/// is not on the curve either.
fn elliptic(curve: &Curve, point: &[u8]) -> Result<Value, DidError> {
    let wrong = DidError::Key(KeyError::WrongLength);
    let (sign, x) = point.split_first().ok_or(wrong.clone())?;
    if x.len() != curve.coordinate_bytes || !matches!(sign, 2 | 3) {
        return Err(wrong);
    }
    let number = |hex: &str| BigUint::parse_bytes(hex.as_bytes(), 16).unwrap_or_default();
    let (p, b, at) = (number(curve.p), number(curve.b), BigUint::from_bytes_be(x));
    if at >= p {
        return Err(DidError::Key(KeyError::NotOnCurve));
    }
    let square = (at.modpow(&BigUint::from(3u32), &p) + (&p - (&at * 3u32) % &p) + b) % &p;
    let root = square.modpow(&((&p + 1u32) >> 2), &p);
    let y = if root.bit(0) == (*sign == 3) {
        root
    } else {
        &p - root
    };
    let mut padded = y.to_bytes_be();
    let missing = curve.coordinate_bytes.saturating_sub(padded.len());
    padded.splice(0..0, std::iter::repeat_n(0, missing));
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(padded));
    Ok(json!({"kty": "EC", "crv": curve.name, "x": x, "y": y}))
}
