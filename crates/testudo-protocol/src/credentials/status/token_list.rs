//! Token Status List, in JWT form. [TSL §5.1]

use super::inflate::{Container, inflate};
use super::{BitOrder, LEEWAY, StatusList};
use crate::credentials::{CredentialError, IssuerKeys};
use crate::jose::Jws;
use crate::time::{Seconds, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// `typ` of a list.
const TYP: &str = "statuslist+jwt";

/// The media type of a list. [TSL §8.2]
pub const MEDIA_TYPE: &str = "application/statuslist+jwt";

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: Timestamp,
    exp: Option<Timestamp>,
    ttl: Option<f64>,
    status_list: List,
}

#[derive(Deserialize)]
struct List {
    bits: u8,
    lst: String,
}

/// Verifies and reads the list that was fetched from `url`, and decompresses it. [TSL §8.3]
pub fn read(
    list: &Jws,
    url: &str,
    keys: IssuerKeys<'_>,
    now: Timestamp,
) -> Result<StatusList, CredentialError> {
    if list.header.typ.as_deref() != Some(TYP) {
        return Err(CredentialError::Type {
            expected: TYP,
            found: list.header.typ.clone(),
        });
    }
    keys.verify(list)?;
    let claims: Claims = list.unverified_claims()?;
    // [TSL §8.3 (4)] Otherwise an issuer's list of one purpose could stand for another one.
    if claims.sub != url {
        return Err(CredentialError::member(
            "sub",
            "must be the URL of the status list",
        ));
    }
    if claims.iat > now + LEEWAY {
        return Err(CredentialError::member("iat", "is in the future"));
    }
    if claims.exp.is_some_and(|expires| now >= expires) {
        return Err(CredentialError::member("exp", "is over"));
    }
    let ttl = match claims.ttl {
        None => None,
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => Some(Seconds(seconds.ceil() as i64)),
        Some(_) => return Err(CredentialError::member("ttl", "must be more than 0")),
    };
    let bits = claims.status_list.bits;
    if !matches!(bits, 1 | 2 | 4 | 8) {
        return Err(CredentialError::member(
            "status_list.bits",
            "must be 1, 2, 4 or 8",
        ));
    }
    let compressed = URL_SAFE_NO_PAD.decode(&claims.status_list.lst);
    let compressed = compressed
        .map_err(|_| CredentialError::member("status_list.lst", "is not canonical unpadded base64url"))?;
    Ok(StatusList {
        values: inflate(&compressed, Container::Zlib)?,
        bits,
        order: BitOrder::LeastFirst,
        purposes: Vec::new(),
        issued: Some(claims.iat),
        expires: claims.exp,
        ttl,
    })
}
