//! SPIFFE bundle documents: a JWK Set that says which keys vouch for a trust domain. [SPIFFE-BUNDLE §4]
//!
//! The document does not say whose it is; whoever fetched it knows, and keeps the pair together
//! [SPIFFE-BUNDLE §3].

use super::x509::X509Authorities;
use crate::jose::{Jwk, KeySet, PublicKey};
use crate::json::{self, JsonFault};
use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_KEYS_MAX};
use crate::time::Seconds;
use base64::Engine as _;
use serde::Deserialize;
use std::fmt;

/// `spiffe_sequence`: grows with every change of a bundle. [SPIFFE-BUNDLE §4.1.1]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// A judged bundle. Keys of different uses never meet. [SPIFFE-BUNDLE §4.2.2]
#[derive(Debug)]
pub struct Bundle {
    /// `spiffe_sequence`, where the publisher keeps one.
    pub sequence: Option<Sequence>,
    /// `spiffe_refresh_hint`, clamped to [60 s, 24 h] where present.
    pub refresh_hint: Option<Seconds>,
    /// Keys that sign JWT-SVIDs. Empty means: no JWT-SVID of this domain is valid. [JWT-SVID §6.2]
    pub jwt_keys: KeySet,
    /// Certificates that sign X.509-SVIDs. Empty means: no X.509-SVID of this domain is valid.
    pub x509_authorities: X509Authorities,
    /// JWKs that were passed over, with the reason, for `doctor` and logs.
    pub ignored: Vec<String>,
}

/// Why a whole document is refused. The bundle held before stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleFault {
    /// More than 1 MiB.
    TooLarge,
    /// Not JSON of the right shape; `keys` missing.
    Malformed(JsonFault),
    /// More than 1,000 keys.
    TooManyKeys,
    /// A JWK carries private or symmetric key material.
    PrivateKey,
    /// Two keys share a `kid` and are not the same key.
    DuplicateKeyId(String),
}

impl fmt::Display for BundleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BundleFault::TooLarge => write!(f, "the bundle is larger than {BUNDLE_BYTES_MAX} bytes"),
            BundleFault::Malformed(fault) => write!(f, "the bundle is not a SPIFFE bundle document: {fault}"),
            BundleFault::TooManyKeys => write!(f, "the bundle has more than {BUNDLE_KEYS_MAX} keys"),
            BundleFault::PrivateKey => f.write_str("the bundle contains private key material"),
            BundleFault::DuplicateKeyId(kid) => {
                write!(f, "two different keys of the bundle have the kid {kid:?}")
            }
        }
    }
}

#[derive(Deserialize)]
struct Document {
    // [SPIFFE-BUNDLE §4.1.3] `keys` must exist; it may be empty.
    keys: Vec<serde_json::Value>,
    #[serde(default)]
    spiffe_sequence: Option<u64>,
    #[serde(default)]
    spiffe_refresh_hint: Option<i64>,
}

impl Bundle {
    /// Parses a bundle document.
    pub fn parse(bytes: &[u8]) -> Result<Bundle, BundleFault> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleFault::TooLarge);
        }
        let document: Document = json::from_slice(bytes).map_err(BundleFault::Malformed)?;
        if document.keys.len() > BUNDLE_KEYS_MAX {
            return Err(BundleFault::TooManyKeys);
        }
        let mut bundle = Bundle {
            sequence: document.spiffe_sequence.map(Sequence),
            // A hint of 0 must not become a busy loop, one of a century must not become "never".
            refresh_hint: document
                .spiffe_refresh_hint
                .map(|hint| Seconds(hint.clamp(60, 86_400))),
            jwt_keys: KeySet::default(),
            x509_authorities: X509Authorities::default(),
            ignored: Vec::new(),
        };
        let mut key_ids: Vec<(String, serde_json::Value)> = Vec::new();
        for (position, value) in document.keys.into_iter().enumerate() {
            let jwk: Jwk = match serde_json::from_value(value.clone()) {
                Ok(jwk) => jwk,
                Err(error) => {
                    bundle.ignored.push(format!("key {position}: {error}"));
                    continue;
                }
            };
            if jwk.has_private_material() {
                return Err(BundleFault::PrivateKey);
            }
            if let Some(kid) = &jwk.kid {
                match key_ids.iter().find(|(known, _)| known == kid) {
                    Some((_, same)) if *same == value => continue,
                    Some(_) => return Err(BundleFault::DuplicateKeyId(kid.clone())),
                    None => key_ids.push((kid.clone(), value)),
                }
            }
            if let Err(reason) = bundle.take(&jwk) {
                bundle.ignored.push(format!("key {position}: {reason}"));
            }
        }
        Ok(bundle)
    }

    /// [SPIFFE-BUNDLE §4.2] Unknown or missing `use` and unknown `kty`: that JWK is ignored, the rest stands.
    fn take(&mut self, jwk: &Jwk) -> Result<(), String> {
        match jwk.r#use.as_deref() {
            Some("jwt-svid") => {
                // [JWT-SVID §6.1] `kid` must be there.
                if jwk.kid.is_none() {
                    return Err("a jwt-svid key without kid".into());
                }
                self.jwt_keys
                    .push(PublicKey::from_jwk(jwk).map_err(|fault| fault.to_string())?);
            }
            Some("x509-svid") => {
                self.x509_authorities
                    .push(&certificate(jwk)?)
                    .map_err(|fault| fault.to_string())?;
            }
            Some("wit-svid") => return Err("wit-svid keys are not used yet".into()),
            Some(_) => return Err("unknown use".into()),
            None => return Err("no use".into()),
        }
        Ok(())
    }
}

/// [X509-SVID §6.2] The first `x5c` value is the certificate; further ones are ignored.
fn certificate(jwk: &Jwk) -> Result<Vec<u8>, String> {
    let first = jwk
        .x5c
        .as_ref()
        .and_then(|list| list.first())
        .ok_or("an x509-svid key without x5c")?;
    base64::engine::general_purpose::STANDARD
        .decode(first)
        .map_err(|_| "x5c is not base64 DER".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    fn parse(keys: &str) -> Result<Bundle, BundleFault> {
        Bundle::parse(format!("{{\"keys\":[{keys}]}}").as_bytes())
    }

    #[test]
    fn i_01_unknown_keys_are_ignored_and_good_ones_work() {
        let bundle = parse(&format!(
            r#"{{"kty":"XX","use":"jwt-svid","kid":"1"}},{{{P256},"kid":"2"}},{{{P256},"kid":"3","use":"new-svid"}},{{{P256},"kid":"4","use":"JWT-SVID"}},{{{P256},"kid":"5","use":"jwt-svid"}},7"#
        ))
        .unwrap();
        assert_eq!(bundle.jwt_keys.len(), 1);
        assert_eq!(bundle.ignored.len(), 5);
    }

    #[test]
    fn i_02_empty_keys_is_a_bundle_that_trusts_nothing() {
        assert!(parse("").unwrap().jwt_keys.is_empty());
    }

    #[test]
    fn i_03_documents_that_are_none() {
        for text in [
            "",
            "{}",
            "<html>",
            "[]",
            "{\"keys\":{}}",
            "{\"keys\":[],\"keys\":[]}",
            "null",
        ] {
            assert!(
                matches!(Bundle::parse(text.as_bytes()), Err(BundleFault::Malformed(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn i_07_sequences() {
        let with = |sequence: &str| {
            Bundle::parse(format!("{{\"keys\":[],\"spiffe_sequence\":{sequence}}}").as_bytes())
                .map(|bundle| bundle.sequence)
        };
        assert_eq!(with("9223372036854775808"), Ok(Some(Sequence(1 << 63))));
        for refused in ["1.5", "-1", "\"7\"", "1e400", "18446744073709551616"] {
            assert!(with(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn i_08_refresh_hints_are_clamped() {
        let with = |hint: &str| {
            Bundle::parse(format!("{{\"keys\":[],\"spiffe_refresh_hint\":{hint}}}").as_bytes())
                .map(|bundle| bundle.refresh_hint)
        };
        assert_eq!(with("0"), Ok(Some(Seconds(60))));
        assert_eq!(with("-5"), Ok(Some(Seconds(60))));
        assert_eq!(with("300"), Ok(Some(Seconds(300))));
        assert_eq!(with("1000000000000"), Ok(Some(Seconds(86_400))));
        assert!(with("\"x\"").is_err());
    }

    #[test]
    fn i_09_jwt_svid_key_without_kid_is_ignored() {
        assert!(
            parse(&format!(r#"{{{P256},"use":"jwt-svid"}}"#))
                .unwrap()
                .jwt_keys
                .is_empty()
        );
    }

    #[test]
    fn i_10_same_kid_for_different_keys_refuses_the_update() {
        let other = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let twice =
            format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}},{{{other},"use":"wit-svid","kid":"1"}}"#);
        assert_eq!(
            parse(&twice).unwrap_err(),
            BundleFault::DuplicateKeyId("1".into())
        );
        let same = format!(r#"{{{P256},"use":"jwt-svid","kid":"1"}},{{{P256},"use":"jwt-svid","kid":"1"}}"#);
        assert_eq!(parse(&same).unwrap().jwt_keys.len(), 1);
    }

    #[test]
    fn i_11_x5c_forms() {
        use base64::Engine as _;
        let key = rcgen::KeyPair::generate().unwrap();
        let base64_of = |is_ca: bool| {
            let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
            if is_ca {
                parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
            }
            base64::engine::general_purpose::STANDARD.encode(parameters.self_signed(&key).unwrap().der())
        };
        let (ca, leaf) = (base64_of(true), base64_of(false));
        let with = |x5c: &str| {
            parse(&format!(r#"{{{P256},"use":"x509-svid","x5c":{x5c}}}"#))
                .unwrap()
                .x509_authorities
                .len()
        };
        assert_eq!(with(&format!("[\"{ca}\"]")), 1);
        assert_eq!(
            with(&format!("[\"{ca}\",\"{leaf}\"]")),
            1,
            "values after the first are ignored"
        );
        assert_eq!(with(&format!("[\"{leaf}\"]")), 0, "not a CA");
        assert_eq!(with("[]"), 0);
        assert_eq!(with("[\"AQI=\"]"), 0);
        assert_eq!(with(r#"["-----BEGIN CERTIFICATE-----"]"#), 0);
    }

    #[test]
    fn i_12_private_key_material_refuses_the_update() {
        assert_eq!(
            parse(&format!(r#"{{{P256},"use":"jwt-svid","kid":"1","d":"AA"}}"#)).unwrap_err(),
            BundleFault::PrivateKey
        );
        assert_eq!(
            parse(r#"{"kty":"oct","k":"AA"}"#).unwrap_err(),
            BundleFault::PrivateKey
        );
    }

    #[test]
    fn i_21_an_oidc_key_set_is_not_a_bundle_of_jwt_svid_keys() {
        assert!(
            parse(&format!(r#"{{{P256},"use":"sig","kid":"1"}}"#))
                .unwrap()
                .jwt_keys
                .is_empty()
        );
    }

    #[test]
    fn size_and_key_count_at_the_bound_and_one_past() {
        let keys = |count: usize| vec!["{}"; count].join(",");
        assert!(parse(&keys(BUNDLE_KEYS_MAX)).is_ok());
        assert_eq!(
            parse(&keys(BUNDLE_KEYS_MAX + 1)).unwrap_err(),
            BundleFault::TooManyKeys
        );
        let padded = |size: usize| format!("{{\"keys\":[]{}}}", " ".repeat(size - 11));
        assert!(Bundle::parse(padded(BUNDLE_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(
            Bundle::parse(padded(BUNDLE_BYTES_MAX + 1).as_bytes()).unwrap_err(),
            BundleFault::TooLarge
        );
    }
}
