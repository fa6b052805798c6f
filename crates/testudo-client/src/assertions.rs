//! Sources of tokens of other issuers: of Kubernetes, of CI systems, of clouds. The server has an `[[issuers]]` entry for
//! the issuer, and the token is sent as it is. [RFC7521 §4.2]

use crate::credential_file::read_token;
use crate::github_actions::RequestedToken;
use crate::{ClientError, look};
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use testudo_fetch::Fetcher;

/// What an [`AssertionSource`] answers.
pub type AssertionFuture<'a> = Pin<Box<dyn Future<Output = Result<String, ClientError>> + Send + 'a>>;

/// Gets tokens of another issuer. For platforms that the SDK does not know.
pub trait AssertionSource: Send + Sync {
    /// A token that is valid now, and has this audience alone.
    fn assertion<'a>(&'a self, audience: &'a str) -> AssertionFuture<'a>;
}

/// A source of tokens of another issuer, with which the workload authenticates. Each access token is requested with a
/// token that was just read, so that a renewed one needs no restart.
#[derive(Clone)]
pub struct Assertions {
    source: Source,
    audience: Option<String>,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Variable(String),
    GithubActions(RequestedToken),
    Other(Arc<dyn AssertionSource>),
}

impl Assertions {
    /// The token in a file: a projected volume of Kubernetes, or any file that another program renews. The file is read
    /// again for each access token.
    pub fn file(path: impl Into<PathBuf>) -> Assertions {
        Assertions::from_source(Source::File(path.into()))
    }

    /// The token in an environment variable: GitLab sets those of `id_tokens` in a job.
    pub fn variable(name: impl Into<String>) -> Assertions {
        Assertions::from_source(Source::Variable(name.into()))
    }

    /// A token of the job of GitHub Actions in which this process runs. The job needs the permission `id-token: write`,
    /// for which GitHub sets `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`. Each access token is
    /// requested with a new token of the job.
    pub fn github_actions() -> Assertions {
        Assertions::from_source(Source::GithubActions(RequestedToken::OfEnvironment))
    }

    /// As [`Assertions::github_actions`], with the values of the two variables.
    pub fn github_actions_at(url: impl Into<String>, bearer_token: impl Into<String>) -> Assertions {
        Assertions::from_source(Source::GithubActions(RequestedToken::given(
            url.into(),
            bearer_token.into(),
        )))
    }

    /// Another source.
    pub fn source(source: Arc<dyn AssertionSource>) -> Assertions {
        Assertions::from_source(Source::Other(source))
    }

    fn from_source(source: Source) -> Assertions {
        Assertions {
            source,
            audience: None,
        }
    }

    /// The audience that the tokens have, if it is not the issuer identifier of the server: one of `accept_audiences` of
    /// the server's entry.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Assertions {
        self.audience = Some(audience.into());
        self
    }

    /// A token that the issuer can accept at this time, as far as this is known without the keys of its issuer.
    pub(crate) async fn assertion(&self, fetcher: &Fetcher, issuer: &str) -> Result<String, ClientError> {
        // [RFC10070 §4] The audience is the issuer identifier, never the endpoint.
        let audience = self.audience.as_deref().unwrap_or(issuer);
        let token = self.read(fetcher, audience).await?;
        look::at_assertion(&token, audience, self.advice(audience))
            .map_err(|error| self.name_source(error))?;
        Ok(token)
    }

    async fn read(&self, fetcher: &Fetcher, audience: &str) -> Result<String, ClientError> {
        match &self.source {
            Source::File(path) => read_token(path).await.map_err(|problem| ClientError::Assertion {
                problem,
                hint: "name the file with the token: in Kubernetes, that of a projected volume with a serviceAccountToken"
                    .to_owned(),
            }),
            Source::Variable(name) => variable(name),
            Source::GithubActions(request) => request.send(fetcher, audience).await,
            Source::Other(source) => source.assertion(audience).await,
        }
    }

    /// What to do about a token with another audience, and about one that expired.
    fn advice(&self, audience: &str) -> look::Advice {
        let (audience, renew) = match &self.source {
            Source::File(_) => (
                format!(
                    "set the audience where the token is requested: in Kubernetes, audience: {audience} in the serviceAccountToken of a projected volume, and name the file of that volume"
                ),
                "see whether the program that renews the file still runs (in Kubernetes, the kubelet), and whether this machine's clock is right",
            ),
            Source::Variable(name) => (
                format!("write it in the job: in GitLab, id_tokens: {{ {name}: {{ aud: {audience} }} }}"),
                "the token of a job is not renewed: get the access token earlier in the job, or lengthen the timeout of the job, which GitLab uses for the token",
            ),
            Source::GithubActions(_) | Source::Other(_) => (
                format!(
                    "ask the issuer of the token for the audience {audience}, and for no other beside it"
                ),
                "see whether this machine's clock is right",
            ),
        };
        look::Advice { audience, renew }
    }

    /// The error with the name of the file or the variable from which the token comes.
    fn name_source(&self, error: ClientError) -> ClientError {
        match &self.source {
            Source::File(path) => error.in_file(path),
            Source::Variable(name) => error.from(name),
            Source::GithubActions(_) => error.from("the token of GitHub Actions"),
            Source::Other(_) => error,
        }
    }
}

/// Prints no token.
impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File(path) => write!(f, "Assertions({path:?})"),
            Source::Variable(name) => write!(f, "Assertions({name})"),
            Source::GithubActions(_) => f.write_str("Assertions(GitHub Actions)"),
            Source::Other(_) => f.write_str("Assertions"),
        }
    }
}

fn variable(name: &str) -> Result<String, ClientError> {
    let problem = match std::env::var(name) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Ok(_) => "is empty",
        Err(std::env::VarError::NotPresent) => "is not set",
        Err(std::env::VarError::NotUnicode(_)) => "is not UTF-8 text",
    };
    Err(ClientError::Assertion {
        problem: format!("the environment variable {name} {problem}"),
        hint: format!(
            "let the job have a token in it: in GitLab, id_tokens: {{ {name}: {{ aud: ISSUER }} }}, where ISSUER is the issuer identifier of the server"
        ),
    })
}
