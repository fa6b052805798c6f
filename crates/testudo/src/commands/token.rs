//! `testudo token …`: gets a token as a workload does, and checks one as an API does.

use super::workload::{KeyUse, Workload, failed};
use crate::arguments::Json;
use crate::ca::fetching;
use crate::output::{Failed, note, print_json, print_line};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use testudo_fetch::Fetcher;
use testudo_protocol::jose::{JoseError, Jws};
use testudo_resource::Verifier;

#[derive(Subcommand)]
pub enum Token {
    /// Get an access token with the SVID, the token or the attestation of this workload, and print it to stdout.
    Get(Box<TokenGet>),
    /// Decode and check a token from stdin.
    Inspect(TokenInspect),
}

#[derive(Args)]
pub struct TokenGet {
    #[command(flatten)]
    pub workload: Workload,
    #[command(flatten)]
    pub json: Json,
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
        Token::Get(options) => get(*options).await,
        Token::Inspect(options) => inspect(options).await,
    }
}

async fn get(options: TokenGet) -> Result<(), Failed> {
    let client = options.workload.client(KeyUse::Lost)?;
    let token = client.token().await.map_err(failed)?;
    if options.json.json {
        return print_json(&json!({
            "access_token": token.secret(),
            "token_type": token.token_type(),
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
    let malformed = |fault: JoseError| {
        Failed::new(format!("the token on stdin cannot be decoded: {fault}")).hint(
            "send one access token as the server issued it: `testudo token get … | testudo token inspect`",
        )
    };
    let jws = Jws::parse(token).map_err(malformed)?;
    let claims: Value = jws.unverified_claims().map_err(malformed)?;
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
        .map_err(|error| {
            Failed::new(format!("not valid: {error}"))
                .hint("its claims are above: compare `iss` with --issuer, `aud` with --audience, and `exp` with the time now")
        })?;
    note(&format!(
        "valid: an access token of {issuer} for {audience}, until {}",
        verified.expires
    ));
    Ok(())
}
