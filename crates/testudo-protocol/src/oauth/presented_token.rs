//! The request to revoke or to introspect a token: both endpoints get the token and a hint. [RFC7009 §2.1]
//! [RFC7662 §2.1]

use super::Form;
use std::fmt;
use zeroize::Zeroizing;

/// A token that a caller sent, of unknown kind and validity. It has no `Debug`.
pub struct PresentedToken {
    /// `token`.
    pub token: Zeroizing<String>,
    /// `token_type_hint`: the kind to try first. A wrong hint must not hide the token, and an unknown one is ignored.
    pub hint: Option<TokenTypeHint>,
}

/// A kind of token that `token_type_hint` can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenTypeHint {
    /// `access_token`.
    AccessToken,
    /// `refresh_token`.
    RefreshToken,
}

/// The request has no `token`; the answer is `invalid_request`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenMissingError;

impl fmt::Display for TokenMissingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token is missing")
    }
}

impl PresentedToken {
    /// Takes the token out of the form.
    pub fn parse(form: &mut Form) -> Result<PresentedToken, TokenMissingError> {
        let token = form.take("token").ok_or(TokenMissingError)?;
        let hint = match form.get("token_type_hint") {
            Some("access_token") => Some(TokenTypeHint::AccessToken),
            Some("refresh_token") => Some(TokenTypeHint::RefreshToken),
            Some(_) | None => None,
        };
        Ok(PresentedToken {
            token: Zeroizing::new(token),
            hint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<(String, Option<TokenTypeHint>), TokenMissingError> {
        let mut form = Form::parse(body.as_bytes()).unwrap();
        PresentedToken::parse(&mut form).map(|sent| (sent.token.to_string(), sent.hint))
    }

    // Rows IN-06, RV-04.
    #[test]
    fn token_is_required_and_its_hint_is_not() {
        let token = || "a.b".to_owned();
        assert_eq!(parse("token=a.b"), Ok((token(), None)));
        for (hint, expected) in [
            ("access_token", Some(TokenTypeHint::AccessToken)),
            ("refresh_token", Some(TokenTypeHint::RefreshToken)),
            ("id_token", None),
            ("", None),
        ] {
            let body = format!("token=a.b&token_type_hint={hint}");
            assert_eq!(parse(&body), Ok((token(), expected)), "{hint}");
        }
        for body in ["", "token=", "token_type_hint=access_token", "access_token=a.b"] {
            assert_eq!(parse(body), Err(TokenMissingError), "{body}");
        }
    }
}
