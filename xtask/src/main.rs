//! What this repository does with itself: `cargo xtask ci | tidy | generate | bench | fuzz | spire | dev`.

mod ci;
mod fuzz;
mod generate;
mod spire;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci                   what CI runs: format, lints, tidy, generated files, all tests
  tidy                 the house rules that no compiler checks
  generate [--check]   writes docs/reference/ (or fails where it is out of date)
  bench [token|rules]  benchmarks; `bench token --full` adds a million first uses
  fuzz [SECONDS]       every fuzz target for so long (default 60)
  spire install|up     builds SPIRE; runs it in the foreground with one registered workload
  dev                  testudo dev
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["generate"] => generate::run(false),
        ["generate", "--check"] => generate::run(true),
        ["bench"] => bench("rules", &[]).and_then(|()| bench("token", &[])),
        ["bench", "rules"] => bench("rules", &[]),
        ["bench", "token", more @ ..] => bench("token", more),
        ["fuzz"] => fuzz::run(60),
        ["fuzz", seconds] => seconds
            .parse()
            .map_err(|_| "SECONDS is a number".to_owned())
            .and_then(fuzz::run),
        ["spire", "install"] => spire::install(),
        ["spire", "up"] => spire::up(),
        ["dev", more @ ..] => cargo(&[&["run", "--release", "--", "dev"], more].concat()),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(name: &str, more: &[&str]) -> Result<(), String> {
    let package = if name == "rules" {
        "testudo-core"
    } else {
        "testudo"
    };
    cargo(
        &[
            &["bench", "--quiet", "--package", package, "--bench", name, "--"],
            more,
        ]
        .concat(),
    )
}

/// The repository's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// Runs cargo, its output shown.
fn cargo(arguments: &[&str]) -> Result<(), String> {
    run("cargo", arguments, &[])
}

/// Runs a program in the repository's folder, its output shown.
fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    eprintln!("+ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} {} failed", arguments.join(" ")))
    }
}
