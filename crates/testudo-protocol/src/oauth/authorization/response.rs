//! The response to an authorization request, sent to the client by the browser. [RFC6749 §4.1.2] [RFC9207 §2]

use super::ResponseMode;
use crate::oauth::{ErrorCode, IssuerUrl, RedirectUri};
use std::borrow::Cow;
use url::form_urlencoded::Serializer;

/// A response of either kind. It has no `Debug`, because it may contain a code.
#[derive(Clone, Copy)]
pub struct AuthorizationResponse<'a> {
    /// What was decided.
    pub outcome: AuthorizationOutcome<'a>,
    /// `state` of the request.
    pub state: Option<&'a str>,
    /// The issuer, which is in every response, so that a client that uses several servers cannot be made to send the
    /// code of one to another. [RFC9207 §1]
    pub issuer: &'a IssuerUrl,
}

/// What was decided about a request.
#[derive(Clone, Copy)]
pub enum AuthorizationOutcome<'a> {
    /// The person agreed.
    Code(&'a str),
    /// The request is refused. [RFC6749 §4.1.2.1]
    Error {
        /// `error`.
        code: ErrorCode,
        /// `error_description`: a sentence.
        description: &'a str,
    },
}

/// How the browser gets the response.
#[derive(Clone, PartialEq, Eq)]
pub enum Delivery {
    /// By a redirect to this URI. Its status is 303, so that the browser does not send the form of a page to the client.
    /// [RFC9700 §4.12]
    Redirect(String),
    /// By a page whose form is posted to `action`. [FORM-POST §2]
    Form {
        /// The redirect URI.
        action: String,
        /// Names and values.
        fields: Vec<(&'static str, String)>,
    },
}

impl AuthorizationResponse<'_> {
    /// The parameters of the response.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = match self.outcome {
            AuthorizationOutcome::Code(code) => vec![("code", code.to_owned())],
            AuthorizationOutcome::Error { code, description } => vec![
                ("error", code.name().to_owned()),
                ("error_description", allowed(description).into_owned()),
            ],
        };
        fields.extend(self.state.map(|state| ("state", state.to_owned())));
        fields.push(("iss", self.issuer.as_str().to_owned()));
        fields
    }

    /// The response to this redirect URI. Only its query or its fragment grows: a parser would write other parts of the
    /// URI differently, and the client compares them.
    pub fn deliver(&self, to: &RedirectUri, mode: ResponseMode) -> Delivery {
        let mut uri = to.as_str().to_owned();
        let fields = self.fields();
        let separator = match mode {
            ResponseMode::FormPost => return Delivery::Form { action: uri, fields },
            // A registered redirect URI has no fragment, not even an empty one.
            ResponseMode::Fragment => "#",
            // [RFC6749 §3.1.2] The query of the redirect URI is kept.
            ResponseMode::Query => match uri.split_once('?') {
                None => "?",
                Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
                Some(_) => "&",
            },
        };
        uri.push_str(separator);
        let start = uri.len();
        let mut serializer = Serializer::for_suffix(uri, start);
        for (name, value) in &fields {
            serializer.append_pair(name, value);
        }
        Delivery::Redirect(serializer.finish())
    }
}

/// `error_description` with the characters that are allowed in it: printable ASCII without `"` and `\`.
/// [RFC6749 §4.1.2.1]
fn allowed(description: &str) -> Cow<'_, str> {
    let is_allowed = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    if description.chars().all(is_allowed) {
        return Cow::Borrowed(description);
    }
    let character = |c: char| match c {
        '"' | '\u{2018}' | '\u{2019}' => '\'',
        c if is_allowed(c) => c,
        _ => '?',
    };
    Cow::Owned(description.chars().map(character).collect())
}
