//! The answer about a token, as JSON [RFC7662 §2.2] or signed [RFC9701 §5].

use super::access_token::Confirmation;
use crate::jose::{SigningFault, SigningKey};
use crate::time::{Seconds, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// `typ` of a signed answer. No resource server accepts a token of this type. [RFC9701 §8.1]
pub const TYP: &str = "token-introspection+jwt";
/// The media type of a signed answer, which a caller asks for in `Accept`. [RFC9701 §4]
pub const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// The answer about a token.
pub enum IntrospectionAnswer {
    /// The token is valid, and the caller may know what it contains.
    Active(Box<ActiveToken>),
    /// Anything else: unknown, expired, revoked, or not for this caller. The answer has no other member, so that a caller
    /// learns nothing of tokens that are not for it. [RFC7662 §2.2]
    Inactive,
}

/// What is stated about a valid token.
#[derive(Serialize, Default)]
pub struct ActiveToken {
    /// `sub`: the person, or the client that acts for itself.
    pub sub: String,
    /// `user` or `client`.
    pub sub_type: &'static str,
    /// The client to which the token was issued.
    pub client_id: String,
    /// `iss`.
    pub iss: String,
    /// `aud`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// `scope`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `token_type` of an access token: `Bearer` or `DPoP`. A refresh token has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// `exp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
    /// `iat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<Timestamp>,
    /// `jti` of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// `cnf`: the key or certificate without whose proof the token must not be accepted. [RFC9449 §6.2] [RFC8705 §3.2]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// `spiffe_id` of the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// `instance` of the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When the person signed in. [RFC9470 §6.2]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// How the person signed in. [RFC9470 §6.2]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// What the person granted to the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// Of a refresh token: how long it can still be used. [RT-EXPIRATION §7]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_timeout: Option<Seconds>,
    /// Of a refresh token: how long the authorization still lasts. [RT-EXPIRATION §7]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_expires_in: Option<Seconds>,
}

impl Serialize for IntrospectionAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Active<'a> {
            active: bool,
            #[serde(flatten)]
            token: &'a ActiveToken,
        }
        match self {
            IntrospectionAnswer::Active(token) => Active { active: true, token }.serialize(serializer),
            IntrospectionAnswer::Inactive => {
                let mut members = serializer.serialize_map(Some(1))?;
                members.serialize_entry("active", &false)?;
                members.end()
            }
        }
    }
}

/// The claims of a signed answer. It has neither `sub` nor `exp`, so that it cannot be accepted as an access token.
/// [RFC9701 §5]
#[derive(Serialize)]
struct SignedAnswer<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: Timestamp,
    token_introspection: &'a IntrospectionAnswer,
}

impl IntrospectionAnswer {
    /// The answer as a JWT of the server `issuer` for the caller `audience`.
    pub fn sign(
        &self,
        issuer: &str,
        audience: &str,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<String, SigningFault> {
        let claims = SignedAnswer {
            iss: issuer,
            aud: audience,
            iat: now,
            token_introspection: self,
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| SigningFault::Failed)?;
        key.sign_jwt(Some(TYP), &claims)
    }
}

/// True if a value of `Accept` names the media type of signed answers, and not with the weight 0. [RFC9110 §12.5.1]
pub fn accepts_signed(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(MEDIA_TYPE));
        let is_refused = |part: &str| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.bytes().all(|byte| b"0.".contains(&byte)))
        };
        is_named && !parts.any(is_refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Jws;
    use crate::jose::test_keys::{key_set, signing_key};
    use crate::oauth::access_token::{self, Expectation, SUB_TYPE_USER, TokenError};
    use serde_json::{Value, json};

    fn active() -> IntrospectionAnswer {
        IntrospectionAnswer::Active(Box::new(ActiveToken {
            sub: "u_1".to_owned(),
            sub_type: SUB_TYPE_USER,
            client_id: "c_1".to_owned(),
            iss: "https://as.example".to_owned(),
            aud: vec!["https://api.example".to_owned()],
            exp: Some(Timestamp(100)),
            cnf: Some(Confirmation::new(Some(&[0; 32]), None)),
            ..ActiveToken::default()
        }))
    }

    // Rows IN-01, IN-02, RX-10.
    #[test]
    fn rfc7662_2_2_inactive_token_is_answered_with_one_member_and_absent_members_are_left_out() {
        let answer = serde_json::to_string(&IntrospectionAnswer::Inactive).unwrap();
        assert_eq!(answer, r#"{"active":false}"#);
        let expected = json!({
            "active": true, "sub": "u_1", "sub_type": "user", "client_id": "c_1", "iss": "https://as.example",
            "aud": ["https://api.example"], "exp": 100, "cnf": { "jkt": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
        });
        assert_eq!(serde_json::to_value(active()).unwrap(), expected);
    }

    // Row RX-09.
    #[test]
    fn answer_about_a_refresh_token_has_its_two_deadlines() {
        let IntrospectionAnswer::Active(mut token) = active() else {
            panic!()
        };
        token.refresh_token_timeout = Some(Seconds(604_800));
        token.authorization_expires_in = Some(Seconds(864_000));
        let answer = serde_json::to_value(IntrospectionAnswer::Active(token)).unwrap();
        assert_eq!(answer["refresh_token_timeout"], 604_800);
        assert_eq!(answer["authorization_expires_in"], 864_000);
    }

    // Rows IN-07, IN-08.
    #[test]
    fn rfc9701_5_signed_answer_is_for_its_caller_and_is_no_access_token() {
        let key = signing_key();
        let keys = key_set(&key);
        for (answer, content) in [
            (active(), serde_json::to_value(active()).unwrap()),
            (IntrospectionAnswer::Inactive, json!({ "active": false })),
        ] {
            let signed = answer
                .sign("https://as.example", "https://api.example", &key, Timestamp(7))
                .unwrap();
            let jws = Jws::parse(&signed).unwrap();
            jws.verify(&keys).unwrap();
            assert_eq!(jws.header.typ.as_deref(), Some(TYP));
            let claims: Value = jws.unverified_claims().unwrap();
            let expected = json!({
                "iss": "https://as.example", "aud": "https://api.example", "iat": 7, "token_introspection": content,
            });
            assert_eq!(claims, expected);
            let expected = Expectation {
                issuer: "https://as.example",
                audience: "https://api.example",
                leeway: Seconds(0),
                certificate_thumbprint: None,
                dpop_key: None,
            };
            let refused = access_token::verify(&signed, &keys, expected, Timestamp(7));
            assert_eq!(refused.unwrap_err(), TokenError::WrongType);
        }
    }

    #[test]
    fn rfc9701_4_signed_answer_is_sent_only_if_accept_names_it() {
        for accept in [
            "application/token-introspection+jwt",
            "application/json, Application/Token-Introspection+JWT;q=0.5",
            "application/token-introspection+jwt; q=1.0",
        ] {
            assert!(accepts_signed(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/jwt",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt; Q=0.000",
            "application/token-introspection+jwts",
        ] {
            assert!(!accepts_signed(accept), "{accept}");
        }
    }
}
