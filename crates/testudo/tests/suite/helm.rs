//! Tests of the Helm chart: Helm renders it, a real API server checks every field with strict validation, and `testudo
//! check` checks its configuration.

use crate::binary::{folder, run, stderr};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use testudo_testkit::kubernetes::{Answer, ApiServer, Tools};

/// The five values that are needed to start, from the documentation.
static START: LazyLock<String> = LazyLock::new(|| {
    let page = std::fs::read_to_string(repository().join("docs/operations/install.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    rest.split("```").next().unwrap().to_owned()
});
const EVERYTHING: &str = r#"
tlsSecret: testudo-tls
administrators: ["spiffe://prod.example/ops/*"]
imagePullSecrets: [{name: registry}]
serviceMonitor: {enabled: true, labels: {release: prometheus}}
podAnnotations: {example.net/team: identity}
nodeSelector: {kubernetes.io/arch: amd64}
tolerations: [{key: dedicated, operator: Exists}]
"#;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Without the programs, the tests fail in CI, where `cargo xtask kubernetes install` runs before; on other machines they
/// are skipped with a message.
pub fn tools() -> Option<Tools> {
    match Tools::find(&repository().join("target/kubernetes")) {
        Ok(tools) => Some(tools),
        Err(why) if std::env::var_os("CI").is_some() => panic!("{why}"),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

fn render(tools: &Tools, values: &str) -> Result<String, String> {
    let folder = folder();
    let file = folder.join("values.yaml");
    std::fs::write(&file, values).unwrap();
    let output = Command::new(&tools.helm)
        .args(["template", "as"])
        .arg(repository().join("deploy/helm/testudo"))
        .args(["--namespace", "default", "--kube-version", "1.34.0", "--values"])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(stderr(&output)),
    }
}

/// The manifests in the output of Helm, each with its kind.
fn manifests(rendered: &str) -> Vec<(&str, &str)> {
    let texts = rendered.split("\n---\n").flat_map(|text| text.split("---\n"));
    let with_kind = texts.filter_map(|text| {
        let kind = text.lines().find_map(|line| line.strip_prefix("kind: "))?;
        Some((kind, text))
    });
    with_kind.collect()
}

/// The path at which a manifest of this kind is created.
fn collection(kind: &str) -> &'static str {
    match kind {
        "ConfigMap" => "/api/v1/namespaces/default/configmaps",
        "Service" => "/api/v1/namespaces/default/services",
        "ServiceAccount" => "/api/v1/namespaces/default/serviceaccounts",
        "Deployment" => "/apis/apps/v1/namespaces/default/deployments",
        "PodDisruptionBudget" => "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
        "ServiceMonitor" => "/apis/monitoring.coreos.com/v1/namespaces/default/servicemonitors",
        other => panic!("the chart renders the kind {other}, which this test does not support"),
    }
}

fn try_to_create(server: &ApiServer, kind: &str, manifest: &str) -> Answer {
    let path = format!("{}?dryRun=All&fieldValidation=Strict", collection(kind));
    server.ask("POST", &path, manifest).unwrap()
}

fn define_service_monitors(tools: &Tools, server: &ApiServer) {
    let definition = std::fs::read_to_string(&tools.service_monitors).unwrap();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let answer = server.ask("POST", definitions, &definition).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let began = std::time::Instant::now();
    while server
        .ask("GET", collection("ServiceMonitor"), "")
        .unwrap()
        .status
        != 200
    {
        assert!(
            began.elapsed() < std::time::Duration::from_secs(60),
            "the API server does not serve ServiceMonitors within the deadline"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn api_server_accepts_every_manifest_of_the_chart_by_strict_validation() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let server = ApiServer::start(&tools, &folder.join("kubernetes")).unwrap();
    define_service_monitors(&tools, &server);
    for (values, expected) in [(START.clone(), 5), (format!("{}{EVERYTHING}", *START), 6)] {
        let rendered = render(&tools, &values).unwrap();
        let manifests = manifests(&rendered);
        assert_eq!(manifests.len(), expected, "{rendered}");
        for (kind, manifest) in &manifests {
            let answer = try_to_create(&server, kind, manifest);
            assert_eq!(answer.status, 201, "{kind}: {answer:?}");
        }
    }
    // For comparison: a field that does not exist must be refused.
    let rendered = render(&tools, &START).unwrap();
    let (kind, deployment) = *manifests(&rendered)
        .iter()
        .find(|(kind, _)| *kind == "Deployment")
        .unwrap();
    let misspelt = deployment.replace("readinessProbe:", "readynessProbe:");
    let answer = try_to_create(&server, kind, &misspelt);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.to_string().contains("readynessProbe"), "{answer:?}");
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}

/// The files that are mounted in the pod are in a folder of the test.
#[test]
fn configuration_of_the_chart_passes_check() {
    let Some(tools) = tools() else { return };
    for values in [START.clone(), format!("{}{EVERYTHING}", *START)] {
        let rendered = render(&tools, &values).unwrap();
        let (_, block) = rendered.split_once("  testudo.toml: |\n").unwrap();
        let lines = block
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with("    "));
        let text: String = lines
            .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or_default()))
            .collect();
        let site = folder();
        let (certificate, _) = testudo_testkit::x509::web_certificate("as.example.net");
        for (name, content) in [
            ("url", "postgres://testudo@db.example.net/testudo".to_owned()),
            (
                "key_encryption_key",
                "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0".to_owned(),
            ),
            ("tls.crt", certificate.chain_pem()),
            ("tls.key", certificate.key_pem()),
        ] {
            std::fs::write(site.join(name), content).unwrap();
            std::fs::set_permissions(site.join(name), Permissions::from_mode(0o600)).unwrap();
        }
        let here = site.display().to_string();
        let text = text
            .replace("/etc/testudo-database", &here)
            .replace("/etc/testudo-tls", &here);
        std::fs::write(site.join("testudo.toml"), &text).unwrap();
        let output = run(
            &["check", "--config", site.join("testudo.toml").to_str().unwrap()],
            "",
        );
        assert!(output.status.success(), "{}\n{text}", stderr(&output));
        std::fs::remove_dir_all(site).unwrap();
    }
}

#[test]
fn error_of_the_chart_names_the_value_that_is_missing_or_unknown() {
    let Some(tools) = tools() else { return };
    for (values, named) in [
        (START.replace("issuer:", "# issuer:"), "issuer"),
        (
            START.replace("databaseSecret: testudo-database", ""),
            "databaseSecret",
        ),
        (format!("{}replica: 3\n", *START), "replica"),
        (
            format!("{}serviceMonitor: {{enabled: true}}\n", *START),
            "serviceMonitor.enabled needs tlsSecret",
        ),
    ] {
        let printed = render(&tools, &values).unwrap_err();
        assert!(printed.contains(named), "{printed}");
    }
}

#[test]
fn chart_and_container_contain_the_versions_of_this_repository() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("deploy/helm/testudo/Chart.yaml");
    for line in [
        format!("version: {version}\n"),
        format!("appVersion: \"{version}\"\n"),
    ] {
        assert!(chart.contains(&line), "{line} is not in\n{chart}");
    }
    let toolchain = read("rust-toolchain.toml");
    let (_, channel) = toolchain.split_once("channel = \"").unwrap();
    let (compiler, _) = channel.split_once('"').unwrap();
    let container = read("deploy/Containerfile");
    let image = container.lines().find_map(|line| {
        let (_, rest) = line.split_once("rust:")?;
        rest.split('-').next()
    });
    assert!(compiler.starts_with(image.unwrap()), "{compiler}, {image:?}");
}
