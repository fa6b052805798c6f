//! JWT access tokens, written and read. [RFC9068]

use super::{Audience, Resource, ScopeSet};
use crate::jose::{JoseError, Jws, KeySet, SigningFault, SigningKey, encode_segment};
use crate::time::{Seconds, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// `typ` of an access token. [RFC9068 §2.1]
pub const TYP: &str = "at+jwt";

/// `sub_type` of a token of a client that acts for itself.
pub const SUB_TYPE_CLIENT: &str = "client";
/// `sub_type` of a token of a client that acts for a person.
pub const SUB_TYPE_USER: &str = "user";

/// The claims of an access token. [RFC9068 §2.2]
#[derive(Serialize, Debug)]
pub struct AccessToken<'a> {
    /// The issuer identifier.
    pub iss: &'a str,
    /// `sub`: the person for whom the client acts, or the client, if it acts for itself.
    pub sub: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// `aud`: the resource that the token is for.
    pub aud: &'a Resource,
    /// `exp`: when the token expires.
    pub exp: Timestamp,
    /// Time of issue.
    pub iat: Timestamp,
    /// Unique name of this token.
    pub jti: &'a str,
    /// The granted scope; absent if no scope is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a str>,
    /// [RFC9700 §4.15] States whether `sub` is a client or a person, so that neither can be taken for the other.
    pub sub_type: &'a str,
    /// The identity that was proven, if several identities share one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<&'a str>,
    /// The instance of the client, if several instances share one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<&'a str>,
    /// `cnf`: the key or certificate that the token is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// When the person signed in. [RFC9068 §2.2.1]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// How the person signed in. [RFC9068 §2.2.1]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// What the person granted to the client: this server finds by it whether the grant was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<&'a str>,
    /// In a token with which the client registers others: limits of the client, which are those of them as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_limits: Option<&'a Map<String, Value>>,
}

/// `cnf`: what a token is bound to. [RFC7800 §3.1]
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Thumbprint of a key. [RFC9449 §6.1]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jkt: Option<String>,
    /// SHA-256 of a certificate. [RFC8705 §3.1]
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    certificate_thumbprint: Option<String>,
}

impl Confirmation {
    /// Bound to the key with this thumbprint, and to the certificate with this SHA-256.
    pub fn new(key: Option<&[u8; 32]>, certificate: Option<&[u8; 32]>) -> Confirmation {
        let encoded = |hash: &[u8; 32]| {
            let mut text = String::with_capacity(43);
            encode_segment(hash, &mut text);
            text
        };
        Confirmation {
            jkt: key.map(encoded),
            certificate_thumbprint: certificate.map(encoded),
        }
    }

    /// True if the token is bound to a key, and must be sent with the scheme DPoP. [RFC9449 §7.1]
    pub fn names_key(&self) -> bool {
        self.jkt.is_some()
    }
}

impl AccessToken<'_> {
    /// Signs the token.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFault> {
        let claims = serde_json::to_vec(self).map_err(|_| SigningFault::Failed)?;
        key.sign_jwt(Some(TYP), &claims)
    }
}

/// The claims of a verified access token, for a resource server.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the claims are documented at AccessToken")]
pub struct VerifiedToken {
    pub subject: String,
    pub client_id: String,
    pub scope: ScopeSet,
    pub expires: Timestamp,
    pub issued: Timestamp,
    pub jwt_id: String,
    pub spiffe_id: Option<String>,
    pub instance: Option<String>,
    /// Whether `subject` is a client or a person; `None` if the token does not state it.
    pub subject_type: Option<SubjectType>,
    pub auth_time: Option<Timestamp>,
    pub acr: Option<String>,
    pub grant_id: Option<String>,
    pub registration_limits: Option<Map<String, Value>>,
    /// True if the token is bound to a key or a certificate, which the request proved.
    pub is_bound: bool,
}

impl VerifiedToken {
    /// `sub` of the person for whom the client acts; `None` if the client acts for itself. An API must not compare
    /// `subject` with the names of people without this: a client id could be equal to one. [RFC9700 §4.15]
    pub fn person(&self) -> Option<&str> {
        match self.subject_type {
            Some(SubjectType::User) => Some(&self.subject),
            Some(SubjectType::Client) | None => None,
        }
    }
}

/// `sub_type`: what the subject of a token is. [RFC9700 §4.15] A token with another value is refused: it was issued for
/// a kind of subject whose rights are not known here.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// The client acts for itself.
    Client,
    /// The client acts for a person.
    User,
}

/// What a resource server expects of a token.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The issuer, exactly.
    pub issuer: &'a str,
    /// This resource server's own identifier.
    pub audience: &'a str,
    /// Tolerated difference between the clocks of issuer and resource server.
    pub leeway: Seconds,
    /// SHA-256 of the client certificate of the connection, if the client sent one.
    pub certificate_thumbprint: Option<&'a [u8; 32]>,
    /// Thumbprint of the key of the DPoP proof in the request. With it, only a token that is bound to this key is
    /// accepted. [RFC9449 §7.1]
    pub dpop_key: Option<&'a [u8; 32]>,
}

/// Why a resource server refuses a token. [RFC9068 §4]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// The signature or the form is wrong.
    Jose(JoseError),
    /// `typ` is not `at+jwt`: the token is an ID token or another JWT of the issuer.
    WrongType,
    /// `iss` is another issuer.
    WrongIssuer,
    /// `aud` does not name this resource server.
    WrongAudience,
    /// The token has expired.
    Expired,
    /// The token is bound to a key or a certificate that the request did not prove.
    Bound,
    /// The request has a DPoP proof, and the token is not bound to a key.
    NotBoundToKey,
    /// `scope` is not a valid scope.
    MalformedScope,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Jose(fault) => write!(f, "{fault}"),
            TokenError::WrongType => f.write_str("the token is not an access token (typ is not at+jwt)"),
            TokenError::WrongIssuer => f.write_str("the token is from another issuer"),
            TokenError::WrongAudience => f.write_str("the token is for another resource"),
            TokenError::Expired => f.write_str("the token has expired"),
            TokenError::Bound => f.write_str(
                "cnf of the token names a key or certificate for which the request has no proof of possession",
            ),
            TokenError::NotBoundToKey => {
                f.write_str("the token has no cnf.jkt, so it must be sent with the scheme Bearer")
            }
            TokenError::MalformedScope => f.write_str("the token's scope is malformed"),
        }
    }
}

/// The claims of a token, as they were received.
#[derive(Deserialize, Debug)]
#[expect(missing_docs, reason = "the claims are documented at AccessToken")]
pub struct TokenClaims {
    pub iss: String,
    pub sub: String,
    pub client_id: String,
    pub aud: Audience,
    pub exp: Timestamp,
    pub iat: Timestamp,
    pub jti: String,
    pub scope: Option<String>,
    pub sub_type: Option<SubjectType>,
    pub spiffe_id: Option<String>,
    pub instance: Option<String>,
    pub auth_time: Option<Timestamp>,
    pub acr: Option<String>,
    pub grant_id: Option<String>,
    pub registration_limits: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "present")]
    cnf: Option<Map<String, Value>>,
}

impl TokenClaims {
    /// `cnf`, if it has only members that this server writes; `Err` for any other binding.
    pub fn confirmation(&self) -> Result<Option<Confirmation>, TokenError> {
        let cnf = self.cnf.clone().map(Value::Object);
        let cnf = cnf.map(serde_json::from_value).transpose();
        cnf.map_err(|_| TokenError::Bound)
    }
}

/// A claim that is present must have its type. Serde would read `null` as an absent claim: an unbound token.
fn present<'de, D: Deserializer<'de>>(claim: D) -> Result<Option<Map<String, Value>>, D::Error> {
    Map::deserialize(claim).map(Some)
}

/// Verifies an access token. [RFC9068 §4]
pub fn verify(
    token: &str,
    keys: &KeySet,
    expected: Expectation<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, TokenError> {
    let claims = signed_claims(token, keys, expected.issuer)?;
    let mut audiences = claims.aud.values().iter();
    if !audiences.any(|audience| audience == expected.audience) {
        return Err(TokenError::WrongAudience);
    }
    if now >= claims.exp + expected.leeway {
        return Err(TokenError::Expired);
    }
    check_confirmation(claims.cnf.as_ref(), expected)?;
    let scope = ScopeSet::parse(claims.scope.as_deref().unwrap_or_default())
        .map_err(|_| TokenError::MalformedScope)?;
    Ok(VerifiedToken {
        subject: claims.sub,
        client_id: claims.client_id,
        scope,
        expires: claims.exp,
        issued: claims.iat,
        jwt_id: claims.jti,
        spiffe_id: claims.spiffe_id,
        instance: claims.instance,
        subject_type: claims.sub_type,
        auth_time: claims.auth_time,
        acr: claims.acr,
        grant_id: claims.grant_id,
        registration_limits: claims.registration_limits,
        is_bound: claims.cnf.is_some(),
    })
}

/// Verifies an access token for the server that issued it, which states what the token contains or revokes it: for any
/// audience, and without a proof of the key that it is bound to, because the caller is not its holder. [RFC7662 §2.2]
pub fn verify_for_issuer(
    token: &str,
    keys: &KeySet,
    issuer: &str,
    now: Timestamp,
) -> Result<TokenClaims, TokenError> {
    let claims = signed_claims(token, keys, issuer)?;
    match now >= claims.exp {
        true => Err(TokenError::Expired),
        false => Ok(claims),
    }
}

/// The claims of an access token that this issuer signed.
fn signed_claims(token: &str, keys: &KeySet, issuer: &str) -> Result<TokenClaims, TokenError> {
    let jws = Jws::parse(token).map_err(TokenError::Jose)?;
    // [RFC9068 §4] `typ` is `at+jwt` or its full media type. This check refuses ID tokens.
    match jws.header.typ.as_deref() {
        Some("at+jwt" | "application/at+jwt") => {}
        _ => return Err(TokenError::WrongType),
    }
    jws.verify(keys).map_err(TokenError::Jose)?;
    let claims: TokenClaims = jws.unverified_claims().map_err(TokenError::Jose)?;
    match claims.iss == issuer {
        true => Ok(claims),
        false => Err(TokenError::WrongIssuer),
    }
}

/// A bound token is accepted only with the proof of its key or certificate. [RFC8705 §3] [RFC9449 §7.1]
fn check_confirmation(
    confirmation: Option<&Map<String, Value>>,
    expected: Expectation<'_>,
) -> Result<(), TokenError> {
    let names_key = confirmation.is_some_and(|cnf| cnf.contains_key("jkt"));
    if expected.dpop_key.is_some() && !names_key {
        return Err(TokenError::NotBoundToKey);
    }
    let Some(cnf) = confirmation else {
        return Ok(());
    };
    // If several members are present, each one must be proven.
    let all_proven = cnf.iter().all(|(name, named)| {
        let shown = match name.as_str() {
            "jkt" => expected.dpop_key,
            "x5t#S256" => expected.certificate_thumbprint,
            // `jwk`, `kid` and other members are bindings that cannot be checked here.
            _ => None,
        };
        is_proven(named, shown)
    });
    if all_proven && !cnf.is_empty() {
        return Ok(());
    }
    Err(TokenError::Bound)
}

fn is_proven(named: &Value, shown: Option<&[u8; 32]>) -> bool {
    shown.is_some_and(|shown| {
        let mut text = String::with_capacity(43);
        encode_segment(shown, &mut text);
        *named == text
    })
}

#[cfg(test)]
mod tests;
