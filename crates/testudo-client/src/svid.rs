//! Sources of SVIDs. An SVID is read again for each token, so that a rotated SVID needs no restart.

use crate::ClientError;
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
#[derive(Debug)]
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

impl Svids {
    /// The Workload API at the socket in the environment variable `SPIFFE_ENDPOINT_SOCKET`.
    pub fn from_environment() -> Svids {
        Svids::WorkloadApi(None)
    }

    /// A fresh SVID; JWT-SVIDs are for `audience`.
    pub async fn svid(&self, audience: &str) -> Result<Svid, ClientError> {
        let failed = |error: spiffe::WorkloadApiError| ClientError::Svid(error.to_string());
        match self {
            Svids::WorkloadApi(socket) => {
                let token = connect(socket.as_deref())
                    .await?
                    .fetch_jwt_token([audience], None)
                    .await;
                token.map(Svid::Jwt).map_err(failed)
            }
            Svids::WorkloadApiX509(socket) => {
                let svid = connect(socket.as_deref())
                    .await?
                    .fetch_x509_svid()
                    .await
                    .map_err(failed)?;
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
                let token = String::from_utf8(read(path).await?)
                    .map_err(|_| ClientError::Svid(format!("{} is not UTF-8 text", path.display())))?;
                Ok(Svid::Jwt(token.trim().to_owned()))
            }
            Svids::X509Files {
                certificate,
                private_key,
            } => {
                let identity = ClientIdentity::from_pem(&read(certificate).await?, &read(private_key).await?)
                    .map_err(|why| ClientError::Svid(format!("{}: {why}", certificate.display())))?;
                x509(identity)
            }
        }
    }
}

async fn connect(socket: Option<&str>) -> Result<spiffe::WorkloadApiClient, ClientError> {
    let connected = match socket {
        Some(socket) => spiffe::WorkloadApiClient::connect_to(socket).await,
        None => spiffe::WorkloadApiClient::connect_env().await,
    };
    connected.map_err(|error| ClientError::Svid(error.to_string()))
}

async fn read(path: &std::path::Path) -> Result<Vec<u8>, ClientError> {
    tokio::fs::read(path)
        .await
        .map_err(|error| ClientError::Svid(format!("{}: {error}", path.display())))
}

fn x509(identity: ClientIdentity) -> Result<Svid, ClientError> {
    let svid = X509Svid::parse(&identity.chain).map_err(|fault| ClientError::Svid(fault.to_string()))?;
    Ok(Svid::X509 {
        spiffe_id: svid.unverified_spiffe_id().to_string(),
        identity,
    })
}
