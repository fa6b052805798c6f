//! `testudo token …`: gets a token as a workload does or for a person who signs in, and checks one as an API does.

use super::workload::{KeyUse, Workload, failed, read_or_create_key};
use crate::arguments::Json;
use crate::ca::fetching;
use crate::output::{Failed, note, print_json, print_line, warn};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use testudo_client::{Credentials, LOOPBACK_REDIRECT_URI, SignInFile, TokenClient, TokenRequest};
use testudo_fetch::Fetcher;
use testudo_protocol::jose::{JoseError, Jws};
use testudo_resource::Verifier;

#[derive(Subcommand)]
pub enum Token {
    /// Get an access token with the SVID, the token or the attestation of this workload, and print it to stdout.
    Get(Box<TokenGet>),
    /// Sign in as a person in a browser, and keep the sign-in in a file, for `token get --login` and `call --login`.
    Login(Box<TokenLogin>),
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
pub struct TokenLogin {
    /// Issuer identifier of the server.
    #[arg(long, value_name = "URL")]
    pub issuer: String,
    /// Client id of this program at the server, where it is a client without a credential.
    #[arg(long, value_name = "ID")]
    pub client: String,
    /// File in which the sign-in is kept. Only its owner can read it.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Redirect URI of the client at the server, on 127.0.0.1 or [::1]. Without a port in it, a free one is used.
    #[arg(long, value_name = "URL", default_value = LOOPBACK_REDIRECT_URI)]
    pub redirect_uri: String,
    /// URL of the API that the tokens are for.
    #[arg(long, value_name = "URL")]
    pub resource: Option<String>,
    /// Scope values to request.
    #[arg(long, num_args = 1..)]
    pub scope: Vec<String>,
    /// Open the address with this program. By default the address is only printed.
    #[arg(long, value_name = "PROGRAM", env = "BROWSER")]
    pub browser: Option<PathBuf>,
    /// Push the authorization request, where the server demands it of this client. The address must then be opened soon.
    #[arg(long)]
    pub push: bool,
    /// How long to wait for the person.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
    /// Bind the tokens to the private key in this file, in PEM (PKCS #8). If the file does not exist, a new key is written
    /// to it. Name the same file with `--dpop --dpop-key` of `token get` and `call`.
    #[arg(long, value_name = "FILE")]
    pub dpop_key: Option<PathBuf>,
    /// PEM file with root certificates for the server's certificate, in addition to those of the system.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
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
        Token::Login(options) => login(*options).await,
        Token::Inspect(options) => inspect(options).await,
    }
}

async fn get(options: TokenGet) -> Result<(), Failed> {
    let token = options.workload.holder(KeyUse::Lost).await?.token().await?;
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

async fn login(options: TokenLogin) -> Result<(), Failed> {
    let scope = (!options.scope.is_empty()).then(|| options.scope.join(" "));
    let request = TokenRequest {
        scope,
        resource: options.resource,
        client_id: Some(options.client),
    };
    let fetching = fetching(options.ca.as_deref())?;
    let file = SignInFile::at(&options.file);
    file.check().await.map_err(failed)?;
    let client = TokenClient::with_options(&options.issuer, Credentials::Public, fetching).map_err(failed)?;
    let mut client = client.request(request);
    if options.push {
        client = client.push_requests();
    }
    if let Some(path) = &options.dpop_key {
        client = client.dpop(read_or_create_key(path)?);
    }
    let listening = client.listen_for_sign_in(&options.redirect_uri);
    let sign_in = listening.await.map_err(failed)?;
    let within = match sign_in.open_within() {
        Some(time) => format!(" within {} seconds", time.as_secs()),
        None => String::new(),
    };
    note(&format!(
        "open this address in a browser on this computer{within}:\n{}",
        sign_in.address()
    ));
    if let Some(browser) = options.browser.filter(|browser| !browser.as_os_str().is_empty()) {
        open(&browser, sign_in.address().as_str());
    }
    let limit = Duration::from_secs(options.timeout);
    let person = sign_in.finish(&client, limit).await.map_err(failed)?;
    client.keep_sign_in(&file, &person).await.map_err(failed)?;
    note(&format!(
        "signed in; `testudo token get --login {}` prints a token",
        options.file.display()
    ));
    Ok(())
}

/// Starts the browser, which goes on by itself: some programs end at once, others with their window.
fn open(browser: &Path, address: &str) {
    let mut program = Command::new(browser);
    program
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = program.spawn() {
        warn(&format!(
            "the browser {} cannot be started: {error}",
            browser.display()
        ));
    }
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
