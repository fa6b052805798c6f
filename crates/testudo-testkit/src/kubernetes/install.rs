//! Installs the programs: the API server and Helm are built from their Go modules, etcd is Debian's package.

use crate::go_tools::go;
use serde_json::Value;
use std::path::{Path, PathBuf};

const KUBERNETES: &str = "1.34.4";
const HELM: &str = "v3.21.4";
const PROMETHEUS_OPERATOR: &str = "v0.89.0";
const ETCD: &str = "/usr/bin/etcd";
const SERVICE_MONITORS: &str = "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml";

/// The installed programs and files.
#[derive(Debug, Clone)]
pub struct Tools {
    pub(super) api_server: PathBuf,
    pub(super) etcd: PathBuf,
    /// Helm.
    pub helm: PathBuf,
    /// The custom resource definition of `ServiceMonitor`, as prometheus-operator publishes it.
    pub service_monitors: PathBuf,
}

impl Tools {
    /// Finds the programs in the folder of [`install`]; the error names the command that installs a missing one.
    pub fn find(folder: &Path) -> Result<Tools, String> {
        if !is_installed(folder) {
            return Err(format!(
                "the Kubernetes API server is not in {}: run cargo xtask kubernetes install",
                folder.display()
            ));
        }
        if !Path::new(ETCD).exists() {
            return Err(format!("{ETCD} is missing: apt-get install etcd-server"));
        }
        let file = |name: &str| folder.join(name);
        Ok(Tools {
            api_server: file("kube-apiserver"),
            etcd: ETCD.into(),
            helm: file("helm"),
            service_monitors: file("servicemonitors.yaml"),
        })
    }
}

/// Builds API server and Helm into `folder`, once for each list of versions.
pub fn install(folder: &Path) -> Result<(), String> {
    if is_installed(folder) {
        return Ok(());
    }
    let module = folder.join("src");
    let _ = std::fs::remove_dir_all(&module);
    std::fs::create_dir_all(&module).map_err(|error| error.to_string())?;
    let bin = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let write = |name: &str, text: &str| {
        std::fs::write(module.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    let run = |arguments: &[&str]| go(&module, &bin, arguments);
    write("go.mod", "module kubernetestools\n\ngo 1.25\n")?;
    let helm = format!("helm.sh/helm/v3/cmd/helm@{HELM}");
    run(&["install", "-ldflags=-s -w", &helm])?;
    let operator = format!("github.com/prometheus-operator/prometheus-operator@{PROMETHEUS_OPERATOR}");
    let published = PathBuf::from(downloaded(
        &run(&["mod", "download", "-json", &operator])?,
        "Dir",
    )?);
    let definition = std::fs::read(published.join(SERVICE_MONITORS))
        .map_err(|error| format!("{SERVICE_MONITORS} of {operator}: {error}"))?;
    std::fs::write(folder.join("servicemonitors.yaml"), definition).map_err(|error| error.to_string())?;
    // The go.mod of Kubernetes requires its own modules at v0.0.0, so each is replaced by its real version here.
    let kubernetes = format!("k8s.io/kubernetes@v{KUBERNETES}");
    let go_mod = downloaded(&run(&["mod", "download", "-json", &kubernetes])?, "GoMod")?;
    let required = std::fs::read_to_string(&go_mod).map_err(|error| format!("{go_mod}: {error}"))?;
    let parts_version = format!("v0.{}", KUBERNETES.trim_start_matches("1."));
    run(&["mod", "edit", &format!("-require={kubernetes}")])?;
    for part in required
        .lines()
        .filter_map(|line| line.trim().strip_suffix(" v0.0.0"))
    {
        run(&["mod", "edit", &format!("-replace={part}={part}@{parts_version}")])?;
    }
    // Imports the needed packages, so that `go mod tidy` finds their versions.
    write(
        "main.go",
        "package main\n\nimport (\n\t_ \"k8s.io/component-base/metrics/prometheus/clientgo\"\n\t_ \"k8s.io/kubernetes/cmd/kube-apiserver/app\"\n)\n\nfunc main() {}\n",
    )?;
    run(&["mod", "tidy", "-e"])?;
    let target = bin.join("kube-apiserver");
    run(&[
        "build",
        "-ldflags=-s -w",
        "-o",
        &target.display().to_string(),
        "k8s.io/kubernetes/cmd/kube-apiserver",
    ])?;
    // Written last: without this file, the installation is not complete.
    std::fs::write(marker(folder), versions()).map_err(|error| error.to_string())
}

/// A member of the JSON that `go mod download -json` prints.
fn downloaded(json: &str, member: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(json).map_err(|error| format!("go mod download: {error}"))?;
    value
        .get(member)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("go mod download prints no {member}"))
}

fn is_installed(folder: &Path) -> bool {
    std::fs::read_to_string(marker(folder)).is_ok_and(|found| found == versions())
}

fn marker(folder: &Path) -> PathBuf {
    folder.join("installed.txt")
}

fn versions() -> String {
    format!("kubernetes {KUBERNETES}, helm {HELM}, prometheus-operator {PROMETHEUS_OPERATOR}\n")
}
