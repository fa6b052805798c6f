//! Starts a real SPIRE for manual tests.

use crate::root;
use testudo_testkit::spire::{self, Spire};

fn folder() -> std::path::PathBuf {
    root().join("target/spire")
}

/// Builds SPIRE's server and agent, once.
pub fn install() -> Result<(), String> {
    if !folder().join("bin").join(spire::VERSION).exists() {
        eprintln!(
            "building SPIRE {} with go: this is done only once and takes some minutes",
            spire::VERSION
        );
    }
    spire::install(&folder()).map(drop)
}

/// Runs SPIRE until Enter is pressed, with the processes of this user registered as a workload.
pub fn up() -> Result<(), String> {
    install()?;
    let running = Spire::start(&folder().join("bin"), &folder().join("run"))?;
    let output = std::process::Command::new("id")
        .arg("-u")
        .output()
        .map_err(|error| error.to_string())?;
    let uid = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| "`id -u` did not print a number")?;
    running.register("/workload/shop", uid)?;
    let (domain, socket) = (spire::TRUST_DOMAIN, running.workload_api());
    eprintln!("trust domain    {domain}");
    eprintln!("workload        spiffe://{domain}/workload/shop, for every process of this user");
    eprintln!("workload API    export SPIFFE_ENDPOINT_SOCKET={socket}");
    eprintln!("in testudo.toml bundle = {{ workload_api = \"{socket}\" }}");
    eprintln!("press Enter to end SPIRE");
    std::io::stdin()
        .read_line(&mut String::new())
        .map(drop)
        .map_err(|error| error.to_string())
}
