//! The software bill of materials: every crate of the binary with version, licence and checksum, in CycloneDX 1.5.

use super::{TARGET, VERSION, commit_seconds, output};
use crate::root;
use serde_json::Value;
use std::collections::HashSet;
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
    // cargo-cyclonedx writes a file beside the manifest of every crate of the workspace; the others are removed.
    for crate_folder in std::fs::read_dir(root().join("crates")).map_err(|error| error.to_string())? {
        let crate_folder = crate_folder.map_err(|error| error.to_string())?.path();
        let _ = std::fs::remove_file(crate_folder.join(format!("{name}.json")));
    }
    for other in ["xtask", "examples/orders-api", "examples/web-app"] {
        let _ = std::fs::remove_file(root().join(other).join(format!("{name}.json")));
    }
    let mut listed: Value =
        serde_json::from_str(&text).map_err(|error| format!("the bill of materials: {error}"))?;
    remove_crates_not_built(&mut listed, &built_crates()?);
    check_known_crates(&listed)?;
    let text = serde_json::to_string_pretty(&listed).map_err(|error| error.to_string())?;
    let materials = folder.join(format!("{name}.json"));
    std::fs::write(&materials, text).map_err(|error| error.to_string())?;
    Ok(materials)
}

/// Every crate that cargo compiles into the binary, as `name version`.
fn built_crates() -> Result<HashSet<String>, String> {
    let arguments = [
        "tree",
        "--package",
        "testudo",
        "--edges",
        "normal",
        "--target",
        TARGET,
    ];
    let tree = output(
        Command::new("cargo")
            .args(arguments)
            .args(["--prefix", "none", "--format", "{p}"])
            .current_dir(root()),
    )?;
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?);
        Some(format!("{name} {}", version.trim_start_matches('v')))
    });
    Ok(crates.collect())
}

/// Removes crates that are not compiled into the binary. cargo-cyclonedx reads the lock file, which also contains crates
/// of disabled features, such as `ring`, a second cryptography library.
fn remove_crates_not_built(listed: &mut Value, built: &HashSet<String>) {
    let mut dropped = HashSet::new();
    if let Some(components) = listed.get_mut("components").and_then(Value::as_array_mut) {
        components.retain(|component| {
            let member = |name: &str| component.get(name).and_then(Value::as_str).unwrap_or_default();
            let is_built = built.contains(&format!("{} {}", member("name"), member("version")));
            if !is_built {
                dropped.insert(member("bom-ref").to_owned());
            }
            is_built
        });
    }
    let is_dropped = |reference: &Value| reference.as_str().is_some_and(|text| dropped.contains(text));
    if let Some(dependencies) = listed.get_mut("dependencies").and_then(Value::as_array_mut) {
        dependencies.retain(|dependency| !dependency.get("ref").is_some_and(is_dropped));
        for dependency in dependencies {
            if let Some(needed) = dependency.get_mut("dependsOn").and_then(Value::as_array_mut) {
                needed.retain(|reference| !is_dropped(reference));
            }
        }
    }
}

/// Fails if the list lacks a cryptography library that is in the binary, or contains a crate that is not.
fn check_known_crates(listed: &Value) -> Result<(), String> {
    let components = listed.get("components").and_then(Value::as_array);
    let has = |name: &str| {
        components.is_some_and(|components| {
            components
                .iter()
                .any(|component| component.get("name").and_then(Value::as_str) == Some(name))
        })
    };
    for (name, expected) in [
        ("aws-lc-rs", true),
        ("rustls", true),
        ("ring", false),
        ("testudo-testkit", false),
    ] {
        if has(name) != expected {
            return Err(format!(
                "the bill of materials: `{name}` is listed: {}, expected: {expected}",
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
    let is_right_version = |printed: String| printed.contains(CYCLONEDX);
    if output(Command::new(&program).args(["cyclonedx", "--version"])).is_ok_and(is_right_version) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn crate_that_is_not_built_is_removed_from_the_list_and_from_all_dependencies() {
        let mut listed = json!({
            "components": [
                { "bom-ref": "a#rustls", "name": "rustls", "version": "0.23.46" },
                { "bom-ref": "a#ring", "name": "ring", "version": "0.17.14" },
            ],
            "dependencies": [
                { "ref": "a#rustls", "dependsOn": ["a#ring"] },
                { "ref": "a#ring" },
            ],
        });
        remove_crates_not_built(&mut listed, &HashSet::from(["rustls 0.23.46".to_owned()]));
        assert_eq!(
            listed,
            json!({
                "components": [{ "bom-ref": "a#rustls", "name": "rustls", "version": "0.23.46" }],
                "dependencies": [{ "ref": "a#rustls", "dependsOn": [] }],
            })
        );
    }

    #[test]
    fn built_crates_contain_the_cryptography_library_and_no_crate_of_tests() {
        let built = built_crates().unwrap();
        assert!(built.iter().any(|name| name.starts_with("aws-lc-rs ")));
        assert!(!built.iter().any(|name| name.starts_with("ring ")));
        assert!(!built.iter().any(|name| name.starts_with("testudo-testkit ")));
    }
}
