//! Metrics of the built binary: the scrape has every documented metric and no other, the dashboard and the alert rules
//! use only these, and removed metrics are absent.

use crate::binary::{RULES, Server, Site, folder};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testudo_server::state::metrics::{Kind, METRICS};
use testudo_testkit::free_port;
use testudo_testkit::http::Connection;
use testudo_testkit::svid_form;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(file)
}

/// A site with TLS for clients and a second authority without a bundle.
fn site() -> Site {
    let site = Site::new();
    site.certify("localhost");
    let absent = "[[trust_domains]]\nname = \"absent.example\"\nbundle = { file = \"absent.json\" }\n";
    site.configure(
        "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }",
        &format!("{absent}{RULES}"),
    );
    site
}

async fn scrape(server: &Server) -> String {
    let answer = Connection::open(server.admin_address())
        .await
        .get("/metrics")
        .await;
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body).unwrap()
}

/// The name of each sample with the names of its labels, without `le`. Samples of a histogram have the name of the
/// histogram.
fn samples(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let histogram = METRICS.iter().find(|metric| {
            let part = name.strip_prefix(metric.name).unwrap_or_default();
            metric.kind == Kind::Histogram && ["_bucket", "_sum", "_count"].contains(&part)
        });
        let labels = labels.split(',').filter_map(|label| label.split_once("=\""));
        let labels = labels
            .map(|(name, _)| name.to_owned())
            .filter(|name| name != "le");
        let name = histogram.map_or(name, |metric| metric.name);
        let known: &mut BTreeSet<String> = found.entry(name.to_owned()).or_default();
        known.extend(labels);
    }
    found
}

/// Sends the requests after which every metric family has a sample.
fn cause_every_metric(site: &Site, server: &Server) {
    let refused = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "--cacert"])
        .arg(site.folder.join("root.pem"))
        .arg(format!("https://localhost:{}/nowhere", server.address.port()))
        .status()
        .unwrap();
    assert!(refused.success());
}

/// This metric has a sample only when a key retires, minutes after a new key is made. `keys.rs` of the server's tests
/// checks it.
const LATER: &str = "testudo_signing_key_expires_seconds";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrape_has_every_documented_metric_with_its_labels_and_no_other() {
    let site = site();
    let server = site.serve();
    cause_every_metric(&site, &server);
    let text = scrape(&server).await;
    let mut found = samples(&text);
    found.insert(LATER.to_owned(), BTreeSet::from(["kid".to_owned()]));
    let documented: BTreeMap<String, BTreeSet<String>> = METRICS
        .iter()
        .map(|metric| {
            let labels = metric.labels.iter().map(|label| (*label).to_owned());
            (metric.name.to_owned(), labels.collect())
        })
        .collect();
    assert_eq!(found, documented, "{text}");
    for metric in METRICS.iter().filter(|metric| metric.name != LATER) {
        // In OpenMetrics, the name of a counter has no `_total`; the names of its samples have it.
        let family = metric.name.trim_end_matches("_total");
        let kind = format!("# TYPE {family} {}\n", metric.kind.name());
        let help = format!("# HELP {family} {}.\n", metric.meaning);
        assert!(text.contains(&kind) && text.contains(&help), "{kind}{help}{text}");
    }
    assert!(text.contains("testudo_build_info{version=\""));
    assert!(
        text.contains("testudo_requests_total{route=\"none\",status=\"404\"} 1"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_an_authority_without_keys_and_no_removed_authority() {
    let site = site();
    let server = site.serve();
    let text = scrape(&server).await;
    for line in [
        "testudo_bundle_usable{authority=\"spiffe://absent.example\"} 0",
        "testudo_bundle_age_seconds{authority=\"spiffe://absent.example\"} inf",
        "testudo_bundle_usable{authority=\"spiffe://prod.example\"} 1",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let failures = |text: &str| {
        let line = "testudo_bundle_failures_total{authority=\"spiffe://absent.example\"} ";
        let rest = text.lines().find_map(|found| found.strip_prefix(line))?;
        rest.parse::<u64>().ok()
    };
    assert!(failures(&text).is_some_and(|failures| failures > 0), "{text}");
    let whole = std::fs::read_to_string(site.config()).unwrap();
    let (before, rest) = whole
        .split_once("[[trust_domains]]\nname = \"absent.example\"")
        .unwrap();
    let (_, after) = rest.split_once('}').unwrap();
    site.write("testudo.toml", &format!("{before}{after}"));
    site.ok(&["reload"]);
    let text = scrape(&server).await;
    assert!(!text.contains("absent.example"), "{text}");
    site.write("testudo.toml", "issuer = 7\n");
    assert!(text.contains("testudo_configuration_last_reload_successful 1"));
    assert!(!site.run(&["reload"]).status.success());
    assert!(
        scrape(&server)
            .await
            .contains("testudo_configuration_last_reload_successful 0")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_first_uses_are_counted_once_each() {
    let site = Site::new();
    let server = site.serve();
    let svid = site.svid("/ns/shop/sa/pay");
    for _ in 0..3 {
        assert_eq!(server.token(svid_form(&svid, &[])).await.status, 200);
    }
    let text = scrape(&server).await;
    for line in [
        "testudo_tokens_issued_total 3",
        "testudo_first_uses_total 1",
        "testudo_clients_registered_total 1",
        "testudo_clients_in_memory 1",
        "testudo_requests_total{route=\"token\",status=\"200\"} 3",
        "testudo_request_duration_seconds_count{route=\"token\"} 3",
        "testudo_store_failures_total 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}:\n{text}");
    }
}

/// Words of a text that are names of metrics of this server.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character: char| !is_part(character));
    words
        .filter(|word| word.starts_with("testudo_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn every_metric_in_dashboard_alert_rules_and_pages_exists() {
    let page = |name: &str| deploy(&format!("../docs/operations/{name}"));
    for (file, at_least) in [
        (deploy("prometheus/alerts.yaml"), 12),
        (deploy("grafana/testudo.json"), 20),
        (page("limits.md"), 8),
        (page("README.md"), 2),
    ] {
        let text = std::fs::read_to_string(&file).unwrap();
        let names = named(&text);
        assert!(names.len() >= at_least, "{}: {names:?}", file.display());
        for name in names {
            let is_known = METRICS.iter().any(|metric| match metric.kind {
                Kind::Histogram => name
                    .strip_suffix("_bucket")
                    .is_some_and(|bare| bare == metric.name),
                Kind::Counter | Kind::Gauge => name == metric.name,
            });
            assert!(
                is_known,
                "{} contains {name}, which is not a metric",
                file.display()
            );
        }
    }
    let dashboard = std::fs::read_to_string(deploy("grafana/testudo.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 12);
}

/// A program of the Debian package `prometheus`. Without it, the test fails in CI; on other machines it is skipped with a
/// message.
fn program(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/bin").join(name);
    match path.exists() {
        true => Some(path),
        false if std::env::var_os("CI").is_some() => panic!("CI must run this test: {name} is missing"),
        false => {
            eprintln!("skipped: {name} is missing (apt-get install prometheus)");
            None
        }
    }
}

#[test]
fn promtool_accepts_the_alert_rules_and_their_tests_pass() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    for arguments in [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts.test.yaml"],
    ] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(deploy("prometheus"))
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &crate::binary::stderr(&output);
        assert!(output.status.success(), "{arguments:?}: {printed}");
    }
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_scrapes_the_server_and_evaluates_every_alert_rule() {
    let Some(prometheus) = program("prometheus") else {
        return;
    };
    let site = site();
    let server = site.serve();
    cause_every_metric(&site, &server);
    let data = folder();
    let configuration = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{:?}]\nscrape_configs:\n\
         - {{job_name: testudo, static_configs: [{{targets: [\"{}\"]}}]}}\n",
        deploy("prometheus/alerts.yaml").canonicalize().unwrap(),
        server.admin_address()
    );
    std::fs::write(data.join("prometheus.yml"), configuration).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let _running = Prometheus(
        Command::new(prometheus)
            .arg(format!("--config.file={}", data.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", data.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let began = Instant::now();
    let names: BTreeSet<String> = loop {
        let names = ask(&address, "/api/v1/label/__name__/values").await;
        let names: BTreeSet<String> = names.iter().flat_map(|names| texts(&names["data"])).collect();
        let rules = ask(&address, "/api/v1/rules").await.unwrap_or_default();
        let rules = rules["data"]["groups"][0]["rules"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let is_evaluated = |rule: &serde_json::Value| rule["health"] == "ok";
        if names.contains("testudo_ready") && rules.len() >= 6 && rules.iter().all(is_evaluated) {
            break names;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{names:?} {rules:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for metric in METRICS.iter().filter(|metric| metric.name != LATER) {
        let name = match metric.kind {
            Kind::Histogram => format!("{}_bucket", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    std::fs::remove_dir_all(data).unwrap();
}

fn texts(values: &serde_json::Value) -> Vec<String> {
    let values = values.as_array().cloned().unwrap_or_default();
    values
        .iter()
        .filter_map(|value| Some(value.as_str()?.to_owned()))
        .collect()
}

/// The answer of Prometheus; none while it does not listen yet.
async fn ask(address: &str, path: &str) -> Option<serde_json::Value> {
    tokio::net::TcpStream::connect(address).await.ok()?;
    let answer = Connection::open(address.parse().unwrap()).await.get(path).await;
    serde_json::from_slice(&answer.body).ok()
}
