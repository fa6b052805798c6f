//! The response of a provider, which the browser brings. [OIDCC §3.1.2.5] [RFC9207 §2.4]

use super::ProviderMetadata;
use crate::oauth::Form;
use crate::printable::excerpt;
use std::fmt;
use zeroize::Zeroizing;

/// A response of the provider to which the browser was sent. It has no `Debug`.
pub enum ProviderResponse {
    /// The person signed in.
    Code(Zeroizing<String>),
    /// The provider refuses, or the person did not sign in.
    Refused {
        /// `error`, shortened.
        error: String,
        /// `error_description`, shortened.
        description: String,
    },
}

/// Why a response is not used. Nothing is then sent to any provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderResponseError {
    /// `iss` is missing, although the provider states that its responses have it. [RFC9207 §2.4]
    IssuerMissing,
    /// `iss` is another provider: an attacker mixed up two providers. [RFC9700 §4.4]
    WrongIssuer,
    /// The response has neither `code` nor `error`, or both.
    NeitherCodeNorError,
}

impl fmt::Display for ProviderResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProviderResponseError::IssuerMissing => {
                "the response of the provider has no iss, although its metadata states that it has"
            }
            ProviderResponseError::WrongIssuer => "iss in the response names another provider",
            ProviderResponseError::NeitherCodeNorError => {
                "the response of the provider must have either code or error"
            }
        })
    }
}

impl ProviderResponse {
    /// Reads the response to a request that was sent to this provider. The caller has compared `state` with the browser
    /// and the provider.
    pub fn parse(
        form: &mut Form,
        provider: &ProviderMetadata,
    ) -> Result<ProviderResponse, ProviderResponseError> {
        // [RFC9207 §2.4] Before anything else: neither the code nor the error of another server may be used.
        match form.get("iss") {
            Some(found) if found != provider.issuer => return Err(ProviderResponseError::WrongIssuer),
            None if provider.states_issuer => return Err(ProviderResponseError::IssuerMissing),
            Some(_) | None => {}
        }
        match (form.take("code"), form.take("error")) {
            (Some(code), None) => Ok(ProviderResponse::Code(Zeroizing::new(code))),
            (None, Some(error)) => Ok(ProviderResponse::Refused {
                error: excerpt(&error),
                description: excerpt(form.get("error_description").unwrap_or_default()),
            }),
            (None, None) | (Some(_), Some(_)) => Err(ProviderResponseError::NeitherCodeNorError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(states_issuer: bool) -> ProviderMetadata {
        let document = serde_json::json!({
            "issuer": "https://login.example", "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": "https://login.example/token", "jwks_uri": "https://login.example/keys",
            "authorization_response_iss_parameter_supported": states_issuer,
        });
        ProviderMetadata::parse(document.to_string().as_bytes(), "https://login.example").unwrap()
    }

    fn parse(query: &str, states_issuer: bool) -> Result<String, ProviderResponseError> {
        let mut form = Form::parse(query.as_bytes()).unwrap();
        ProviderResponse::parse(&mut form, &provider(states_issuer)).map(|response| match response {
            ProviderResponse::Code(code) => format!("code {}", code.as_str()),
            ProviderResponse::Refused { error, description } => format!("{error}: {description}"),
        })
    }

    // Rows AZ-07, AZ-08: this server is the client of the provider.
    #[test]
    fn rfc9207_2_4_response_of_another_provider_is_refused_whether_it_has_a_code_or_an_error() {
        use ProviderResponseError::{IssuerMissing, NeitherCodeNorError, WrongIssuer};
        let ours = "iss=https%3A%2F%2Flogin.example";
        for (query, states_issuer, expected) in [
            (format!("code=a&{ours}"), true, Ok("code a")),
            (format!("code=a&{ours}"), false, Ok("code a")),
            ("code=a".to_owned(), false, Ok("code a")),
            (
                format!("error=access_denied&error_description=no&{ours}"),
                true,
                Ok("access_denied: no"),
            ),
            ("code=a".to_owned(), true, Err(IssuerMissing)),
            ("error=access_denied".to_owned(), true, Err(IssuerMissing)),
            ("code=a&iss=".to_owned(), true, Err(IssuerMissing)),
            (
                "code=a&iss=https%3A%2F%2Fevil.example".to_owned(),
                true,
                Err(WrongIssuer),
            ),
            (
                "code=a&iss=https%3A%2F%2Fevil.example".to_owned(),
                false,
                Err(WrongIssuer),
            ),
            (
                "code=a&iss=https%3A%2F%2Flogin.example%2F".to_owned(),
                true,
                Err(WrongIssuer),
            ),
            (
                "error=x&iss=https%3A%2F%2Fevil.example".to_owned(),
                false,
                Err(WrongIssuer),
            ),
            (format!("code=a&error=b&{ours}"), true, Err(NeitherCodeNorError)),
            (format!("state=a&{ours}"), true, Err(NeitherCodeNorError)),
            (format!("code=&{ours}"), true, Err(NeitherCodeNorError)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(parse(&query, states_issuer), expected, "{query} {states_issuer}");
        }
    }

    #[test]
    fn error_text_of_a_provider_is_shortened_and_has_no_hidden_characters() {
        let query = format!("error=a%E2%80%AEb&error_description={}", "x".repeat(500));
        let text = parse(&query, false).unwrap();
        assert!(text.starts_with("a\\u{202e}b: xxx") && text.len() < 100, "{text}");
    }
}
