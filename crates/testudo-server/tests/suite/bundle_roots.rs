//! `ca` of one source of keys: its server is verified with the roots of this file alone.

use crate::world::{ISSUER, RULES, World, domains, load_with};
use serde_json::{Value, json};
use testudo_server::config::{self, BundleOrigin};
use testudo_server::doctor;
use testudo_testkit::scratch::folder;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::x509::{X509Issuer, web_certificate};
use testudo_testkit::{TestIssuer, svid_form};

/// A publisher of the bundle of z.example.
async fn publisher() -> DocumentServer {
    let publisher = DocumentServer::start("localhost").await;
    publisher.answers(200, None, &TestIssuer::new("z.example").bundle().to_string());
    publisher
}

/// A trust domain whose bundle comes from this publisher, verified with these roots.
fn domain(publisher: &DocumentServer, roots: &str) -> String {
    let port = publisher.address.port();
    format!(
        "[[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"https://localhost:{port}/\"{roots} }}\n"
    )
}

fn write(world: &World, file: &str, text: &str) {
    std::fs::write(world.folder.join(file), text).unwrap();
}

async fn state(world: &World) -> (Value, String) {
    let shown = world.admin("GET", "/admin/v1/trust/z.example", Value::Null).await;
    let error = shown["last_error"].as_str().unwrap_or_default().to_owned();
    (shown["state"].clone(), error)
}

#[tokio::test]
async fn ca_of_a_source_replaces_the_roots_of_the_system_and_of_outbound_ca_for_this_source_alone() {
    let publisher = publisher().await;
    let (_, other_root) = web_certificate("localhost");
    let world = World::start_with(&domains(""), RULES).await;
    write(&world, "right.pem", &publisher.root_pem);
    write(&world, "other.pem", &other_root.chain_pem());
    // Without `ca`, the roots of `outbound.ca` are used.
    for (name, outbound, ca, is_trusted) in [
        ("no root", "", "", false),
        ("outbound.ca", "right.pem", "", true),
        ("ca", "", ", ca = \"right.pem\"", true),
        (
            "ca beside another outbound.ca",
            "other.pem",
            ", ca = \"right.pem\"",
            true,
        ),
        (
            "another ca beside outbound.ca",
            "right.pem",
            ", ca = \"other.pem\"",
            false,
        ),
    ] {
        // Each row begins without the bundle of the row before.
        world.reload_with(&domains(""), RULES).await;
        let outbound = match outbound {
            "" => String::new(),
            file => format!("[outbound]\nca = \"{file}\"\n"),
        };
        let all = format!("{outbound}{}{}", domains(""), domain(&publisher, ca));
        world.reload_with(&all, RULES).await;
        let (state, error) = state(&world).await;
        match is_trusted {
            true => assert_eq!((state, error.as_str()), (json!("fresh"), ""), "{name}"),
            false => {
                assert_eq!(state, json!("none"), "{name}: {error}");
                assert!(error.contains("TLS failed"), "{name}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn keys_from_a_server_that_other_roots_verified_are_not_used_after_a_reload_or_a_start_with_new_content_of_ca()
 {
    let publisher = publisher().await;
    let (_, other_root) = web_certificate("localhost");
    let world = World::start_with(&domains(""), RULES).await;
    write(&world, "ca.pem", &publisher.root_pem);
    let all = format!("{}{}", domains(""), domain(&publisher, ", ca = \"ca.pem\""));
    world.reload_with(&all, RULES).await;
    assert_eq!(state(&world).await, (json!("fresh"), String::new()));
    let reload = async || world.admin("POST", "/admin/v1/reload", json!({})).await;

    write(&world, "ca.pem", &other_root.chain_pem());
    let answer = reload().await;
    let changed = &answer["configuration"]["trust_domains"];
    assert_eq!(changed["changed"], json!(["z.example"]), "{answer}");
    let (state_after, error) = state(&world).await;
    assert_eq!(state_after, json!("none"), "{error}");
    assert!(error.contains("TLS failed"), "{error}");

    write(&world, "ca.pem", &publisher.root_pem);
    reload().await;
    assert_eq!(state(&world).await, (json!("fresh"), String::new()));

    // The same while the server is off: its stored bundle is used with the roots that verified its server, and no others.
    let other_pem = other_root.chain_pem();
    publisher.answers(503, None, "");
    let world = world
        .restart_after(|folder| std::fs::write(folder.join("ca.pem"), &other_pem).unwrap())
        .await;
    assert_eq!(state(&world).await.0, json!("none"));
    let world = world
        .restart_after(|folder| std::fs::write(folder.join("ca.pem"), &publisher.root_pem).unwrap())
        .await;
    assert_eq!(state(&world).await.0, json!("stale"), "from the store");
}

#[tokio::test]
async fn keys_of_another_url_are_not_used_after_a_reload_and_those_of_the_same_url_stay() {
    let (first, second) = (publisher().await, publisher().await);
    second.answers(503, None, "");
    let world = World::start_with(&domains(""), RULES).await;
    write(&world, "ca.pem", &first.root_pem);
    let with = |publisher: &DocumentServer, more: &str| {
        let domain = domain(publisher, &format!(", ca = \"ca.pem\"{more}"));
        format!("{}{domain}", domains(""))
    };
    world.reload_with(&with(&first, ""), RULES).await;
    first.answers(503, None, "");
    world
        .reload_with(&with(&first, ", max_staleness = \"30m\""), RULES)
        .await;
    assert_eq!(state(&world).await.0, json!("stale"), "the bundle in force stays");
    world.reload_with(&with(&second, ""), RULES).await;
    assert_eq!(state(&world).await.0, json!("none"));
}

#[tokio::test]
async fn ca_of_the_key_set_of_an_attester_verifies_its_server() {
    let publisher = publisher().await;
    publisher.answers(200, None, &json!({ "keys": [] }).to_string());
    let world = World::start_with(&domains(""), RULES).await;
    write(&world, "ca.pem", &publisher.root_pem);
    let port = publisher.address.port();
    let error = async |ca: &str| {
        let attester = format!(
            "[[issuers]]\nname = \"at1\"\nkind = \"attester\"\nuse = [\"client\"]\nissuer = \"https://at1.example\"\n\
             jwks = {{ url = \"https://localhost:{port}/\"{ca} }}\n"
        );
        world
            .reload_with(&format!("{}{attester}", domains("")), RULES)
            .await;
        let shown = world.admin("GET", "/admin/v1/trust/at1", Value::Null).await;
        shown["last_error"].as_str().unwrap_or_default().to_owned()
    };
    assert!(error("").await.contains("TLS failed"));
    assert_eq!(error(", ca = \"ca.pem\"").await, "");
}

#[tokio::test]
async fn doctor_fetches_with_the_roots_of_ca_and_names_the_file_where_they_do_not_verify_the_server() {
    let publisher = publisher().await;
    let (_, other_root) = web_certificate("localhost");
    let world = World::start_with(&domains(""), RULES).await;
    let all = format!("{}{}", domains(""), domain(&publisher, ", ca = \"ca.pem\""));
    write(&world, "ca.pem", &publisher.root_pem);
    world.reload_with(&all, RULES).await;
    for (root, is_trusted) in [(&publisher.root_pem, true), (&other_root.chain_pem(), false)] {
        write(&world, "ca.pem", root);
        let (configuration, _) = config::load(&world.folder.join("testudo.toml"), 1).unwrap();
        let findings = doctor::examine(&configuration).await;
        let subject = match is_trusted {
            true => "jwt_svid of z.example",
            false => "keys of z.example",
        };
        let found = findings.iter().find(|found| found.subject == subject);
        let found = found.unwrap_or_else(|| panic!("{subject}: {findings:?}"));
        assert_eq!(found.is_good, is_trusted, "{found:?}");
        let words = if is_trusted {
            "https://localhost"
        } else {
            "TLS failed"
        };
        assert!(found.detail.contains(words), "{found:?}");
        let hint = found.hint.as_deref().unwrap_or_default();
        assert_eq!(hint.contains("`ca` of the source"), !is_trusted, "{found:?}");
    }
}

#[test]
fn each_fault_of_ca_is_an_error_of_its_key_with_a_hint() {
    let folder = folder("bundle-roots");
    let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
    let (_, root) = web_certificate("localhost");
    write("root.pem", &root.chain_pem());
    write("empty.pem", "");
    write("text.pem", "no certificate");
    write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let load = |source: &str| {
        let entry = format!("[[trust_domains]]\nname = \"z.example\"\nbundle = {{ {source} }}\n");
        load_with(&folder, &entry)
    };
    let https = "url = \"https://z.example/\"";
    let (good, _) = load(&format!("{https}, ca = \"root.pem\"")).unwrap();
    assert!(matches!(
        &good.bundles[0].origin,
        BundleOrigin::HttpsWeb { roots: Some(pem), .. } if *pem == root.chain_pem().into_bytes()
    ));
    for (name, source, problem, hint) in [
        (
            "no file",
            &format!("{https}, ca = \"absent.pem\"")[..],
            "absent.pem",
            "",
        ),
        (
            "empty file",
            &format!("{https}, ca = \"empty.pem\""),
            "is empty",
            "PEM",
        ),
        (
            "no certificate",
            &format!("{https}, ca = \"text.pem\""),
            "has no PEM certificates",
            "BEGIN CERTIFICATE",
        ),
        (
            "not a certificate",
            &format!("{https}, ca = \"broken.pem\""),
            "certificate 1 cannot be used as a root",
            "root certificate",
        ),
        (
            "http",
            "url = \"http://127.0.0.1:1/\", ca = \"root.pem\"",
            "an http URL",
            "https `url`",
        ),
        (
            "file",
            "file = \"a.json\", ca = \"root.pem\"",
            "a file",
            "remove it",
        ),
        (
            "Workload API",
            "workload_api = \"unix:///x.sock\", ca = \"root.pem\"",
            "a Workload API",
            "remove it",
        ),
    ] {
        let report = load(source)
            .err()
            .unwrap_or_else(|| panic!("{name} must be refused"));
        let errors: Vec<_> = report.errors().collect();
        assert_eq!(errors.len(), 1, "{name}: {report}");
        assert_eq!(errors[0].key, "trust_domains[0].bundle.ca", "{name}");
        assert!(errors[0].problem.contains(problem), "{name}: {report}");
        let found = errors[0].hint.as_deref().unwrap_or_default();
        assert!(!found.is_empty() && found.contains(hint), "{name}: {report}");
    }
}

/// The rules with one more for workloads of z.example.
fn rules_of_z() -> String {
    format!("{RULES}[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\"]\n")
}

async fn ask(world: &World, issuer: &TestIssuer, id: &str) -> u16 {
    let svid = Draft::svid(issuer.key(), id, ISSUER, world.now()).sign();
    world.send(&svid_form(&svid, &[])).await.status
}

// Row I-17.
#[tokio::test]
async fn source_with_a_web_certificate_that_shows_an_svid_later_is_refused_and_its_last_bundle_stays() {
    let (leaf, root) = web_certificate("localhost");
    let (tokens, authority) = (TestIssuer::new("z.example"), X509Issuer::new("z.example"));
    let publisher = DocumentServer::start_as(&leaf).await;
    // The bundle has the authority that signs the SVID of the server.
    let mut bundle = tokens.bundle();
    bundle["keys"].as_array_mut().unwrap().push(authority.jwk());
    publisher.answers(200, None, &bundle.to_string());
    let world = World::start_with(&domains(""), RULES).await;
    write(&world, "root.pem", &root.chain_pem());
    let all = format!("{}{}", domains(""), domain(&publisher, ", ca = \"root.pem\""));
    world.reload_with(&all, &rules_of_z()).await;
    assert_eq!(state(&world).await, (json!("fresh"), String::new()));
    let id = "spiffe://z.example/w/1";
    assert_eq!(ask(&world, &tokens, id).await, 200);

    let svid = authority.leaf("spiffe://z.example/spire/server", |_| {});
    let refresh = async || {
        let path = "/admin/v1/trust/z.example/refresh";
        world.try_admin("POST", path, json!({})).await.0
    };
    publisher.shows(&svid);
    publisher.answers(200, None, "{\"keys\":[]}");
    assert_eq!(refresh().await, 502);
    let (shown, error) = state(&world).await;
    assert_eq!(shown, json!("stale"), "{error}");
    assert!(error.contains("TLS failed"), "{error}");
    assert!(
        publisher.take_requests().len() == 1,
        "only the first request was sent"
    );
    assert_eq!(ask(&world, &tokens, id).await, 200);

    publisher.shows(&leaf);
    assert_eq!(refresh().await, 200);
    assert_eq!(
        ask(&world, &tokens, id).await,
        400,
        "the empty bundle is in force"
    );
}

// Row I-23.
#[tokio::test]
async fn bundle_is_that_of_the_configured_trust_domain_and_not_of_the_one_with_the_name_of_its_host() {
    let tokens = TestIssuer::new("z.example");
    let publisher = DocumentServer::start("a.example").await;
    publisher.answers(200, None, &tokens.bundle().to_string());
    let world = World::start_with(&domains(""), RULES).await;
    write(&world, "root.pem", &publisher.root_pem);
    let outbound = "[outbound]\nresolve = { \"a.example\" = \"127.0.0.1\" }\n";
    let z = domain(&publisher, ", ca = \"root.pem\"").replacen("localhost", "a.example", 1);
    world
        .reload_with(&format!("{outbound}{}{z}", domains("")), &rules_of_z())
        .await;
    assert_eq!(state(&world).await, (json!("fresh"), String::new()));
    assert_eq!(ask(&world, &tokens, "spiffe://z.example/w/1").await, 200);
    assert_eq!(
        ask(&world, &tokens, "spiffe://a.example/x/1").await,
        400,
        "the key must verify nothing of the trust domain with the name of the host"
    );
    assert_eq!(ask(&world, &world.a, "spiffe://a.example/x/1").await, 200);
    assert_eq!(ask(&world, &world.a, "spiffe://z.example/w/1").await, 400);
}
