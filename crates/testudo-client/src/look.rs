//! Checks the times and the audience of an SVID or of a token, or the key of an attestation, before it is sent. The server answers
//! every failed authentication with the same sentence; this check tells the workload which claim is wrong, without a
//! request.
//!
//! The signature is not checked here, since the workload does not have the keys of SPIFFE issuer, attester and other
//! issuers.

use crate::ClientError;
use crate::attested::Attested;
use std::sync::Arc;
use std::time::SystemTime;
use testudo_fetch::ClientIdentity;
use testudo_protocol::certificate::Validity;
use testudo_protocol::jose::{Jwk, Jws, ProofKey, SigningKey};
use testudo_protocol::oauth::Audience;
use testudo_protocol::printable::excerpt;
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

impl Claims {
    fn valid_from(&self) -> Option<Timestamp> {
        self.nbf.into_iter().chain(self.iat).max()
    }
}

const SVID: &str = "SVID";

pub(crate) fn at_jwt(token: &str, issuer: &str) -> Result<(), ClientError> {
    let unreadable = |why: String| ClientError::Svid {
        problem: format!("this is not a JWT-SVID: {why}"),
        hint: "give the JWT-SVID alone: three parts between dots, as the Workload API answers it",
    };
    let jws = Jws::parse(token).map_err(|error| unreadable(error.to_string()))?;
    let claims: Claims = jws
        .unverified_claims()
        .map_err(|error| unreadable(error.to_string()))?;
    let advice = Advice {
        audience: format!("ask the Workload API for the audience `{issuer}`, and for no other beside it"),
        renew: RENEW,
    };
    times_and_audience(SVID, &claims, issuer, advice)
}

/// `sub` of a credential, which is the id of the client. [SPIFFE-AUTH §3] [ABCA §4]
pub(crate) fn subject(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Subject {
        sub: String,
    }
    let claims = Jws::parse(token).ok()?.unverified_claims::<Subject>().ok()?;
    Some(claims.sub)
}

/// What to do about a token with another audience, and about one that expired.
pub(crate) struct Advice {
    pub(crate) audience: String,
    pub(crate) renew: &'static str,
}

const RENEW: &str =
    "see whether the agent or program that renews it still runs, and whether this machine's clock is right";

/// A token of another issuer, which must be for this audience alone.
pub(crate) fn at_assertion(token: &str, audience: &str, advice: Advice) -> Result<(), ClientError> {
    let unreadable = |why: String| ClientError::Assertion {
        problem: format!("this is not a JWT: {why}"),
        hint: "give the token alone: three parts between dots, as its issuer answers it".to_owned(),
    };
    let jws = Jws::parse(token).map_err(|error| unreadable(error.to_string()))?;
    let claims: Claims = jws
        .unverified_claims()
        .map_err(|error| unreadable(error.to_string()))?;
    times_and_audience("token", &claims, audience, advice)
}

fn times_and_audience(
    credential: &'static str,
    claims: &Claims,
    audience: &str,
    advice: Advice,
) -> Result<(), ClientError> {
    times_or(credential, claims.valid_from(), claims.exp, advice.renew)?;
    let audiences = claims.aud.as_ref().map_or(&[][..], Audience::values);
    // [RFC10070 §4] The issuer identifier is the sole value.
    if audiences == [audience] {
        return Ok(());
    }
    let problem = match audiences {
        [] => "it has no audience".to_owned(),
        audiences => format!("it is for the audience `{}`", audiences.join("`, `")),
    };
    Err(ClientError::Unfit {
        credential,
        problem,
        hint: advice.audience,
    })
}

pub(crate) fn at_certificate(identity: &ClientIdentity) -> Result<(), ClientError> {
    let leaf = identity.chain.first();
    match leaf.and_then(|leaf| Validity::of(leaf)) {
        Some(validity) => times(SVID, Some(validity.not_before), Some(validity.not_after)),
        None => Ok(()),
    }
}

/// `typ` of a client attestation. [ABCA §4]
const ATTESTATION_TYP: &str = "oauth-client-attestation+jwt";
/// `typ` of a WIT-SVID, which is sent in the place of an attestation. [SPIFFE-AUTH §3.3]
const WIT_TYP: &str = "wit+jwt";

/// The claims of an attestation or a WIT-SVID that are looked at. Without `exp`, the server refuses it.
#[derive(serde::Deserialize)]
struct AttestationClaims {
    exp: Option<Timestamp>,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
    cnf: Confirmation,
}

#[derive(serde::Deserialize)]
struct Confirmation {
    jwk: Box<Jwk>,
}

/// The key for the proof, with the algorithm that `cnf.jwk` demands.
pub(crate) fn at_attestation(attested: &Attested) -> Result<Arc<SigningKey>, ClientError> {
    let (credential, claims) = read_attestation(&attested.attestation)?;
    times(
        credential,
        claims.nbf.into_iter().chain(claims.iat).max(),
        claims.exp,
    )?;
    let unfit = |problem: String, hint: &str| ClientError::Unfit {
        credential,
        problem,
        hint: hint.to_owned(),
    };
    let named = ProofKey::from_jwk(&claims.cnf.jwk).map_err(|error| {
        unfit(
            format!("its cnf.jwk is refused: {error}"),
            "the attester must attest the public key of this client, as a JWK",
        )
    })?;
    let key = &attested.key;
    if *named.thumbprint() != key.signing().thumbprint() {
        return Err(unfit(
            format!(
                "its cnf.jwk is not the public key of the private key, whose thumbprint is {}",
                key.thumbprint()
            ),
            "give the attestation together with the private key that it attests",
        ));
    }
    let default = key.signing();
    if named.key().accepts(default.algorithm()) {
        return Ok(default);
    }
    let mut usable = named
        .key()
        .algorithms()
        .filter_map(|algorithm| key.signing_with(algorithm));
    usable.next().ok_or_else(|| {
        unfit(
            "alg of its cnf.jwk is not an algorithm of the key".to_owned(),
            "the attester must write the algorithm of the key, or none",
        )
    })
}

/// `exp` of an attestation.
pub(crate) fn expiry(attestation: &str) -> Result<Option<Timestamp>, ClientError> {
    read_attestation(attestation).map(|(_, claims)| claims.exp)
}

/// The kind of the credential and its claims.
fn read_attestation(text: &str) -> Result<(&'static str, AttestationClaims), ClientError> {
    let unreadable = |why: String| ClientError::Attestation {
        problem: format!("this is neither a client attestation nor a WIT-SVID: {why}"),
        hint: "give the attestation alone: three parts between dots, as the attester answers it".to_owned(),
    };
    let jws = Jws::parse(text).map_err(|error| unreadable(error.to_string()))?;
    let credential = match jws.header.typ.as_deref() {
        Some(ATTESTATION_TYP) => "attestation",
        Some(WIT_TYP) => "WIT-SVID",
        other => {
            let found = excerpt(other.unwrap_or("missing"));
            let problem = format!("typ is {found}, and must be {ATTESTATION_TYP} or {WIT_TYP}");
            return Err(unreadable(problem));
        }
    };
    let claims = jws
        .unverified_claims()
        .map_err(|error| unreadable(error.to_string()))?;
    Ok((credential, claims))
}

fn times(
    credential: &'static str,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
) -> Result<(), ClientError> {
    times_or(credential, valid_from, valid_until, RENEW)
}

/// `renew`: what to do about a credential that expired.
fn times_or(
    credential: &'static str,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    renew: &str,
) -> Result<(), ClientError> {
    let now = Timestamp::from(SystemTime::now());
    let unfit = |problem: String, hint: &str| {
        Err(ClientError::Unfit {
            credential,
            problem: format!("{problem}, and this machine's clock says {now}"),
            hint: hint.to_owned(),
        })
    };
    if let Some(until) = valid_until.filter(|until| *until + CLOCK_LEEWAY < now) {
        return unfit(format!("it expired at {until}"), renew);
    }
    if let Some(from) = valid_from.filter(|from| *from > now + CLOCK_LEEWAY) {
        return unfit(
            format!("it is not valid before {from}"),
            "see whether the clocks of this machine and of the issuer of the credential agree",
        );
    }
    Ok(())
}
