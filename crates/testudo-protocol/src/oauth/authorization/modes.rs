//! How the response is sent, and what the person must be asked.

use super::AuthorizationRequestError;
use serde::{Deserialize, Serialize};

/// How the response is sent to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI. The default of the response type `code`. [MULTIPLE-TYPES §2.1]
    #[default]
    Query,
    /// In its fragment.
    Fragment,
    /// In a form that the browser posts to it. [FORM-POST §2]
    FormPost,
}

impl ResponseMode {
    /// All of them, as metadata lists them.
    pub const NAMES: [&str; 3] = ["query", "fragment", "form_post"];

    /// Parses a `response_mode`.
    pub fn parse(text: &str) -> Result<ResponseMode, AuthorizationRequestError> {
        match text {
            "query" => Ok(ResponseMode::Query),
            "fragment" => Ok(ResponseMode::Fragment),
            "form_post" => Ok(ResponseMode::FormPost),
            _ => Err(AuthorizationRequestError::ResponseModeRefused),
        }
    }
}

/// `prompt`: what the person must be asked, or with `none` that no page may be shown. [OIDCC §3.1.2.1]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
}

impl Prompt {
    /// Parses a `prompt`. An unknown value is refused: a client that misspells `login` would get no new sign-in.
    pub fn parse(text: &str) -> Result<Prompt, AuthorizationRequestError> {
        let mut prompt = Prompt::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(AuthorizationRequestError::PromptUnknown),
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
            return Err(AuthorizationRequestError::PromptNoneWithOthers);
        }
        Ok(prompt)
    }
}
