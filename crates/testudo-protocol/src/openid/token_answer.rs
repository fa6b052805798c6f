//! The answer of a provider's token endpoint. [OIDCC §3.1.3.3]

use crate::json;
use crate::limits::PROVIDER_ANSWER_BYTES_MAX;
use crate::printable::excerpt;
use serde::Deserialize;
use std::fmt;
use zeroize::Zeroizing;

/// The tokens of a successful answer. Nothing in them is verified. It has no `Debug`.
pub struct TokenAnswer {
    /// `id_token`.
    pub id_token: String,
    /// `access_token`: its hash may be in the ID token. It is not used otherwise.
    pub access_token: Zeroizing<String>,
}

/// Why the answer has no usable tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenAnswerError {
    /// The provider refuses the code or this server.
    Refused {
        /// `error`, shortened.
        error: String,
        /// `error_description`, shortened.
        description: String,
    },
    /// A status without an OAuth error.
    Status(u16),
    /// The body is too large, or is not JSON with the required members.
    Malformed(String),
    /// `token_type` is not `Bearer`.
    WrongTokenType,
}

impl fmt::Display for TokenAnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenAnswerError::Refused { error, description } => {
                write!(f, "the provider answers {error}: {description}")
            }
            TokenAnswerError::Status(status) => {
                write!(f, "the provider answers {status} without an OAuth error")
            }
            TokenAnswerError::Malformed(problem) => {
                write!(f, "the answer of the provider is malformed: {problem}")
            }
            TokenAnswerError::WrongTokenType => {
                f.write_str("token_type in the answer of the provider is not Bearer")
            }
        }
    }
}

#[derive(Deserialize)]
struct Success {
    id_token: String,
    access_token: String,
    token_type: String,
}

/// [RFC6749 §5.2]
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl TokenAnswer {
    /// Reads the answer.
    pub fn parse(status: u16, body: &[u8]) -> Result<TokenAnswer, TokenAnswerError> {
        if body.len() > PROVIDER_ANSWER_BYTES_MAX {
            let problem = format!("it has more than {PROVIDER_ANSWER_BYTES_MAX} bytes");
            return Err(TokenAnswerError::Malformed(problem));
        }
        if status != 200 {
            return Err(match json::from_slice::<Refusal>(body) {
                Ok(refusal) => TokenAnswerError::Refused {
                    error: excerpt(&refusal.error),
                    description: excerpt(refusal.error_description.as_deref().unwrap_or_default()),
                },
                Err(_) => TokenAnswerError::Status(status),
            });
        }
        let success: Success =
            json::from_slice(body).map_err(|error| TokenAnswerError::Malformed(error.to_string()))?;
        // [OIDCC §3.1.3.3]
        if !success.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(TokenAnswerError::WrongTokenType);
        }
        Ok(TokenAnswer {
            id_token: success.id_token,
            access_token: Zeroizing::new(success.access_token),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(status: u16, body: &str) -> Result<String, TokenAnswerError> {
        TokenAnswer::parse(status, body.as_bytes()).map(|answer| answer.id_token)
    }

    #[test]
    fn answer_is_read_only_with_an_id_token_and_a_bearer_token() {
        let good = r#"{"id_token":"a.b.c","access_token":"t","token_type":"bearer","expires_in":"3600","scope":"openid"}"#;
        assert_eq!(parse(200, good), Ok("a.b.c".to_owned()));
        for (name, body) in [
            ("no ID token", good.replace("id_token", "x")),
            ("no access token", good.replace("access_token", "x")),
            ("no token type", good.replace("token_type", "x")),
            ("two ID tokens", good.replace("scope", "id_token")),
            ("ID token of another type", good.replace("\"a.b.c\"", "7")),
            ("no JSON", "<html>".to_owned()),
            ("a list", "[]".to_owned()),
            (
                "too large",
                format!("{good}{}", " ".repeat(PROVIDER_ANSWER_BYTES_MAX)),
            ),
        ] {
            let error = parse(200, &body).expect_err(name);
            assert!(matches!(error, TokenAnswerError::Malformed(_)), "{name}: {error}");
        }
        let bound = good.replace("bearer", "DPoP");
        assert_eq!(parse(200, &bound), Err(TokenAnswerError::WrongTokenType));
        assert_eq!(parse(201, good), Err(TokenAnswerError::Status(201)));
    }

    #[test]
    fn refusal_of_the_provider_is_shortened_and_never_taken_for_tokens() {
        let body = format!(
            r#"{{"error":"invalid_grant","error_description":"{}"}}"#,
            "x".repeat(500)
        );
        let Err(TokenAnswerError::Refused { error, description }) = parse(400, &body) else {
            panic!()
        };
        assert_eq!(error, "invalid_grant");
        assert!(description.len() < 60, "{description}");
        let both = r#"{"error":"server_error","id_token":"a.b.c","access_token":"t","token_type":"Bearer"}"#;
        assert!(matches!(parse(500, both), Err(TokenAnswerError::Refused { .. })));
        assert_eq!(parse(502, "<html>"), Err(TokenAnswerError::Status(502)));
    }
}
