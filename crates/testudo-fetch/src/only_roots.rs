//! TLS configurations whose only roots are those of a PEM file. Each is made once, since thousands of fetches may use the
//! same file.

use crate::{FetchFault, for_http_1_1, only_roots_from_pem, tls_builder};
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use testudo_protocol::jose::sha256;

/// Most configurations in memory. Beyond it, all are made again.
const ONLY_ROOTS_MAX: usize = 1_024;

/// The configurations by the SHA-256 of their file.
#[derive(Default)]
pub(crate) struct OnlyRoots(Mutex<HashMap<[u8; 32], Arc<ClientConfig>>>);

impl OnlyRoots {
    /// TLS with the roots of this PEM file alone.
    pub(crate) fn tls(&self, roots_pem: &[u8]) -> Result<Arc<ClientConfig>, FetchFault> {
        let digest = sha256(roots_pem);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = known.get(&digest) {
            return Ok(tls.clone());
        }
        let tls = trusting(roots_pem).map_err(FetchFault::Tls)?;
        if known.len() >= ONLY_ROOTS_MAX {
            known.clear();
        }
        known.insert(digest, tls.clone());
        Ok(tls)
    }
}

fn trusting(roots_pem: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let roots = only_roots_from_pem(roots_pem)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = tls_builder(provider)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A session that is resumed has no certificate that is verified.
    tls.resumption = Resumption::disabled();
    Ok(for_http_1_1(tls))
}
