//! Builds the files of a release into `target/dist`: a static binary, an archive of it, a Debian package, a software
//! bill of materials (SBOM) and checksums.

mod archive;
mod deb;
mod manuals;
mod sbom;

use crate::{cargo, root, run};
use std::path::PathBuf;
use std::process::Command;

/// The target of the static binary. It contains glibc's modules `files` and `dns` for name resolution;
/// `docs/operations/install.md` describes the limits of this.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The version of the release: all crates of the workspace have the same one.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds all files of a release.
pub fn everything() -> Result<(), String> {
    binary()?;
    let binary = folder().join("testudo");
    let archive = archive::make(&binary, &folder())?;
    let package = deb::make(&binary, &folder())?;
    let materials = sbom::make(&folder())?;
    let files = [binary, archive, package, materials];
    let names: Vec<String> = files
        .iter()
        .filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let sums = output(Command::new("sha256sum").args(&names).current_dir(folder()))?;
    write("SHA256SUMS", &sums)?;
    for file in &files {
        let bytes = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
        eprintln!("{:>9.1} MB  {}", bytes as f64 / 1e6, file.display());
    }
    Ok(())
}

/// Builds only the static binary, with the same command as `deploy/Containerfile`.
pub fn binary() -> Result<(), String> {
    let flags = [("RUSTFLAGS", "-C target-feature=+crt-static")];
    run(
        "cargo",
        &["build", "--release", "--locked", "--target", TARGET],
        &flags,
    )?;
    let built = root().join("target").join(TARGET).join("release/testudo");
    let linked = output(Command::new("ldd").arg(&built)).unwrap_or_else(|error| error);
    if !linked.contains("statically linked") && !linked.contains("not a dynamic executable") {
        return Err(format!(
            "{} is not static, it needs libraries: {linked}",
            built.display()
        ));
    }
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    std::fs::copy(&built, folder().join("testudo"))
        .map(drop)
        .map_err(|error| format!("{}: {error}", built.display()))
}

/// Builds the Debian package from the binary in `target/dist`.
pub fn deb() -> Result<(), String> {
    deb::make(&folder().join("testudo"), &folder()).map(|package| eprintln!("{}", package.display()))
}

/// Writes the bill of materials.
pub fn sbom() -> Result<(), String> {
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    sbom::make(&folder()).map(|materials| eprintln!("{}", materials.display()))
}

/// Tests, as root, the container and its name resolution with the static binary instead of the one of CI, and the
/// package with its units under the systemd of this machine, booted in namespaces.
pub fn check() -> Result<(), String> {
    let binary = folder().join("testudo").display().to_string();
    let tests = ["test", "--package", "testudo", "--test", "suite", "container::"];
    run("cargo", &tests, &[("TESTUDO_STATIC_BINARY", &binary)])?;
    cargo(&["test", "--package", "xtask", "dist::"])?;
    let package = deb::path(&folder()).display().to_string();
    run("xtask/src/dist/systemd.sh", &[&package], &[])
}

fn folder() -> PathBuf {
    root().join("target/dist")
}

fn write(name: &str, text: &str) -> Result<(), String> {
    std::fs::write(folder().join(name), text).map_err(|error| format!("{name}: {error}"))
}

/// The stdout of a program. If the program fails, the error contains its output.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{:?} cannot be run: {error}", command.get_program()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "{:?} failed: {}{}",
            command.get_program(),
            text(&output.stdout),
            text(&output.stderr)
        )),
    }
}

/// The time of the commit. It is used for all files, so that two builds of one commit have the same bytes.
fn commit_seconds() -> Result<String, String> {
    let git = ["log", "-1", "--format=%ct"];
    output(Command::new("git").args(git).current_dir(root())).map(|text| text.trim().to_owned())
}
