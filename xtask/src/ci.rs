//! Exactly what CI runs.

use crate::{cargo, deny, failover, generate, kubernetes, leftovers, root, spire, tidy};
use std::path::Path;

/// Cheap before dear; the first failure ends it.
pub fn run() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?;
    generate::run(true)?;
    deny::run()?;
    spire::install()?;
    failover::install()?;
    kubernetes::install()?;
    leftovers::none_after(|environment| {
        crate::run("cargo", &["test", "--workspace"], environment)?;
        // The built binary by a clock that tests set; a feature that no release has.
        let clock = ["--features", "test-clock", "--test", "suite", "clock"];
        crate::run(
            "cargo",
            &[&["test", "-p", "testudo"], &clock[..]].concat(),
            environment,
        )
    })?;
    eprintln!("{} crates in the lock file", locked_crates()?);
    Ok(())
}

fn locked_crates() -> Result<usize, String> {
    let path: &Path = &root().join("Cargo.lock");
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.matches("[[package]]").count())
}
