//! The bill of materials: every crate of the binary with version, licence and checksum, as CycloneDX 1.5.

use super::{TARGET, VERSION, commit_seconds, output};
use crate::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const CYCLONEDX: &str = "0.5.9";

pub fn make(folder: &Path) -> Result<PathBuf, String> {
    let program = installed()?;
    let name = format!("testudo-{VERSION}.cdx");
    let beside_manifest = root().join("crates/testudo").join(format!("{name}.json"));
    output(
        Command::new(program)
            .args(["cyclonedx", "--format", "json", "--spec-version", "1.5"])
            .args([
                "--target",
                TARGET,
                "--no-build-deps",
                "--override-filename",
                &name,
            ])
            .args(["--manifest-path", "crates/testudo/Cargo.toml"])
            .env("SOURCE_DATE_EPOCH", commit_seconds()?)
            .current_dir(root()),
    )?;
    let text = std::fs::read_to_string(&beside_manifest)
        .map_err(|error| format!("{}: {error}", beside_manifest.display()))?;
    // It writes one beside every manifest of the workspace.
    for crate_folder in std::fs::read_dir(root().join("crates")).map_err(|error| error.to_string())? {
        let crate_folder = crate_folder.map_err(|error| error.to_string())?.path();
        let _ = std::fs::remove_file(crate_folder.join(format!("{name}.json")));
    }
    for other in ["xtask", "examples/orders-api"] {
        let _ = std::fs::remove_file(root().join(other).join(format!("{name}.json")));
    }
    names_what_is_in_the_binary(&text)?;
    let materials = folder.join(format!("{name}.json"));
    std::fs::write(&materials, text).map_err(|error| error.to_string())?;
    Ok(materials)
}

/// A list without the cryptography, or with what only tests use, would be a wrong one.
fn names_what_is_in_the_binary(text: &str) -> Result<(), String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("the bill of materials: {error}"))?;
    let components = value.get("components").and_then(Value::as_array);
    let has = |name: &str| {
        components.is_some_and(|components| {
            components
                .iter()
                .any(|component| component.get("name").and_then(Value::as_str) == Some(name))
        })
    };
    for (name, expected) in [("aws-lc-rs", true), ("rustls", true), ("testudo-testkit", false)] {
        if has(name) != expected {
            return Err(format!(
                "the bill of materials: `{name}` is there: {}, expected: {expected}",
                has(name)
            ));
        }
    }
    Ok(())
}

/// Installs cargo-cyclonedx into `target/cyclonedx`, once for each version.
fn installed() -> Result<PathBuf, String> {
    let folder = root().join("target/cyclonedx");
    let program = folder.join("bin/cargo-cyclonedx");
    let is_it = |said: String| said.contains(CYCLONEDX);
    if output(Command::new(&program).args(["cyclonedx", "--version"])).is_ok_and(is_it) {
        return Ok(program);
    }
    crate::cargo(&[
        "install",
        "--quiet",
        "--debug",
        "--locked",
        "--root",
        &folder.display().to_string(),
        &format!("cargo-cyclonedx@{CYCLONEDX}"),
    ])?;
    Ok(program)
}
