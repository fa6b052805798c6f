//! Exactly what CI runs.

use crate::{cargo, generate, root, spire, tidy};
use std::path::Path;
use std::process::Command;

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
    deny()?;
    spire::install()?;
    cargo(&["test", "--workspace"])?;
    eprintln!("{} crates in the lock file", locked_crates()?);
    Ok(())
}

/// Bans and licences, where cargo-deny is there; `tidy` checks the bans in any case.
fn deny() -> Result<(), String> {
    let is_there = Command::new("cargo")
        .args(["deny", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if is_there {
        return cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]);
    }
    eprintln!("cargo-deny is not installed: licences were NOT checked; advisories are never checked here");
    Ok(())
}

fn locked_crates() -> Result<usize, String> {
    let path: &Path = &root().join("Cargo.lock");
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.matches("[[package]]").count())
}
