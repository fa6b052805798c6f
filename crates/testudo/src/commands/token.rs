//! `testudo token …`: gets a token as a workload does, and checks one as an API does.

use crate::arguments::Json;
use crate::output::{Failed, note, print_json, print_line};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testudo_client::{Svids, TokenClient, TokenRequest};
use testudo_fetch::{Fetcher, FetcherOptions, roots_from_pem};
use testudo_protocol::jose::Jws;
use testudo_resource::Verifier;

#[derive(Subcommand)]
pub enum Token {
    /// Get an access token with the SVID of this workload, and print it to stdout.
    Get(TokenGet),
    /// Decode and check a token from stdin.
    Inspect(TokenInspect),
}

#[derive(Args)]
pub struct TokenGet {
    /// Issuer identifier of the server.
    #[arg(long, value_name = "URL")]
    pub issuer: String,
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
    /// Workload API socket; by default `SPIFFE_ENDPOINT_SOCKET`.
    #[arg(long, value_name = "unix:PATH")]
    pub workload_api: Option<String>,
    /// PEM file with root certificates for the server's certificate, in addition to those of the system.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    #[command(flatten)]
    pub json: Json,
}

/// The options of requests to the server, with the root certificates of this file.
fn fetching(ca: Option<&Path>) -> Result<FetcherOptions, Failed> {
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

#[derive(Args)]
pub struct TokenInspect {
    /// Check the token with the keys of this issuer.
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// The audience that the token must have; default: the audience in the token.
    #[arg(long, value_name = "URL", requires = "issuer")]
    pub audience: Option<String>,
    /// PEM file with root certificates for the server's certificate, in addition to those of the system.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub ca: Option<PathBuf>,
    #[command(flatten)]
    pub json: Json,
}

pub async fn run(command: Token) -> Result<(), Failed> {
    match command {
        Token::Get(options) => get(options).await,
        Token::Inspect(options) => inspect(options).await,
    }
}

async fn get(options: TokenGet) -> Result<(), Failed> {
    let svids = match (options.svid_file, options.x509.as_slice()) {
        (Some(path), _) => Svids::File(path),
        (None, [certificate, private_key]) => Svids::X509Files {
            certificate: certificate.clone(),
            private_key: private_key.clone(),
        },
        (None, _) if options.workload_api_x509 => Svids::WorkloadApiX509(options.workload_api),
        (None, _) => Svids::WorkloadApi(options.workload_api),
    };
    let fetching = fetching(options.ca.as_deref())?;
    let failed = |error: testudo_client::ClientError| Failed::new(error.to_string()).hint_if(error.hint());
    let scope = (!options.scope.is_empty()).then(|| options.scope.join(" "));
    let client = TokenClient::with_options(&options.issuer, svids, fetching)
        .map_err(failed)?
        .request(TokenRequest {
            scope,
            resource: options.resource,
            client_id: None,
        });
    let token = client.token().await.map_err(failed)?;
    if options.json.json {
        return print_json(&json!({
            "access_token": token.secret(),
            "token_type": "Bearer",
            "expires_in": token.remaining().as_secs(),
            "scope": token.scope(),
        }));
    }
    print_line(token.secret())
}

async fn inspect(options: TokenInspect) -> Result<(), Failed> {
    let mut token = String::new();
    std::io::stdin()
        .read_to_string(&mut token)
        .map_err(|error| Failed::new(format!("stdin cannot be read: {error}")))?;
    let token = token.trim();
    let jws = Jws::parse(token).map_err(|fault| Failed::new(fault.to_string()))?;
    let claims: Value = jws
        .unverified_claims()
        .map_err(|fault| Failed::new(fault.to_string()))?;
    let header = json!({ "alg": jws.header.alg, "kid": jws.header.kid, "typ": jws.header.typ });
    print_json(&json!({ "header": header, "claims": claims }))?;
    let Some(issuer) = &options.issuer else {
        note("decoded only, not checked: give the issuer with --issuer to check the token");
        return Ok(());
    };
    let own_audience = claims["aud"]
        .as_str()
        .or_else(|| claims["aud"][0].as_str())
        .unwrap_or_default()
        .to_owned();
    let audience = options.audience.unwrap_or(own_audience);
    let fetcher = Fetcher::new(fetching(options.ca.as_deref())?).map_err(Failed::new)?;
    let verifier = Verifier::with_fetcher(issuer, &audience, Arc::new(fetcher)).map_err(|why| {
        Failed::new(why).hint("write the issuer identifier as the metadata of the server has it, such as https://as.example.net")
    })?;
    let verified = verifier
        .verify(token)
        .await
        .map_err(|error| Failed::new(error.to_string()))?;
    note(&format!(
        "valid: an access token of {issuer} for {audience}, until {}",
        verified.expires
    ));
    Ok(())
}
