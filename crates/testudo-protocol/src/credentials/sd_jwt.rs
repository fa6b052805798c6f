//! SD-JWTs and the credentials in this form. [RFC9901 §4] [SD-JWT-VC §2]

use super::claims::{CredentialClaims, Times, confirmation, status_reference, text};
use super::disclosures::{Disclosed, resolve};
use super::{CredentialError, IssuerKeys};
use crate::jose::Jws;
use crate::limits::CREDENTIAL_BYTES_MAX;
use serde_json::{Map, Value};

/// `typ` of an SD-JWT VC. [SD-JWT-VC §2.2.1]
pub const TYP: &str = "dc+sd-jwt";

/// An SD-JWT, split and decoded; nothing is verified yet.
pub struct SdJwt<'t> {
    /// The JWT of the issuer.
    pub jws: Jws,
    /// The JWT and the disclosures, with the last tilde: what the proof of the holder signs.
    pub presented: &'t str,
    disclosures: Vec<&'t str>,
    /// The proof of the holder, if one was sent.
    pub key_binding: Option<&'t str>,
}

impl<'t> SdJwt<'t> {
    /// Splits the text at its tildes. [RFC9901 §4] The part after the last tilde is the proof of the holder, or empty.
    pub fn parse(text: &'t str) -> Result<SdJwt<'t>, CredentialError> {
        if text.len() > CREDENTIAL_BYTES_MAX {
            return Err(CredentialError::NotSdJwt("is larger than 32 KiB"));
        }
        let end = text
            .rfind('~')
            .ok_or(CredentialError::NotSdJwt("has no tilde after its JWT"))?;
        let (presented, key_binding) = text.split_at(end + 1);
        let mut parts = presented.split('~');
        let jws = Jws::parse_credential(parts.next().unwrap_or_default())?;
        let mut disclosures: Vec<&str> = parts.collect();
        // The text behind the last tilde is not a disclosure.
        disclosures.pop();
        if disclosures.iter().any(|text| text.is_empty()) {
            return Err(CredentialError::NotSdJwt("has an empty disclosure"));
        }
        // A JWT has dots, a disclosure has none.
        if disclosures.iter().any(|text| text.contains('.')) {
            return Err(CredentialError::NotSdJwt("has a JWT among its disclosures"));
        }
        Ok(SdJwt {
            jws,
            presented,
            disclosures,
            key_binding: (!key_binding.is_empty()).then_some(key_binding),
        })
    }

    /// Verifies the signature of the issuer, then puts the disclosed values in their places.
    pub fn verify(&self, keys: IssuerKeys<'_>) -> Result<Disclosed, CredentialError> {
        keys.verify(&self.jws)?;
        let payload: Map<String, Value> = self.jws.unverified_claims()?;
        resolve(payload, &self.disclosures)
    }
}

/// Members that must be in the signed payload itself, with everything in them. [SD-JWT-VC §2.2.2.3]
const NEVER_DISCLOSED: [&str; 8] = [
    "iss",
    "nbf",
    "exp",
    "cnf",
    "vct",
    "vct#integrity",
    "aka_vcts",
    "status",
];

/// Reads an SD-JWT VC whose signature verified. The type is `vct` alone: `aka_vcts` gives no right to issue another
/// type. [SD-JWT-VC §7.6]
pub fn read(disclosed: &Disclosed) -> Result<CredentialClaims, CredentialError> {
    let concealed = disclosed.disclosed.iter().chain(&disclosed.disclosed_within);
    for name in NEVER_DISCLOSED {
        if concealed.clone().any(|found| found == name) {
            return Err(CredentialError::member(
                "_sd",
                "must not conceal iss, nbf, exp, cnf, vct, aka_vcts or status",
            ));
        }
    }
    let payload = &disclosed.payload;
    let vct = text(payload, "vct")?.ok_or(CredentialError::member("vct", "is missing"))?;
    if let Some(others) = payload.get("aka_vcts") {
        let others = others.as_array().filter(|others| !others.is_empty());
        let is_good = |other: &Value| other.as_str().is_some_and(|other| other != vct);
        if !others.is_some_and(|others| others.iter().all(is_good)) {
            return Err(CredentialError::member(
                "aka_vcts",
                "must be an array of other types than vct",
            ));
        }
    }
    let times = Times::of_claims(payload)?;
    const REGISTERED: [&str; 14] = [
        "iss",
        "sub",
        "aud",
        "iat",
        "nbf",
        "exp",
        "jti",
        "cnf",
        "vct",
        "vct#integrity",
        "aka_vcts",
        "status",
        "vc",
        "vp",
    ];
    let is_about_client = |name: &str| !REGISTERED.contains(&name);
    Ok(CredentialClaims {
        issuer: text(payload, "iss")?,
        subject: text(payload, "sub")?
            .filter(|subject| !subject.is_empty())
            .ok_or(CredentialError::member("sub", "is missing or empty"))?,
        types: vec![vct],
        times,
        // [RFC9901 §4.1.2] The KB-JWT is signed with a key, which a certificate does not replace.
        confirmation: confirmation(payload)?,
        certificate: None,
        about_client: payload
            .iter()
            .filter(|(name, _)| is_about_client(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        status: status_reference(payload)?,
    })
}
