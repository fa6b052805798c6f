//! The development tasks of this repository: `cargo xtask ci | tidy | citations | deny | generate | bench | soak | fuzz
//! | spire | kubernetes | dist | dev`.

#![warn(clippy::wildcard_enum_match_arm)]

mod ci;
mod citations;
mod command_line;
mod deny;
mod dist;
mod failover;
mod fuzz;
mod generate;
mod imports;
mod kubernetes;
mod leftovers;
#[cfg(test)]
mod scratch;
mod spire;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci                   what CI runs: format, lints, tidy, generated files, all tests
  tidy                 the house rules that no compiler checks
  tidy --circles [FOLDER]
                       every import circle, file by file, of this checkout or another one
  tidy --modules [FOLDER]
                       the modules of each crate with the modules that they use, each in the lowest possible layer
  citations NAME       the lines that cite a specification, by its short name
  deny                 licences, bans, sources; advisories where ADVISORY_DB names a folder with the database
  generate [--check]   writes docs/reference/ (or fails where it is out of date)
  bench [token|rules]  benchmarks; `bench token --full` adds a million first uses
  bench hostile        what refused requests cost beside good ones
  bench compare [--postgres] OLD [NEW]
                       two binaries alternating, nine pairs, the median of the ratios; over SQLite or PostgreSQL
  soak connections     10,000 silent connections of one address beside good requests, against a release build
  soak reloads         1,000 reloads under load: rules, TLS files and bundle change each time; some minutes
  soak failover        PostgreSQL fails over under load, three rounds of every fault; as root, eight minutes
  soak events          a month of a million events: filters, and their export in bounded memory
  soak install         Patroni into target/patroni, for `soak failover` and its small form among the tests
  fuzz [SECONDS]       every fuzz target for so long (default 60)
  spire install|up     builds SPIRE; runs it in the foreground with one registered workload
  kubernetes install   builds the Kubernetes API server and Helm, for the tests of the chart
  dist [binary|deb|sbom|check]
                       everything of a release into target/dist: static binary, man pages, archive, .deb, SBOM,
                       checksums;
                       `check` tries them: the container's root file system, names in a chroot, the package
  dev                  testudo dev
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["tidy", "--modules"] => tidy::print_modules(None),
        ["tidy", "--modules", folder] => tidy::print_modules(Some(folder)),
        ["tidy", "--circles"] => tidy::print_circles(None),
        ["tidy", "--circles", folder] => tidy::print_circles(Some(folder)),
        ["citations", name] => citations::print(name),
        ["deny"] => deny::run(),
        ["generate"] => generate::run(false),
        ["generate", "--check"] => generate::run(true),
        ["bench"] => {
            bench("testudo-core", "rules", &[]).and_then(|()| bench("testudo", "server", &["token"]))
        }
        ["bench", "rules"] => bench("testudo-core", "rules", &[]),
        ["bench", what @ ("token" | "hostile" | "compare"), more @ ..] => {
            bench("testudo", "server", &[&[*what], more].concat())
        }
        ["soak", "connections"] => soak("crowds::soak_"),
        ["soak", "reloads"] => soak("reload_load::soak_"),
        ["soak", "events"] => soak("event_export::soak_"),
        ["soak", "install"] => failover::install(),
        ["soak", "failover"] => failover::install().and_then(|()| soak("failover::soak_")),
        ["fuzz"] => fuzz::run(60),
        ["fuzz", seconds] => seconds
            .parse()
            .map_err(|_| "SECONDS is a number".to_owned())
            .and_then(fuzz::run),
        ["spire", "install"] => spire::install(),
        ["spire", "up"] => spire::up(),
        ["kubernetes", "install"] => kubernetes::install(),
        ["dist"] => dist::everything(),
        ["dist", "binary"] => dist::binary(),
        ["dist", "deb"] => dist::deb(),
        ["dist", "sbom"] => dist::sbom(),
        ["dist", "check"] => dist::check(),
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

/// Runs a benchmark program of a package.
fn bench(package: &str, program: &str, more: &[&str]) -> Result<(), String> {
    let cargo_words = ["bench", "--quiet", "--package", package, "--bench", program, "--"];
    cargo(&[&cargo_words, more].concat())
}

/// Runs a long test of the built binary; CI runs a short form of it.
fn soak(test: &str) -> Result<(), String> {
    let cargo_words = [
        "test",
        "--release",
        "--package",
        "testudo",
        "--test",
        "suite",
        test,
    ];
    cargo(
        &[
            &cargo_words[..],
            &["--", "--ignored", "--nocapture", "--test-threads=1"],
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
