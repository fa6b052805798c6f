//! Sources of SVIDs. An SVID is read again for each token, so that a rotated SVID needs no restart.

use crate::ClientError;
use crate::credential_file::{read, read_token};
use std::fmt;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use testudo_fetch::ClientIdentity;
use testudo_protocol::spiffe::X509Svid;

/// A source of SVIDs.
#[derive(Debug, Clone)]
pub enum Svids {
    /// JWT-SVIDs from the Workload API at this socket, or at `SPIFFE_ENDPOINT_SOCKET`.
    WorkloadApi(Option<String>),
    /// X.509-SVIDs from the Workload API at this socket, or at `SPIFFE_ENDPOINT_SOCKET`.
    WorkloadApiX509(Option<String>),
    /// A JWT-SVID in a file that another program renews, such as spiffe-helper.
    File(PathBuf),
    /// An X.509-SVID in PEM files that another program renews.
    X509Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
}

/// An SVID, ready for a token request.
pub enum Svid {
    /// A JWT-SVID, sent in the form of the request.
    Jwt(String),
    /// An X.509-SVID, sent in the TLS handshake.
    X509 {
        /// Its SPIFFE ID.
        spiffe_id: String,
        /// Certificate chain and private key.
        identity: ClientIdentity,
    },
}

/// Prints no token and no key.
impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Svid::Jwt(_) => f.write_str("Jwt"),
            Svid::X509 { spiffe_id, .. } => write!(f, "X509({spiffe_id:?})"),
        }
    }
}

impl Svids {
    /// The Workload API at the socket in the environment variable `SPIFFE_ENDPOINT_SOCKET`.
    pub fn from_environment() -> Svids {
        Svids::WorkloadApi(None)
    }

    /// The error with the name of the file from which the SVID comes.
    pub(crate) fn name_source(&self, error: ClientError) -> ClientError {
        match self {
            Svids::File(path) => error.in_file(path),
            Svids::WorkloadApi(_) | Svids::WorkloadApiX509(_) | Svids::X509Files { .. } => error,
        }
    }

    /// A fresh SVID; JWT-SVIDs are for `audience`.
    pub async fn svid(&self, audience: &str) -> Result<Svid, ClientError> {
        match self {
            Svids::WorkloadApi(socket) => {
                let token = connect(socket.as_deref())
                    .await?
                    .fetch_jwt_token([audience], None)
                    .await;
                token.map(Svid::Jwt).map_err(of_workload_api)
            }
            Svids::WorkloadApiX509(socket) => {
                let svid = connect(socket.as_deref())
                    .await?
                    .fetch_x509_svid()
                    .await
                    .map_err(of_workload_api)?;
                let chain = svid
                    .cert_chain()
                    .iter()
                    .map(|der| der.as_bytes().to_vec())
                    .collect();
                x509(ClientIdentity {
                    chain,
                    private_key: svid.private_key().as_bytes().to_vec(),
                })
            }
            Svids::File(path) => {
                let hint = "write the JWT-SVID alone into the file, as three parts between dots, or name another file";
                let token = read_token(path).await;
                token
                    .map(Svid::Jwt)
                    .map_err(|problem| ClientError::Svid { problem, hint })
            }
            Svids::X509Files {
                certificate,
                private_key,
            } => {
                let hint = "name the PEM file with the certificate chain, leaf first, and then the PEM file with its key";
                let unread = |problem: String| ClientError::Svid { problem, hint };
                let chain = read(certificate).await.map_err(unread)?;
                let key = read(private_key).await.map_err(unread)?;
                let identity = ClientIdentity::from_pem(&chain, &key).map_err(|why| ClientError::Svid {
                    problem: format!("{} and {}: {why}", certificate.display(), private_key.display()),
                    hint,
                })?;
                x509(identity)
            }
        }
    }
}

/// The environment variable with the address of the Workload API.
const ENDPOINT_SOCKET: &str = "SPIFFE_ENDPOINT_SOCKET";

async fn connect(socket: Option<&str>) -> Result<spiffe::WorkloadApiClient, ClientError> {
    let from_environment = || std::env::var(ENDPOINT_SOCKET).ok();
    let Some(address) = socket.map(str::to_owned).or_else(from_environment) else {
        return Err(ClientError::Svid {
            problem: format!(
                "{ENDPOINT_SOCKET} is not set, and no other address of the Workload API was given"
            ),
            hint: "set it to the socket of the SPIFFE agent, as unix:///run/spire/sockets/agent.sock, or name a file with an SVID",
        });
    };
    let name = match socket {
        Some(_) => format!("the address of the Workload API {address:?}"),
        None => format!("{ENDPOINT_SOCKET}={address:?}"),
    };
    if let Some((problem, hint)) = wrong_address(&address) {
        return Err(ClientError::Svid {
            problem: format!("{name} {problem}"),
            hint,
        });
    }
    spiffe::WorkloadApiClient::connect_to(&address)
        .await
        .map_err(|error| ClientError::Svid {
            problem: format!("{name}: the Workload API: {error}"),
            hint: "start the SPIFFE agent, and let this user open its socket",
        })
}

/// Why no agent can be at this address, and what to do.
fn wrong_address(address: &str) -> Option<(&'static str, &'static str)> {
    const FORM: &str = "write it as unix:///run/spire/sockets/agent.sock, with an absolute path";
    if address.starts_with("tcp:") {
        return None;
    }
    let Some(path) = address.strip_prefix("unix:") else {
        return Some(("has no scheme", FORM));
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') {
        return Some(("has no absolute path", FORM));
    }
    match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => None,
        Ok(_) => Some(("is not a socket", "name the socket of the SPIFFE agent")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some((
            "does not exist",
            "start the SPIFFE agent, or correct the path of its socket",
        )),
        // The error of the connection names the reason.
        Err(_) => None,
    }
}

fn of_workload_api(error: spiffe::WorkloadApiError) -> ClientError {
    ClientError::Svid {
        problem: format!("the Workload API: {error}"),
        hint: "check that SPIFFE_ENDPOINT_SOCKET is set and that this workload is registered with the SPIRE server",
    }
}

fn x509(identity: ClientIdentity) -> Result<Svid, ClientError> {
    let svid = X509Svid::parse(&identity.chain).map_err(|error| ClientError::Svid {
        problem: format!("the certificate is not an X.509-SVID: {error}"),
        hint: "use a certificate that the SPIFFE issuer made for this workload: `spire-agent api fetch x509` writes one",
    })?;
    Ok(Svid::X509 {
        spiffe_id: svid.unverified_spiffe_id().to_string(),
        identity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_token_and_no_key() {
        let jwt = Svid::Jwt("s3cret".to_owned());
        assert_eq!(format!("{jwt:?}"), "Jwt");
        let x509 = Svid::X509 {
            spiffe_id: "spiffe://a.example/w".to_owned(),
            identity: ClientIdentity {
                chain: vec![],
                private_key: b"s3cret".to_vec(),
            },
        };
        assert_eq!(format!("{x509:?}"), r#"X509("spiffe://a.example/w")"#);
    }
}
