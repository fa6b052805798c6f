//! The steps of CI.

use crate::{cargo, deny, failover, generate, kubernetes, leftovers, root, spire, tidy};
use std::path::Path;

/// No incremental compilation: with it, the compiler 1.95 fails with an internal error on some asynchronous tests that it
/// compiled before in an earlier form.
const WHOLE: (&str, &str) = ("CARGO_INCREMENTAL", "0");

/// Runs the fast steps first, and stops at the first failure.
pub fn run() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    let lint = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    crate::run("cargo", &lint, &[WHOLE])?;
    generate::run(true)?;
    deny::run()?;
    spire::install()?;
    failover::install()?;
    kubernetes::install()?;
    leftovers::none_after(|environment| {
        let environment = &[environment, &[WHOLE]].concat();
        crate::run("cargo", &["test", "--workspace"], environment)?;
        // Tests of the built binary with a clock that tests can set; no release is built with this feature.
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
