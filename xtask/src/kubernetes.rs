//! Installs the programs for the tests of the Helm chart that Debian has no packages of.

use crate::root;
use testudo_testkit::kubernetes;

/// Builds the API server and Helm, once for each list of versions.
pub fn install() -> Result<(), String> {
    let folder = root().join("target/kubernetes");
    if kubernetes::Tools::find(&folder).is_err() {
        eprintln!(
            "building the Kubernetes API server and Helm with go: this is done only once and takes some minutes"
        );
    }
    kubernetes::install(&folder)
}
