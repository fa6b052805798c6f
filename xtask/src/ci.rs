//! Exactly what CI runs.

use crate::{cargo, deny, failover, generate, kubernetes, root, spire, tidy};
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
    cargo(&["test", "--workspace"])?;
    // The built binary by a clock that tests set; a feature that no release has.
    cargo(&[
        "test",
        "-p",
        "testudo",
        "--features",
        "test-clock",
        "--test",
        "suite",
        "clock",
    ])?;
    eprintln!("{} crates in the lock file", locked_crates()?);
    Ok(())
}

fn locked_crates() -> Result<usize, String> {
    let path: &Path = &root().join("Cargo.lock");
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.matches("[[package]]").count())
}
