//! Checks public keys of bundles, key sets, `jwk` headers, `cnf` and certificates by the same rules (decision 0015).
//!
//! The numbers of a key are checked before a library builds a key from them: verifying with the key of an unknown
//! client must not cost more CPU than verifying with a key that an administrator configured.

use super::algorithm::Algorithm;
use super::edwards;
use super::key_error::KeyError;
use super::thumbprint::{curve_members, rsa_members};
use crate::der::{self, Reader};
use crate::limits::{CLIENT_RSA_BITS_MAX, RSA_BITS_MAX, RSA_BITS_MIN};
use aws_lc_rs::signature::ParsedPublicKey;
use rustls_pki_types::alg_id;
use std::sync::OnceLock;

/// Whose key it is. The keys of clients have tighter bounds, because the server pays the CPU of each verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// An authority of the configuration: the key is in its bundle or its key set.
    Authority,
    /// A client: the key is in a request, in the client's key set, in its certificate or in an intermediate of its
    /// chain.
    Client,
}

/// The key material.
pub(super) enum Material {
    /// Exactly one algorithm fits (an EC curve or Ed25519).
    Fixed(Algorithm, ParsedPublicKey),
    /// Six algorithms fit. Parsing costs 355 us, so each is parsed at its first use and kept.
    Rsa {
        public_key_der: Box<[u8]>,
        parsed: Box<[OnceLock<Option<ParsedPublicKey>>; 6]>,
    },
}

const RSA_ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

impl Material {
    /// The key of a certificate: the content of its SubjectPublicKeyInfo. [RFC5280 §4.1.2.7] [RFC5480 §2.2]
    pub(super) fn from_spki(content: &[u8], owner: KeyOwner) -> Result<Material, KeyError> {
        let (algorithm, key) = spki_parts(content).ok_or(KeyError::MalformedSpki)?;
        let is = |id: rustls_pki_types::AlgorithmIdentifier| algorithm == id.as_ref();
        if is(alg_id::ECDSA_P256) {
            Material::elliptic(Algorithm::ES256, key)
        } else if is(alg_id::ECDSA_P384) {
            Material::elliptic(Algorithm::ES384, key)
        } else if is(alg_id::ECDSA_P521) {
            Material::elliptic(Algorithm::ES512, key)
        } else if is(alg_id::ED25519) {
            Material::edwards(key)
        } else if is(alg_id::RSA_ENCRYPTION) {
            let (n, e) = rsa_numbers(key).ok_or(KeyError::MalformedSpki)?;
            Material::rsa(n, e, owner)
        } else {
            Err(KeyError::UnknownType)
        }
    }

    /// An uncompressed point. The library checks that it is on the curve.
    pub(super) fn elliptic(algorithm: Algorithm, point: &[u8]) -> Result<Material, KeyError> {
        let coordinate_bytes = match algorithm {
            Algorithm::ES256 => 32,
            Algorithm::ES384 => 48,
            Algorithm::ES512 => 66,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512
            | Algorithm::EdDSA => return Err(KeyError::UnknownType),
        };
        // A compressed point would be a second encoding of the same key.
        if point.len() != 1 + 2 * coordinate_bytes || point.first() != Some(&4) {
            return Err(KeyError::WrongLength);
        }
        ParsedPublicKey::new(algorithm.verification(), point)
            .map(|parsed| Material::Fixed(algorithm, parsed))
            .map_err(|_| KeyError::NotOnCurve)
    }

    pub(super) fn edwards(encoded: &[u8]) -> Result<Material, KeyError> {
        let encoded: &[u8; 32] = encoded.try_into().map_err(|_| KeyError::WrongLength)?;
        edwards::check(encoded)?;
        ParsedPublicKey::new(Algorithm::EdDSA.verification(), encoded)
            .map(|parsed| Material::Fixed(Algorithm::EdDSA, parsed))
            .map_err(|_| KeyError::NotOnCurve)
    }

    /// Modulus and exponent, big-endian.
    pub(super) fn rsa(n: &[u8], e: &[u8], owner: KeyOwner) -> Result<Material, KeyError> {
        let (n, e) = (significant(n), significant(e));
        check_rsa(n, e, owner)?;
        let public_key = [unsigned(n), unsigned(e)].concat();
        Ok(Material::Rsa {
            public_key_der: der::wrap(der::SEQUENCE, &public_key).into(),
            parsed: Default::default(),
        })
    }

    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Material::Fixed(own, _) => *own == algorithm,
            Material::Rsa { .. } => RSA_ALGORITHMS.contains(&algorithm),
        }
    }

    /// The members of its JWK that a thumbprint is computed from.
    pub(super) fn required_members(&self) -> String {
        match self {
            Material::Fixed(algorithm, parsed) => curve_members(*algorithm, parsed.as_ref()),
            Material::Rsa { public_key_der, .. } => {
                let (n, e) = rsa_numbers(public_key_der).unwrap_or_default();
                rsa_members(significant(n), significant(e))
            }
        }
    }

    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let parsed = match self {
            Material::Fixed(own, parsed) => (*own == algorithm).then_some(parsed),
            Material::Rsa {
                public_key_der,
                parsed,
            } => RSA_ALGORITHMS
                .iter()
                .position(|known| *known == algorithm)
                .and_then(|slot| parsed.get(slot))
                .and_then(|cell| {
                    cell.get_or_init(|| ParsedPublicKey::new(algorithm.verification(), public_key_der).ok())
                        .as_ref()
                }),
        };
        parsed.is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// The numbers of an RSA key, without leading zero bytes.
fn check_rsa(n: &[u8], e: &[u8], owner: KeyOwner) -> Result<(), KeyError> {
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(KeyError::RsaSize);
    }
    if n.last().is_none_or(|last| last % 2 == 0) {
        return Err(KeyError::RsaEvenModulus);
    }
    let exponent = e.iter().try_fold(0u64, |value, byte| {
        value.checked_mul(256)?.checked_add(u64::from(*byte))
    });
    let is_good = |value: u64| value >= 65_537 && value % 2 == 1 && value <= u64::from(u32::MAX);
    let exponent = exponent
        .filter(|value| is_good(*value))
        .ok_or(KeyError::RsaExponent)?;
    match owner {
        KeyOwner::Client if bits > CLIENT_RSA_BITS_MAX => Err(KeyError::ClientRsaSize),
        KeyOwner::Client if exponent != 65_537 => Err(KeyError::ClientRsaExponent),
        KeyOwner::Client | KeyOwner::Authority => Ok(()),
    }
}

/// Checks what a verification with the key of a certificate costs, without building the key. The cost of an RSA key
/// depends on its numbers, the cost of other keys on their curve; a point that is not on the curve is refused when a
/// signature is verified.
pub(super) fn check_cost(content: &[u8], owner: KeyOwner) -> Result<(), KeyError> {
    let (algorithm, key) = spki_parts(content).ok_or(KeyError::MalformedSpki)?;
    if algorithm != alg_id::RSA_ENCRYPTION.as_ref() {
        return Ok(());
    }
    let (n, e) = rsa_numbers(key).ok_or(KeyError::MalformedSpki)?;
    check_rsa(significant(n), significant(e), owner)
}

/// Algorithm and key of a SubjectPublicKeyInfo.
fn spki_parts(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Reader::new(content);
    let algorithm = fields.expect(der::SEQUENCE)?;
    let key = der::whole_bytes(fields.expect(der::BIT_STRING)?)?;
    fields.is_empty().then_some((algorithm, key))
}

fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// INTEGER of a number without leading zero bytes.
fn unsigned(number: &[u8]) -> Vec<u8> {
    match number.first() {
        Some(0x80..=0xff) => der::wrap(der::INTEGER, &[&[0], number].concat()),
        _ => der::wrap(der::INTEGER, number),
    }
}

/// RSAPublicKey. [RFC8017 A.1.1]
fn rsa_numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut numbers = Reader::new(der::only(key, der::SEQUENCE)?);
    let (n, e) = (numbers.expect(der::INTEGER)?, numbers.expect(der::INTEGER)?);
    let is_positive = |number: &[u8]| number.first().is_some_and(|first| *first < 0x80);
    (numbers.is_empty() && is_positive(n) && is_positive(e)).then_some((n, e))
}

#[cfg(test)]
mod tests {
    use super::super::{Jwk, PublicKey};
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// An RSA key with this number of bits and this last byte of the modulus.
    fn rsa(bits: usize, last: u8, e: &str) -> Jwk {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            modulus[0] = 0xff >> (8 - bits % 8);
        }
        *modulus.last_mut().unwrap() = last;
        let jwk = format!(
            r#"{{"kty":"RSA","n":"{}","e":"{e}"}}"#,
            URL_SAFE_NO_PAD.encode(modulus)
        );
        serde_json::from_str(&jwk).unwrap()
    }

    #[test]
    fn rfc7518_3_3_rsa_keys_of_authorities_are_bounded_in_size_and_exponent() {
        let with = |bits, last, e: &str| PublicKey::from_jwk(&rsa(bits, last, e)).map(|_| ());
        for bits in [2048, 2049, 4096, 8192] {
            assert_eq!(with(bits, 0x01, "AQAB"), Ok(()), "{bits}");
        }
        for bits in [1024, 2047, 8193, 16_384] {
            assert_eq!(with(bits, 0x01, "AQAB"), Err(KeyError::RsaSize), "{bits}");
        }
        assert_eq!(with(2048, 0x02, "AQAB"), Err(KeyError::RsaEvenModulus));
        // 65539 and 2^32 - 1.
        for exponent in ["AQAD", "_____w"] {
            assert_eq!(with(2048, 0x01, exponent), Ok(()), "{exponent}");
        }
        // 1, 3, 65535, 65536, 2^32, 2^32 + 1, more than 64 bits.
        for exponent in [
            "AQ",
            "Aw",
            "__8",
            "AQAA",
            "AQAAAAA",
            "AQAAAAE",
            "AQAAAAAAAAAAAAAB",
            "",
        ] {
            assert_eq!(
                with(2048, 0x01, exponent),
                Err(KeyError::RsaExponent),
                "{exponent}"
            );
        }
    }

    // Decision 0015.
    #[test]
    fn rsa_keys_of_clients_have_tighter_bounds() {
        let with = |bits, e: &str| PublicKey::from_client_jwk(&rsa(bits, 0x01, e)).map(|_| ());
        for bits in [2048, 3072, 4096] {
            assert_eq!(with(bits, "AQAB"), Ok(()), "{bits}");
        }
        assert_eq!(with(2047, "AQAB"), Err(KeyError::RsaSize));
        for bits in [4097, 8192] {
            assert_eq!(with(bits, "AQAB"), Err(KeyError::ClientRsaSize), "{bits}");
        }
        assert_eq!(with(8193, "AQAB"), Err(KeyError::RsaSize));
        // 65539 and 2^32 - 1, which an authority may have.
        for exponent in ["AQAD", "_____w"] {
            assert_eq!(
                with(2048, exponent),
                Err(KeyError::ClientRsaExponent),
                "{exponent}"
            );
        }
    }

    // Decision 0015.
    #[test]
    fn keys_in_certificates_are_checked_by_the_rules_of_keys_in_jwks() {
        let spki = |algorithm: rustls_pki_types::AlgorithmIdentifier, key: &[u8]| {
            use crate::der::{BIT_STRING, SEQUENCE, wrap};
            [
                wrap(SEQUENCE, algorithm.as_ref()),
                wrap(BIT_STRING, &[&[0], key].concat()),
            ]
            .concat()
        };
        let check = |spki: &[u8], owner| PublicKey::from_spki(spki, owner).map(|_| ());
        use rustls_pki_types::alg_id;
        let rsa_key = |bits: usize, e: &[u8]| {
            use crate::der::{INTEGER, SEQUENCE, wrap};
            let mut n = vec![0xff; bits / 8];
            *n.last_mut().unwrap() = 1;
            wrap(
                SEQUENCE,
                &[wrap(INTEGER, &[&[0], n.as_slice()].concat()), wrap(INTEGER, e)].concat(),
            )
        };
        let rsa = |bits, e: &[u8]| spki(alg_id::RSA_ENCRYPTION, &rsa_key(bits, e));
        let (authority, client) = (KeyOwner::Authority, KeyOwner::Client);
        assert_eq!(check(&rsa(4096, &[1, 0, 1]), client), Ok(()));
        assert_eq!(check(&rsa(8192, &[1, 0, 1]), authority), Ok(()));
        assert_eq!(
            check(&rsa(8192, &[1, 0, 1]), client),
            Err(KeyError::ClientRsaSize)
        );
        assert_eq!(
            check(&rsa(2048, &[1, 0, 3]), client),
            Err(KeyError::ClientRsaExponent)
        );
        assert_eq!(check(&rsa(1024, &[1, 0, 1]), authority), Err(KeyError::RsaSize));
        assert_eq!(check(&rsa(2048, &[3]), authority), Err(KeyError::RsaExponent));
        assert_eq!(
            check(&rsa(2048, &[0x81]), authority),
            Err(KeyError::MalformedSpki),
            "negative"
        );
        let mut off_curve = vec![4; 65];
        off_curve[0] = 4;
        assert_eq!(
            check(&spki(alg_id::ECDSA_P256, &off_curve), client),
            Err(KeyError::NotOnCurve)
        );
        let compressed = [&[2][..], &[7; 32]].concat();
        assert_eq!(
            check(&spki(alg_id::ECDSA_P256, &compressed), client),
            Err(KeyError::WrongLength)
        );
        assert_eq!(
            check(&spki(alg_id::ED25519, &[0; 32]), client),
            Err(KeyError::SmallOrder)
        );
        assert_eq!(
            check(&spki(alg_id::ED25519, &[0; 31]), client),
            Err(KeyError::WrongLength)
        );
        assert_eq!(
            check(&spki(alg_id::ECDSA_P256K1, &off_curve), client),
            Err(KeyError::UnknownType)
        );
        assert_eq!(check(&[], client), Err(KeyError::MalformedSpki));
    }

    #[test]
    fn rsa_key_that_passes_the_checks_verifies_a_signature() {
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512};
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let public = pair.public_key();
        let jwk = format!(
            r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#,
            encode(public.modulus().big_endian_without_leading_zero()),
            encode(public.exponent().big_endian_without_leading_zero())
        );
        let key = PublicKey::from_jwk(&serde_json::from_str(&jwk).unwrap()).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, b"text", &mut signature)
            .unwrap();
        assert!(key.verify(Algorithm::RS256, b"text", &signature));
        assert!(!key.verify(Algorithm::RS256, b"other", &signature));
        assert!(!key.verify(Algorithm::PS512, b"text", &signature));
        pair.sign(&RSA_PSS_SHA512, &random, b"text", &mut signature)
            .unwrap();
        assert!(key.verify(Algorithm::PS512, b"text", &signature));
    }
}
