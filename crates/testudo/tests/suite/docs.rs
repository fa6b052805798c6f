//! Tests that run the commands and configurations in the documentation unchanged.

use crate::administration::events;
use crate::binary::{ISSUER, Site, folder, now, run, stderr};
use std::path::Path;
use std::process::Command;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::key_set;
use testudo_testkit::passkey::Authenticator;
use testudo_testkit::passkey_pages::accept;
use testudo_testkit::person::Person;
use testudo_testkit::token::{Draft, claims};

/// The text of a page.
pub fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The commands in the console blocks of a page, each on one line.
pub fn commands(page: &str) -> Vec<String> {
    let blocks = page
        .split("```console\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    let lines: Vec<String> = joined
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines
        .into_iter()
        .filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
        .collect()
}

/// The `curl` commands among them.
fn curl_commands(page: &str) -> Vec<String> {
    let mut commands = commands(page);
    commands.retain(|command| command.starts_with("curl"));
    commands
}

/// The TOML blocks of a page.
pub fn configurations(page: &str) -> Vec<String> {
    page.split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(str::to_owned)
        .collect()
}

fn shell(site: &Site, command: &str, environment: &[(&str, &str)]) -> serde_json::Value {
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(&site.folder)
        .env("CURL_CA_BUNDLE", site.folder.join("root.pem"))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn commands_of_the_page_about_introspection_ask_about_a_token_and_revoke_one() {
    let text = page("docs/guides/ask-about-a-token.md");
    let (site, issuer) = Site::with_mutual_tls("");
    let configured = std::fs::read_to_string(site.config()).unwrap();
    let rules = configurations(&text).remove(0);
    let configured = configured.replacen("[[rules]]", &format!("{rules}[[rules]]"), 1);
    std::fs::write(site.config(), configured).unwrap();
    let _server = site.serve();
    let svid = |path: &str| site.issuer.svid(path, &issuer, now());
    let (own, of_api) = (svid("/ns/shop/sa/web"), svid("/ns/shop/sa/orders-api"));
    let get = curl_commands(&page("docs/doors/jwt-svid.md")).remove(0);
    let granted = shell(
        &site,
        &get.replace("https://as.example.net", &issuer),
        &[("SVID", &own)],
    );
    let token = granted["access_token"].as_str().unwrap();
    let unknown = "A".repeat(86);
    let environment = [
        ("SVID", own.as_str()),
        ("API_SVID", &of_api),
        ("TOKEN", token),
        ("REFRESH_TOKEN", &unknown),
    ];
    let commands = curl_commands(&text);
    let [plain, signed, revoke] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    let run = |command: &str| {
        let command = command.replace("https://as.example.net", &issuer);
        let output = Command::new("bash")
            .args(["-c", &command])
            .current_dir(&site.folder)
            .env("CURL_CA_BUNDLE", site.folder.join("root.pem"))
            .envs(environment)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let answer: serde_json::Value = serde_json::from_str(&run(plain)).unwrap();
    assert_eq!(answer["active"], true, "{answer}");
    assert_eq!(answer["client_id"], "spiffe://prod.example/ns/shop/sa/web");
    assert_eq!(claims(&run(signed))["token_introspection"], answer);
    assert_eq!(run(revoke), "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_the_page_about_passkeys_invite_a_person_and_recover_the_account() {
    let text = page("docs/guides/passkeys.md");
    let site = Site::new();
    site.append(&configurations(&text)[0]);
    let server = site.serve();
    let [invite, show, recover] = commands(&text).try_into().unwrap();
    let run = |command: &str| {
        let mut shell = Command::new("bash");
        let folder = Path::new(env!("CARGO_BIN_EXE_testudo")).parent().unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        shell
            .args(["-c", command])
            .current_dir(&site.folder)
            .env("PATH", path);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let mut authenticator = Authenticator::new(ISSUER);
    let mut use_link = async |link: String| {
        let (start, token) = link.split_once('#').unwrap();
        assert_eq!(start, format!("{ISSUER}/invite"));
        let mut person = Person::new(ISSUER, server.address);
        let answer = accept(&mut person, &mut authenticator, token).await;
        assert_eq!(answer.status, 303, "{answer:?}");
    };
    let link = run(&invite);
    use_link(link).await;
    let shown = run(&show);
    assert!(
        shown.contains("carol") && shown.contains("auditors") && shown.contains("laptop"),
        "{shown}"
    );
    use_link(run(&recover)).await;
    assert_eq!(events(&site, "person.recovered").len(), 1);
}

#[test]
fn the_curl_commands_of_the_door_pages_get_tokens() {
    let (site, issuer) = Site::with_mutual_tls("");
    let _server = site.serve();
    let svid = site.issuer.svid("/ns/shop/sa/pay", &issuer, now());
    let mut ran = 0;
    for name in ["docs/doors/x509-svid.md", "docs/doors/jwt-svid.md"] {
        for command in curl_commands(&page(name)) {
            let answer = shell(
                &site,
                &command.replace("https://as.example.net", &issuer),
                &[("SVID", &svid)],
            );
            assert_eq!(answer["token_type"], "Bearer", "{name}: {command}: {answer}");
            ran += 1;
        }
    }
    assert_eq!(ran, 2);
    assert_eq!(
        site.json(&["client", "list"]).as_array().unwrap().len(),
        1,
        "a workload must be one client with either kind of SVID"
    );
}

/// A new private key in this file, in PEM.
fn key_in_file(site: &Site, name: &str, algorithm: Algorithm, generate: &str) -> SigningKey {
    let openssl = |arguments: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).current_dir(&site.folder);
        let output = crate::binary::run_to_end(&mut openssl, "");
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            stderr(&output)
        );
    };
    openssl(&format!("genpkey {generate} -out {name}"));
    openssl(&format!(
        "pkcs8 -topk8 -nocrypt -in {name} -outform DER -out {name}.der"
    ));
    let pkcs8 = std::fs::read(site.folder.join(format!("{name}.der"))).unwrap();
    SigningKey::from_pkcs8(algorithm, &pkcs8, None).unwrap()
}

/// The page makes the proof with openssl, for a WIT-SVID whose key is an RSA key.
#[test]
fn the_commands_of_the_wit_svid_page_get_a_token() {
    let (site, issuer) = Site::under_its_own_name();
    let authority = site.issue_wit_svids("required");
    let generate = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
    let workload = key_in_file(&site, "wit.key", Algorithm::RS256, generate);
    let subject = "spiffe://prod.example/ns/shop/sa/pay";
    let wit = Draft::wit_svid(&authority, subject, &workload, now()).sign();
    site.write("wit.jwt", &format!("{wit}\n"));
    let _server = site.serve();
    let commands = commands(&page("docs/doors/wit-svid.md")).join("\n");
    let answer = shell(&site, &commands.replace("https://as.example.net", &issuer), &[]);
    assert_eq!(answer["token_type"], "Bearer", "{answer}");
    let events = site.events(&[]);
    let registered = events.iter().find(|event| event["event"] == "client.registered");
    assert_eq!(registered.unwrap()["door"], "wit_svid", "{events:?}");
}

/// Makes the certificates of the two pages, adds their clients to the configuration, and gets a token for each.
#[test]
fn the_commands_of_the_pages_of_client_certificates_get_tokens() {
    let (site, issuer) = Site::with_mutual_tls("");
    let pages = ["tls-client-auth", "self-signed-tls-client-auth"];
    let pages = pages.map(|name| page(&format!("docs/doors/{name}.md")));
    let mut config = std::fs::read_to_string(site.config()).unwrap();
    for page in &pages {
        let block = page.split("```console\n").nth(1).unwrap();
        let script = block.split("```").next().unwrap().replace("\n$ ", "\n");
        let made = Command::new("bash")
            .args(["-ec", script.trim_start_matches("$ ")])
            .current_dir(&site.folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        config.push_str(&configurations(page)[0]);
    }
    site.write("testudo.toml", &config);
    let _server = site.serve();
    let mut ran = Vec::new();
    for command in pages.iter().flat_map(|page| curl_commands(page)) {
        let answer = shell(&site, &command.replace("https://as.example.net", &issuer), &[]);
        let token = claims(answer["access_token"].as_str().unwrap());
        ran.push((
            token["client_id"].as_str().unwrap().to_owned(),
            token["cnf"].is_object(),
        ));
    }
    assert_eq!(ran, [("batch".to_owned(), true), ("own".to_owned(), false)]);
}

/// Registers a client with a software statement, one with a certificate, and one with an initial access token of the
/// second client; then reads the third client with its registration access token.
#[test]
fn the_commands_of_the_registration_page_register_clients() {
    let (site, issuer) = Site::with_mutual_tls("");
    let config = std::fs::read_to_string(site.config()).unwrap();
    let config = config
        .replacen("scopes = [", "scopes = [\"client.register\", ", 1)
        .replacen(
            "resources = [",
            &format!("resources = [\"{issuer}/register\", "),
            1,
        );
    let registration = "[registration]\ninitial_access_tokens = true\n";
    site.write("testudo.toml", &format!("{config}\n{registration}"));
    let _server = site.serve();
    let statement = site
        .issuer
        .svid("/ns/shop/sa/pay", &format!("{issuer}/register"), now());
    let own = testudo_testkit::generate_key(Algorithm::ES256, Some("own"));
    let jwks = key_set(&[&own]).to_string();
    let page = page("docs/registration.md");
    let commands = curl_commands(&page);
    let [by_statement, by_certificate, by_token, read] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    let run = |command: &str, environment: &[(&str, &str)]| {
        let answer = shell(
            &site,
            &command.replace("https://as.example.net", &issuer),
            environment,
        );
        assert!(answer["client_id"].is_string(), "{command}: {answer}");
        answer
    };
    assert_eq!(
        run(by_statement, &[("STATEMENT", &statement)])["scope"],
        "orders.read"
    );
    run(by_certificate, &[]);
    let get_token = page
        .split("$ IAT=")
        .nth(1)
        .and_then(|rest| rest.split("\n$ ").next())
        .unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_testudo")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let roots = site.folder.join("root.pem");
    let environment = [
        ("JWKS", jwks.as_str()),
        ("PATH", &path),
        ("SSL_CERT_FILE", roots.to_str().unwrap()),
    ];
    let registered = run(&format!("IAT={get_token}\n{by_token}"), &environment);
    assert_eq!(registered["token_endpoint_auth_method"], "private_key_jwt");
    let text = |name: &str| registered[name].as_str().unwrap().to_owned();
    let (uri, token) = (text("registration_client_uri"), text("registration_access_token"));
    let environment = [
        ("REGISTRATION_CLIENT_URI", uri.as_str()),
        ("REGISTRATION_ACCESS_TOKEN", &token),
    ];
    assert_eq!(run(read, &environment)["client_id"], registered["client_id"]);
    let clients = site.json(&["client", "list"]);
    assert_eq!(clients.as_array().unwrap().len(), 2);
}

/// Adds the first configuration of the page and registers a client with a credential of its issuer; then adds what the
/// second one has more, and the client authenticates with an attestation of its key.
#[test]
fn the_configurations_and_commands_of_the_page_of_verifiable_credentials_serve_a_client() {
    let (site, issuer) = Site::with_mutual_tls("");
    let page = page("docs/doors/verifiable-credential.md");
    let authority = testudo_testkit::generate_key(Algorithm::ES256, Some("k1"));
    let curve = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    let holder = key_in_file(&site, "client.key", Algorithm::ES256, curve);
    site.write("issuer.jwks.json", &key_set(&[&authority]).to_string());
    let config = std::fs::read_to_string(site.config()).unwrap();
    let blocks = configurations(&page);
    let [first, second] = blocks.as_slice() else {
        panic!("{blocks:?}");
    };
    site.write("testudo.toml", &format!("{config}\n{first}"));
    let server = site.serve();
    let curls = curl_commands(&page);
    let [challenge, register] = curls.as_slice() else {
        panic!("{curls:?}");
    };
    let curl = |command: &str, statement: &str| {
        let command = command.replace("https://as.example.net", &issuer);
        shell(&site, &command, &[("STATEMENT", statement)])
    };
    let answer = curl(challenge, "");
    let nonce = answer["registration_nonce"].as_str().unwrap();
    let names = [
        "https://issuer.example.net",
        "https://vct.example.net/oauth-client/1",
        "urn:example:agent:7",
    ];
    let credential = Draft::sd_jwt_vc(&authority, names, &holder, now()).sign();
    let sd_jwt = format!("{credential}~");
    let proof = Draft::key_binding(&holder, &sd_jwt, &issuer, nonce, now()).sign();
    let answer = curl(register, &format!("{sd_jwt}{proof}"));
    let client = "agents:urn:example:agent:7";
    assert_eq!(answer["client_id"], client, "{answer}");
    assert_eq!(answer["software_statement"], sd_jwt, "without the proof");

    let gets = commands(&page);
    let [get] = gets
        .iter()
        .filter(|command| command.starts_with("testudo"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{gets:?}");
    };
    let attester = testudo_testkit::generate_key(Algorithm::ES256, Some("w1"));
    let attestation = Draft::attestation(&attester, client, &holder, now());
    let attestation = attestation.claim("iss", "https://wallets.example.net");
    site.write("attestation.jwt", &attestation.sign());
    site.write("wallets.jwks.json", &key_set(&[&attester]).to_string());
    let get_token = || {
        let mut bash = Command::new("bash");
        bash.args(["-c", &get.replace("https://as.example.net", &issuer)])
            .current_dir(&site.folder)
            .env("PATH", crate::binary::search_path())
            .env("SSL_CERT_FILE", site.folder.join("root.pem"));
        crate::binary::run_to_end(&mut bash, "")
    };
    let refused = get_token();
    assert!(!refused.status.success(), "no attester is configured yet");
    // The second block shows the entry of the first one with one line more, and another entry.
    let (line, rest) = second.split_once("attesters").unwrap();
    assert!(first.contains(line.lines().last().unwrap().split('#').next().unwrap().trim()));
    let (attesters, wallets) = rest.split_once("\n\n").unwrap();
    let both = first.replacen("lifetime_max", &format!("attesters{attesters}\nlifetime_max"), 1);
    site.write("testudo.toml", &format!("{config}\n{both}\n{wallets}"));
    drop(server);
    let _server = site.serve();
    let output = get_token();
    assert!(output.status.success(), "{get}: {}", stderr(&output));
    let token = claims(String::from_utf8_lossy(&output.stdout).trim());
    assert_eq!(token["client_id"], client, "{token}");
}

/// The commands of a new user, without the last ones, which need a bundle.
#[test]
fn the_commands_of_the_readme_set_up_a_server() {
    let page = page("README.md");
    let section = page.split("## A server of your own").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let commands: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let wanted = ["testudo init", "testudo check"];
    let script: Vec<&str> = commands
        .into_iter()
        .filter(|command| wanted.iter().any(|wanted| command.starts_with(wanted)))
        .collect();
    assert_eq!(script.len(), 2, "{block}");
    let binary = Path::new(env!("CARGO_BIN_EXE_testudo")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-ec", &script.join("\n")])
        .current_dir(folder())
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// A page shows parts of a configuration: every key in them must be known, even if other parts are missing.
#[test]
fn the_configurations_of_the_docs_have_no_unknown_key() {
    let mut checked = 0;
    for name in [
        "docs/doors/jwt-svid.md",
        "docs/doors/x509-svid.md",
        "docs/doors/private-key-jwt.md",
        "docs/doors/tls-client-auth.md",
        "docs/doors/self-signed-tls-client-auth.md",
        "docs/doors/attestation.md",
        "docs/doors/dpop.md",
        "docs/doors/wit-svid.md",
        "docs/doors/issuer-jwt.md",
        "docs/doors/kubernetes.md",
        "docs/doors/verifiable-credential.md",
        "docs/guides/ci.md",
        "docs/operations/README.md",
        "docs/registration.md",
    ] {
        for text in configurations(&page(name)) {
            let folder = folder();
            let path = folder.join("testudo.toml");
            std::fs::write(&path, text.replace(", … }", " }")).unwrap();
            let printed = stderr(&run(&["check", "--config", path.to_str().unwrap()], ""));
            assert!(
                !printed.contains("is not a known key")
                    && !printed.contains("unknown variant")
                    && !printed.contains("invalid type")
                    && !printed.contains("is not TOML"),
                "{name}: {printed}"
            );
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked}");
}

#[tokio::test]
async fn every_metric_that_the_page_of_limits_names_exists() {
    let site = Site::new();
    let (tls, _) = testudo_testkit::x509::web_certificate("localhost");
    site.write("tls.crt", &tls.chain_pem());
    site.write("tls.key", &tls.key_pem());
    site.configure(
        "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }",
        crate::binary::RULES,
    );
    let server = site.serve();
    let mut connection = testudo_testkit::http::Connection::open(server.admin_address()).await;
    // A metric with the label `reason` has samples only after an event with one of the reasons.
    let encoded = [("content-encoding", "gzip")];
    assert_eq!(connection.send("POST", "/livez", &encoded, "x").await.status, 415);
    let answer = connection.get("/metrics").await;
    let exposed = String::from_utf8(answer.body).unwrap();
    let text = page("docs/operations/limits.md");
    let is_part = |character: char| character.is_ascii_lowercase() || character == '_';
    let named: std::collections::BTreeSet<&str> = text
        .split(|character: char| !is_part(character))
        .filter(|word| word.starts_with("testudo_"))
        .collect();
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        // In OpenMetrics, the name of a counter has no `_total`; the names of its samples have it.
        let family = name.trim_end_matches("_total");
        assert!(
            exposed.contains(&format!("# TYPE {family} ")),
            "{name} is in docs/operations/limits.md and not in /metrics"
        );
    }
}

#[test]
fn the_configuration_of_the_debian_package_passes_check() {
    let folder = folder();
    let text = page("deploy/debian/testudo.toml");
    let here = folder.display().to_string();
    let text = text
        .replace("/var/lib/testudo", &here)
        .replace("/run/testudo", &here);
    let path = folder.join("testudo.toml");
    std::fs::write(&path, text).unwrap();
    let output = run(&["check", "--config", path.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", stderr(&output));
    std::fs::remove_dir_all(folder).unwrap();
}
