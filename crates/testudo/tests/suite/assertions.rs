//! `token get` and `call` with tokens of other issuers: `--assertion-file`, `--assertion-variable`, `--github-actions`.

use crate::binary::{Server, Site, now, run, run_to_end, stderr};
use crate::dpop::{RESOURCE, api_of, run_beside};
use std::process::Command;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{generate_key, key_set};

const RULE: &str = r#"
[[issuers]]
name = "cluster-a"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "cluster-a.jwks.json" }
accept_audiences = ["https://old.example"]
[[rules]]
name = "shop"
identities = ["cluster-a:shop/{account}"]
scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
"#;

/// A server that accepts tokens of a cluster, and a pod with its token in a file.
struct World {
    site: Site,
    issuer: String,
    cluster: SigningKey,
    _server: Server,
}

impl World {
    fn start() -> World {
        let (site, issuer) = Site::under_its_own_name();
        let cluster = generate_key(Algorithm::RS256, Some("k"));
        let keys = key_set(&[&cluster]);
        site.write("cluster-a.jwks.json", &keys.to_string());
        site.append(RULE);
        let world = World {
            _server: site.serve(),
            site,
            issuer,
            cluster,
        };
        world.site.write("token", &world.draft().sign());
        world
    }

    fn draft(&self) -> Draft<'_> {
        Draft::service_account(&self.cluster, DEFAULT_ISSUER, "shop/cart", &self.issuer, now())
    }

    fn file(&self) -> String {
        self.site.folder.join("token").to_str().unwrap().to_owned()
    }

    /// `token get` with these options and this environment variable.
    fn get(&self, options: &[&str], variable: (&str, &str)) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
        command
            .args(["token", "get", "--issuer", &self.issuer])
            .args(options)
            .env(variable.0, variable.1);
        let output = run_to_end(&mut command, "");
        match output.status.success() {
            true => (true, String::from_utf8(output.stdout).unwrap()),
            false => (false, stderr(&output)),
        }
    }

    #[track_caller]
    fn assert_granted(&self, (is_good, printed): (bool, String)) {
        assert!(is_good, "{printed}");
        let token = claims(printed.trim());
        assert_eq!(
            (&token["sub"], &token["aud"]),
            (&"cluster-a:shop/cart".into(), &RESOURCE.into())
        );
    }
}

const NONE: (&str, &str) = ("TESTUDO_TEST", "");

#[test]
fn token_get_authenticates_with_a_token_in_a_file_or_in_a_variable() {
    let world = World::start();
    let file = world.file();
    world.assert_granted(world.get(&["--assertion-file", &file], NONE));
    let token = world.draft().sign();
    world.assert_granted(world.get(&["--assertion-variable", "JOB_TOKEN"], ("JOB_TOKEN", &token)));
    // The audience of the server is the default; another one must be named.
    let old = world.draft().claim("aud", "https://old.example").sign();
    let (is_good, printed) = world.get(&["--assertion-variable", "JOB_TOKEN"], ("JOB_TOKEN", &old));
    assert!(
        !is_good && printed.contains("JOB_TOKEN: it is for the audience `https://old.example`"),
        "{printed}"
    );
    assert!(
        printed.contains(&format!(
            "id_tokens: {{ JOB_TOKEN: {{ aud: {} }} }}",
            world.issuer
        )),
        "{printed}"
    );
    let named = [
        "--assertion-variable",
        "JOB_TOKEN",
        "--assertion-audience",
        "https://old.example",
    ];
    world.assert_granted(world.get(&named, ("JOB_TOKEN", &old)));
    let (is_good, printed) = world.get(&named, ("JOB_TOKEN", &token));
    assert!(
        !is_good && printed.contains(&format!("it is for the audience `{}`", world.issuer)),
        "{printed}"
    );
}

#[test]
fn token_get_names_what_is_wrong_with_the_token_of_the_other_issuer_and_does_not_print_it() {
    let world = World::start();
    let file = world.file();
    let expired = world.draft().claim("exp", now() - 60).sign();
    world.site.write("token", &expired);
    let (is_good, printed) = world.get(&["--assertion-file", &file], NONE);
    for words in [
        &*format!("{file}: it expired at 20"),
        "hint: see whether the program that renews the file",
    ] {
        assert!(!is_good && printed.contains(words), "{printed}");
    }
    for (value, says) in [
        (&*expired, "JOB_TOKEN: it expired at 20"),
        ("", "JOB_TOKEN is empty"),
        (" ", "JOB_TOKEN is empty"),
        ("secret", "JOB_TOKEN: this is not a JWT"),
    ] {
        let (is_good, printed) = world.get(&["--assertion-variable", "JOB_TOKEN"], ("JOB_TOKEN", value));
        assert!(
            !is_good && printed.contains(says) && printed.contains("hint: "),
            "{value}: {printed}"
        );
        assert!(value.trim().is_empty() || !printed.contains(value), "{printed}");
    }
    // Signed by another cluster: only the server can know.
    let other = generate_key(Algorithm::RS256, Some("k"));
    let forged = Draft::service_account(&other, DEFAULT_ISSUER, "shop/cart", &world.issuer, now()).sign();
    let (is_good, printed) = world.get(&["--assertion-variable", "JOB_TOKEN"], ("JOB_TOKEN", &forged));
    assert!(
        !is_good && printed.contains("invalid_client") && printed.contains("testudo explain"),
        "{printed}"
    );
    assert!(!printed.contains(&forged), "{printed}");
}

#[test]
fn options_of_two_ways_to_authenticate_are_refused_together() {
    let ways: [&[&str]; 8] = [
        &["--assertion-file", "x"],
        &["--assertion-variable", "X"],
        &["--github-actions"],
        &["--svid-file", "x"],
        &["--x509", "x", "x"],
        &["--workload-api-x509"],
        &["--workload-api", "unix:/x"],
        &["--attestation", "x", "--key", "x"],
    ];
    let issuer = ["--issuer", "https://as.example"];
    for (position, one) in ways.iter().take(3).enumerate() {
        for other in ways.iter().skip(position + 1) {
            for command in [&["token", "get"][..], &["call", "https://api.example"]] {
                let words = [command, &issuer, one, other].concat();
                let output = run(&words, "");
                assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stderr(&output));
            }
        }
    }
    let alone = run(
        &[&["token", "get"][..], &issuer, &["--assertion-audience", "x"]].concat(),
        "",
    );
    assert_eq!(alone.status.code(), Some(2), "{}", stderr(&alone));
}

#[tokio::test(flavor = "multi_thread")]
async fn call_sends_a_bound_token_that_it_got_with_the_token_of_a_pod() {
    let world = tokio::task::block_in_place(World::start);
    let base = api_of(&world.issuer, RESOURCE, |dpop| dpop).await;
    let (url, file) = (format!("{base}/orders"), world.file());
    let words = [
        "call",
        &url,
        "--dpop",
        "--issuer",
        &world.issuer,
        "--resource",
        RESOURCE,
        "--assertion-file",
        &file,
    ];
    let output = run_beside(&words, "").await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("cluster-a:shop/cart bound true"),
        "{printed}{}",
        stderr(&output)
    );
}
