//! Measures registrations with an SD-JWT VC and the proof of its holder, and token requests of such clients.

use crate::fixture::{Folder, ISSUER, Server, now, on_two_threads};
use crate::raw;
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, KeySet, PublicKey, SigningKey};
use testudo_testkit::http::Connection;
use testudo_testkit::load::Connector;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, assertion_form, generate_key};

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
    let key_set = serde_json::json!({ "keys": [keys.issuer.public_jwk("sig", true)] });
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

    let raw = Raw::new();
    let new = |number: usize| format!("new-{number}");
    let first = registrations(REQUESTS, &new).await;
    let over = &Connector::Registrations;
    raw.row(&server, "SD-JWT VC, first", (over, first), (2.0, 0.0))
        .await;
    let again = registrations(REQUESTS, &known).await;
    raw.row(&server, "SD-JWT VC, again", (over, again), (2.0, 0.0))
        .await;
    let tokens = on_two_threads(REQUESTS, |number| {
        let client = format!("agents:{}", known(number));
        let jti = number.to_string();
        let assertion = Draft::assertion(&keys.holder, &client, ISSUER, &jti, now());
        Bytes::from(assertion_form(&assertion.sign(), &[]))
    });
    raw.row(
        &server,
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

/// The operations that a row cannot do without, with keys that are read before. The key of the holder is in the credential,
/// so the server must read it in each registration; this is not counted.
struct Raw {
    key: SigningKey,
    keys: KeySet,
}

impl Raw {
    fn new() -> Raw {
        let key = generate_key(Algorithm::ES256, None);
        let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
        let mut keys = KeySet::default();
        keys.push(PublicKey::from_jwk(&jwk).unwrap());
        Raw { key, keys }
    }

    /// ES256 verification and ES256 signature, microseconds of CPU time.
    fn measure(&self) -> (f64, f64) {
        let message = [7; 400];
        let signature = self.key.sign(&message).unwrap();
        let public = self.keys.iter().next().unwrap();
        let verify = raw::cpu_time(|| assert!(public.verify(Algorithm::ES256, &message, &signature)));
        let sign = raw::cpu_time(|| drop(self.key.sign(&message).unwrap()));
        (verify, sign)
    }

    /// Measures these requests, and compares them with so many verifications and signatures.
    async fn row(
        &self,
        server: &Server,
        name: &str,
        (connector, bodies): (&Connector, Arc<Vec<Bytes>>),
        (verifications, signatures): (f64, f64),
    ) {
        let requests = bodies.len();
        let written = server.batches_written().await;
        let before = self.measure();
        let us = server.measure_over(name, connector, &[], bodies).await;
        let after = self.measure();
        let written = server.batches_written().await - written;
        let [verify, sign] = [(before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0];
        println!(
            "  {:.2} times the raw {verifications} ES256 verify ({verify:.1} us) + {signatures} sign ({sign:.1} us); \
             {written} store batches for {requests} requests",
            us / (verifications * verify + signatures * sign)
        );
    }
}
