//! Public keys, judged when they are imported and parsed once.
//!
//! One function, [`PublicKey::from_jwk`], is the way in for bundles, key sets, `jwk` headers and `cnf` alike
//! (decision 23). The key decides which algorithms it may verify; a header can only name one of those.

use super::algorithm::Algorithm;
use crate::limits::{KEY_ID_BYTES_MAX, KEYS_WITHOUT_KID_MAX, RSA_BITS_MAX, RSA_BITS_MIN};
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::fmt;
use std::sync::OnceLock;

/// The members of a JWK that matter here. [RFC7517 §4]
#[derive(Deserialize, Default, Clone)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct Jwk {
    pub kty: Option<String>,
    pub crv: Option<String>,
    pub x: Option<String>,
    pub y: Option<String>,
    pub n: Option<String>,
    pub e: Option<String>,
    pub kid: Option<String>,
    pub r#use: Option<String>,
    pub alg: Option<String>,
    pub key_ops: Option<Vec<String>>,
    pub x5c: Option<Vec<String>>,
    // Private or symmetric members: their presence is all that is ever looked at.
    d: Option<serde::de::IgnoredAny>,
    p: Option<serde::de::IgnoredAny>,
    q: Option<serde::de::IgnoredAny>,
    dp: Option<serde::de::IgnoredAny>,
    dq: Option<serde::de::IgnoredAny>,
    qi: Option<serde::de::IgnoredAny>,
    oth: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    /// True where a member of [RFC7518 §6] that belongs in no published key is present.
    pub fn has_private_material(&self) -> bool {
        [
            &self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth, &self.k,
        ]
        .iter()
        .any(|member| member.is_some())
    }

    /// The same of an entry that nobody has read as a key yet.
    pub fn names_private_material(entry: &serde_json::Value) -> bool {
        ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .iter()
            .any(|member| entry.get(member).is_some_and(|value| !value.is_null()))
    }
}

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
    RsaExponent,
    SmallOrder,
    NonCanonical,
    AlgorithmMismatch,
    NotForVerification,
    KeyIdTooLong,
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
            KeyFault::RsaExponent => "the RSA exponent is even or below 65537",
            KeyFault::SmallOrder => "the Ed25519 key has small order: anybody can sign for it",
            KeyFault::NonCanonical => "the Ed25519 key is not canonically encoded",
            KeyFault::AlgorithmMismatch => "the key's alg does not fit its type",
            KeyFault::NotForVerification => "the key's use or key_ops rule out verification",
            KeyFault::KeyIdTooLong => "the kid is too long",
        })
    }
}

/// A public key that passed every check, with what it may verify.
pub struct PublicKey {
    kid: Option<Box<str>>,
    material: Material,
    only: Option<Algorithm>,
}

enum Material {
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

impl PublicKey {
    /// Judges and parses a JWK. The JWK's `use` of a signing key set (`sig`) or of SPIFFE (`jwt-svid`) is the
    /// caller's affair; a `use` that rules out signatures (`enc`) is refused here.
    pub fn from_jwk(jwk: &Jwk) -> Result<PublicKey, KeyFault> {
        if jwk.has_private_material() {
            return Err(KeyFault::PrivateMaterial);
        }
        // [RFC7517 §4.2 §4.3] `use` and `key_ops` say what the key is for, where they are there.
        let may_verify = jwk
            .key_ops
            .as_ref()
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !may_verify || jwk.r#use.as_deref() == Some("enc") {
            return Err(KeyFault::NotForVerification);
        }
        if jwk.kid.as_ref().is_some_and(|kid| kid.len() > KEY_ID_BYTES_MAX) {
            return Err(KeyFault::KeyIdTooLong);
        }
        let material = match (jwk.kty.as_deref(), jwk.crv.as_deref()) {
            (Some("EC"), Some("P-256")) => elliptic(jwk, Algorithm::ES256, 32)?,
            (Some("EC"), Some("P-384")) => elliptic(jwk, Algorithm::ES384, 48)?,
            (Some("EC"), Some("P-521")) => elliptic(jwk, Algorithm::ES512, 66)?,
            (Some("OKP"), Some("Ed25519")) => edwards(jwk)?,
            (Some("RSA"), _) => rsa(jwk)?,
            _ => return Err(KeyFault::UnknownType),
        };
        let only = match jwk.alg.as_deref() {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or(KeyFault::AlgorithmMismatch)?),
        };
        let key = PublicKey {
            kid: jwk.kid.as_deref().map(Into::into),
            material,
            only,
        };
        if only.is_some_and(|algorithm| !key.fits(algorithm)) {
            return Err(KeyFault::AlgorithmMismatch);
        }
        Ok(key)
    }

    /// The `kid`, where the key has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key may verify `algorithm`: its type must fit, and its `alg` where it has one.
    pub fn accepts(&self, algorithm: Algorithm) -> bool {
        self.fits(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// The algorithms that the key may verify.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| self.accepts(*algorithm))
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.material {
            Material::Fixed(own, _) => *own == algorithm,
            Material::Rsa { .. } => RSA_ALGORITHMS.contains(&algorithm),
        }
    }

    /// Verifies a signature; false also where the algorithm is not this key's.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.accepts(algorithm) {
            return false;
        }
        let parsed = match &self.material {
            Material::Fixed(_, parsed) => Some(parsed),
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

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid().unwrap_or("no kid"))
    }
}

fn member(value: &Option<String>) -> Result<Vec<u8>, KeyFault> {
    let text = value.as_ref().ok_or(KeyFault::MissingMember)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::NotBase64Url)
}

/// [RFC7518 §6.2.1] Coordinates have the full length of the curve; the library checks that the point is on it.
fn elliptic(jwk: &Jwk, algorithm: Algorithm, coordinate_bytes: usize) -> Result<Material, KeyFault> {
    let (x, y) = (member(&jwk.x)?, member(&jwk.y)?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(KeyFault::WrongLength);
    }
    let uncompressed: Vec<u8> = [&[4][..], &x, &y].concat();
    ParsedPublicKey::new(algorithm.verification(), uncompressed)
        .map(|parsed| Material::Fixed(algorithm, parsed))
        .map_err(|_| KeyFault::NotOnCurve)
}

fn edwards(jwk: &Jwk) -> Result<Material, KeyFault> {
    let x: [u8; 32] = member(&jwk.x)?.try_into().map_err(|_| KeyFault::WrongLength)?;
    judge_ed25519(&x)?;
    ParsedPublicKey::new(Algorithm::EdDSA.verification(), x)
        .map(|parsed| Material::Fixed(Algorithm::EdDSA, parsed))
        .map_err(|_| KeyFault::NotOnCurve)
}

/// aws-lc-rs 1.19 accepts points of small order, under which one fixed signature verifies many messages, and
/// encodings with y >= p, which are second spellings of other keys.
fn judge_ed25519(encoded: &[u8; 32]) -> Result<(), KeyFault> {
    let mut y = *encoded;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        p
    };
    if y.iter().rev().ge(P.iter().rev()) {
        return Err(KeyFault::NonCanonical);
    }
    // The y coordinates of the eight points whose order divides 8; the sign of x does not matter.
    const ORDER_8_A: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const ORDER_8_B: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let zero = [0u8; 32];
    let mut one = zero;
    one[0] = 1;
    let mut minus_one = P;
    minus_one[0] = 0xec;
    if [zero, one, minus_one, ORDER_8_A, ORDER_8_B].contains(&y) {
        return Err(KeyFault::SmallOrder);
    }
    Ok(())
}

fn rsa(jwk: &Jwk) -> Result<Material, KeyFault> {
    let (n, e) = (member(&jwk.n)?, member(&jwk.e)?);
    let significant = |bytes: &[u8]| {
        bytes
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect::<Vec<u8>>()
    };
    let (n, e) = (significant(&n), significant(&e));
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(KeyFault::RsaSize);
    }
    let exponent = e.iter().try_fold(0u64, |value, byte| {
        value.checked_mul(256)?.checked_add(u64::from(*byte))
    });
    if !exponent.is_some_and(|value| value >= 65_537 && value % 2 == 1 && value <= u64::from(u32::MAX)) {
        return Err(KeyFault::RsaExponent);
    }
    let parsed = RsaPublicKeyComponents { n: &n, e: &e }
        .to_parsed_public_key(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| KeyFault::RsaSize)?;
    Ok(Material::Rsa {
        public_key_der: parsed.as_ref().into(),
        parsed: Default::default(),
    })
}

/// A JWK Set as it is published. [RFC7517 §5]
#[derive(Deserialize)]
struct Jwks<Key> {
    keys: Vec<Key>,
}

/// The keys of one authority for one use. Never mixed with another's. [SPIFFE-FED §4.2]
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Adds a judged key.
    pub fn push(&mut self, key: PublicKey) {
        self.keys.push(key);
    }

    /// Parses a published JWK Set and leaves out the keys that cannot be used here: a type of key that this
    /// version does not know must not take the known ones with it. [RFC7517 §5]
    pub fn understood(bytes: &[u8]) -> Result<KeySet, String> {
        let jwks: Jwks<serde_json::Value> =
            crate::json::from_slice(bytes).map_err(|fault| fault.to_string())?;
        let keys = jwks.keys.into_iter();
        Ok(KeySet {
            // Member by member, so that a key whose members have unexpected types is one that is left out.
            keys: keys
                .filter_map(|key| PublicKey::from_jwk(&serde_json::from_value(key).ok()?).ok())
                .collect(),
        })
    }

    /// Parses a JWK Set; each key must be usable, as an operator wrote it. [RFC7517 §5]
    pub fn from_jwks(bytes: &[u8]) -> Result<KeySet, String> {
        let jwks: Jwks<Jwk> = crate::json::from_slice(bytes).map_err(|fault| fault.to_string())?;
        let mut set = KeySet::default();
        for (position, jwk) in jwks.keys.iter().enumerate() {
            set.push(PublicKey::from_jwk(jwk).map_err(|fault| format!("key {position}: {fault}"))?);
        }
        Ok(set)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True where nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// True where a key carries this `kid`.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The keys worth trying: the one that `kid` names, or, without `kid`, at most eight that fit.
    /// [JWT-SVID §2.2] `kid` is optional.
    pub fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &PublicKey> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none_or(|wanted| key.kid() == Some(wanted)) && key.accepts(algorithm))
            .take(KEYS_WITHOUT_KID_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ed25519(hex: &str) -> Result<PublicKey, KeyFault> {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        import(&format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(bytes)
        ))
    }

    fn import(jwk: &str) -> Result<PublicKey, KeyFault> {
        PublicKey::from_jwk(&serde_json::from_str(jwk).unwrap())
    }

    #[test]
    fn decision_23_small_order_ed25519_keys_are_refused() {
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            assert_eq!(ed25519(hex).unwrap_err(), KeyFault::SmallOrder, "{hex}");
        }
        assert!(ed25519("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").is_ok());
    }

    #[test]
    fn decision_23_non_canonical_ed25519_keys_are_refused() {
        for hex in [
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            assert_eq!(ed25519(hex).unwrap_err(), KeyFault::NonCanonical, "{hex}");
        }
    }

    #[test]
    fn elliptic_points_are_checked() {
        let with = |x: &str, y: &str| {
            import(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)).map(|_| ())
        };
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        assert_eq!(with(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), Ok(()));
        assert_eq!(with(x, x), Err(KeyFault::NotOnCurve));
        assert_eq!(with(x, "AA"), Err(KeyFault::WrongLength));
        assert_eq!(
            with(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0="),
            Err(KeyFault::NotBase64Url)
        );
        // The same point spelled with stray trailing bits.
        assert_eq!(
            with(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"),
            Err(KeyFault::NotBase64Url)
        );
    }

    #[test]
    fn rfc7518_3_3_rsa_sizes_and_exponents() {
        let with = |bytes: usize, e: &str| {
            let mut modulus = vec![0xff; bytes];
            modulus[bytes - 1] = 0x01;
            import(&format!(
                r#"{{"kty":"RSA","n":"{}","e":"{e}"}}"#,
                URL_SAFE_NO_PAD.encode(modulus)
            ))
            .map(|_| ())
        };
        assert_eq!(with(256, "AQAB"), Ok(()));
        assert_eq!(with(128, "AQAB"), Err(KeyFault::RsaSize));
        assert_eq!(with(255, "AQAB"), Err(KeyFault::RsaSize));
        assert_eq!(with(1025, "AQAB"), Err(KeyFault::RsaSize));
        for exponent in ["AQ", "Aw", "AQAA", "AAAB"] {
            assert_eq!(with(256, exponent), Err(KeyFault::RsaExponent), "{exponent}");
        }
    }

    #[test]
    fn rfc7517_4_members_that_rule_a_key_out() {
        let with = |extra: &str| {
            import(&format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",{extra}}}"#
            ))
            .map(|_| ())
        };
        assert_eq!(with(r#""use":"sig""#), Ok(()));
        assert_eq!(with(r#""use":"enc""#), Err(KeyFault::NotForVerification));
        assert_eq!(with(r#""key_ops":["sign"]"#), Err(KeyFault::NotForVerification));
        assert_eq!(with(r#""alg":"ES256""#), Err(KeyFault::AlgorithmMismatch));
        assert_eq!(with(r#""alg":"HS256""#), Err(KeyFault::AlgorithmMismatch));
        assert_eq!(with(r#""d":"AA""#), Err(KeyFault::PrivateMaterial));
        assert_eq!(
            import(r#"{"kty":"oct","k":"AA"}"#).unwrap_err(),
            KeyFault::PrivateMaterial
        );
        assert_eq!(
            import(r#"{"kty":"EC","crv":"secp256k1"}"#).unwrap_err(),
            KeyFault::UnknownType
        );
    }

    #[test]
    fn rfc7517_5_a_published_set_without_its_unusable_keys_is_used() {
        let good =
            r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for unusable in [
            r#"{"kty":"AKP","alg":"ML-DSA-65","kid":"pq","pub":"AA"}"#,
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            r#"{"kty":"RSA","use":"enc","n":"AA","e":"AQAB"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":7}"#,
            r#"{}"#,
            r#""a string""#,
        ] {
            let text = format!(r#"{{"keys":[{unusable},{good}]}}"#);
            let set = KeySet::understood(text.as_bytes()).unwrap();
            assert!(set.len() == 1 && set.has_kid("good"), "{unusable}");
            assert!(KeySet::from_jwks(text.as_bytes()).is_err(), "{unusable}");
        }
        assert!(KeySet::understood(br#"{"keys":[]}"#).unwrap().is_empty());
        for malformed in [&b"[]"[..], b"{}", br#"{"keys":{}}"#, br#"{"keys":[]"#] {
            assert!(KeySet::understood(malformed).is_err());
        }
    }
}
