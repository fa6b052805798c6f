//! `cargo xtask bench proofs`: measures token requests with a proof of possession, each proof new, and compares them with
//! the cryptographic operations alone.

use crate::fixture::{CONNECTIONS, Folder, ISSUER, Server, mint, now, svid};
use crate::raw::raw_cryptography;
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::load::{Connector, Fields, drive};
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, form, generate_key, key_set, svid_form};

/// Requests of one measurement: their proofs are made before it and are accepted for 60 seconds.
const REQUESTS: usize = 20_000;
/// All rows are measured so often, one after the other, and the medians are printed: the machine may be slower for some
/// seconds, which changes the time of a request more than that of the cryptography alone.
const ROUNDS: usize = 5;

const ATTESTATION: &str = "oauth-client-attestation";

const ATTESTER: &str = r#"
[[issuers]]
name = "attester"
kind = "attester"
use = ["client"]
jwks = { file = "attester.json" }
challenge = "none"
registrations_per_minute = 100000000
[[rules]]
name = "attested"
identities = ["attester:app/{app}"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
"#;

/// More settings of the trust domain.
const WITS: &str = "credentials = [\"jwt_svid\", \"wit_svid\"]\nchallenge = \"none\"\n";

/// What a request carries beside its body.
enum Part {
    /// A WIT-SVID that no request carried before.
    NewWit,
    /// The same WIT-SVID in every request.
    SameWit,
    /// An attestation that no request carried before.
    NewAttestation,
    /// The same attestation in every request.
    SameAttestation,
    /// A proof of possession of the key in the attestation or the WIT-SVID.
    Pop,
    /// A DPoP proof with that key.
    DpopOfAttested,
    /// A DPoP proof with another key, which is that of the client.
    Dpop,
    /// A DPoP proof with a key that no request used before.
    DpopOfNewKey,
}

use Part::{Dpop, DpopOfAttested, DpopOfNewKey, NewAttestation, NewWit, Pop, SameAttestation, SameWit};

/// Requests of one measurement.
struct Row {
    name: &'static str,
    /// The signatures that the server must verify for each request. It signs one token.
    verifications: u32,
    parts: &'static [Part],
}

const OF_SVIDS: [Row; 3] = [
    row("DPoP, fresh SVID", 2, &[Dpop]),
    row("DPoP with a new key, fresh SVID", 2, &[DpopOfNewKey]),
    row("DPoP, same SVID", 1, &[Dpop]),
];

const OF_ATTESTATIONS: [Row; 7] = [
    row("WIT-SVID + PoP", 2, &[NewWit, Pop]),
    row("WIT-SVID + DPoP", 2, &[NewWit, DpopOfAttested]),
    row("same WIT-SVID + PoP", 1, &[SameWit, Pop]),
    row("attestation + PoP", 2, &[NewAttestation, Pop]),
    row("attestation + DPoP", 2, &[NewAttestation, DpopOfAttested]),
    row("attestation + PoP + DPoP", 3, &[NewAttestation, Pop, Dpop]),
    row("same attestation + PoP", 1, &[SameAttestation, Pop]),
];

const fn row(name: &'static str, verifications: u32, parts: &'static [Part]) -> Row {
    Row {
        name,
        verifications,
        parts,
    }
}

pub async fn run() {
    let mut measured: [Vec<Measured>; OF_SVIDS.len() + OF_ATTESTATIONS.len()] = Default::default();
    for _ in 0..ROUNDS {
        measure_once(&mut measured).await;
    }
    for (row, measured) in OF_SVIDS.iter().chain(&OF_ATTESTATIONS).zip(measured) {
        let [fastest, us, slowest] = of_sorted(measured.iter().map(|round| round.us));
        let [_, ratio, _] = of_sorted(measured.iter().map(|round| round.ratio));
        let (name, verifications) = (row.name, row.verifications);
        println!(
            "{name:<31} {us:>6.1} us of server CPU, the median of {ROUNDS} from {fastest:.1} to {slowest:.1}: \
             {ratio:.2} times the raw {verifications} verify + sign"
        );
    }
}

/// Measures all rows with a new server.
async fn measure_once(measured: &mut [Vec<Measured>]) {
    let raw = raw_cryptography();
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let folder = Folder::new(&issuer);
    let keys = Keys::new();
    let key_set = key_set(&[&keys.attester]);
    folder.append(ATTESTER, "attester.json", &key_set.to_string());
    let mut bundle = issuer.bundle();
    let wit_key = keys.wit_issuer.public_jwk("wit-svid", true);
    bundle["keys"].as_array_mut().unwrap().push(wit_key);
    folder.append("", "bundle.json", &bundle.to_string());
    folder.edit("[[rules]]", &format!("{WITS}[[rules]]"));
    let server = Server::start(&folder.0);
    let known = |number: usize| format!("/ns/known/sa/s{}", number % 100);
    let warm = drive(server.address, CONNECTIONS, mint(&issuer, 4_000, known)).await;
    assert_eq!(warm.bad, 0);
    let written = server.batches_written().await;

    let same = Bytes::from(svid_form(&svid(&issuer, &known(0)), &[]));
    let [fresh, fresh_beside_new_keys] = [0, 1].map(|_| mint(&issuer, REQUESTS, known));
    let bodies_of_svids = [fresh, fresh_beside_new_keys, Arc::new(vec![same; REQUESTS])];
    let form = Bytes::from(form(&[("grant_type", "client_credentials")]));
    let bodies = Arc::new(vec![form; REQUESTS]);
    let of_attestations = OF_ATTESTATIONS.iter().map(|row| (row, bodies.clone()));
    let rows = OF_SVIDS.iter().zip(bodies_of_svids).chain(of_attestations);
    for ((row, bodies), measured) in rows.zip(measured) {
        let connector = Connector::PlainWithFields(keys.fields(row));
        let us = server.measure_quietly(row.name, &connector, bodies).await;
        let ratio = us / (f64::from(row.verifications) * raw.0 + raw.1);
        measured.push(Measured { us, ratio });
    }
    let written = server.batches_written().await - written;
    println!("  store batches for {} used proofs: {written}", 11 * REQUESTS);
}

/// One measurement of a row.
struct Measured {
    /// CPU time of the server for each request, microseconds.
    us: f64,
    /// This time, divided by that of the cryptography alone in the same round.
    ratio: f64,
}

/// The lowest value, the median and the highest value.
fn of_sorted(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

struct Keys {
    wit_issuer: SigningKey,
    attester: SigningKey,
    attested: SigningKey,
    /// One for each client.
    others: Vec<SigningKey>,
}

impl Keys {
    fn new() -> Keys {
        Keys {
            wit_issuer: generate_key(Algorithm::ES256, Some("wit")),
            attester: generate_key(Algorithm::ES256, Some("attester")),
            attested: generate_key(Algorithm::ES256, None),
            others: (0..100).map(|_| generate_key(Algorithm::ES256, None)).collect(),
        }
    }

    /// The header fields of all requests of this row, of 100 clients in turn. Each proof has another `jti`.
    fn fields(&self, row: &Row) -> Arc<Vec<Fields>> {
        // Each is of another client, since one client may use 30,000 proofs at once.
        let (same, same_wit) = (self.attestation(0, "same"), self.wit(1, "same"));
        let fields = (0..REQUESTS).map(|number| {
            let jti = format!("{} {number}", row.name);
            let field = |part: &Part| match part {
                NewWit => (ATTESTATION, self.wit(number % 100, &jti)),
                SameWit => (ATTESTATION, same_wit.clone()),
                NewAttestation => (ATTESTATION, self.attestation(number % 100, &jti)),
                SameAttestation => (ATTESTATION, same.clone()),
                Pop => {
                    let pop = Draft::attestation_pop(&self.attested, ISSUER, &jti, now());
                    ("oauth-client-attestation-pop", pop.sign())
                }
                DpopOfAttested => ("dpop", dpop(&self.attested, &jti)),
                Dpop => ("dpop", dpop(&self.others[number % 100], &jti)),
                DpopOfNewKey => ("dpop", dpop(&generate_key(Algorithm::ES256, None), &jti)),
            };
            row.parts.iter().map(field).collect()
        });
        Arc::new(fields.collect())
    }

    fn wit(&self, service: usize, jti: &str) -> String {
        let subject = format!("spiffe://bench.example/ns/known/sa/s{service}");
        let wit = Draft::wit_svid(&self.wit_issuer, &subject, &self.attested, now());
        wit.claim("jti", jti).sign()
    }

    fn attestation(&self, app: usize, jti: &str) -> String {
        let client = format!("app/{app}");
        let attestation = Draft::attestation(&self.attester, &client, &self.attested, now());
        attestation.claim("jti", jti).sign()
    }
}

/// A DPoP proof for the token endpoint.
pub fn dpop(key: &SigningKey, jti: &str) -> String {
    let uri = format!("{ISSUER}/token");
    Draft::dpop(key, &uri, jti, now()).sign()
}
