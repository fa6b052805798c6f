//! Public keys, checked when they are imported and parsed once.
//!
//! Key material of bundles, key sets, `jwk` headers, `cnf` and certificates is checked in one place, `material.rs`
//! (decision 0015). The type of a key determines the algorithms that it may verify; a JOSE header can only name one of
//! those.

use super::algorithm::Algorithm;
use super::key_error::KeyError;
use super::material::{self, KeyOwner, Material};
use super::sha256;
use crate::limits::KEY_ID_BYTES_MAX;
use crate::printable::is_printable;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The members of a JWK that matter here. [RFC7517 §4]
#[derive(Deserialize, Default, Debug, Clone, PartialEq)]
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
    // Private or symmetric members. Only their presence is checked.
    d: Option<serde::de::IgnoredAny>,
    p: Option<serde::de::IgnoredAny>,
    q: Option<serde::de::IgnoredAny>,
    dp: Option<serde::de::IgnoredAny>,
    dq: Option<serde::de::IgnoredAny>,
    qi: Option<serde::de::IgnoredAny>,
    oth: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

// `IgnoredAny` equals itself, and does not implement `Eq` and `Hash`.
impl Eq for Jwk {}

/// All members are hashed that a sender can choose freely. Otherwise JWKs of one key that differ in the others would
/// all have the same hash, and each look-up in a map would compare all of them.
impl Hash for Jwk {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts().hash(state);
        (&self.key_ops, &self.x5c).hash(state);
    }
}

impl Jwk {
    fn texts(&self) -> [&Option<String>; 9] {
        [
            &self.kty,
            &self.crv,
            &self.x,
            &self.y,
            &self.n,
            &self.e,
            &self.kid,
            &self.r#use,
            &self.alg,
        ]
    }

    /// The memory that it needs at most beside its own size, bytes. A list has room for up to twice its elements.
    pub fn heap_bytes(&self) -> usize {
        let texts = self.texts().into_iter().flatten().map(String::len);
        let lists = [&self.key_ops, &self.x5c].into_iter().flatten().flatten();
        let elements = lists.map(|text| text.len() + 2 * size_of::<String>());
        texts.chain(elements).sum()
    }

    /// True if the JWK has a private or symmetric member of [RFC7518 §6], which must not be published.
    pub fn has_private_material(&self) -> bool {
        [
            &self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth, &self.k,
        ]
        .iter()
        .any(|member| member.is_some())
    }

    /// As [`Jwk::has_private_material`], for a JSON value that has not been parsed as a JWK, or is a key of an unknown
    /// type. `priv` is the private member of keys of post-quantum algorithms.
    pub fn names_private_material(entry: &serde_json::Value) -> bool {
        ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]
            .iter()
            .any(|member| entry.get(member).is_some_and(|value| !value.is_null()))
    }
}

/// A public key that passed every check, with the algorithms that it may verify.
pub struct PublicKey {
    kid: Option<Box<str>>,
    material: Material,
    only: Option<Algorithm>,
}

impl PublicKey {
    /// Checks the JWK of an authority. A `use` that rules out signatures (`enc`) is refused here; whether `use` is
    /// `sig` or `jwt-svid` as the document requires is checked by the calling code.
    pub fn from_jwk(jwk: &Jwk) -> Result<PublicKey, KeyError> {
        PublicKey::of(jwk, KeyOwner::Authority)
    }

    /// Checks a JWK of a client, from a request or from the client's key set.
    pub fn from_client_jwk(jwk: &Jwk) -> Result<PublicKey, KeyError> {
        PublicKey::of(jwk, KeyOwner::Client)
    }

    /// Checks the key of a certificate, from the content of its SubjectPublicKeyInfo.
    pub fn from_spki(content: &[u8], owner: KeyOwner) -> Result<PublicKey, KeyError> {
        Ok(PublicKey {
            kid: None,
            material: Material::from_spki(content, owner)?,
            only: None,
        })
    }

    /// Checks what a verification with the key of a certificate would cost, before any signature is verified with it.
    pub fn check_cost(spki: &[u8], owner: KeyOwner) -> Result<(), KeyError> {
        material::check_cost(spki, owner)
    }

    fn of(jwk: &Jwk, owner: KeyOwner) -> Result<PublicKey, KeyError> {
        if jwk.has_private_material() {
            return Err(KeyError::PrivateMaterial);
        }
        // [RFC7517 §4.2 §4.3] If `use` or `key_ops` is present, it must allow the verification of signatures.
        let may_verify = jwk
            .key_ops
            .as_ref()
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !may_verify || jwk.r#use.as_deref() == Some("enc") {
            return Err(KeyError::NotForVerification);
        }
        if jwk.kid.as_ref().is_some_and(|kid| kid.len() > KEY_ID_BYTES_MAX) {
            return Err(KeyError::KeyIdTooLong);
        }
        if jwk.kid.as_deref().is_some_and(|kid| !is_printable(kid)) {
            return Err(KeyError::KeyIdUnprintable);
        }
        let material = match (jwk.kty.as_deref(), jwk.crv.as_deref()) {
            (Some("EC"), Some("P-256")) => elliptic(jwk, Algorithm::ES256, 32)?,
            (Some("EC"), Some("P-384")) => elliptic(jwk, Algorithm::ES384, 48)?,
            (Some("EC"), Some("P-521")) => elliptic(jwk, Algorithm::ES512, 66)?,
            (Some("OKP"), Some("Ed25519")) => Material::edwards(&member(&jwk.x)?)?,
            (Some("RSA"), _) => Material::rsa(&member(&jwk.n)?, &member(&jwk.e)?, owner)?,
            _ => return Err(KeyError::UnknownType),
        };
        let only = match jwk.alg.as_deref() {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or(KeyError::AlgorithmMismatch)?),
        };
        let key = PublicKey {
            kid: jwk.kid.as_deref().map(Into::into),
            material,
            only,
        };
        if only.is_some_and(|algorithm| !key.material.fits(algorithm)) {
            return Err(KeyError::AlgorithmMismatch);
        }
        Ok(key)
    }

    /// The `kid`, if the key has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// True if the key may verify `algorithm`: its type must fit, and its `alg`, if it has one.
    pub fn accepts(&self, algorithm: Algorithm) -> bool {
        self.material.fits(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// `alg` of the JWK, which is then the only algorithm that the key may verify.
    pub fn stated_algorithm(&self) -> Option<Algorithm> {
        self.only
    }

    /// The algorithms that the key may verify.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| self.accepts(*algorithm))
    }

    /// SHA-256 thumbprint: the same for every JWK of the key, whatever its `kid`, `use` and `alg`. [RFC7638 §3]
    pub fn thumbprint(&self) -> [u8; 32] {
        sha256(self.material.required_members().as_bytes())
    }

    /// The key as a JWK with its required members alone. [RFC7638 §3.2]
    pub fn jwk(&self) -> serde_json::Map<String, serde_json::Value> {
        let text = self.material.required_members();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// True if the signature verifies; false also if the key does not accept the algorithm.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.accepts(algorithm) {
            return false;
        }
        self.material.verify(algorithm, message, signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid().unwrap_or("no kid"))
    }
}

fn member(value: &Option<String>) -> Result<Vec<u8>, KeyError> {
    let text = value.as_ref().ok_or(KeyError::MissingMember)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::NotBase64Url)
}

/// [RFC7518 §6.2.1] Coordinates have the full length of the curve.
fn elliptic(jwk: &Jwk, algorithm: Algorithm, coordinate_bytes: usize) -> Result<Material, KeyError> {
    let (x, y) = (member(&jwk.x)?, member(&jwk.y)?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(KeyError::WrongLength);
    }
    Material::elliptic(algorithm, &[&[4][..], &x, &y].concat())
}

#[cfg(test)]
mod tests {
    use super::super::SigningKey;
    use super::*;

    fn ed25519(hex: &str) -> Result<PublicKey, KeyError> {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        import(&format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(bytes)
        ))
    }

    fn import(jwk: &str) -> Result<PublicKey, KeyError> {
        PublicKey::from_jwk(&serde_json::from_str(jwk).unwrap())
    }

    // Decision 0015.
    #[test]
    fn small_order_ed25519_keys_are_refused() {
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
            assert_eq!(ed25519(hex).unwrap_err(), KeyError::SmallOrder, "{hex}");
        }
        assert!(ed25519("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").is_ok());
    }

    // Decision 0015.
    #[test]
    fn non_canonical_ed25519_keys_are_refused() {
        for hex in [
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            assert_eq!(ed25519(hex).unwrap_err(), KeyError::NonCanonical, "{hex}");
        }
    }

    #[test]
    fn elliptic_points_are_checked() {
        let with = |x: &str, y: &str| {
            import(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)).map(|_| ())
        };
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        assert_eq!(with(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), Ok(()));
        assert_eq!(with(x, x), Err(KeyError::NotOnCurve));
        assert_eq!(with(x, "AA"), Err(KeyError::WrongLength));
        assert_eq!(
            with(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0="),
            Err(KeyError::NotBase64Url)
        );
        // The same point, encoded with trailing bits that are not zero.
        assert_eq!(
            with(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"),
            Err(KeyError::NotBase64Url)
        );
    }

    #[test]
    fn rfc7517_4_key_is_refused_for_private_members_or_another_use() {
        let with = |extra: &str| {
            import(&format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",{extra}}}"#
            ))
            .map(|_| ())
        };
        assert_eq!(with(r#""use":"sig""#), Ok(()));
        assert_eq!(with(r#""use":"enc""#), Err(KeyError::NotForVerification));
        assert_eq!(with(r#""key_ops":["sign"]"#), Err(KeyError::NotForVerification));
        assert_eq!(with(r#""alg":"ES256""#), Err(KeyError::AlgorithmMismatch));
        assert_eq!(with(r#""alg":"HS256""#), Err(KeyError::AlgorithmMismatch));
        assert_eq!(with(r#""d":"AA""#), Err(KeyError::PrivateMaterial));
        assert_eq!(
            import(r#"{"kty":"oct","k":"AA"}"#).unwrap_err(),
            KeyError::PrivateMaterial
        );
        assert_eq!(
            import(r#"{"kty":"EC","crv":"secp256k1"}"#).unwrap_err(),
            KeyError::UnknownType
        );
    }

    fn thumbprint(jwk: serde_json::Value) -> String {
        let jwk: Jwk = serde_json::from_value(jwk).unwrap();
        URL_SAFE_NO_PAD.encode(PublicKey::from_jwk(&jwk).unwrap().thumbprint())
    }

    #[test]
    fn rfc8037_a_3_thumbprint_of_the_example_is_that_of_the_standard() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwk =
            serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k", "use": "jwt-svid" });
        assert_eq!(thumbprint(jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn thumbprint_of_an_elliptic_key_is_computed_from_its_members_in_lexicographic_order() {
        use aws_lc_rs::signature as lc;
        for (algorithm, curve, signing) in [
            (Algorithm::ES256, "P-256", &lc::ECDSA_P256_SHA256_FIXED_SIGNING),
            (Algorithm::ES384, "P-384", &lc::ECDSA_P384_SHA384_FIXED_SIGNING),
            (Algorithm::ES512, "P-521", &lc::ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let random = aws_lc_rs::rand::SystemRandom::new();
            let document = lc::EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
            let key = SigningKey::from_pkcs8(algorithm, document.as_ref(), Some("k")).unwrap();
            let jwk = key.public_jwk("sig", true);
            let members = format!(
                r#"{{"crv":"{curve}","kty":"EC","x":{},"y":{}}}"#,
                jwk["x"], jwk["y"]
            );
            let expected = URL_SAFE_NO_PAD.encode(sha256(members.as_bytes()));
            assert_eq!(thumbprint(jwk), expected, "{curve}");
        }
    }
}
