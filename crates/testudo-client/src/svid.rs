//! Where JWT-SVIDs come from.

use crate::ClientError;
use std::path::PathBuf;

/// A source of JWT-SVIDs.
#[derive(Debug, Clone)]
pub enum Svids {
    /// The Workload API at this socket, or at `SPIFFE_ENDPOINT_SOCKET`.
    WorkloadApi(Option<String>),
    /// A file that somebody else keeps fresh, such as spiffe-helper. It is read for every token.
    File(PathBuf),
}

impl Svids {
    /// The Workload API that the platform names in `SPIFFE_ENDPOINT_SOCKET`.
    pub fn from_environment() -> Svids {
        Svids::WorkloadApi(None)
    }

    /// A JWT-SVID for `audience`.
    pub async fn jwt_svid(&self, audience: &str) -> Result<String, ClientError> {
        match self {
            Svids::WorkloadApi(socket) => {
                let failed = |error: spiffe::WorkloadApiError| ClientError::Svid(error.to_string());
                let client = match socket {
                    Some(socket) => spiffe::WorkloadApiClient::connect_to(socket).await,
                    None => spiffe::WorkloadApiClient::connect_env().await,
                }
                .map_err(failed)?;
                client.fetch_jwt_token([audience], None).await.map_err(failed)
            }
            Svids::File(path) => {
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| ClientError::Svid(format!("{}: {error}", path.display())))?;
                Ok(text.trim().to_owned())
            }
        }
    }
}
