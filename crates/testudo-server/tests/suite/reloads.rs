//! Tests of reloads: policy and keys are replaced together, so that no request is decided with the keys of one
//! configuration and the policy of another.

use crate::world::{ISSUER, World, run_in};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_server::config::{FIXED_AT_START, KEYS};
use testudo_testkit::http::over_socket;
use testudo_testkit::scratch::folder;
use testudo_testkit::{TestIssuer, svid_form};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const RULES: &str = "[[rules]]\nname = \"all\"\nidentities = [\"spiffe://a.example/x/*\"]\n";

/// Two configurations that both refuse the SVIDs of `other`: the first accepts JWT-SVIDs but has other keys, the second
/// has these keys but accepts only X.509-SVIDs.
struct Alternating {
    world: World,
    other: TestIssuer,
}

fn domain(bundle: &str, credentials: &str) -> String {
    format!(
        "[[trust_domains]]\nname = \"a.example\"\nbundle = {{ file = \"{bundle}\" }}\ncredentials = [\"{credentials}\"]\n"
    )
}

impl Alternating {
    async fn start() -> Alternating {
        let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
        let other = TestIssuer::new("a.example");
        std::fs::write(world.folder.join("other.json"), other.bundle().to_string()).unwrap();
        Alternating { world, other }
    }

    async fn first(&self) {
        self.world.reload_with(&domain("a.json", "jwt_svid"), RULES).await;
    }

    async fn second(&self) {
        self.world
            .reload_with(&domain("other.json", "x509_svid"), RULES)
            .await;
    }

    /// A token request that neither configuration grants.
    fn form(&self) -> String {
        svid_form(&self.other.svid("/x/1", ISSUER, self.world.now()), &[])
    }
}

#[tokio::test]
async fn request_whose_body_arrives_after_a_reload_is_decided_by_one_configuration() {
    let alternating = Alternating::start().await;
    let body = alternating.form();
    let mut stream = tokio::net::TcpStream::connect(alternating.world.address())
        .await
        .unwrap();
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: as.example\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server sends `100 Continue` once the endpoint reads the body.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert!(
        asked.starts_with(b"HTTP/1.1 100"),
        "{}",
        String::from_utf8_lossy(&asked)
    );
    alternating.second().await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("invalid_client"),
        "the request was decided with keys and policy of different configurations: {answer}"
    );
    assert!(alternating.world.clients().await.is_empty());
}

#[tokio::test]
async fn no_request_is_granted_while_reloads_alternate_between_configurations_that_refuse_it() {
    let alternating = Alternating::start().await;
    let granted = async |form: String| {
        let mut connection = alternating.world.connect().await;
        connection.post("/token", form).await.status == 200
    };
    let begun = Instant::now();
    let mut reloads = 0;
    while reloads < 40 || begun.elapsed() < Duration::from_secs(1) {
        let reload = async {
            alternating.second().await;
            alternating.first().await;
        };
        let (form, again) = (alternating.form(), alternating.form());
        let ((), one, two) = tokio::join!(reload, granted(form), granted(again));
        assert!(!one && !two, "after {reloads} reloads");
        reloads += 2;
    }
    // For comparison: the first configuration accepts SVIDs of its own keys.
    assert_eq!(alternating.world.ask("/x/1", &[]).await.status, 200);
}

/// A reload opens no listener, so metadata must not name a listener that does not exist.
#[tokio::test]
async fn metadata_after_a_reload_lists_no_listener_that_was_not_opened() {
    let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
    let metadata = async || {
        let path = "/.well-known/oauth-authorization-server";
        world.connect().await.get(path).await.json()
    };
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (certificate, _) = testudo_testkit::x509::web_certificate("as.example");
    std::fs::write(world.folder.join("tls.crt"), certificate.chain_pem()).unwrap();
    std::fs::write(world.folder.join("tls.key"), certificate.key_pem()).unwrap();
    let changed = text
        .replace(
            "[store]",
            "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\n\
             mtls = { listen = [\"127.0.0.1:0\"], url = \"https://mtls.as.example\" }\n[store]",
        )
        .replace("[\"jwt_svid\"]", "[\"jwt_svid\", \"x509_svid\"]");
    std::fs::write(&path, changed).unwrap();
    let before = metadata().await;
    let note = testudo_server::Note::by(&testudo_core::Actor::Signal);
    testudo_server::reload::reload(&world.running.app, note)
        .await
        .expect("a configuration without errors");
    let after = metadata().await;
    assert_eq!(after["mtls_endpoint_aliases"], before["mtls_endpoint_aliases"]);
    let methods = after["token_endpoint_auth_methods_supported"].to_string();
    assert!(!methods.contains("spiffe_x509"), "{methods}");
}

/// The keys of the schema, as dotted paths: entries of arrays share the path of the array.
fn keys_of_the_schema() -> Vec<String> {
    fn kinds<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = schema["$ref"].as_str() {
            return kinds(&root["$defs"][name.rsplit('/').next().unwrap()], root);
        }
        let one_of = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
        match one_of {
            Some(kinds_of) => kinds_of.iter().flat_map(|kind| kinds(kind, root)).collect(),
            None => vec![schema],
        }
    }
    fn walk(schema: &Value, path: &str, root: &Value, keys: &mut Vec<String>) {
        let of_value = kinds(schema, root);
        let of_entry = of_value.iter().flat_map(|kind| kinds(&kind["items"], root));
        let forms = schema["anyOf"].as_array();
        let is_optional_secret =
            |forms: &Vec<Value>| forms.iter().any(|form| form["$ref"] == "#/$defs/SecretText");
        let is_secret = path.starts_with("store.") || forms.is_some_and(is_optional_secret);
        let all: Vec<&Value> = of_value.iter().copied().chain(of_entry).collect();
        let tables: Vec<_> = all
            .iter()
            .filter(|kind| kind["properties"].is_object() && !is_secret)
            .collect();
        // What can be something else than a table is a key of its own.
        let is_leaf = |kind: &&Value| kind["type"] != "null" && kind["properties"].is_null();
        if tables.is_empty()
            || of_value
                .iter()
                .any(|kind| is_leaf(kind) && kind["type"] != "array")
        {
            keys.push(path.to_owned());
        }
        for (name, entry) in tables
            .iter()
            .flat_map(|table| table["properties"].as_object().unwrap())
        {
            walk(
                entry,
                format!("{path}.{name}").trim_start_matches('.'),
                root,
                keys,
            );
        }
    }
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/testudo.schema.json"
    );
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut keys = Vec::new();
    walk(&schema, "", &schema, &mut keys);
    assert!(keys.len() > 90, "{keys:?}");
    keys
}

#[test]
fn every_configuration_key_is_listed_once_and_a_reload_compares_those_that_are_fixed_at_start() {
    let listed: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
    let mut keys = keys_of_the_schema();
    keys.sort_unstable();
    assert_eq!(listed, keys);
    let at_start = KEYS.iter().filter(|key| !key.is_taken_by_reload);
    let mut compared: Vec<&str> = FIXED_AT_START.iter().map(|setting| setting.key).collect();
    compared.sort_unstable();
    assert_eq!(compared, at_start.map(|key| key.path).collect::<Vec<_>>());
}

#[test]
fn every_configuration_key_has_a_row_with_an_anchor_in_the_reference() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/configuration.md"
    );
    let page = std::fs::read_to_string(path).unwrap();
    for key in keys_of_the_schema() {
        let anchor = match key.contains('.') {
            true => format!("| <a id=\"{key}\"></a>`{key}` | "),
            false => format!("\n## {key}\n"),
        };
        assert_eq!(page.matches(&anchor).count(), 1, "{key}");
    }
}

async fn reloaded_with(world: &World, change: impl FnOnce(String) -> String) -> Value {
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(text)).unwrap();
    world
        .admin("POST", "/admin/v1/reload", serde_json::json!({}))
        .await
}

#[tokio::test]
async fn reload_reports_what_changed_and_which_settings_need_a_restart() {
    let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    let same = reloaded_with(&world, |text| text).await;
    assert_eq!(same["done"], "reloaded: nothing changed");
    assert_eq!(same["warning"], Value::Null, "{same}");

    let more = "[[rules]]\nname = \"r\"\nidentities = [\"spiffe://a.example/r/*\"]\n\
                [[rules]]\nname = \"s\"\nidentities = [\"spiffe://a.example/s/*\"]\n\
                [[trust_domains]]\nname = \"late.example\"\nbundle = { file = \"absent.json\" }\n";
    let answer = reloaded_with(&world, |text| {
        let text = text
            .replace("[server]", "[server]\nstreams_max = 7\ndrain = \"3s\"")
            .replace("/x/*", "/y/*");
        text + "\n" + more
    })
    .await;
    assert_eq!(
        answer["done"],
        "reloaded: +2 rules (r, s), 1 rule changed (all), +1 trust domain (late.example), +2 settings (server.drain, server.streams_max), 1 client no longer governed"
    );
    let warning = answer["warning"].as_str().unwrap();
    assert!(
        warning.contains("server.streams_max changed: takes effect at the next start"),
        "{warning}"
    );
    assert!(
        !warning.contains("server.drain"),
        "server.drain is reloadable: {warning}"
    );
    assert!(
        warning.contains("trust domain `late.example`, trust_domains.bundle gives no usable bundle: ")
            && warning.contains("absent.json"),
        "{warning}"
    );
    let events = world
        .admin("GET", "/admin/v1/events", Value::Null)
        .await
        .to_string();
    for said in [
        "+2 rules",
        "server.streams_max changed: takes effect",
        "trust domain `late.example`, trust_domains.bundle gives no usable bundle",
    ] {
        assert!(events.contains(said), "{said}: {events}");
    }
    // A setting that was changed back needs no restart.
    let back = reloaded_with(&world, |text| text.replace("streams_max = 7\n", "")).await;
    assert!(
        !back["warning"].as_str().unwrap().contains("streams_max"),
        "{back}"
    );
}

#[tokio::test]
async fn reload_applies_connection_limits_and_the_name_map_of_outgoing_requests() {
    let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
    let app = &world.running.app;
    let before = app.outbound.fetcher.load_full();
    let answer = reloaded_with(&world, |text| {
        text.replace(
            "[server]",
            "[outbound]\nresolve = { \"bundles.example\" = \"127.0.0.1\" }\n[server]\nidle_timeout = \"7s\"\nproxy = { trusted = [\"10.0.0.0/8\"], client_address_header = \"x-forwarded-for\" }\ndrain = \"3s\"",
        )
    })
    .await;
    assert_eq!(answer["warning"], Value::Null, "{answer}");
    let rules = app.connection_rules.load_full();
    assert_eq!(rules.limits.idle_timeout, Duration::from_secs(7));
    assert_eq!(rules.trusted, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(app.in_force.load().serving.drain, Duration::from_secs(3));
    assert!(!std::sync::Arc::ptr_eq(
        &before,
        &app.outbound.fetcher.load_full()
    ));
}

/// The server decides in each handshake whether to request a client certificate.
#[tokio::test]
async fn trust_domain_that_accepts_certificates_since_a_reload_is_served_at_the_tls_listener() {
    let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
    let (certificate, _) = testudo_testkit::x509::web_certificate("as.example");
    std::fs::write(world.folder.join("tls.crt"), certificate.chain_pem()).unwrap();
    std::fs::write(world.folder.join("tls.key"), certificate.key_pem()).unwrap();
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\n[store]";
    std::fs::write(&path, text.replace("[store]", tls)).unwrap();
    let world = world.restart().await;
    let takes = |world: &World| world.running.app.in_force.load().arrival.takes_certificates;
    assert!(!takes(&world));
    let both = "[\"jwt_svid\", \"x509_svid\"]";
    reloaded_with(&world, |text| text.replace("[\"jwt_svid\"]", both)).await;
    assert!(takes(&world));
    let certificate = world.running.app.certificates.server.as_ref().unwrap();
    assert!(certificate.asks());
    reloaded_with(&world, |text| text.replace(both, "[\"jwt_svid\"]")).await;
    assert!(!takes(&world) && !certificate.asks());
}

/// A reload opens no listener: the listeners in use decide, and not those that the new file names.
#[tokio::test]
async fn reload_enables_no_sign_in_without_proof_while_a_listener_of_the_start_is_beyond_loopback() {
    const LOGIN: &str = "[login]\npasskeys = false\ndevelopment = [\"alice\"]\n";
    for (listen, is_applied) in [("0.0.0.0:0", false), ("[::]:0", false), ("127.0.0.1:0", true)] {
        let folder = folder("development");
        let text = |listen: &str, login: &str| {
            format!(
                "issuer = \"http://localhost:8080\"\n[server]\nlisten = [\"{listen}\"]\nwatch = false\n\
                 [store]\nurl = \"memory:\"\n[admin]\nsocket = \"admin.sock\"\n{login}"
            )
        };
        std::fs::write(folder.join("testudo.toml"), text(listen, "")).unwrap();
        let running = run_in(&folder).await.unwrap();
        std::fs::write(folder.join("testudo.toml"), text("127.0.0.1:0", LOGIN)).unwrap();
        let socket = folder.join("admin.sock");
        let (status, answer) = over_socket(&socket, "POST", "/admin/v1/reload", json!({})).await;
        assert_eq!(status, if is_applied { 200 } else { 400 }, "{listen}: {answer}");
        let login = running.app.in_force.load_full().login.clone();
        assert_eq!(login.is_some(), is_applied, "{listen}");
        if !is_applied {
            assert!(answer.to_string().contains("login.development"), "{answer}");
        }
        running.stop().await;
    }
}
