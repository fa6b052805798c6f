//! Options of the commands that act as a workload, or for a person who signed in: how they get a token.

use crate::ca::fetching;
use crate::output::{Failed, warn};
use clap::{ArgGroup, Args};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testudo_client::{
    AccessToken, Assertions, Attestations, ClientError, Credentials, Fetched, Outgoing, PrivateKey,
    SignInFile, Svids, TokenClient, TokenRequest,
};

#[derive(Args)]
#[command(group = ArgGroup::new("assertion_source")
    .args(["assertion_file", "assertion_variable", "github_actions"])
    .conflicts_with_all(["svid_file", "x509", "workload_api_x509", "workload_api", "attestation"]))]
pub struct Workload {
    /// Issuer identifier of the server.
    #[arg(long, value_name = "URL", required_unless_present = "login")]
    pub issuer: Option<String>,
    /// Act for the person whose sign-in `testudo token login` keeps in this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["issuer", "resource", "scope", "svid_file", "x509", "workload_api_x509", "workload_api", "attestation", "assertion_source"])]
    pub login: Option<PathBuf>,
    /// URL of the API that the token is for.
    #[arg(long, value_name = "URL")]
    pub resource: Option<String>,
    /// Scope values to request.
    #[arg(long, num_args = 1..)]
    pub scope: Vec<String>,
    /// Use the JWT-SVID in this file instead of the Workload API.
    #[arg(long, value_name = "FILE")]
    pub svid_file: Option<PathBuf>,
    /// Use the X.509-SVID in these PEM files: the certificate chain, then the key.
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"], conflicts_with = "svid_file")]
    pub x509: Vec<PathBuf>,
    /// Use the X.509-SVID of the Workload API instead of a JWT-SVID.
    #[arg(long, conflicts_with_all = ["svid_file", "x509"])]
    pub workload_api_x509: bool,
    /// Use the token of another issuer in this file: that of a Kubernetes service account, or one of a CI system.
    #[arg(long, value_name = "FILE")]
    pub assertion_file: Option<PathBuf>,
    /// Use the token of another issuer in this environment variable, such as one of `id_tokens` of GitLab.
    #[arg(long, value_name = "NAME")]
    pub assertion_variable: Option<String>,
    /// Use a token that GitHub Actions issues to this job. The job needs the permission `id-token: write`.
    #[arg(long)]
    pub github_actions: bool,
    /// Audience of the token of the other issuer, one of `accept_audiences` of the server; by default the issuer of the server.
    #[arg(long, value_name = "AUDIENCE", requires = "assertion_source")]
    pub assertion_audience: Option<String>,
    /// Use the client attestation or the WIT-SVID in this file instead of an SVID.
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["svid_file", "x509", "workload_api_x509"])]
    pub attestation: Option<PathBuf>,
    /// Private key that the attestation attests, in PEM (PKCS #8).
    #[arg(long, value_name = "FILE", requires = "attestation")]
    pub key: Option<PathBuf>,
    /// Workload API socket; by default `SPIFFE_ENDPOINT_SOCKET`.
    #[arg(long, value_name = "unix:PATH")]
    pub workload_api: Option<String>,
    /// Bind the token to a key (DPoP): the token is useless without the key. With `--attestation`, the key is the attested
    /// one, unless `--dpop-key` names another.
    #[arg(long)]
    pub dpop: bool,
    /// Private key for `--dpop`, in PEM (PKCS #8). If the file does not exist, a new key is written to it, except with
    /// `--login`, which needs the key of the sign-in.
    #[arg(long, value_name = "FILE", requires = "dpop")]
    pub dpop_key: Option<PathBuf>,
    /// PEM file with root certificates for the server's certificate, in addition to those of the system.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// What happens to the new key of `--dpop` without `--dpop-key`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// This process uses the token itself.
    Here,
    /// The token is printed, and its key is lost.
    Lost,
}

/// A client, and the token that it has now.
pub struct Holder {
    client: TokenClient,
    login: Option<SignInFile>,
}

impl Holder {
    /// A token that is valid now: of the workload, or of the person whose sign-in is kept.
    pub async fn token(&self) -> Result<Arc<AccessToken>, Failed> {
        let token = match &self.login {
            Some(file) => self.client.token_kept_in(file).await,
            None => self.client.token().await,
        };
        token.map_err(failed)
    }

    /// Calls an API with such a token.
    pub async fn call(&self, request: &Outgoing<'_>) -> Result<Fetched, Failed> {
        let answer = match &self.login {
            Some(_) => self.client.call_with(&*self.token().await?, request).await,
            None => self.client.call(request).await,
        };
        answer.map_err(failed)
    }
}

impl Workload {
    /// Who gets the token.
    pub async fn holder(mut self, key_use: KeyUse) -> Result<Holder, Failed> {
        let login = self.login.take().map(SignInFile::at);
        let mut client_id = None;
        if let Some(file) = &login {
            let (issuer, of_file) = file.client().await.map_err(failed)?;
            (self.issuer, client_id) = (Some(issuer), Some(of_file));
        }
        let client = self.client(client_id, key_use)?;
        Ok(Holder { client, login })
    }

    fn client(self, client_id: Option<String>, key_use: KeyUse) -> Result<TokenClient, Failed> {
        let fetching = fetching(self.ca.as_deref())?;
        let is_attested = self.attestation.is_some();
        let is_login = client_id.is_some();
        let credentials = match client_id {
            Some(_) => Credentials::Public,
            None => self.credentials(),
        };
        let issuer = self.issuer.unwrap_or_default();
        let scope = (!self.scope.is_empty()).then(|| self.scope.join(" "));
        let client = TokenClient::with_options(&issuer, credentials, fetching)
            .map_err(failed)?
            .request(TokenRequest {
                scope,
                resource: self.resource,
                client_id,
            });
        if !self.dpop || (is_attested && self.dpop_key.is_none()) {
            return Ok(client);
        }
        let key = match &self.dpop_key {
            // A new key is not the one to which the sign-in is bound.
            Some(path) if is_login => read_key(path)?,
            None if is_login => {
                return Err(Failed::new("--dpop with --login needs --dpop-key").hint(OF_LOGIN));
            }
            Some(path) => read_or_create_key(path)?,
            None => {
                if key_use == KeyUse::Lost {
                    warn(
                        "the key to which the token is bound ends with this process, so no API will accept the token: name a file for the key with --dpop-key, or call the API with `testudo call`",
                    );
                }
                PrivateKey::generate().map_err(failed)?
            }
        };
        Ok(client.dpop(key))
    }

    fn credentials(&self) -> Credentials {
        if let (Some(attestation), Some(key)) = (&self.attestation, &self.key) {
            let attestations = Attestations::files(attestation, key);
            return match self.dpop {
                true => attestations.combined().into(),
                false => attestations.into(),
            };
        }
        if let Some(assertions) = self.assertions() {
            return match &self.assertion_audience {
                Some(audience) => assertions.audience(audience).into(),
                None => assertions.into(),
            };
        }
        let svids = match (&self.svid_file, self.x509.as_slice()) {
            (Some(path), _) => Svids::File(path.clone()),
            (None, [certificate, private_key]) => Svids::X509Files {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            },
            (None, _) if self.workload_api_x509 => Svids::WorkloadApiX509(self.workload_api.clone()),
            (None, _) => Svids::WorkloadApi(self.workload_api.clone()),
        };
        svids.into()
    }

    fn assertions(&self) -> Option<Assertions> {
        let of_file = || self.assertion_file.as_ref().map(Assertions::file);
        let of_variable = || self.assertion_variable.as_ref().map(Assertions::variable);
        let of_job = || self.github_actions.then(Assertions::github_actions);
        of_file().or_else(of_variable).or_else(of_job)
    }
}

pub fn failed(error: ClientError) -> Failed {
    Failed::new(error.to_string()).hint_if(error.hint())
}

const OF_LOGIN: &str =
    "name the key with which the person signed in, as in --dpop-key of `testudo token login`";

/// Reads the key.
fn read_key(path: &Path) -> Result<PrivateKey, Failed> {
    let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
    let key = read.and_then(|pem| PrivateKey::from_pem(&pem).map_err(|error| error.to_string()));
    key.map_err(|problem| about_key(path, &problem).hint(OF_LOGIN))
}

fn about_key(path: &Path, problem: &str) -> Failed {
    Failed::new(format!("--dpop-key: {}: {problem}", path.display()))
}

/// Reads the key; a file that does not exist is created with a new key, which only its owner can read.
pub fn read_or_create_key(path: &Path) -> Result<PrivateKey, Failed> {
    const HINT: &str =
        "name a private key in PEM (PKCS #8), as `openssl genpkey` writes it, or a file that does not exist";
    let about = |problem: String| about_key(path, &problem).hint(HINT);
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let pem = PrivateKey::generate_pem().map_err(failed)?;
            // `create_new`: another process may have written its key meanwhile.
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            let written = options
                .open(path)
                .and_then(|mut file| file.write_all(pem.as_bytes()));
            written.map_err(|error| about(format!("cannot be written: {error}")))?;
            pem.as_bytes().to_vec()
        }
        Err(error) => return Err(about(format!("cannot be read: {error}"))),
    };
    PrivateKey::from_pem(&pem).map_err(|error| about(error.to_string()))
}
