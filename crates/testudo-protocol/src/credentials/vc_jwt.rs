//! W3C credentials as JWTs: of data model 2.0 with JOSE, and of data model 1.1. [VC-JOSE-COSE §3] [VCDM1 §6.3.1]

use super::CredentialError;
use super::claims::{CredentialClaims, Times, confirmations, date, status_reference, text};
use super::status::StatusReference;
use crate::jose::Jws;
use crate::time::Timestamp;
use serde_json::{Map, Value};

/// `typ` of a credential of data model 2.0. [VC-JOSE-COSE §3.1.1]
pub const TYP: &str = "vc+jwt";

/// The media type of a credential of data model 2.0. [VC-JOSE-COSE §6.1]
pub const MEDIA_TYPE: &str = "application/vc+jwt";

/// The data model of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Data model 2.0: the payload is the credential.
    Second,
    /// Data model 1.1: the credential is in the claim `vc`, and some of its members are claims.
    First,
}

const CONTEXT_1: &str = "https://www.w3.org/2018/credentials/v1";
const CONTEXT_2: &str = "https://www.w3.org/ns/credentials/v2";

/// True if `typ` is the one of a credential of data model 2.0.
pub fn is_typ(typ: &str) -> bool {
    typ == TYP || typ == MEDIA_TYPE
}

/// The data model that the header and the claims show; the signature is not verified.
pub fn model(jws: &Jws, payload: &Map<String, Value>) -> Result<Model, CredentialError> {
    match jws.header.typ.as_deref() {
        Some(typ) if is_typ(typ) => Ok(Model::Second),
        None | Some("JWT") if payload.contains_key("vc") => Ok(Model::First),
        _ => Err(CredentialError::Type {
            expected: TYP,
            found: jws.header.typ.clone(),
        }),
    }
}

/// The issuer as the unverified credential names it, to find its keys: `iss`, or `issuer`, or the DID of `kid`.
pub fn unverified_issuer(jws: &Jws, payload: &Map<String, Value>) -> Option<String> {
    let inner = payload.get("vc").and_then(Value::as_object).unwrap_or(payload);
    let iss = payload.get("iss").and_then(Value::as_str).map(str::to_owned);
    let of_kid = || {
        let (did, _) = super::did::split_key_id(jws.header.kid.as_deref()?)?;
        Some(did.to_owned())
    };
    iss.or_else(|| issuer_of(inner).ok().flatten()).or_else(of_kid)
}

/// Reads a credential whose signature verified.
pub fn read(model: Model, payload: &Map<String, Value>) -> Result<CredentialClaims, CredentialError> {
    match model {
        Model::Second => second(payload),
        Model::First => first(payload),
    }
}

fn second(payload: &Map<String, Value>) -> Result<CredentialClaims, CredentialError> {
    // [VC-JOSE-COSE §3.1.1] The claims of data model 1.1 must not be there: readers could take different parts.
    if payload.contains_key("vc") || payload.contains_key("vp") {
        return Err(CredentialError::member(
            "vc",
            "and `vp` must not be in a credential of data model 2.0",
        ));
    }
    begins_with_context(payload, CONTEXT_2)?;
    let inner = Times {
        issued: None,
        not_before: date(payload, "validFrom")?,
        expires: date(payload, "validUntil")?,
    };
    claims(payload, payload, both(Times::of_claims(payload)?, inner))
}

fn first(payload: &Map<String, Value>) -> Result<CredentialClaims, CredentialError> {
    if payload.contains_key("vp") {
        return Err(CredentialError::member("vp", "must not be in a credential"));
    }
    let vc = payload
        .get("vc")
        .and_then(Value::as_object)
        .ok_or(CredentialError::member("vc", "must be an object"))?;
    begins_with_context(vc, CONTEXT_1)?;
    let inner = Times {
        issued: None,
        not_before: date(vc, "issuanceDate")?,
        expires: date(vc, "expirationDate")?,
    };
    let outer = Times::of_claims(payload)?;
    // [VCDM1 §6.3.1] A reader replaces the member by the claim: two values would be read differently by other readers.
    same("nbf", outer.not_before, inner.not_before)?;
    same("exp", outer.expires, inner.expires)?;
    claims(payload, vc, both(outer, inner))
}

/// What the claims and the members of the credential state together.
fn claims(
    payload: &Map<String, Value>,
    credential: &Map<String, Value>,
    times: Times,
) -> Result<CredentialClaims, CredentialError> {
    let subject = subject(credential)?;
    same("jti", text(payload, "jti")?, text(credential, "id")?)?;
    let mut status = status_entries(credential)?;
    status.extend(status_reference(payload)?);
    let (confirmation, certificate) = confirmations(payload)?;
    Ok(CredentialClaims {
        issuer: same("iss", text(payload, "iss")?, issuer_of(credential)?)?,
        subject: subject_id(payload, subject)?,
        types: types(credential)?,
        times,
        confirmation,
        certificate,
        about_client: about_client(subject),
        status,
    })
}

/// Both windows must contain the time.
fn both(one: Times, other: Times) -> Times {
    let earlier = |one: Option<Timestamp>, other: Option<Timestamp>| one.into_iter().chain(other).min();
    Times {
        issued: one.issued.or(other.issued),
        not_before: one.not_before.max(other.not_before),
        expires: earlier(one.expires, other.expires),
    }
}

/// Two places that state the same thing: if both do, they must agree.
fn same<T: PartialEq>(
    member: &'static str,
    one: Option<T>,
    other: Option<T>,
) -> Result<Option<T>, CredentialError> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(CredentialError::member(
            member,
            "and the member of the credential that it stands for are different",
        )),
        (Some(one), _) => Ok(Some(one)),
        (None, other) => Ok(other),
    }
}

/// The first context determines the data model; contexts are never fetched.
fn begins_with_context(object: &Map<String, Value>, expected: &str) -> Result<(), CredentialError> {
    let context = object.get("@context");
    let first = match context {
        Some(Value::Array(contexts)) => contexts.first(),
        other => other,
    };
    match first.and_then(Value::as_str) == Some(expected) {
        true => Ok(()),
        false => Err(CredentialError::member(
            "@context",
            "must begin with the context of the data model",
        )),
    }
}

fn issuer_of(object: &Map<String, Value>) -> Result<Option<String>, CredentialError> {
    match object.get("issuer") {
        None => Ok(None),
        Some(Value::String(issuer)) => Ok(Some(issuer.clone())),
        Some(Value::Object(issuer)) => match text(issuer, "id")? {
            Some(id) => Ok(Some(id)),
            None => Err(CredentialError::member("issuer", "must have an `id`")),
        },
        Some(_) => Err(CredentialError::member("issuer", "must be a string or an object")),
    }
}

fn types(object: &Map<String, Value>) -> Result<Vec<String>, CredentialError> {
    let wrong = CredentialError::member("type", "must contain VerifiableCredential, and strings only");
    let types = match object.get("type") {
        Some(Value::Array(types)) => types
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect(),
        Some(Value::String(only)) => Some(vec![only.clone()]),
        _ => None,
    };
    let mut types: Vec<String> = types.ok_or(wrong.clone())?;
    if !types.iter().any(|name| name == "VerifiableCredential") {
        return Err(wrong);
    }
    // A status list is a credential as well, and is never a statement about a client.
    if types.iter().any(|name| name == "BitstringStatusListCredential") {
        return Err(CredentialError::member("type", "is that of a status list"));
    }
    types.retain(|name| name != "VerifiableCredential");
    Ok(types)
}

/// [VCDM1 §6.3.1] Exactly one subject.
fn subject(object: &Map<String, Value>) -> Result<&Map<String, Value>, CredentialError> {
    let subject = match object.get("credentialSubject") {
        Some(Value::Array(subjects)) => match subjects.as_slice() {
            [only] => only.as_object(),
            _ => None,
        },
        Some(Value::Object(subject)) => Some(subject),
        _ => None,
    };
    subject.ok_or(CredentialError::member(
        "credentialSubject",
        "must be exactly one object",
    ))
}

fn subject_id(payload: &Map<String, Value>, subject: &Map<String, Value>) -> Result<String, CredentialError> {
    same("sub", text(payload, "sub")?, text(subject, "id")?)?
        .filter(|id| !id.is_empty())
        .ok_or(CredentialError::member(
            "credentialSubject.id",
            "is missing or empty",
        ))
}

fn about_client(subject: &Map<String, Value>) -> Map<String, Value> {
    let members = subject.iter().filter(|(name, _)| *name != "id");
    members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// `credentialStatus`: one entry or several.
fn status_entries(object: &Map<String, Value>) -> Result<Vec<StatusReference>, CredentialError> {
    let entries = match object.get("credentialStatus") {
        None => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(entry) => std::slice::from_ref(entry),
    };
    if entries.len() > STATUS_ENTRIES_MAX {
        return Err(CredentialError::member(
            "credentialStatus",
            "has more than 4 entries",
        ));
    }
    let mut references = Vec::new();
    for entry in entries {
        references.extend(StatusReference::of_bitstring_entry(entry)?);
    }
    Ok(references)
}

/// Entries of `credentialStatus`; each may need a list.
const STATUS_ENTRIES_MAX: usize = 4;
