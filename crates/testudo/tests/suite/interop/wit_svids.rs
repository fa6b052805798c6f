//! Tests WIT-SVIDs against go-spiffe: its parser and this server accept the same ones, a workload in Go gets a token, and
//! a WIT-SVID that another library signs is accepted.

use super::guides::recipe;
use super::programs::{build_go, go, or_skipped};
use super::shop::RESOURCE;
use crate::binary::{Server, Site, now, run_to_end, search_path, stderr};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Connection;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{form, generate_key};

const PAGE: &str = "wit-svid.md";
const WORKLOAD: &str = "spiffe://prod.example/ns/shop/sa/pay";

/// A server with a trust domain that issues WIT-SVIDs, and a workload with a key.
struct Wits {
    site: Site,
    issuer: String,
    authority: SigningKey,
    key: SigningKey,
    server: Server,
}

impl Wits {
    /// `challenge` is that of the trust domain.
    fn start(challenge: &str) -> Wits {
        let (site, issuer) = Site::under_its_own_name();
        let authority = site.issue_wit_svids(challenge);
        Wits {
            server: site.serve(),
            key: generate_key(Algorithm::ES256, None),
            site,
            issuer,
            authority,
        }
    }

    fn wit(&self) -> Draft<'_> {
        Draft::wit_svid(&self.authority, WORKLOAD, &self.key, now())
    }

    /// True if the server issues a token for this WIT-SVID with a valid proof.
    async fn takes(&self, wit: &str, jti: &str) -> bool {
        let pop = Draft::attestation_pop(&self.key, &self.issuer, jti, now()).sign();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("OAuth-Client-Attestation", wit),
            ("OAuth-Client-Attestation-PoP", &pop),
        ];
        let body = form(&[("grant_type", "client_credentials")]);
        let mut connection = Connection::open(self.server.address).await;
        let answer = connection.send("POST", "/token", &headers, body).await;
        answer.status == 200
    }
}

/// The folder of a Go module with the packages of the recipe.
fn module(name: &str) -> Option<PathBuf> {
    or_skipped(go(name, &recipe(PAGE, "Go").packages("pkg.go.dev", "@")))
}

/// The program that checks and makes WIT-SVIDs with the libraries of the recipe.
fn parser() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/interop/wit_parser.go");
    let source = std::fs::read_to_string(source).unwrap();
    Some(build_go(&module("go-wit-parser")?, &source))
}

/// What the program prints for this command and input.
fn output(program: &Path, arguments: &[&str], input: &str) -> String {
    let output = run_to_end(Command::new(program).args(arguments), input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks a recipe: its program prints a token.
#[track_caller]
fn check_recipe(mut program: Command) {
    let wits = Wits::start("required");
    let pem = wits.site.folder.join("wit.key");
    let mut openssl = Command::new("openssl");
    openssl.args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-out",
    ]);
    assert!(run_to_end(openssl.arg(&pem), "").status.success());
    let mut openssl = Command::new("openssl");
    openssl.args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"]);
    let der = run_to_end(openssl.arg(&pem), "").stdout;
    let key = SigningKey::from_pkcs8(Algorithm::ES384, &der, None).unwrap();
    let wit = Draft::wit_svid(&wits.authority, WORKLOAD, &key, now()).sign();
    wits.site.write("wit.jwt", &format!("{wit}\n"));
    program
        .env("ISSUER", &wits.issuer)
        .env("RESOURCE", RESOURCE)
        .env("WIT_FILE", wits.site.folder.join("wit.jwt"))
        .env("WIT_KEY_FILE", &pem);
    let output = run_to_end(&mut program, "");
    assert!(output.status.success(), "{}", stderr(&output));
    let token = claims(String::from_utf8(output.stdout).unwrap().trim());
    assert_eq!(
        (&token["client_id"], &token["aud"]),
        (&json!(WORKLOAD), &json!(RESOURCE))
    );
    let elsewhere = run_to_end(program.env("RESOURCE", "https://other.example"), "");
    let printed = stderr(&elsewhere);
    assert!(
        !elsewhere.status.success() && printed.contains("invalid_target"),
        "{printed}"
    );
}

#[test]
fn recipe_for_the_command_line_gets_a_token_with_a_wit_svid() {
    let recipe = recipe(PAGE, "Command line");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", recipe.block("console")])
        .env("PATH", search_path());
    check_recipe(shell);
}

#[test]
fn recipe_for_go_gets_a_token_with_a_wit_svid() {
    let Some(folder) = module("go-wit") else {
        return;
    };
    check_recipe(Command::new(build_go(&folder, recipe(PAGE, "Go").block("go"))));
}

/// Each WIT-SVID with whether this server and go-spiffe accept it. They differ where a comment states why.
fn rows(wits: &Wits) -> Vec<(&'static str, Draft<'_>, bool, bool)> {
    let jwk = |member: &str, value: Value| {
        let mut jwk = wits.wit().claims["cnf"]["jwk"].clone();
        jwk[member] = value;
        json!({ "jwk": jwk })
    };
    let with_cnf = |cnf: Value| wits.wit().claim("cnf", cnf);
    let (time, wit) = (now(), || wits.wit());
    // The text of the key that both have.
    let public = wits.authority.public_jwk("wit-svid", true).to_string();
    let both = |name, draft, is_accepted| (name, draft, is_accepted, is_accepted);
    vec![
        both("valid", wit(), true),
        both(
            "with iss and jti",
            wit().claim("iss", "https://x.example").claim("jti", "1"),
            true,
        ),
        both("without iat", wit().without_claim("iat"), true),
        both("unknown claim", wit().claim("x", json!({ "y": 1 })), true),
        both("unknown header parameter", wit().header("x", "y"), true),
        both("cnf with kid", with_cnf(jwk("kid", json!("k"))), true),
        both("typ JWT", wit().header("typ", "JWT"), false),
        both("typ missing", wit().without_header("typ"), false),
        both("typ in capitals", wit().header("typ", "WIT+JWT"), false),
        both("kid missing", wit().without_header("kid"), false),
        both("kid unknown", wit().header("kid", "other"), false),
        both("alg none", wit().header("alg", "none"), false),
        both("alg HS256", wit().mac(public.as_bytes()), false),
        both("aud", wit().claim("aud", &*wits.issuer), false),
        both("exp missing", wit().without_claim("exp"), false),
        both("exp long past", wit().claim("exp", time - 600), false),
        both("nbf far ahead", wit().claim("nbf", time + 600), false),
        both("sub missing", wit().without_claim("sub"), false),
        both("sub no SPIFFE ID", wit().claim("sub", "workload"), false),
        both(
            "sub of another domain",
            wit().claim("sub", "spiffe://other.example/x"),
            false,
        ),
        both("cnf missing", wit().without_claim("cnf"), false),
        both("cnf a text", with_cnf(json!("x")), false),
        both("cnf without jwk", with_cnf(json!({ "jkt": "x" })), false),
        both("jwk without alg", with_cnf(jwk("alg", Value::Null)), false),
        both("jwk alg EdDSA", with_cnf(jwk("alg", json!("EdDSA"))), false),
        both("jwk alg HS256", with_cnf(jwk("alg", json!("HS256"))), false),
        both("jwk alg a number", with_cnf(jwk("alg", json!(7))), false),
        both(
            "jwk off the curve",
            with_cnf(jwk("y", json!("A".repeat(43)))),
            false,
        ),
        both(
            "jwk symmetric",
            with_cnf(json!({ "jwk": { "kty": "oct", "k": "AA", "alg": "ES256" } })),
            false,
        ),
        // An ID without a path names no workload; go-spiffe leaves it to its caller.
        (
            "sub without a path",
            wit().claim("sub", "spiffe://prod.example"),
            false,
            true,
        ),
        // The proof could not be verified with this algorithm; go-spiffe does not verify proofs.
        (
            "jwk alg of another curve",
            with_cnf(jwk("alg", json!("ES384"))),
            false,
            true,
        ),
        // go-spiffe reads `cnf.jwk` only.
        (
            "jkt of another key",
            {
                let mut cnf = jwk("kid", json!("k"));
                cnf["jkt"] = json!("x");
                with_cnf(cnf)
            },
            false,
            true,
        ),
        // go-spiffe refuses an audience only if the list has one.
        ("aud empty", wit().claim("aud", json!([])), false, true),
        // This server limits the lifetime.
        (
            "exp in a year",
            wit().claim("exp", time + 365 * 86_400),
            false,
            true,
        ),
    ]
}

#[tokio::test]
async fn go_spiffe_and_this_server_accept_the_same_wit_svids() {
    let Some(program) = parser() else {
        return;
    };
    let wits = Wits::start("none");
    let bundle = wits.site.folder.join("wit-bundle.json");
    let keys = json!({ "keys": [wits.authority.public_jwk("wit-svid", true)] });
    std::fs::write(&bundle, keys.to_string()).unwrap();
    let rows = rows(&wits);
    let drafts = rows.iter().map(|(_, draft, ..)| draft.sign() + "\n");
    let input: String = drafts.collect();
    let printed = output(&program, &["check", bundle.to_str().unwrap()], &input);
    let verdicts: Vec<&str> = printed.lines().collect();
    assert_eq!(verdicts.len(), rows.len(), "{printed}");
    for ((name, draft, ours, theirs), verdict) in rows.iter().zip(verdicts) {
        assert_eq!(verdict == "accepted", *theirs, "{name}: go-spiffe: {verdict}");
        assert_eq!(
            wits.takes(&draft.sign(), name).await,
            *ours,
            "{name}: this server"
        );
    }
}

#[tokio::test]
async fn wit_svid_that_a_go_library_signs_is_accepted() {
    let Some(program) = parser() else {
        return;
    };
    let wits = Wits::start("none");
    let jwk = wits.wit().claims["cnf"]["jwk"].to_string();
    let made: Value = serde_json::from_str(&output(&program, &["make", WORKLOAD], &jwk)).unwrap();
    let path = wits.site.folder.join("bundle.json");
    let mut bundle: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    bundle["keys"].as_array_mut().unwrap().push(made["key"].clone());
    let wit = made["wit"].as_str().unwrap();
    assert!(!wits.takes(wit, "1").await, "its key is not in the bundle");
    std::fs::write(path, bundle.to_string()).unwrap();
    wits.site.ok(&["trust", "refresh", "prod.example"]);
    assert!(wits.takes(wit, "1").await);
}
