//! Tokens by client attestation: `token get --attestation`, `call`, and the commands of the page about it.

use crate::binary::{Server, Site, now, run, search_path, stderr};
use crate::docs::page;
use crate::dpop::{RESOURCE, api_of, run_beside};
use std::process::{Command, Output};
use std::sync::Arc;
use testudo_client::{AttestationSource, Attestations, Attested, AttestedFuture, PrivateKey, TokenClient};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{generate_key, key_set};

const RULE: &str = r#"
[[issuers]]
name = "agents"
kind = "attester"
use = ["client"]
jwks = { file = "attester.jwks.json" }
[[rules]]
name = "agents"
identities = ["agents:fleet/{app}"]
scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
"#;

pub const CLIENT: &str = "fleet/shop";

/// A server that trusts an attester and requires challenges of its clients, and a client with an attested key.
pub struct World {
    pub site: Site,
    pub issuer: String,
    pub attester: SigningKey,
    _server: Server,
}

impl World {
    /// `tokens` is the content of the section `[tokens]`.
    pub fn start(tokens: &str) -> World {
        let (site, issuer) = Site::under_its_own_name();
        let attester = generate_key(Algorithm::ES256, Some("at"));
        let jwks = key_set(&[&attester]);
        site.write("attester.jwks.json", &jwks.to_string());
        site.write("client.key", &PrivateKey::generate_pem().unwrap());
        site.append(&format!("{RULE}\n[tokens]\n{tokens}"));
        let world = World {
            _server: site.serve(),
            site,
            issuer,
            attester,
        };
        world.site.write("attestation.jwt", &world.attestation().sign());
        world
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::from_pem(&std::fs::read(self.site.folder.join("client.key")).unwrap()).unwrap()
    }

    fn attestation(&self) -> Draft<'_> {
        attestation_of(&self.attester, &self.key())
    }

    fn path(&self, name: &str) -> String {
        self.site.folder.join(name).to_str().unwrap().to_owned()
    }

    /// `token get` with the attestation and these options.
    fn get(&self, options: &[&str]) -> Output {
        let (attestation, key) = (self.path("attestation.jwt"), self.path("client.key"));
        let own = [
            "token",
            "get",
            "--issuer",
            &self.issuer,
            "--attestation",
            &attestation,
            "--key",
            &key,
        ];
        run(&[&own, options].concat(), "")
    }
}

/// A valid attestation of this key, for the client.
pub fn attestation_of<'k>(attester: &'k SigningKey, key: &PrivateKey) -> Draft<'k> {
    let jwk: serde_json::Value = serde_json::from_str(&key.public_jwk()).unwrap();
    let draft = Draft::attestation(attester, CLIENT, attester, now());
    draft.claim("cnf", serde_json::json!({ "jwk": jwk }))
}

#[track_caller]
fn token(output: &Output) -> serde_json::Value {
    assert_eq!((output.status.code(), stderr(output).as_str()), (Some(0), ""));
    claims(String::from_utf8_lossy(&output.stdout).trim())
}

#[test]
fn token_get_authenticates_with_an_attestation_and_binds_the_token_to_its_key_or_another() {
    for nonces in ["optional", "required"] {
        let world = World::start(&format!("dpop_nonce = \"{nonces}\""));
        let plain = token(&world.get(&[]));
        assert_eq!(plain["client_id"], CLIENT);
        assert_eq!(
            (&plain["cnf"], &plain["instance"]),
            (&serde_json::Value::Null, &world.key().thumbprint().into())
        );
        let bound = token(&world.get(&["--dpop"]));
        assert_eq!(bound["cnf"]["jkt"], world.key().thumbprint());
        let other = world.path("other.key");
        let bound = token(&world.get(&["--dpop", "--dpop-key", &other]));
        let other = PrivateKey::from_pem(&std::fs::read(other).unwrap()).unwrap();
        assert_eq!(bound["cnf"]["jkt"], other.thumbprint());
    }
}

/// The client knows the kind of the credential by `typ`. The trust domain requires challenges, or nonces in their place.
#[test]
fn token_get_authenticates_with_a_wit_svid_and_binds_the_token_to_its_key() {
    let (site, issuer) = Site::under_its_own_name();
    let authority = site.issue_wit_svids("required");
    site.write("client.key", &PrivateKey::generate_pem().unwrap());
    let key = PrivateKey::from_pem(&std::fs::read(site.folder.join("client.key")).unwrap()).unwrap();
    let mut jwk: serde_json::Value = serde_json::from_str(&key.public_jwk()).unwrap();
    jwk["alg"] = "ES256".into();
    let workload = "spiffe://prod.example/ns/shop/sa/pay";
    let wit = Draft::wit_svid(&authority, workload, &authority, now())
        .claim("cnf", serde_json::json!({ "jwk": jwk }));
    site.write("attestation.jwt", &wit.sign());
    let world = World {
        _server: site.serve(),
        site,
        issuer,
        attester: authority,
    };
    for (options, jkt) in [
        (&[][..], serde_json::Value::Null),
        (&["--dpop"], key.thumbprint().into()),
    ] {
        let claims = token(&world.get(options));
        assert_eq!((&claims["sub"], &claims["cnf"]["jkt"]), (&workload.into(), &jkt));
    }
}

#[test]
fn token_get_names_what_is_wrong_with_the_attestation_or_its_key() {
    let world = World::start("");
    let refused = |output: &Output, expected: &[&str]| {
        let text = stderr(output);
        assert!(
            output.status.code() == Some(1) && output.stdout.is_empty(),
            "{text}"
        );
        assert!(
            expected.iter().all(|expected| text.contains(expected)),
            "{expected:?}: {text}"
        );
    };
    let old = world
        .attestation()
        .claim("iat", now() - 90_000)
        .claim("exp", now() + 60)
        .sign();
    world.site.write("attestation.jwt", &old);
    refused(
        &world.get(&[]),
        &["use_fresh_attestation", "hint: get a new attestation"],
    );
    world.site.write(
        "attestation.jwt",
        &world.attestation().claim("exp", now() - 60).sign(),
    );
    refused(&world.get(&[]), &["attestation.jwt: it expired at 20", "hint: "]);
    world.site.write("attestation.jwt", &world.attestation().sign());
    world
        .site
        .write("client.key", &PrivateKey::generate_pem().unwrap());
    refused(
        &world.get(&[]),
        &["attestation.jwt: its cnf.jwk is not the public key of the private key"],
    );
    world.site.write("client.key", "no key");
    refused(
        &world.get(&[]),
        &[
            "client.key",
            "`PRIVATE KEY` in PEM",
            "hint: name the file with the attestation",
        ],
    );
    let options = ["token", "get", "--issuer", &world.issuer, "--attestation", "x"];
    for more in [&[][..], &["--key", "x", "--svid-file", "x"]] {
        let output = run(&[&options, more].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{more:?}");
    }
}

/// Attests the key of this process. Its first attestation is older than the server accepts.
struct Attester {
    world: World,
    key: Arc<PrivateKey>,
}

impl AttestationSource for Attester {
    fn attested(&self, must_be_new: bool) -> AttestedFuture<'_> {
        let age = if must_be_new { 0 } else { 90_000 };
        let draft = attestation_of(&self.world.attester, &self.key).claim("iat", now() - age);
        let attested = Attested {
            attestation: draft.sign(),
            key: self.key.clone(),
        };
        Box::pin(async { Ok(attested) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sdk_gets_a_newer_attestation_and_a_challenge_or_nonce_from_the_server_and_then_the_token() {
    let world = World::start("dpop_nonce = \"required\"");
    let (issuer, key) = (world.issuer.clone(), Arc::new(PrivateKey::generate().unwrap()));
    let jkt = serde_json::Value::from(key.thumbprint());
    let attester: Arc<dyn AttestationSource> = Arc::new(Attester { world, key });
    let by_pop = Attestations::source(attester);
    for (attestations, cnf) in [
        (by_pop.clone(), &serde_json::Value::Null),
        (by_pop.combined(), &jkt),
    ] {
        let client = TokenClient::new(&issuer, attestations).unwrap();
        let claims = claims(client.token().await.unwrap().secret());
        assert_eq!((&claims["instance"], &claims["cnf"]["jkt"]), (&jkt, cnf));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_proves_the_attested_key_to_the_api_too() {
    let world = World::start("dpop_nonce = \"required\"");
    let api = api_of(&world.issuer, RESOURCE, |dpop| dpop.nonces(&[7; 32])).await;
    let (attestation, key) = (world.path("attestation.jwt"), world.path("client.key"));
    let words = [
        "call",
        &api,
        "--issuer",
        &world.issuer,
        "--resource",
        RESOURCE,
        "--attestation",
        &attestation,
        "--key",
        &key,
    ];
    for (options, expected) in [
        (&["--dpop"][..], "fleet/shop bound true\n"),
        (&[], "fleet/shop bound false\n"),
    ] {
        let output = run_beside(&[&words, options].concat(), "").await;
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.ends_with(expected), "{printed}{}", stderr(&output));
    }
}

#[test]
fn the_commands_of_the_page_get_tokens() {
    let world = World::start("");
    let page = page("docs/doors/attestation.md");
    let console = page.split("```console\n").nth(1).unwrap();
    let console = console.split("```").next().unwrap().replace("\\\n", " ");
    let commands: Vec<&str> = console
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    let mut bound = Vec::new();
    for command in &commands {
        let command = command.replace("https://as.example.net", &world.issuer);
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &command])
            .current_dir(&world.site.folder)
            .env("PATH", search_path());
        let claims = token(&shell.output().unwrap());
        assert_eq!(claims["client_id"], CLIENT, "{command}");
        bound.push(claims["cnf"]["jkt"].is_string());
    }
    assert_eq!(bound, [false, true], "{commands:?}");
}
