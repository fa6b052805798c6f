//! Starts a real SPIRE for manual trials.

use crate::root;
use testudo_testkit::spire::{self, Spire};

fn folder() -> std::path::PathBuf {
    root().join("target/spire")
}

/// Builds SPIRE's server and agent, once.
pub fn install() -> Result<(), String> {
    if !folder().join("bin").join(spire::VERSION).exists() {
        eprintln!(
            "building SPIRE {} with go: this takes some minutes, once",
            spire::VERSION
        );
    }
    spire::install(&folder()).map(drop)
}

/// Runs it until Enter, with this user registered as a workload.
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
        .map_err(|_| "id -u prints no number")?;
    running.register("/workload/shop", uid)?;
    let (domain, socket) = (spire::TRUST_DOMAIN, running.workload_api());
    eprintln!("trust domain    {domain}");
    eprintln!("workload        spiffe://{domain}/workload/shop, for every process of this user");
    eprintln!("workload API    export SPIFFE_ENDPOINT_SOCKET={socket}");
    eprintln!("in testudo.toml bundle = {{ workload_api = \"{socket}\" }}");
    eprintln!("Enter ends it");
    std::io::stdin()
        .read_line(&mut String::new())
        .map(drop)
        .map_err(|error| error.to_string())
}
