//! What a release consists of, in `target/dist`: a static binary, an archive of it, a Debian package, a bill of
//! materials and checksums.

mod archive;
mod deb;
mod manuals;
mod sbom;

use crate::{cargo, root, run};
use std::path::PathBuf;
use std::process::Command;

/// What the static binary is built for. glibc's own parts for `files` and `dns` are in it; see
/// `docs/operations/install.md` for the limits of that.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Our version; the crates of the workspace share it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All of it.
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

/// The static binary alone. The command is the one of `deploy/Containerfile`.
pub fn binary() -> Result<(), String> {
    let flags = [("RUSTFLAGS", "-C target-feature=+crt-static")];
    run(
        "cargo",
        &["build", "--release", "--locked", "--target", TARGET],
        &flags,
    )?;
    let built = root().join("target").join(TARGET).join("release/testudo");
    let linked = output(Command::new("ldd").arg(&built)).unwrap_or_else(|said| said);
    if !linked.contains("statically linked") && !linked.contains("not a dynamic executable") {
        return Err(format!("{} needs libraries: {linked}", built.display()));
    }
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    std::fs::copy(&built, folder().join("testudo"))
        .map(drop)
        .map_err(|error| format!("{}: {error}", built.display()))
}

/// The Debian package, of the binary that is there.
pub fn deb() -> Result<(), String> {
    deb::make(&folder().join("testudo"), &folder()).map(|package| eprintln!("{}", package.display()))
}

/// The bill of materials.
pub fn sbom() -> Result<(), String> {
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    sbom::make(&folder()).map(|materials| eprintln!("{}", materials.display()))
}

/// The tests of the container and of names, with the static binary instead of CI's; the package and its units under this
/// machine's systemd, booted in namespaces. As root.
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

/// What a program prints; where it fails, the error is what it said.
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

/// The time of the commit: what is made of one commit twice has the same bytes.
fn commit_seconds() -> Result<String, String> {
    let git = ["log", "-1", "--format=%ct"];
    output(Command::new("git").args(git).current_dir(root())).map(|text| text.trim().to_owned())
}
