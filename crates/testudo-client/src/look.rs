//! Checks the times and the audience of an SVID before it is sent. The server answers every failed authentication with
//! the same sentence; this check tells the workload which claim is wrong, without a request.
//!
//! The signature is not checked here, since the workload has no bundle.

use crate::ClientError;
use std::time::SystemTime;
use testudo_fetch::ClientIdentity;
use testudo_protocol::certificate::Validity;
use testudo_protocol::jose::Jws;
use testudo_protocol::oauth::Audience;
use testudo_protocol::{Seconds, Timestamp};

/// The clocks of workload and server may differ by so much; the server allows the same.
const CLOCK_LEEWAY: Seconds = Seconds(30);

/// What is looked at. Without `exp`, the server refuses it.
#[derive(serde::Deserialize)]
struct Claims {
    aud: Option<Audience>,
    exp: Option<Timestamp>,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
}

pub(crate) fn at_jwt(token: &str, issuer: &str) -> Result<(), ClientError> {
    let unreadable = |why: String| ClientError::Svid {
        problem: format!("this is not a JWT-SVID: {why}"),
        hint: "give the JWT-SVID alone: three parts between dots, as the Workload API answers it",
    };
    let jws = Jws::parse(token).map_err(|error| unreadable(error.to_string()))?;
    let claims: Claims = jws
        .unverified_claims()
        .map_err(|error| unreadable(error.to_string()))?;
    let valid_from = claims.nbf.into_iter().chain(claims.iat).max();
    times(valid_from, claims.exp)?;
    let audiences = claims.aud.as_ref().map_or(&[][..], Audience::values);
    // [RFC10070 §4] The issuer identifier is the sole value.
    if audiences == [issuer] {
        return Ok(());
    }
    Err(ClientError::Unfit {
        problem: format!("it is for the audience `{}`", audiences.join("`, `")),
        hint: format!("ask the Workload API for the audience `{issuer}`, and for no other beside it"),
    })
}

pub(crate) fn at_certificate(identity: &ClientIdentity) -> Result<(), ClientError> {
    let leaf = identity.chain.first();
    match leaf.and_then(|leaf| Validity::of(leaf)) {
        Some(validity) => times(Some(validity.not_before), Some(validity.not_after)),
        None => Ok(()),
    }
}

fn times(valid_from: Option<Timestamp>, valid_until: Option<Timestamp>) -> Result<(), ClientError> {
    let now = Timestamp::from(SystemTime::now());
    let unfit = |problem: String, hint: &str| {
        Err(ClientError::Unfit {
            problem: format!("{problem}, and this machine's clock says {now}"),
            hint: hint.to_owned(),
        })
    };
    if let Some(until) = valid_until.filter(|until| *until + CLOCK_LEEWAY < now) {
        return unfit(
            format!("it expired at {until}"),
            "see whether the agent or program that renews it still runs, and whether this machine's clock is right",
        );
    }
    if let Some(from) = valid_from.filter(|from| *from > now + CLOCK_LEEWAY) {
        return unfit(
            format!("it is not valid before {from}"),
            "see whether the clocks of this machine and of the SPIRE server agree",
        );
    }
    Ok(())
}
