//! Bitstring Status List: a credential whose subject is a list. [BITSTRING §2.2]

use super::inflate::{Container, inflate};
use super::{BitOrder, LEEWAY, Purpose, StatusList};
use crate::credentials::claims::{date, number, text, text_or_id};
use crate::credentials::vc_jwt::{TYP, is_typ};
use crate::credentials::{CredentialError, IssuerKeys};
use crate::jose::Jws;
use crate::time::{Seconds, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Entries that a list must have at least: by the list that this server fetches, its publisher must not learn which
/// credential is checked. [BITSTRING §2.2]
const ENTRIES_MIN: u64 = 131_072;

/// Verifies and reads the list of `issuer` that was fetched from `url`, and decompresses it. [BITSTRING §3.2]
pub fn read(
    list: &Jws,
    url: &str,
    issuer: &str,
    keys: IssuerKeys<'_>,
    now: Timestamp,
) -> Result<StatusList, CredentialError> {
    if !list.header.typ.as_deref().is_some_and(is_typ) {
        return Err(CredentialError::Type {
            expected: TYP,
            found: list.header.typ.clone(),
        });
    }
    keys.verify(list)?;
    let payload: Map<String, Value> = list.unverified_claims()?;
    let named = [text_or_id(&payload, "issuer")?, text(&payload, "iss")?];
    if named.iter().flatten().any(|named| named != issuer) || named.iter().all(Option::is_none) {
        return Err(CredentialError::member(
            "issuer",
            "must be the issuer of the credential",
        ));
    }
    let types = payload.get("type").and_then(Value::as_array);
    let is_list = types.is_some_and(|types| types.iter().any(|name| name == "BitstringStatusListCredential"));
    if !is_list || payload.contains_key("vc") {
        return Err(CredentialError::member(
            "type",
            "must contain BitstringStatusListCredential",
        ));
    }
    if text(&payload, "id")?.is_some_and(|id| id != url) {
        return Err(CredentialError::member(
            "id",
            "must be the URL of the status list",
        ));
    }
    let begins = [
        date(&payload, "validFrom")?,
        number(&payload, "nbf")?,
        number(&payload, "iat")?,
    ];
    let issued = begins.into_iter().flatten().max();
    if issued.is_some_and(|issued| issued > now + LEEWAY) {
        return Err(CredentialError::member("validFrom", "is in the future"));
    }
    let ends = [date(&payload, "validUntil")?, number(&payload, "exp")?];
    let expires = ends.into_iter().flatten().min();
    if expires.is_some_and(|expires| now >= expires) {
        return Err(CredentialError::member("validUntil", "is over"));
    }
    let subject = payload.get("credentialSubject").and_then(Value::as_object);
    let subject = subject.ok_or(CredentialError::member("credentialSubject", "must be an object"))?;
    if text(subject, "type")?.as_deref() != Some("BitstringStatusList") {
        return Err(CredentialError::member(
            "credentialSubject.type",
            "must be BitstringStatusList",
        ));
    }
    let read = StatusList {
        values: inflate(&compressed(subject)?, Container::Gzip)?,
        bits: 1,
        order: BitOrder::MostFirst,
        purposes: purposes(subject)?,
        issued,
        expires,
        ttl: ttl(subject)?,
    };
    match read.len() < ENTRIES_MIN {
        true => Err(CredentialError::List("has less than 131072 entries")),
        false => Ok(read),
    }
}

/// [BITSTRING §2.2] Multibase `u`: base64url without padding.
fn compressed(subject: &Map<String, Value>) -> Result<Vec<u8>, CredentialError> {
    let encoded = text(subject, "encodedList")?;
    let encoded = encoded.as_deref().and_then(|text| text.strip_prefix('u'));
    encoded
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or(CredentialError::member(
            "credentialSubject.encodedList",
            "must be u and unpadded base64url",
        ))
}

/// The purposes that this server evaluates.
fn purposes(subject: &Map<String, Value>) -> Result<Vec<Purpose>, CredentialError> {
    let purposes = match subject.get("statusPurpose") {
        Some(Value::String(only)) => vec![Purpose::of(only)],
        Some(Value::Array(several)) => several.iter().map(|name| Purpose::of(name.as_str()?)).collect(),
        _ => {
            return Err(CredentialError::member(
                "credentialSubject.statusPurpose",
                "must be a string or an array",
            ));
        }
    };
    Ok(purposes.into_iter().flatten().collect())
}

/// [BITSTRING §2.2] In milliseconds.
fn ttl(subject: &Map<String, Value>) -> Result<Option<Seconds>, CredentialError> {
    match subject.get("ttl").map(Value::as_u64) {
        None => Ok(None),
        Some(Some(milliseconds)) if milliseconds > 0 => {
            let seconds = i64::try_from(milliseconds.div_ceil(1000)).unwrap_or(i64::MAX);
            Ok(Some(Seconds(seconds)))
        }
        Some(_) => Err(CredentialError::member(
            "credentialSubject.ttl",
            "must be a whole number of milliseconds, more than 0",
        )),
    }
}
