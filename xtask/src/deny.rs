//! Checks licences, bans and sources of every dependency with cargo-deny and `deny.toml`.
//!
//! The check of advisories needs a copy of the advisory database. It is not fetched, since the machine may have no
//! network: `ADVISORY_DB` is a folder with the copy. Without it, the output states that advisories were not checked.

use crate::{cargo, root, run as run_program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of cargo-deny. If it is missing, it is installed into cargo's own folder.
const VERSION: &str = "0.20.2";

/// The URL of the advisory database in the configuration of cargo-deny. Nothing is fetched from it.
const STAND_IN_URL: &str = "https://advisories.invalid/db";

pub fn run() -> Result<(), String> {
    install()?;
    cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"])?;
    match std::env::var_os("ADVISORY_DB") {
        Some(folder) => advisories(Path::new(&folder)),
        None => {
            eprintln!("advisories were NOT checked: set ADVISORY_DB to a folder with the advisory database");
            Ok(())
        }
    }
}

fn install() -> Result<(), String> {
    let found = Command::new("cargo").args(["deny", "--version"]).output();
    let is_there = found.is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains(VERSION)
    });
    if is_there {
        return Ok(());
    }
    eprintln!("installing cargo-deny {VERSION}: this is done only once and takes some minutes");
    let name = format!("cargo-deny@{VERSION}");
    // Built without optimisation, because the build time matters more than the time of one check.
    let quick = [
        ("CARGO_PROFILE_RELEASE_LTO", "false"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ];
    run_program("cargo", &["install", "--quiet", "--locked", &name], &quick)
}

/// Checks against the advisories in `database`: a folder with `crates/…/RUSTSEC-….md`, which may be a git work tree.
fn advisories(database: &Path) -> Result<(), String> {
    let database = std::path::absolute(database).map_err(|error| error.to_string())?;
    if !database.join("crates").is_dir() {
        return Err(format!(
            "ADVISORY_DB: {} has no folder `crates`; expected a copy of the advisory database",
            database.display()
        ));
    }
    let place = root().join("target/advisories");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let repository = as_repository(&database, &place)?;
    let deny = root().join("deny.toml");
    let rules = std::fs::read_to_string(&deny).map_err(|error| format!("{}: {error}", deny.display()))?;
    let cache = place.join("cache");
    let section = format!(
        "\n[advisories]\ndb-path = \"{}\"\ndb-urls = [\"{STAND_IN_URL}\"]\n",
        cache.display()
    );
    let config = place.join("deny.toml");
    std::fs::write(&config, rules + &section).map_err(|error| format!("{}: {error}", config.display()))?;
    // cargo-deny fetches the database with git and accepts only URLs with a host name, so git is configured to replace
    // the URL by the folder.
    let rewrite = format!("url.file://{}.insteadOf", repository.display());
    let git = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", &rewrite),
        ("GIT_CONFIG_VALUE_0", STAND_IN_URL),
    ];
    let config = config.to_string_lossy();
    run_program(
        "cargo",
        &["deny", "--locked", "--config", &config, "check", "advisories"],
        &git,
    )
}

/// A bare repository with the folder's files on `main`; the folder itself is not written to.
fn as_repository(database: &Path, place: &Path) -> Result<PathBuf, String> {
    let repository = place.join("db.git");
    let (git_dir, work_tree) = (repository.to_string_lossy(), database.to_string_lossy());
    let git = |words: &[&str]| {
        let there = ["--git-dir", &git_dir, "--work-tree", &work_tree];
        let who = [
            "-c",
            "user.name=ci",
            "-c",
            "user.email=ci@localhost",
            "-c",
            "core.bare=false",
        ];
        run_program("git", &[&there[..], &who, words].concat(), &[])
    };
    run_program(
        "git",
        &["init", "--quiet", "--bare", "--initial-branch=main", &git_dir],
        &[],
    )?;
    git(&["add", "--force", "crates"])?;
    git(&["commit", "--quiet", "--message", "copy of the advisory database"])?;
    Ok(repository)
}
