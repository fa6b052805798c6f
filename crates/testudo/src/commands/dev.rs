//! `testudo dev`: a demonstration on loopback with nothing else installed.
//!
//! A temporary trust domain with a test issuer, the real server that trusts it, and one rule. Only the platform that
//! attests workloads is replaced: the test issuer signs SVIDs without attestation, and an attester of clients attests the
//! key in a file.

mod attester;

use crate::output::{Failed, note, print_prose, print_text};
use clap::Args;
use std::fs::DirBuilder;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use testudo_fetch::{FetchLimits, Fetched, Fetcher, FetcherOptions, Outgoing};
use testudo_issuer::TestIssuer;
use testudo_protocol::jose::Jws;
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_SPIFFE, GRANT_CLIENT_CREDENTIALS};
use testudo_server::key_encryption::random_32;
use testudo_server::serve::{Options, start_server};
use testudo_server::state::observer::Observer;
use testudo_server::{Running, config, socket_path};
use tokio::signal::unix::{Signal, SignalKind, signal};
use url::Url;

#[derive(Args)]
pub struct Dev {
    /// Send three example requests, show their answers and end.
    #[arg(long)]
    pub once: bool,
    /// Loopback address of the server. Port 0: any free port.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
}

const TRUST_DOMAIN: &str = "dev.test";
/// How long the credentials in the printed commands are valid.
const LIFETIME_SECONDS: i64 = 3600;

pub async fn run(options: Dev) -> Result<(), Failed> {
    // Signals are handled before the folder is made: a signal must not end the process without removing the folder.
    let mut signals = Signals::new()?;
    let address = loopback_address(options.listen)?;
    let folder = Folder::new()?;
    let issuer = TestIssuer::new(TRUST_DOMAIN);
    let as_url = format!("http://{address}");
    write(&folder.0.join("bundle.json"), &issuer.bundle().to_string())?;
    attester::write_files(&folder.0, LIFETIME_SECONDS)?;
    let path = folder.0.join("testudo.toml");
    write(&path, &configuration(&as_url, address))?;
    let (configuration, _) = config::load(&path, 1).map_err(|report| Failed::new(report.to_string()))?;
    let observer: Option<Observer> = if options.once {
        None
    } else {
        Some(Box::new(|seen| {
            let identity = seen.identity.as_deref().unwrap_or("(no proven identity)");
            note(&format!("{}  {identity}  {}", seen.request_id, seen.outcome));
        }))
    };
    let running = start_server(
        configuration,
        Options {
            config_path: Some(path),
            observer,
            ..Options::default()
        },
    )
    .await
    .map_err(Failed::new)?;
    let outcome = if options.once {
        tokio::select! {
            outcome = demonstrate(&as_url, &issuer) => outcome,
            () = signals.any() => Err(Failed::new("the demonstration was interrupted")),
        }
    } else {
        let shown = print_instructions(&as_url, &issuer, &folder.0);
        if shown.is_ok() {
            signals.any().await;
        }
        shown
    };
    Running::stop(running).await;
    outcome
}

/// The signals by which a person or the system ends the process.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Signals, Failed> {
        let listen =
            |kind| signal(kind).map_err(|error| Failed::new(format!("cannot wait for signals: {error}")));
        Ok(Signals([
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    /// Waits for one of these signals.
    async fn any(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A folder that is removed when the process ends. It is new, its name is random, and only this user may read it: in the
/// temporary folder, another user of the machine could create files under names that can be guessed.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, Failed> {
        let random = random_32().map_err(Failed::new)?;
        let name = hex::encode(random.first_chunk::<8>().unwrap_or(&[0; 8]));
        let path = std::env::temp_dir().join(format!("testudo-dev-{name}"));
        if let Some(why) = socket_path::too_long_to_create(&path.join("testudo.sock")) {
            return Err(Failed::new(format!("cannot create the admin socket: {why}"))
                .hint("the folder is in the temporary folder: set TMPDIR to a shorter path, such as TMPDIR=/tmp"));
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| Failed::new(format!("cannot make the folder {}: {error}", path.display())))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // On an error the files stay; they are in the temporary folder, which the system cleans.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    std::fs::write(path, text).map_err(|error| Failed::new(format!("{}: {error}", path.display())))
}

/// The requested address; for port 0, the address with a free port. Loopback only. A port that is in use is an error:
/// on a port that was not requested, the user would not find the server.
fn loopback_address(requested: SocketAddr) -> Result<SocketAddr, Failed> {
    if !requested.ip().is_loopback() {
        return Err(Failed::new(format!("{requested} is not a loopback address"))
            .hint("dev gives credentials to every caller without a check; for other machines to connect, use `testudo serve`"));
    }
    let listener = TcpListener::bind(requested).map_err(|error| {
        Failed::new(format!("cannot listen on {requested}: {error}"))
            .hint("give another address with --listen; with 127.0.0.1:0, any free port is used")
    })?;
    listener
        .local_addr()
        .map_err(|error| Failed::new(error.to_string()))
}

fn configuration(issuer: &str, address: SocketAddr) -> String {
    format!(
        r#"
issuer = "{issuer}"
[server]
listen = ["{address}"]
[store]
url = "sqlite:dev.db"
[[trust_domains]]
name = "{TRUST_DOMAIN}"
bundle = {{ file = "bundle.json" }}
[[rules]]
name = "demo"
identities = ["spiffe://{TRUST_DOMAIN}/ns/{{namespace}}/sa/{{service}}"]
scopes = ["orders.read", "orders.write"]
default_scopes = ["orders.read"]
resources = ["https://api.{TRUST_DOMAIN}/orders"]
client_name = "{{service}} in {{namespace}}"
{}"#,
        attester::CONFIGURATION
    )
}

fn svid(issuer: &TestIssuer, path: &str, audience: &str, lifetime_seconds: i64) -> String {
    let now = crate::now().0;
    issuer.sign(&serde_json::json!({
        "sub": format!("spiffe://{TRUST_DOMAIN}{path}"),
        "aud": [audience],
        "iat": now,
        "exp": now + lifetime_seconds,
    }))
}

fn print_instructions(as_url: &str, issuer: &TestIssuer, folder: &Path) -> Result<(), Failed> {
    let svid = svid(issuer, "/ns/demo/sa/shop", as_url, LIFETIME_SECONDS);
    note(&format!("issuer        {as_url}"));
    note(&format!(
        "metadata      {as_url}/.well-known/oauth-authorization-server"
    ));
    note(&format!(
        "admin socket  {}",
        folder.join("testudo.sock").display()
    ));
    note(&format!(
        "              testudo client list --config {}",
        folder.join("testudo.toml").display()
    ));
    note("");
    note("A workload's token request; its SVID is valid for an hour:");
    note("");
    print_text(&format!(
        "curl -s {as_url}/token -d grant_type={GRANT_CLIENT_CREDENTIALS} \\\n  -d client_assertion_type={ASSERTION_TYPE_JWT_SPIFFE} \\\n  -d client_assertion={svid}"
    ))?;
    note("");
    note("The token request of a client with an attested key; its attestation is valid for an hour:");
    note("");
    print_text(&attester::command(as_url, folder))?;
    note("");
    note("Requests that the server receives (end with Ctrl-C):");
    Ok(())
}

/// First use, second use and refused use: three requests to the running server over HTTP.
async fn demonstrate(as_url: &str, issuer: &TestIssuer) -> Result<(), Failed> {
    let fetcher = Fetcher::new(FetcherOptions::default()).map_err(Failed::new)?;
    let endpoint = Url::parse(&format!("{as_url}/token")).map_err(|error| Failed::new(error.to_string()))?;

    print_prose(&format!(
        "1. First use: spiffe://{TRUST_DOMAIN}/ns/demo/sa/shop was never seen. It is registered and gets a token."
    ))?;
    let first = exchange(
        &fetcher,
        &endpoint,
        &svid(issuer, "/ns/demo/sa/shop", as_url, 240),
        None,
    )
    .await?;
    show(&first, 200)?;
    print_prose(
        "2. Second use: the same workload with a new SVID is the same client. It requests one scope value.",
    )?;
    let fresh = svid(issuer, "/ns/demo/sa/shop", as_url, 300);
    let second = exchange(&fetcher, &endpoint, &fresh, Some("orders.write")).await?;
    show(&second, 200)?;
    print_prose(&format!(
        "3. Refused use: no rule governs spiffe://{TRUST_DOMAIN}/batch/cleaner. It gets no token, and no client is registered."
    ))?;
    let third = exchange(
        &fetcher,
        &endpoint,
        &svid(issuer, "/batch/cleaner", as_url, 240),
        None,
    )
    .await?;
    show(&third, 400)
}

async fn exchange(
    fetcher: &Fetcher,
    endpoint: &Url,
    svid: &str,
    scope: Option<&str>,
) -> Result<Fetched, Failed> {
    let mut form = vec![
        ("grant_type", GRANT_CLIENT_CREDENTIALS),
        ("client_assertion_type", ASSERTION_TYPE_JWT_SPIFFE),
        ("client_assertion", svid),
    ];
    form.extend(scope.map(|scope| ("scope", scope)));
    print_text("")?;
    print_text(&format!("   POST {endpoint}"))?;
    for (name, value) in &form {
        let shown = if value.len() > 60 {
            format!("{}…", value.get(..40).unwrap_or_default())
        } else {
            (*value).to_owned()
        };
        print_text(&format!("     {name}={shown}"))?;
    }
    fetcher
        .send(&Outgoing::form(endpoint, &form), FetchLimits::default())
        .await
        .map_err(|fault| Failed::new(format!("the server did not answer: {fault}")))
}

fn show(answer: &Fetched, expected: u16) -> Result<(), Failed> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    print_text(&format!("   {}", answer.status))?;
    match body["access_token"].as_str() {
        Some(text) => {
            print_text(&format!(
                "     token_type {}, expires_in {}, scope {}",
                body["token_type"], body["expires_in"], body["scope"]
            ))?;
            let token = Jws::parse(text).and_then(|token| token.unverified_claims());
            let claims: serde_json::Value = token.unwrap_or_default();
            print_text(&format!("     {claims}"))?;
        }
        None => print_text(&format!("     {body}"))?,
    }
    print_text("")?;
    if answer.status == expected {
        return Ok(());
    }
    Err(Failed::new(format!(
        "the demonstration expected status {expected}"
    )))
}
