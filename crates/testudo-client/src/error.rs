//! Errors of the token client.

use std::fmt;
use std::path::Path;
use testudo_fetch::FetchFault;
use testudo_protocol::printable::excerpt;

/// Why the client has no access token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum ClientError {
    Issuer {
        issuer: String,
        problem: &'static str,
    },
    Tls(String),
    Metadata(String),
    Svid {
        problem: String,
        hint: &'static str,
    },
    /// There is an SVID, an attestation or a token (`credential`), and the issuer would refuse it.
    Unfit {
        credential: &'static str,
        problem: String,
        hint: String,
    },
    Attestation {
        problem: String,
        hint: String,
    },
    /// There is no token of the other issuer with which the workload authenticates.
    Assertion {
        problem: String,
        hint: String,
    },
    Fetch(FetchFault),
    /// The API that was called did not answer.
    Api(FetchFault),
    Key(String),
    Answer(String),
    /// The client id is not known from the credential.
    ClientId,
    /// The response to the authorization request is not one to this sign-in, or it cannot be used.
    Response(&'static str),
    /// The issuer refused the authorization request, or the person did.
    SignIn {
        error: String,
        description: String,
    },
    /// What the person granted has ended.
    SignInAgain,
    /// The issuer gave no refresh token, so the sign-in cannot be kept.
    NoRefreshToken,
    /// The refresh token in the file is bound to another key than the one that was given, and was not sent.
    SignInKey {
        file: String,
        /// Thumbprint of the key to which it is bound.
        bound_to: String,
        /// Thumbprint of the key that was given, if one was.
        given: Option<String>,
    },
    /// The issuer refused the refresh token in the file, now or for ever. The file stays as it is.
    SignInRefused {
        file: String,
        refused: Box<ClientError>,
    },
    /// No response came before the time was over.
    NoResponse,
    /// The redirect URI is not one on loopback.
    RedirectUri(String),
    /// The port on loopback cannot be used.
    Listen(String),
    /// The file in which a sign-in is kept cannot be used.
    SignInFile(String),
    Refused {
        status: u16,
        error: String,
        description: String,
        retry_after_seconds: Option<u64>,
        request_id: Option<String>,
    },
}

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ClientError::Svid { hint, .. } => Some((*hint).into()),
            ClientError::Unfit { hint, .. }
            | ClientError::Attestation { hint, .. }
            | ClientError::Assertion { hint, .. } => Some(hint.clone()),
            ClientError::Refused {
                error,
                retry_after_seconds,
                request_id,
                ..
            } => {
                let again = retry_after_seconds.map(|seconds| format!("try again in {seconds} s"));
                let ask = request_id.as_ref().map(|id| {
                    format!("request {id}: give it to the administrator of the server: testudo explain {id}")
                });
                let renew = (error == "use_fresh_attestation").then(|| {
                    "get a new attestation from the attester: this one expired, or is older than the issuer accepts"
                        .to_owned()
                });
                let hints: Vec<String> = renew.into_iter().chain(again).chain(ask).collect();
                (!hints.is_empty()).then(|| hints.join("; "))
            }
            ClientError::Issuer { .. } => Some(
                "write the issuer identifier as the metadata of the server has it, such as https://as.example.net"
                    .into(),
            ),
            ClientError::ClientId => Some(
                "set client_id: an issuer chooses the id of a client that authenticates with a token of its platform"
                    .into(),
            ),
            ClientError::Response(_) | ClientError::SignInAgain | ClientError::NoResponse => {
                Some("start a new sign-in, and send the person to its address".into())
            }
            ClientError::NoRefreshToken => {
                Some("add refresh_token to grant_types of the client, and sign in again".into())
            }
            ClientError::SignInKey { .. } => Some(
                "name the key with which the person signed in: --dpop --dpop-key FILE; without this key, sign in again"
                    .into(),
            ),
            ClientError::SignInRefused { refused, .. } => {
                let again = "the file is kept: if the person is locked or left a group, try again when that has changed; otherwise sign in again, which replaces the file";
                let hints: Vec<String> = std::iter::once(again.to_owned()).chain(refused.hint()).collect();
                Some(hints.join("; "))
            }
            ClientError::RedirectUri(_) => Some(
                "write http://127.0.0.1/callback or http://[::1]/callback, as it is in the client's redirect_uris"
                    .into(),
            ),
            ClientError::SignInFile(_) => Some(
                "sign in again with a file that only its owner can read, in a folder that can be written".into(),
            ),
            ClientError::SignIn { .. }
            | ClientError::Listen(_)
            | ClientError::Tls(_)
            | ClientError::Metadata(_)
            | ClientError::Fetch(_)
            | ClientError::Api(_)
            | ClientError::Key(_)
            | ClientError::Answer(_) => None,
        }
    }
}

impl ClientError {
    /// True if the issuer refused the request with this error code.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, ClientError::Refused { error, .. } if error == code)
    }

    /// The error with the name of the file in which the credential is.
    pub(crate) fn in_file(self, path: &Path) -> ClientError {
        self.from(&path.display().to_string())
    }

    /// The error with the name of what the credential comes from.
    pub(crate) fn from(mut self, source: &str) -> ClientError {
        if let ClientError::Svid { problem, .. }
        | ClientError::Unfit { problem, .. }
        | ClientError::Attestation { problem, .. }
        | ClientError::Assertion { problem, .. } = &mut self
        {
            *problem = format!("{source}: {problem}");
        }
        self
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Issuer { issuer, problem } => write!(f, "the issuer {issuer:?} {problem}"),
            ClientError::Tls(problem) => f.write_str(problem),
            ClientError::Metadata(problem) => write!(f, "the issuer's metadata cannot be used: {problem}"),
            ClientError::Svid { problem, .. } => write!(f, "no SVID could be read: {problem}"),
            ClientError::Unfit {
                credential, problem, ..
            } => {
                write!(
                    f,
                    "the {credential} was not sent, since the issuer would refuse it: {problem}"
                )
            }
            ClientError::Attestation { problem, .. } => write!(f, "no attestation could be read: {problem}"),
            ClientError::Assertion { problem, .. } => write!(f, "no token could be read: {problem}"),
            ClientError::Fetch(fault) => write!(f, "the issuer cannot be reached: {fault}"),
            ClientError::Api(fault) => write!(f, "the API cannot be reached: {fault}"),
            ClientError::Key(problem) => write!(f, "the private key cannot be used: {problem}"),
            ClientError::Answer(problem) => write!(f, "the issuer's answer cannot be used: {problem}"),
            ClientError::ClientId => f.write_str("the id of this client is not known"),
            ClientError::Response(problem) => {
                write!(
                    f,
                    "the response to the authorization request cannot be used: {problem}"
                )
            }
            ClientError::SignIn { error, description } => {
                write!(f, "the person was not signed in: {error} ({description})")
            }
            ClientError::SignInAgain => f.write_str("what the person granted has ended"),
            ClientError::NoRefreshToken => {
                f.write_str("the sign-in cannot be kept: the issuer gave no refresh token")
            }
            ClientError::SignInKey {
                file,
                bound_to,
                given,
            } => {
                write!(f, "{file} is bound to the key with the thumbprint {bound_to}, ")?;
                match given {
                    Some(given) => write!(f, "and the key that was given has {given}"),
                    None => f.write_str("and no key was given"),
                }
            }
            ClientError::SignInRefused { file, refused } => write!(f, "the sign-in in {file}: {refused}"),
            ClientError::NoResponse => f.write_str("the person did not sign in in time"),
            ClientError::RedirectUri(uri) => {
                write!(f, "{:?} is not a redirect URI on loopback", excerpt(uri))
            }
            ClientError::Listen(problem) => write!(f, "no port on loopback can be used: {problem}"),
            ClientError::SignInFile(problem) => f.write_str(problem),
            ClientError::Refused {
                status,
                error,
                description,
                ..
            } => {
                write!(
                    f,
                    "the issuer refused the request: {error} ({description}, status {status})"
                )
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<FetchFault> for ClientError {
    fn from(fault: FetchFault) -> ClientError {
        ClientError::Fetch(fault)
    }
}
