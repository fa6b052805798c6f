//! Tokens of jobs of GitHub Actions. A job asks for one at an address of its own, with a token that is valid only for this.

use crate::ClientError;
use std::fmt;
use testudo_fetch::{Access, FetchLimits, Fetcher};
use testudo_protocol::limits::ASSERTION_BYTES_MAX;
use testudo_protocol::printable::excerpt;
use url::Url;
use zeroize::Zeroizing;

const URL_VARIABLE: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN_VARIABLE: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Where the token of a job is requested.
#[derive(Clone)]
pub(crate) enum RequestedToken {
    /// Address and token are in the environment.
    OfEnvironment,
    /// Address and token.
    Given(String, Zeroizing<String>),
}

impl RequestedToken {
    pub(crate) fn given(url: String, bearer_token: String) -> RequestedToken {
        RequestedToken::Given(url, Zeroizing::new(bearer_token))
    }

    /// A token of the job with this audience.
    pub(crate) async fn send(&self, fetcher: &Fetcher, audience: &str) -> Result<String, ClientError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            value: String,
        }
        let (url, bearer_token) = match self {
            RequestedToken::OfEnvironment => {
                (variable(URL_VARIABLE)?, Zeroizing::new(variable(TOKEN_VARIABLE)?))
            }
            RequestedToken::Given(url, bearer_token) => (url.clone(), bearer_token.clone()),
        };
        let mut url = Url::parse(&url).map_err(|_| failed(format!("{URL_VARIABLE} is not a URL")))?;
        url.query_pairs_mut().append_pair("audience", audience);
        let access = Access {
            bearer_token: Some(&bearer_token),
            ..Access::default()
        };
        // The token is one member of the answer, beside its length.
        let limits = FetchLimits {
            body_bytes_max: ASSERTION_BYTES_MAX + 1024,
            ..FetchLimits::default()
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = fetcher
            .send_with(testudo_fetch::Outgoing::get(&url), access, limits)
            .await
            .map_err(|fault| failed(format!("{host} did not answer: {fault}")))?;
        if answer.status != 200 {
            return Err(failed(format!("{host} answers {}", answer.status)));
        }
        let answer: Answer = serde_json::from_slice(&answer.body)
            .map_err(|_| failed(format!("{host} answers no JSON object with a text `value`")))?;
        Ok(answer.value)
    }
}

/// Prints no token.
impl fmt::Debug for RequestedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestedToken::OfEnvironment => f.write_str("OfEnvironment"),
            RequestedToken::Given(url, _) => write!(f, "Given({:?})", excerpt(url)),
        }
    }
}

fn variable(name: &str) -> Result<String, ClientError> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or_else(|| failed(format!("{name} is not set")))
}

fn failed(problem: String) -> ClientError {
    ClientError::Assertion {
        problem: format!("GitHub Actions: {problem}"),
        hint: "run this in a job of GitHub Actions with `permissions: { id-token: write }`, in its workflow or in the job"
            .to_owned(),
    }
}
