//! Presentations: a JWT of the holder around one credential. [VC-JOSE-COSE §3.1.2] [VCDM1 §6.3.1]

use super::claims::{number, text, text_or_id};
use super::key_binding::{HolderExpectation, HolderProof, check_age, check_window};
use super::{CredentialError, refuse_parameters};
use crate::jose::Jws;
use serde_json::{Map, Value};

/// `typ` of a presentation of data model 2.0.
pub const TYP: &str = "vp+jwt";

/// True if `typ` is the one of a presentation of data model 2.0.
pub fn is_typ(typ: &str) -> bool {
    typ == TYP || typ == "application/vp+jwt"
}

/// A presentation, split and decoded; nothing is verified yet.
pub struct Presentation {
    jws: Jws,
    payload: Map<String, Value>,
    /// The credential in it.
    pub credential: String,
}

impl Presentation {
    /// Reads a presentation; `None` if the JWT is none: it may be a bare credential.
    pub fn parse(token: &str) -> Result<Option<Presentation>, CredentialError> {
        let jws = Jws::parse_credential(token)?;
        let payload: Map<String, Value> = jws.unverified_claims()?;
        let is_second = jws.header.typ.as_deref().is_some_and(is_typ);
        let is_first = !is_second && payload.contains_key("vp");
        if !is_second && !is_first {
            return Ok(None);
        }
        if payload.contains_key("vc") || (is_second && payload.contains_key("vp")) {
            return Err(CredentialError::member(
                "vc",
                "and `vp` must not be in this presentation",
            ));
        }
        let credential = match is_second {
            true => enveloped(&payload)?,
            false => {
                let vp = payload.get("vp").and_then(Value::as_object);
                let only = vp.and_then(|vp| only(vp.get("verifiableCredential")?));
                let token = only.and_then(Value::as_str).map(str::to_owned);
                token.ok_or(CredentialError::member(
                    "vp.verifiableCredential",
                    "must be an array of exactly one JWT",
                ))?
            }
        };
        Ok(Some(Presentation {
            jws,
            payload,
            credential,
        }))
    }

    /// Verifies the signature of the holder of a verified credential about `subject`.
    pub fn verify(
        &self,
        subject: &str,
        expected: HolderExpectation<'_>,
    ) -> Result<HolderProof, CredentialError> {
        refuse_parameters(&self.jws, &["x5c"])?;
        let payload = &self.payload;
        if text(payload, "aud")?.as_deref() != Some(expected.server) {
            return Err(CredentialError::member(
                "aud",
                "of the presentation must be the issuer identifier of this server",
            ));
        }
        let issued = number(payload, "iat")?.ok_or(CredentialError::member("iat", "is missing"))?;
        check_age("iat", issued, expected.now)?;
        check_window(number(payload, "exp")?, number(payload, "nbf")?, expected.now)?;
        let holder = text_or_id(payload, "holder")?;
        for named in [text(payload, "iss")?, holder].into_iter().flatten() {
            if named != subject {
                return Err(CredentialError::member(
                    "holder",
                    "and iss must be the subject of the credential",
                ));
            }
        }
        let nonce = text(payload, "nonce")?.ok_or(CredentialError::member("nonce", "is missing"))?;
        self.jws.verify_with(expected.key.key())?;
        Ok(HolderProof { nonce, issued })
    }
}

/// [VC-JOSE-COSE §3.1.2] The credential is in a `data:` URL, exactly one.
fn enveloped(payload: &Map<String, Value>) -> Result<String, CredentialError> {
    if !has_type(payload.get("type"), "VerifiablePresentation") {
        return Err(CredentialError::member(
            "type",
            "must contain VerifiablePresentation",
        ));
    }
    let wrong = CredentialError::member(
        "verifiableCredential",
        "must be exactly one EnvelopedVerifiableCredential, whose id is data:application/vc+jwt, and a JWT",
    );
    let envelope = payload.get("verifiableCredential").and_then(only);
    let is_envelope =
        envelope.is_some_and(|envelope| has_type(envelope.get("type"), "EnvelopedVerifiableCredential"));
    let id = envelope
        .and_then(|envelope| envelope.get("id"))
        .and_then(Value::as_str);
    let parts = id.and_then(|id| id.split_once(','));
    match parts {
        Some((media, token)) if is_envelope && media.eq_ignore_ascii_case("data:application/vc+jwt") => {
            Ok(token.to_owned())
        }
        _ => Err(wrong),
    }
}

/// True if the types, one or several, contain this one.
fn has_type(types: Option<&Value>, expected: &str) -> bool {
    match types {
        Some(Value::Array(types)) => types.iter().any(|name| name == expected),
        Some(Value::String(name)) => name == expected,
        _ => false,
    }
}

/// The only element of an array, or the value that stands for it.
fn only(value: &Value) -> Option<&Value> {
    match value.as_array().map(Vec::as_slice) {
        Some([only]) => Some(only),
        Some(_) => None,
        None => Some(value),
    }
}
