//! Client attestations and WIT-SVIDs in the token client, against a server that gives prepared answers. Tests with the
//! real server are in the suite of the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption of a test panics"
)]

mod servers;

use serde_json::{Value, json};
use servers::{Servers, field, now};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testudo_client::{
    AttestationSource, Attestations, Attested, AttestedFuture, ClientError, PrivateKey, TokenClient,
};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::token::{Draft, claims, header};
use testudo_testkit::web::answer_text;

const BEARER: &str = r#"{"access_token":"t","token_type":"Bearer","expires_in":300}"#;
const BOUND: &str = r#"{"access_token":"t","token_type":"DPoP","expires_in":300}"#;
const COMBINED: &str =
    r#","client_attestation_pop_methods_supported":["attestation_pop_jwt","dpop_combined"]"#;
const CHALLENGES: &str = r#","challenge_endpoint":"URL/challenge""#;

fn granted() -> String {
    answer_text("200 OK", "", BEARER)
}

fn refused(code: &str, headers: &str) -> String {
    answer_text("400 Bad Request", headers, &format!(r#"{{"error":"{code}"}}"#))
}

fn demand(challenge: &str) -> String {
    let headers = format!("OAuth-Client-Attestation-Challenge: {challenge}\r\n");
    refused("use_attestation_challenge", &headers)
}

/// A server, an attester, and a client with its key.
struct World {
    servers: Servers,
    attester: SigningKey,
    pem: String,
}

impl World {
    async fn start(metadata: &str) -> World {
        World {
            servers: Servers::start("client-attestation", metadata).await,
            attester: generate_key(Algorithm::ES256, Some("at")),
            pem: PrivateKey::generate_pem().unwrap().to_string(),
        }
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::from_pem(self.pem.as_bytes()).unwrap()
    }

    /// An attestation of the key of the client.
    fn attestation(&self) -> Draft<'_> {
        let jwk: Value = serde_json::from_str(&self.key().public_jwk()).unwrap();
        Draft::attestation(&self.attester, "c5", &self.attester, now()).claim("cnf", json!({ "jwk": jwk }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.servers.folder.join(name)
    }

    fn files(&self, attestation: &str) -> Attestations {
        std::fs::write(self.path("attestation.jwt"), format!("{attestation}\n")).unwrap();
        std::fs::write(self.path("client.key"), &self.pem).unwrap();
        Attestations::files(self.path("attestation.jwt"), self.path("client.key"))
    }

    fn client(&self, attestations: Attestations) -> TokenClient {
        TokenClient::new(&self.servers.url, attestations).unwrap()
    }
}

const ATTESTATION: &str = "oauth-client-attestation";
const POP: &str = "oauth-client-attestation-pop";

#[tokio::test]
async fn abca_5_1_each_request_has_the_attestation_and_a_new_pop_and_no_client_assertion() {
    let world = World::start("").await;
    let attestation = world.attestation().sign();
    world.servers.prepare(&[granted(), granted()]);
    for _ in 0..2 {
        let client = world.client(world.files(&attestation));
        assert_eq!(client.token().await.unwrap().token_type(), "Bearer");
    }
    let requests = world.servers.requests();
    let mut ids = Vec::new();
    for request in &requests {
        assert_eq!(field(request, ATTESTATION), Some(attestation.as_str()));
        let pop = field(request, POP).unwrap();
        let expected = json!({ "alg": "ES256", "typ": "oauth-client-attestation-pop+jwt" });
        assert_eq!(header(pop), expected);
        let claims = claims(pop);
        assert_eq!(
            (&claims["aud"], &claims["challenge"]),
            (&json!(world.servers.url), &Value::Null)
        );
        assert!((now() - claims["iat"].as_i64().unwrap()).abs() < 30);
        ids.push(claims["jti"].clone());
        assert!(
            request.ends_with("\r\n\r\ngrant_type=client_credentials"),
            "{request}"
        );
        assert_eq!(field(request, "dpop"), None);
    }
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

/// The challenges in the PoPs of the token requests since the last call.
#[track_caller]
fn challenges(world: &World) -> Vec<Value> {
    let requests = world.servers.requests();
    let pops = requests.iter().filter_map(|request| field(request, POP));
    pops.map(|pop| claims(pop)["challenge"].clone()).collect()
}

#[tokio::test]
async fn abca_6_pop_has_the_last_challenge_and_the_request_is_repeated_once_if_it_is_refused() {
    let world = World::start(CHALLENGES).await;
    let client = || world.client(world.files(&world.attestation().sign()));
    let offered = answer_text("200 OK", "", r#"{"attestation_challenge":"one"}"#);
    world.servers.prepare(&[offered.clone(), granted()]);
    client().token().await.unwrap();
    assert_eq!(challenges(&world), ["one"], "of the endpoint");

    world.servers.prepare(&[offered, demand("two"), granted()]);
    client().token().await.unwrap();
    assert_eq!(challenges(&world), ["one", "two"], "of the answer");

    let unusable = answer_text("503 Service Unavailable", "", "");
    world.servers.prepare(&[unusable, demand("one"), demand("two")]);
    let error = client().token().await.unwrap_err();
    assert!(error.to_string().contains("use_attestation_challenge"), "{error}");
    assert_eq!(
        challenges(&world),
        [Value::Null, "one".into()],
        "exactly one repetition"
    );
}

#[tokio::test]
async fn abca_5_2_combined_mode_sends_one_dpop_proof_of_the_attested_key_if_the_issuer_accepts_it() {
    let method = r#","token_endpoint_auth_methods_supported":["attest_jwt_client_auth_dpop"]"#;
    for (metadata, has_pop) in [(COMBINED, false), (method, false), ("", true)] {
        let world = World::start(metadata).await;
        let bound = answer_text("200 OK", "", BOUND);
        world
            .servers
            .prepare(&[refused("use_dpop_nonce", "DPoP-Nonce: n\r\n"), bound]);
        let client = world.client(world.files(&world.attestation().sign()).combined());
        let token = client.token().await.unwrap();
        assert_eq!(token.token_type(), "DPoP");
        let requests = world.servers.requests();
        let jwk: Value = serde_json::from_str(&world.key().public_jwk()).unwrap();
        for (request, nonce) in requests.iter().zip([Value::Null, "n".into()]) {
            let proof = field(request, "dpop").unwrap();
            assert_eq!((&header(proof)["jwk"], &claims(proof)["nonce"]), (&jwk, &nonce));
            assert_eq!(field(request, POP).is_some(), has_pop, "{metadata}");
        }
        let url = url::Url::parse("https://api.example/").unwrap();
        let proof = token.headers("GET", &url).unwrap().dpop.unwrap();
        assert_eq!(
            header(&proof)["jwk"],
            jwk,
            "the token is used with the attested key"
        );
    }
}

#[tokio::test]
async fn abca_7_token_is_bound_to_another_key_by_a_dpop_proof_beside_the_pop() {
    let world = World::start(COMBINED).await;
    world.servers.prepare(&[answer_text("200 OK", "", BOUND)]);
    let key = PrivateKey::generate().unwrap();
    let jwk: Value = serde_json::from_str(&key.public_jwk()).unwrap();
    let client = world
        .client(world.files(&world.attestation().sign()).combined())
        .dpop(key);
    client.token().await.unwrap();
    let requests = world.servers.requests();
    assert_eq!(header(field(&requests[0], "dpop").unwrap())["jwk"], jwk);
    assert!(field(&requests[0], POP).is_some());
}

#[tokio::test]
async fn wit_svid_is_sent_in_the_place_of_an_attestation_and_its_jwk_chooses_the_algorithm() {
    let mut world = World::start("").await;
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA"])
        .output()
        .unwrap();
    world.pem = String::from_utf8(made.stdout).unwrap();
    let wit = |jwk: &Value| {
        let subject = "spiffe://prod.example/pay";
        let draft = world.attestation().header("typ", "wit+jwt").claim("sub", subject);
        draft.claim("cnf", json!({ "jwk": jwk })).sign()
    };
    let mut jwk: Value = serde_json::from_str(&world.key().public_jwk()).unwrap();
    for algorithm in ["PS256", "RS384"] {
        jwk["alg"] = json!(algorithm);
        let wit = wit(&jwk);
        world.servers.prepare(&[granted()]);
        world.client(world.files(&wit)).token().await.unwrap();
        let requests = world.servers.requests();
        assert_eq!(field(&requests[0], ATTESTATION), Some(wit.as_str()));
        assert_eq!(header(field(&requests[0], POP).unwrap())["alg"], algorithm);
    }
}

#[tokio::test]
async fn attestation_that_cannot_work_is_not_sent_and_the_error_names_file_and_reason() {
    let world = World::start("").await;
    let other = world
        .attestation()
        .claim("cnf", json!({ "jwk": jwk_of(&world.attester) }));
    let good = || world.attestation();
    for (attestation, expected) in [
        (
            String::from("x"),
            "this is neither a client attestation nor a WIT-SVID",
        ),
        (good().header("typ", "JWT").sign(), "typ is JWT, and must be "),
        (
            good().without_header("typ").sign(),
            "typ is missing, and must be ",
        ),
        (good().without_claim("cnf").sign(), "the member `cnf` is missing"),
        (
            other.sign(),
            "its cnf.jwk is not the public key of the private key",
        ),
        (good().claim("exp", now() - 60).sign(), "it expired at 20"),
        (
            good().claim("nbf", now() + 120).sign(),
            "it is not valid before 20",
        ),
    ] {
        let error = world.client(world.files(&attestation)).token().await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains("attestation.jwt: "),
            "{expected}: {text}"
        );
        assert!(error.hint().is_some(), "{text}");
    }
    let files = world.files(&good().sign());
    for (name, content) in [
        ("client.key", Some("no key")),
        ("client.key", None),
        ("attestation.jwt", None),
    ] {
        match content {
            Some(content) => std::fs::write(world.path(name), content).unwrap(),
            None => std::fs::remove_file(world.path(name)).unwrap(),
        }
        let error = world.client(files.clone()).token().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Attestation { .. }) && error.to_string().contains(name),
            "{error}"
        );
    }
    assert!(world.servers.requests().is_empty());
}

fn jwk_of(key: &SigningKey) -> Value {
    serde_json::from_str(&key.proof_jwk()).unwrap()
}

/// Gives the prepared attestations, and records what was asked.
struct Prepared {
    attestations: Mutex<Vec<String>>,
    asked: Mutex<Vec<bool>>,
    key: Arc<PrivateKey>,
}

impl AttestationSource for Prepared {
    fn attested(&self, must_be_new: bool) -> AttestedFuture<'_> {
        self.asked.lock().unwrap().push(must_be_new);
        let attestation = self.attestations.lock().unwrap().remove(0);
        let key = self.key.clone();
        Box::pin(async move { Ok(Attested { attestation, key }) })
    }
}

#[tokio::test]
async fn abca_7_4_request_is_repeated_once_with_a_newer_attestation() {
    let world = World::start("").await;
    let source = |attestations: Vec<String>| {
        Arc::new(Prepared {
            attestations: Mutex::new(attestations),
            asked: Mutex::default(),
            key: Arc::new(world.key()),
        })
    };
    let [old, new] = [100, 0].map(|age| world.attestation().claim("iat", now() - age).sign());
    let stale = || refused("use_fresh_attestation", "");

    world.servers.prepare(&[stale(), granted()]);
    let prepared = source(vec![old.clone(), new.clone()]);
    world
        .client(Attestations::source(prepared.clone()))
        .token()
        .await
        .unwrap();
    assert_eq!(*prepared.asked.lock().unwrap(), [false, true]);
    let sent: Vec<String> = world
        .servers
        .requests()
        .iter()
        .map(|request| field(request, ATTESTATION).unwrap().to_owned())
        .collect();
    assert_eq!(sent, [old.clone(), new.clone()]);

    world.servers.prepare(&[stale(), stale()]);
    let prepared = source(vec![old.clone(), new]);
    let error = world
        .client(Attestations::source(prepared))
        .token()
        .await
        .unwrap_err();
    assert!(error.hint().unwrap().contains("get a new attestation"), "{error}");
    assert_eq!(world.servers.requests().len(), 2, "exactly one repetition");

    world.servers.prepare(&[stale()]);
    let error = world.client(world.files(&old)).token().await.unwrap_err();
    assert!(error.to_string().contains("use_fresh_attestation"), "{error}");
    assert_eq!(
        world.servers.requests().len(),
        1,
        "the file has the same attestation"
    );
}

/// A program that passes the public key on to this test, and prints what the test writes.
struct Attester {
    program: PathBuf,
    runs: Arc<Mutex<Vec<Value>>>,
}

impl Attester {
    /// Attestations with these claims, one for each run.
    fn start(world: &World, name: &str, drafts: Vec<(i64, i64)>) -> Attester {
        let folder = world.path(name);
        std::fs::create_dir(&folder).unwrap();
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\" && cat > jwk.new && mv jwk.new jwk && cat answer\n";
        let program = folder.join("attest");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.join("answer"))
            .status()
            .unwrap();
        assert!(made.success());
        let runs: Arc<Mutex<Vec<Value>>> = Arc::default();
        let attester = generate_key(Algorithm::ES256, Some("at"));
        std::thread::spawn({
            let runs = runs.clone();
            move || {
                for (issued, expires) in drafts {
                    let jwk = folder.join("jwk");
                    let deadline = Instant::now() + Duration::from_secs(30);
                    while !jwk.exists() && Instant::now() < deadline {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    let text = std::fs::read(&jwk).expect("the program did not get the key");
                    std::fs::remove_file(&jwk).unwrap();
                    let jwk: Value = serde_json::from_slice(&text).unwrap();
                    // Opening it waits for the program.
                    let mut pipe = std::fs::OpenOptions::new()
                        .write(true)
                        .open(folder.join("answer"))
                        .unwrap();
                    let attestation = Draft::attestation(&attester, "c5", &attester, now() + issued)
                        .claim("exp", now() + expires)
                        .claim("cnf", json!({ "jwk": jwk }))
                        .sign();
                    runs.lock().unwrap().push(jwk);
                    pipe.write_all(attestation.as_bytes()).unwrap();
                }
            }
        });
        Attester { program, runs }
    }

    fn attestations(&self) -> Attestations {
        Attestations::command(&self.program, [""; 0]).unwrap()
    }
}

#[tokio::test]
async fn program_attests_the_key_of_this_process_and_runs_again_only_for_a_new_attestation() {
    let world = World::start("").await;
    let attester = Attester::start(&world, "attester", vec![(-100, 3600), (0, 3600)]);
    let attestations = attester.attestations();
    let short = answer_text("200 OK", "", &BEARER.replace("300", "0"));
    world.servers.prepare(&[
        short.clone(),
        short,
        refused("use_fresh_attestation", ""),
        granted(),
    ]);
    let client = world.client(attestations);
    for (count, what) in [
        (1, "first"),
        (1, "the attestation is used again"),
        (2, "the issuer wants a new one"),
    ] {
        client.token().await.unwrap();
        assert_eq!(attester.runs.lock().unwrap().len(), count, "{what}");
    }
    let runs = attester.runs.lock().unwrap().clone();
    assert_eq!(runs[0], runs[1], "the key of the process stays the same");
    let requests = world.servers.requests();
    let attestations = requests
        .iter()
        .map(|request| claims(field(request, ATTESTATION).unwrap()));
    assert!(
        attestations
            .into_iter()
            .all(|attestation| attestation["cnf"]["jwk"] == runs[0])
    );

    let attester = Attester::start(&world, "short", vec![(0, 20), (0, 3600)]);
    world
        .servers
        .prepare(&[answer_text("200 OK", "", &BEARER.replace("300", "0")), granted()]);
    let client = world.client(attester.attestations());
    for count in 1..=2 {
        client.token().await.unwrap();
        assert_eq!(attester.runs.lock().unwrap().len(), count, "it expires in 20 s");
    }
}

#[tokio::test]
async fn program_that_attests_nothing_is_named_with_the_reason() {
    let world = World::start("").await;
    let path = world.path("fails");
    for (script, expected) in [
        (None, "cannot be started: "),
        (Some("exit 3"), "ended with exit status: 3"),
        (
            Some("echo hello"),
            "this is neither a client attestation nor a WIT-SVID",
        ),
        (Some("exec cat /dev/zero"), "ended with signal: 13"),
    ] {
        if let Some(script) = script {
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let attestations = Attestations::command(&path, [""; 0]).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(30), async {
            world.client(attestations).token().await
        })
        .await;
        let error = asked.unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    assert!(world.servers.requests().is_empty());
}
