//! `--ca`: root certificates for the certificate of the server that a command connects to.

use crate::output::Failed;
use std::path::Path;
use testudo_fetch::{FetcherOptions, roots_from_pem};

/// The options of requests to the server, with the root certificates of this file.
pub fn fetching(ca: Option<&Path>) -> Result<FetcherOptions, Failed> {
    const HINT: &str = "name a PEM file with the root certificate of the server; `openssl x509 -inform der -in FILE` converts one in DER";
    let Some(path) = ca else {
        return Ok(FetcherOptions::default());
    };
    let name = path.display();
    let pem = std::fs::read(path)
        .map_err(|error| Failed::new(format!("--ca: {name} cannot be read: {error}")).hint(HINT))?;
    if let Err(why) = roots_from_pem(&pem) {
        return Err(Failed::new(format!("--ca: {name}: {why}")).hint(HINT));
    }
    Ok(FetcherOptions {
        extra_roots_pem: Some(pem),
        ..FetcherOptions::default()
    })
}
