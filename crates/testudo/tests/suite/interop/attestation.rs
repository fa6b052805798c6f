//! Clients with an attestation: the recipes of `docs/guides/attestation.md` and `testudo token get`, with this server and
//! with an authorization server of another project.

use super::guides::recipe;
use super::programs::{build_node, build_python, node, or_skipped, python};
use super::shop::RESOURCE;
use crate::attestation::{CLIENT, World, attestation_of};
use crate::binary::{folder, run_to_end, search_path, stderr};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use testudo_client::PrivateKey;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::token::claims;

const PAGE: &str = "attestation.md";
/// The newest one. It implements draft 12.
const OIDC_PROVIDER: &str = "oidc-provider@9.13.3";

/// oidc-provider lets a client use one kind of proof only: this one sends DPoP proofs.
const BOUND_CLIENT: &str = "fleet/bound";

/// A folder with a key, and an attestation of it for each of the two clients.
struct Files {
    folder: PathBuf,
    key: PrivateKey,
}

impl Files {
    fn write(folder: PathBuf, attester: &SigningKey) -> Files {
        let pem = PrivateKey::generate_pem().unwrap();
        let key = PrivateKey::from_pem(pem.as_bytes()).unwrap();
        std::fs::write(folder.join("client.key"), &*pem).unwrap();
        std::fs::write(folder.join("other.key"), &*PrivateKey::generate_pem().unwrap()).unwrap();
        for (name, client) in [("pop.jwt", CLIENT), ("dpop.jwt", BOUND_CLIENT)] {
            let attestation = attestation_of(attester, &key).claim("sub", client).sign();
            std::fs::write(folder.join(name), attestation).unwrap();
        }
        Files { folder, key }
    }

    /// Runs the program with each kind of proof, and with the key of another client, for which it must print these
    /// errors.
    #[track_caller]
    fn check(&self, issuer: &str, program: impl Fn() -> Command, refusals: [&str; 2]) {
        for is_bound in [false, true] {
            let (client, attestation, refusal) = match is_bound {
                false => (CLIENT, "pop.jwt", refusals[0]),
                true => (BOUND_CLIENT, "dpop.jwt", refusals[1]),
            };
            let run = |key: &str| {
                let mut command = program();
                command
                    .current_dir(&self.folder)
                    .env("ISSUER", issuer)
                    .env("RESOURCE", RESOURCE)
                    .env("ATTESTATION_FILE", attestation)
                    .env("KEY_FILE", key);
                if is_bound {
                    command.env("DPOP", "1");
                }
                run_to_end(&mut command, "")
            };
            let token = claims(printed(&run("client.key")).trim());
            assert_eq!(token["client_id"], client, "{token}");
            let jkt = match is_bound {
                true => Value::from(self.key.thumbprint()),
                false => Value::Null,
            };
            assert_eq!(token["cnf"]["jkt"], jkt);
            let refused = run("other.key");
            let printed = stderr(&refused);
            assert!(
                !refused.status.success() && printed.contains(refusal),
                "{printed}"
            );
        }
    }
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The server of the other project, with one client. It ends with this value.
struct OidcProvider {
    child: Child,
    issuer: String,
    files: Files,
}

impl OidcProvider {
    fn start(packages: &Path) -> OidcProvider {
        let script = packages.join("oidc_provider.mjs");
        std::fs::write(&script, include_str!("oidc_provider.mjs")).unwrap();
        let attester = generate_key(Algorithm::ES256, Some("at"));
        let files = Files::write(folder(), &attester);
        let mut child = Command::new("node")
            .arg(&script)
            .env("ATTESTER_JWK", attester.proof_jwk())
            .env("CLIENT_ID", CLIENT)
            .env("BOUND_CLIENT_ID", BOUND_CLIENT)
            .env("RESOURCE", RESOURCE)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut issuer = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut issuer)
            .unwrap();
        OidcProvider {
            child,
            issuer: issuer.trim().to_owned(),
            files,
        }
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn recipe_for_jose_gets_tokens_of_oidc_provider_and_of_this_server() {
    let recipe = recipe(PAGE, "JavaScript: jose");
    let packages = [
        recipe.packages("www.npmjs.com", "@"),
        vec![OIDC_PROVIDER.to_owned()],
    ]
    .concat();
    let Some(folder) = or_skipped(node("attestation", &packages)) else {
        return;
    };
    let program = build_node(&folder, "attested.mjs", recipe.block("js"));
    let provider = OidcProvider::start(&folder);
    provider.files.check(
        &provider.issuer,
        &program,
        ["invalid_client", "invalid_dpop_proof"],
    );
    for nonces in ["optional", "required"] {
        let world = World::start(&format!("dpop_nonce = \"{nonces}\""));
        let files = Files::write(world.site.folder.clone(), &world.attester);
        // The proof has the attested key in its header, and its signature is of the other key.
        let refusals = ["invalid_client_attestation", "invalid_dpop_proof"];
        files.check(&world.issuer, &program, refusals);
    }
    // The client of this project, with the other server.
    let own = || {
        let script = "testudo token get --issuer \"$ISSUER\" --resource \"$RESOURCE\" --attestation \"$ATTESTATION_FILE\" --key \"$KEY_FILE\" ${DPOP:+--dpop}";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("PATH", search_path());
        shell
    };
    provider
        .files
        .check(&provider.issuer, own, ["its cnf.jwk is not the public key"; 2]);
}

#[test]
fn recipe_for_python_gets_tokens_with_an_attestation() {
    let recipe = recipe(PAGE, "Python");
    let Some(folder) = or_skipped(python("python-get", &recipe.packages("pypi.org", "=="))) else {
        return;
    };
    let world = World::start("");
    let program = build_python(&folder, recipe.block("python"));
    let files = Files::write(world.site.folder.clone(), &world.attester);
    files.check(&world.issuer, program, ["invalid_client_attestation"; 2]);
}
