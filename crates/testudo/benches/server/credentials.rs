//! Measures registrations with an SD-JWT VC and the proof of its holder, and token requests of such clients.

use crate::fixture::{Folder, ISSUER, Server, now, on_two_threads};
use crate::raw::Signatures;
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Connection;
use testudo_testkit::load::Connector;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, assertion_form, generate_key, key_set};

/// Requests of one measurement. Each registration needs a nonce and two signatures, which are made before it.
const REQUESTS: usize = 10_000;
/// Clients that register again and ask for tokens.
const CLIENTS: usize = 100;

const ISSUER_OF_CREDENTIALS: &str = "https://issuer.example";
const VCT: &str = "https://vct.example/oauth-client/1";

/// The default of `holder_binding` and `challenge` counts: a proof of the holder with a nonce of the server.
const CONFIGURATION: &str = r#"
[registration]
[[issuers]]
name = "agents"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://issuer.example"
jwks = { file = "agents.json" }
types = ["https://vct.example/oauth-client/1"]
attests = ["client_name"]
registrations_per_minute = 100000000
clients_max = 100000000
[[rules]]
name = "agents"
identities = ["agents:*"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
"#;

/// The issuer of the credentials, and the holder of all of them.
struct Keys {
    issuer: SigningKey,
    holder: SigningKey,
}

pub async fn run() {
    let keys = Keys {
        issuer: generate_key(Algorithm::ES256, Some("issuer")),
        holder: generate_key(Algorithm::ES256, None),
    };
    let folder = Folder::new(&TestIssuer::new("bench.example"));
    let key_set = key_set(&[&keys.issuer]);
    folder.append(CONFIGURATION, "agents.json", &key_set.to_string());
    let server = Server::start(&folder.0);
    let registrations = async |count: usize, subject: &(dyn Fn(usize) -> String + Sync)| {
        let nonces = nonces(&server, count).await;
        on_two_threads(count, |number| {
            registration(&keys, &subject(number), &nonces[number])
        })
    };
    let known = |number: usize| format!("known-{}", number % CLIENTS);
    let warm = registrations(1_000, &known).await;
    server
        .measure_over("", &Connector::Registrations, &[], warm)
        .await;

    let raw = Signatures::of(&keys.issuer, 400);
    let new = |number: usize| format!("new-{number}");
    let first = registrations(REQUESTS, &new).await;
    let over = &Connector::Registrations;
    row(&server, &raw, "SD-JWT VC, first", (over, first), (2.0, 0.0)).await;
    let again = registrations(REQUESTS, &known).await;
    row(&server, &raw, "SD-JWT VC, again", (over, again), (2.0, 0.0)).await;
    let tokens = on_two_threads(REQUESTS, |number| {
        let client = format!("agents:{}", known(number));
        let jti = number.to_string();
        let assertion = Draft::assertion(&keys.holder, &client, ISSUER, &jti, now());
        Bytes::from(assertion_form(&assertion.sign(), &[]))
    });
    row(
        &server,
        &raw,
        "its client, private_key_jwt",
        (&Connector::Plain, tokens),
        (1.0, 1.0),
    )
    .await;
}

/// New nonces for registrations, asked for one after another.
async fn nonces(server: &Server, count: usize) -> Vec<String> {
    let mut connection = Connection::open(server.address).await;
    let mut nonces = Vec::with_capacity(count);
    for _ in 0..count {
        let answer = connection.send("POST", "/challenge", &[], Vec::<u8>::new()).await;
        nonces.push(answer.json()["registration_nonce"].as_str().unwrap().to_owned());
    }
    nonces
}

/// The request of a registration: an SD-JWT VC that no request carried before, without disclosures, with the proof of its
/// holder.
fn registration(keys: &Keys, subject: &str, nonce: &str) -> Bytes {
    let names = [ISSUER_OF_CREDENTIALS, VCT, subject];
    let credential = Draft::sd_jwt_vc(&keys.issuer, names, &keys.holder, now())
        .claim("client_name", "Agent 7")
        .claim("jti", nonce);
    let sd_jwt = format!("{}~", credential.sign());
    let proof = Draft::key_binding(&keys.holder, &sd_jwt, ISSUER, nonce, now());
    let statement = format!("{sd_jwt}{}", proof.sign());
    Bytes::from(serde_json::json!({ "software_statement": statement }).to_string())
}

/// Measures these requests, and compares them with so many verifications and signatures. The key of the holder is in the
/// credential, so the server must read it in each registration; this is not counted.
async fn row(
    server: &Server,
    raw: &Signatures<'_>,
    name: &str,
    (connector, bodies): (&Connector, Arc<Vec<Bytes>>),
    operations: (f64, f64),
) {
    let requests = bodies.len();
    let written = server.batches_written().await;
    let measured = server.measure_over(name, connector, &[], bodies);
    raw.compare(operations, measured).await;
    let written = server.batches_written().await - written;
    println!("  {written} store batches for {requests} requests");
}
