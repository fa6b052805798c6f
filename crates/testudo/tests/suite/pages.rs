//! Runs the `sh` blocks of documentation pages, unchanged, in the folder of a site.

use crate::binary::{Site, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of `docs/operations`.
pub fn operations(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/operations")
        .join(name)
}

/// The `sh` blocks of one section of a page of `docs/operations`, in the order of the page.
pub fn blocks(page: &str, section: &str) -> Vec<String> {
    let text = std::fs::read_to_string(operations(page)).unwrap();
    let section = text
        .split("\n## ")
        .find(|text| text.starts_with(section))
        .unwrap_or_else(|| panic!("{page} has no section {section}"));
    let parts = section.split("```sh\n").skip(1);
    parts
        .filter_map(|rest| rest.split("```").next())
        .map(str::to_owned)
        .collect()
}

/// Runs a block in the folder of a site, where the commands find `testudo.toml`.
#[track_caller]
pub fn shell(site: &Site, script: &str, environment: &[(&str, &str)]) {
    let binary = Path::new(env!("CARGO_BIN_EXE_testudo")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-ec", script])
        .current_dir(&site.folder)
        .env("PATH", path)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}", stderr(&output));
}
